/**
 * What the embedded AWS services share: how a call is reported for authorisation, and how they speak HTTP on 127.0.0.1.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** One permission that AWS would check for a request, reported before the service acts on it. */
export interface ApiCall {
  /** Endpoint prefix as in IAM: `s3`, `sqs`, `codebuild`, `events`. */
  readonly service: string;
  /** IAM action, e.g. `s3:PutObject`. */
  readonly action: string;
  /** ARN of what the action is on. */
  readonly resource: string;
  /** Of whoever has signed the request, in the header or in a presigned query. Missing: an anonymous call. */
  readonly accessKeyId?: string;
  /** Condition keys, e.g. `s3:prefix`. */
  readonly context?: Readonly<Record<string, string | readonly string[]>>;
  /** Of the API, where several share an action, e.g. `UploadPart`. */
  readonly operation?: string;
  /** Only decides what the answer says: that it is refused is no failure of the caller's. */
  readonly probe?: boolean;
}

/** Throws AccessDeniedError to refuse the call; any other error is an internal error of the service. */
export type OnCall = (call: ApiCall) => void | Promise<void>;

/** Refuses a call: each service answers it in its own error format. */
export class AccessDeniedError extends Error {
  readonly name = 'AccessDeniedError';
}

export class BodyTooLargeError extends Error {
  readonly name = 'BodyTooLargeError';
}

/**
 * The whole body. For bodies that are documents (JSON, XML), not for objects: they would fill the memory. One that is too large is
 * read to its end all the same, and dropped: what is left of it would stand before the next request of the connection.
 */
export async function readBody(request: AsyncIterable<Buffer>, limit: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size <= limit) chunks.push(chunk);
  }
  if (size > limit) {
    throw new BodyTooLargeError(`The request body is larger than ${limit} bytes.`);
  }
  return Buffer.concat(chunks);
}

export function send(response: ServerResponse, status: number, headers: Record<string, string>, body: string | Buffer = ''): void {
  response.writeHead(status, { ...headers, 'content-length': String(Buffer.byteLength(body)) });
  response.end(body);
}

export interface Listener {
  /** `http://127.0.0.1:<port>`, without a slash at the end. */
  readonly endpoint: string;
  /** Lets running requests end for a moment, then cuts every connection. */
  close(): Promise<void>;
}

/** Long enough for a running request, short enough for somebody who pressed Ctrl-C. */
const CLOSE_GRACE_MS = 1000;

/** Longer than any client keeps an idle connection, so that none sends on a connection that the server is just closing. */
const KEEP_ALIVE_MS = 75_000;

/**
 * Starts an HTTP server on a free port of 127.0.0.1. The handler answers its own errors in its service's format; what it
 * throws all the same becomes a 500 without a body, or a cut connection when the answer has already begun.
 */
export async function listen(handler: (request: IncomingMessage, response: ServerResponse) => Promise<void>): Promise<Listener> {
  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, (request, response) => {
    handler(request, response).catch((error: unknown) => {
      if (response.headersSent) {
        response.destroy();
      } else if (!response.destroyed) {
        console.error(error);
        send(response, 500, {});
      }
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  let closed: Promise<void> | undefined;
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => closed ??= new Promise<void>((resolve) => {
      // A connection that was busy when close() began becomes idle later, and would hold the server open.
      const idle = setInterval(() => server.closeIdleConnections(), 20);
      const grace = setTimeout(() => server.closeAllConnections(), CLOSE_GRACE_MS);
      server.close(() => {
        clearInterval(idle);
        clearTimeout(grace);
        resolve();
      });
    }),
  };
}
