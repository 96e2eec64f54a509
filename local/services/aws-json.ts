/**
 * The AWS JSON protocols 1.0 and 1.1, which SQS and EventBridge speak: POST /, the operation in X-Amz-Target, a JSON document
 * both ways, errors as `__type` and `message`.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { AccessDeniedError, BodyTooLargeError, readBody, send } from './service';
import { authenticate, SignatureError, type Authentication, type SignatureProblem } from './sigv4';

export type JsonObject = Record<string, unknown>;

/** An error that the service answers on purpose. */
export class AwsJsonError extends Error {
  /**
   * @param type the `__type` of the answer; SDKs read the part after `#`
   * @param queryCode the older name that services with an awsQueryCompatible protocol (SQS) still send in a header
   */
  constructor(readonly type: string, message: string, readonly queryCode?: string, readonly status = 400) {
    super(message);
  }
}

export interface AwsJsonProtocol {
  /** What stands before the dot in X-Amz-Target, e.g. `AmazonSQS`. */
  readonly targetPrefix: string;
  readonly version: '1.0' | '1.1';
  /** Largest request body in bytes. */
  readonly bodyLimit: number;
  /** Missing: nobody asks who calls. */
  readonly authentication?: Authentication;
}

/** Answers one request with what `handle` returns for its operation, its input and the access key of whoever has signed it. */
export async function serveAwsJson(
  protocol: AwsJsonProtocol,
  request: IncomingMessage,
  response: ServerResponse,
  handle: (operation: string, input: JsonObject, accessKeyId?: string) => Promise<object>,
): Promise<void> {
  const headers = { 'content-type': `application/x-amz-json-${protocol.version}`, 'x-amzn-requestid': crypto.randomUUID() };
  try {
    const operation = operationOf(protocol, request);
    const body = await readBody(request, protocol.bodyLimit);
    const caller = protocol.authentication && await authenticate(request, protocol.authentication, body);
    const output = await handle(operation, parseInput(body), caller?.accessKeyId);
    if (!response.destroyed) {
      send(response, 200, headers, JSON.stringify(output));
    }
  } catch (error) {
    const known = asAwsJsonError(error);
    if (known === undefined) {
      throw error;
    }
    const queryError: Record<string, string> = known.queryCode === undefined ? {} : { 'x-amzn-query-error': `${known.queryCode};Sender` };
    if (!response.destroyed) {
      send(response, known.status, { ...headers, ...queryError }, JSON.stringify({ __type: known.type, message: known.message }));
    }
  }
}

function operationOf(protocol: AwsJsonProtocol, request: IncomingMessage): string {
  const [prefix, operation] = String(request.headers['x-amz-target'] ?? '').split('.');
  if (request.method !== 'POST' || prefix !== protocol.targetPrefix || !operation) {
    throw new AwsJsonError(
      'com.amazon.coral.service#UnknownOperationException',
      `Expected POST with the header X-Amz-Target: ${protocol.targetPrefix}.<operation>, got ${request.method} with `
      + `${request.headers['x-amz-target'] ?? 'no such header'}. Use a current AWS SDK or AWS CLI; for SQS, those before November 2023 speak another protocol.`,
      'InvalidAction',
    );
  }
  return operation;
}

function parseInput(body: Buffer): JsonObject {
  try {
    const input: unknown = JSON.parse(body.toString('utf8') || '{}');
    if (typeof input === 'object' && input !== null && !Array.isArray(input)) {
      return input as JsonObject;
    }
  } catch {
    // Not JSON at all: answered like JSON that is not an object.
  }
  throw new AwsJsonError('com.amazon.coral.service#SerializationException', 'The request body is not a JSON object.', 'MalformedInput');
}

/** The JSON protocols' name for it, and the older one. */
export function signatureErrorOf(problem: SignatureProblem): [type: string, queryCode: string] {
  switch (problem) {
    case 'malformed header':
    case 'malformed query': return ['IncompleteSignatureException', 'IncompleteSignature'];
    case 'unknown key':
    case 'unknown token': return ['UnrecognizedClientException', 'InvalidClientTokenId'];
    default: return ['InvalidSignatureException', 'SignatureDoesNotMatch'];
  }
}

function asAwsJsonError(error: unknown): AwsJsonError | undefined {
  if (error instanceof AwsJsonError) {
    return error;
  }
  if (error instanceof AccessDeniedError) {
    return new AwsJsonError('com.amazon.coral.service#AccessDeniedException', error.message, 'AccessDenied', 403);
  }
  if (error instanceof SignatureError) {
    const [type, queryCode] = signatureErrorOf(error.problem);
    return new AwsJsonError(`com.amazon.coral.service#${type}`, error.message, queryCode);
  }
  if (error instanceof BodyTooLargeError) {
    return new AwsJsonError('com.amazon.coral.service#RequestEntityTooLargeException', error.message, 'RequestEntityTooLarge', 413);
  }
  return undefined;
}
