/**
 * What a function URL hands to its function, and what it makes of the answer: payload format 2.0, which HTTP APIs have as well.
 * https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html
 */
import { randomUUID } from 'node:crypto';

export interface FunctionUrlRequest {
  readonly method: string;
  /** With the query string, e.g. `/api/hello?name=world`. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer;
}

export interface FunctionUrlAnswer {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly cookies: readonly string[];
  readonly body: Buffer;
}

const FUNCTION_HOST = 'function.lambda-url.us-east-1.on.aws';

/** Every other body comes in Base64, a form as well. */
const TEXT = /^(text\/.*|application\/(.*\+)?(json|xml)|application\/javascript)$/;

export function functionUrlEvent({ body, headers: given = {}, method, path }: FunctionUrlRequest) {
  const [rawPath, rawQueryString = ''] = path.split(/\?(.*)/s);
  const { cookie, ...headers } = Object.fromEntries(Object.entries(given).map(([name, value]) => [name.toLowerCase(), value]));
  const now = new Date();
  const isBase64Encoded = Boolean(body?.length) && !TEXT.test((headers['content-type'] ?? '').split(';')[0].trim().toLowerCase());
  return {
    version: '2.0',
    routeKey: '$default',
    rawPath,
    rawQueryString,
    ...(cookie === undefined ? {} : { cookies: cookie.split(/;\s*/) }),
    headers: { 'host': FUNCTION_HOST, 'x-forwarded-proto': 'https', ...headers },
    ...(rawQueryString === '' ? {} : { queryStringParameters: queryStringParameters(rawQueryString) }),
    requestContext: {
      accountId: 'anonymous',
      apiId: 'function',
      domainName: FUNCTION_HOST,
      domainPrefix: 'function',
      http: { method, path: rawPath, protocol: 'HTTP/1.1', sourceIp: '127.0.0.1', userAgent: headers['user-agent'] ?? 'local-run' },
      requestId: randomUUID(),
      routeKey: '$default',
      stage: '$default',
      time: now.toUTCString(),
      timeEpoch: now.getTime(),
    },
    ...(body?.length ? { body: body.toString(isBase64Encoded ? 'base64' : 'utf8') } : {}),
    isBase64Encoded,
  };
}

/** Without a status code the result itself is the body, as JSON. */
export function functionUrlAnswer(result: unknown): FunctionUrlAnswer {
  if (typeof result !== 'object' || result === null || !('statusCode' in result)) {
    const body = typeof result === 'string' ? result : JSON.stringify(result) ?? '';
    return { status: 200, headers: { 'content-type': 'application/json' }, cookies: [], body: Buffer.from(body) };
  }
  const { statusCode, headers = {}, cookies = [], body = '', isBase64Encoded = false } = result as {
    statusCode: number;
    headers?: Record<string, string | number | boolean>;
    cookies?: string[];
    body?: string;
    isBase64Encoded?: boolean;
  };
  return {
    status: Number(statusCode),
    headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), String(value)])),
    cookies,
    body: Buffer.from(body, isBase64Encoded ? 'base64' : 'utf8'),
  };
}

function queryStringParameters(rawQueryString: string): Record<string, string> {
  const parameters = new URLSearchParams(rawQueryString);
  return Object.fromEntries([...parameters.keys()].map((name) => [name, parameters.getAll(name).join(',')]));
}
