/** One S3 request: what it asks for, who may have it, and how it is answered. */
import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { AccessDeniedError, BodyTooLargeError, readBody, send, type ApiCall, type OnCall } from '../service';
import { queryOf, SignatureError, type Caller } from '../sigv4';
import { RequestContent, type Headers } from './body';
import type { ChecksumAlgorithm } from './checksums';
import { noSuchBucket, noSuchKey, S3Error, signatureError } from './errors';
import type { ObjectStore } from './object-store';
import type { UploadStore } from './upload-store';
import { xmlDocument, type XmlNode } from './xml';

export interface Stores {
  readonly objects: ObjectStore;
  readonly uploads: UploadStore;
  readonly onCall?: OnCall;
}

/** Holds the 1,000 keys of 1,024 bytes that DeleteObjects may name, and the 10,000 parts of CompleteMultipartUpload. */
const MAX_DOCUMENT_BYTES = 8 * 1024 ** 2;

export class S3Request {
  readonly id = requestId();
  readonly method: string;
  readonly bucket: string;
  readonly key: string;
  readonly query: URLSearchParams;
  readonly headers: Headers;
  readonly objects: ObjectStore;
  readonly uploads: UploadStore;

  /** `caller`: missing, if the request is anonymous. */
  constructor(readonly incoming: IncomingMessage, readonly response: ServerResponse, private readonly stores: Stores, private readonly caller?: Caller) {
    this.objects = stores.objects;
    this.uploads = stores.uploads;
    this.method = incoming.method ?? '';
    // Not `new URL`, which would resolve the `..` that a key may contain.
    const [path] = (incoming.url ?? '/').split('?', 1);
    this.query = queryOf(incoming.url ?? '');
    const [, bucket, key = ''] = /^\/([^/]*)(?:\/([\s\S]*))?$/.exec(path) ?? ['', ''];
    this.bucket = decodeUri(bucket);
    this.key = decodeUri(key);
    // A presigned URL may carry in its query what would be a header.
    const hoisted = [...this.query].filter(([name]) => /^x-amz-(?!algorithm$|credential$|date$|expires$|signedheaders$|signature$)/i.test(name));
    this.headers = {
      ...Object.fromEntries(hoisted.map(([name, value]) => [name.toLowerCase(), value])),
      ...Object.fromEntries(Object.entries(incoming.headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(',') : value])),
    };
  }

  /** Lets the caller of `startS3` refuse. Without names: on the request's own bucket or object. */
  async authorize(
    action: string, on: { bucket?: string; key?: string } = this, more: Pick<ApiCall, 'context' | 'operation' | 'probe'> = {},
  ): Promise<void> {
    await this.stores.onCall?.({
      service: 's3',
      action: `s3:${action}`,
      resource: on.bucket ? `arn:aws:s3:::${on.bucket}${on.key ? `/${on.key}` : ''}` : '*',
      accessKeyId: this.caller?.accessKeyId,
      ...more,
    });
  }

  requireBucket(bucket = this.bucket): void {
    if (!this.objects.hasBucket(bucket)) {
      throw noSuchBucket(bucket);
    }
  }

  /** S3 tells only those who may list a bucket that a key is missing; the others get AccessDenied. */
  async refuseMissing({ bucket, key }: { bucket: string; key: string } = this): Promise<never> {
    await this.authorize('ListBucket', { bucket }, { probe: true });
    throw noSuchKey(key);
  }

  /** The body. `algorithm`: of the checksum that is computed when the client sends none. */
  content(algorithm?: ChecksumAlgorithm, headers = this.headers): RequestContent {
    return new RequestContent(this.incoming, headers, { algorithm, caller: this.caller });
  }

  /** The whole body, verified, of a request whose body is an XML document. */
  async document(headers = this.headers): Promise<string> {
    try {
      return (await readBody(this.content(undefined, headers), MAX_DOCUMENT_BYTES)).toString('utf8');
    } catch (error) {
      throw error instanceof BodyTooLargeError ? new S3Error(400, 'MaxMessageLengthExceeded', 'Your request was too big') : error;
    }
  }

  reply(status: number, headers: Record<string, string> = {}): void {
    send(this.response, status, { 'x-amz-request-id': this.id, ...headers });
  }

  replyXml(root: string, content: XmlNode | string, headers: Record<string, string> = {}): void {
    send(this.response, 200, { 'x-amz-request-id': this.id, 'content-type': 'application/xml', ...headers }, xmlDocument(root, content));
  }
}

const requestId = (): string => randomBytes(8).toString('hex').toUpperCase();

export function replyError(incoming: IncomingMessage, response: ServerResponse, error: unknown): void {
  const { status, code, message, details } = asS3Error(error);
  const id = requestId();
  // What is left of a refused upload must be read before the connection can serve the next request.
  incoming.resume();
  if (response.headersSent || response.destroyed) {
    response.destroy();
  } else if (incoming.method === 'HEAD' || status === 304) {
    response.writeHead(status, { 'x-amz-request-id': id }).end();
  } else {
    const body = { Code: code, Message: message, ...details, Resource: (incoming.url ?? '').split('?')[0], RequestId: id };
    send(response, status, { 'x-amz-request-id': id, 'content-type': 'application/xml' }, xmlDocument('Error', body, false));
  }
}

export function asS3Error(error: unknown): S3Error {
  if (error instanceof S3Error) {
    return error;
  }
  if (error instanceof SignatureError) {
    return signatureError(error);
  }
  if (error instanceof AccessDeniedError) {
    return new S3Error(403, 'AccessDenied', error.message);
  }
  switch ((error as NodeJS.ErrnoException).code) {
    case 'ENAMETOOLONG':
      return new S3Error(400, 'KeyTooLongError', 'This machine\'s file system cannot hold a path as long as this key.');
    case 'ECONNRESET':
    case 'ERR_STREAM_PREMATURE_CLOSE':
      return new S3Error(400, 'RequestTimeout', 'The connection was closed before the request was complete.');
    default:
      console.error(error);
      return new S3Error(500, 'InternalError', `The local S3 failed: ${String(error)}`);
  }
}

export function decodeUri(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new S3Error(400, 'InvalidURI', 'Couldn\'t parse the specified URI.', { URI: text });
  }
}
