/** What a request says of its signature: in the Authorization header, or, if it is presigned, in its query. Nothing of it is believed yet. */
import type { IncomingMessage } from 'node:http';
import { SignatureError } from './errors';

export interface StatedSignature {
  readonly presigned: boolean;
  readonly accessKeyId: string;
  readonly region: string;
  readonly service: string;
  readonly signedAt: Date;
  /** In seconds, of a presigned URL. */
  readonly expires?: number;
  /** In lower case. */
  readonly signedHeaders: readonly string[];
  readonly sessionToken?: string;
  /** 64 hex digits. */
  readonly value: string;
}

const ALGORITHM = 'AWS4-HMAC-SHA256';
const AUTHORIZATION = new RegExp(`^${ALGORITHM} +Credential=([^\\s,]+), *SignedHeaders=([^\\s,]+), *Signature=([0-9a-f]{64})$`);
const CREDENTIAL = /^([^/]+)\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request$/;
const LONG_DATE = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/;

/** A week: AWS signs and honours no more. */
const MAX_EXPIRES_SECONDS = 604_800;

/** `undefined`: the request is anonymous. */
export function statedSignature({ headers, url = '' }: Pick<IncomingMessage, 'headers' | 'url'>): StatedSignature | undefined {
  const query = queryOf(url);
  const presigned = ['X-Amz-Algorithm', 'X-Amz-Credential', 'X-Amz-Signature'].some((name) => query.has(name));
  if (headers.authorization !== undefined && presigned) throw malformedHeader('Only one auth mechanism is allowed: the Authorization header, or the query of a presigned URL.');
  if (presigned) return fromQuery(query);
  return headers.authorization === undefined ? undefined : fromHeader(headers.authorization, headers);
}

export function queryOf(url: string): URLSearchParams {
  const mark = url.indexOf('?');
  return new URLSearchParams(mark < 0 ? '' : url.slice(mark + 1));
}

function fromHeader(authorization: string, headers: IncomingMessage['headers']): StatedSignature {
  const [, credential, signedHeaders, value] = AUTHORIZATION.exec(authorization) ?? [];
  if (credential === undefined) {
    throw malformedHeader(`The authorization header is malformed; expected "${ALGORITHM} Credential=…, SignedHeaders=…, Signature=…".`);
  }
  const token = headers['x-amz-security-token'];
  return {
    presigned: false,
    ...scopeOf(credential, String(headers['x-amz-date'] ?? ''), malformedHeader),
    signedHeaders: signedHeaders.split(';'),
    ...token === undefined ? {} : { sessionToken: String(token) },
    value,
  };
}

function fromQuery(query: URLSearchParams): StatedSignature {
  const parameter = (name: string) => query.get(name) ?? '';
  const [expires, value] = [parameter('X-Amz-Expires'), parameter('X-Amz-Signature')];
  if (parameter('X-Amz-Algorithm') !== ALGORITHM) throw malformedQuery(`X-Amz-Algorithm only supports "${ALGORITHM}".`);
  if (!/^\d{1,9}$/.test(expires) || Number(expires) > MAX_EXPIRES_SECONDS) throw malformedQuery(`X-Amz-Expires must be a number between 0 and ${MAX_EXPIRES_SECONDS} seconds.`);
  if (!/^[0-9a-f]{64}$/.test(value)) throw malformedQuery('X-Amz-Signature must be 64 hex digits.');
  const token = query.get('X-Amz-Security-Token');
  return {
    presigned: true,
    ...scopeOf(parameter('X-Amz-Credential'), parameter('X-Amz-Date'), malformedQuery),
    expires: Number(expires),
    signedHeaders: parameter('X-Amz-SignedHeaders').split(';'),
    ...token === null ? {} : { sessionToken: token },
    value,
  };
}

type Scope = Pick<StatedSignature, 'accessKeyId' | 'region' | 'service' | 'signedAt'>;

function scopeOf(credential: string, longDate: string, malformed: (message: string) => SignatureError): Scope {
  const [, year, month, day, hour, minute, second] = LONG_DATE.exec(longDate) ?? [];
  if (year === undefined) throw malformed('X-Amz-Date must be in the ISO8601 Long Format "yyyyMMdd\'T\'HHmmss\'Z\'".');
  const [, accessKeyId, scopeDay, region, service] = CREDENTIAL.exec(credential) ?? [];
  if (accessKeyId === undefined) throw malformed('The Credential is malformed; expected "<access key id>/<yyyyMMdd>/<region>/<service>/aws4_request".');
  if (scopeDay !== longDate.slice(0, 8)) throw malformed(`The Credential is of ${scopeDay}, X-Amz-Date of ${longDate.slice(0, 8)}; expected the same day.`);
  const signedAt = new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  if (Number.isNaN(signedAt.getTime())) throw malformed(`X-Amz-Date is ${longDate}, which is no time.`);
  return { accessKeyId, region, service, signedAt };
}

function malformedHeader(message: string): SignatureError {
  return new SignatureError('malformed header', message);
}

function malformedQuery(message: string): SignatureError {
  return new SignatureError('malformed query', message);
}
