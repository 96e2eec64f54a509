/**
 * Lambda's Invoke on 127.0.0.1: the functions of this run, by name or ARN, synchronously, asynchronously with Lambda's retries, or
 * only asked whether it would be allowed (DryRun). X-Amz-Log-Type and X-Amz-Client-Context have no effect.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { signatureErrorOf } from '../aws-json';
import { AccessDeniedError, BodyTooLargeError, listen, readBody, send, type Listener, type OnCall } from '../service';
import { authenticate, SignatureError, type SecretOf } from '../sigv4';
import { LambdaInvocationError, type LambdaFunction } from './lambda-function';

export interface LambdaApiOptions {
  readonly accountId: string;
  readonly region: string;
  /** By ARN; looked into at each call. */
  readonly functions: ReadonlyMap<string, Pick<LambdaFunction, 'name' | 'invoke' | 'invokeAsync'>>;
  readonly onCall?: OnCall;
  readonly secretOf?: SecretOf;
  readonly onInvoke?: (functionName: string) => void;
  /** Told of asynchronous events that got lost; by default standard error. */
  readonly onLog?: (line: string) => void;
}

class LambdaError extends Error {
  constructor(readonly status: number, readonly type: string, message: string) {
    super(message);
  }
}

const INVOKE_PATH = /^\/2015-03-31\/functions\/([^/]+)\/invocations$/;

/** A name, `<account>:function:<name>` or a whole ARN; a version or an alias may follow. */
const FUNCTION_NAME = /^(?:(arn:[^:]+:lambda:[^:]+:\d{12}|\d{12}):function:)?([\w-]+)(?::([\w$-]+))?$/;

/** Largest payload in bytes: 6 MB, and 1 MB of an event that waits in Lambda's queue. */
const PAYLOAD_LIMITS = { RequestResponse: 6 * 1_048_576, Event: 1_048_576, DryRun: 6 * 1_048_576 } as const;

type InvocationType = keyof typeof PAYLOAD_LIMITS;

const NOT_QUALIFIED = '$LATEST';

export async function startLambdaApi(options: LambdaApiOptions): Promise<Listener> {
  return listen(async (request, response) => {
    try {
      await serve(options, request, response);
    } catch (error) {
      const known = asLambdaError(error);
      if (known === undefined) throw error;
      answer(response, known.status, { 'x-amzn-errortype': known.type }, { Type: 'User', Message: known.message });
    }
  });
}

async function serve(options: LambdaApiOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const [path, query] = (request.url ?? '').split('?');
  const [, name] = INVOKE_PATH.exec(path) ?? [];
  if (request.method !== 'POST' || name === undefined) {
    throw new LambdaError(404, 'UnknownOperationException', `The local Lambda does not support ${request.method} ${path}, only POST /2015-03-31/functions/<name>/invocations.`);
  }
  const invocationType = invocationTypeOf(request);
  const { arn, qualifier } = identify(options, decodeURIComponent(name), new URLSearchParams(query).get('Qualifier') ?? undefined);
  const resource = qualifier === undefined ? arn : `${arn}:${qualifier}`;
  const body = await bodyOf(request, PAYLOAD_LIMITS[invocationType]);
  const { onCall, region, secretOf } = options;
  const caller = await authenticate(request, { service: 'lambda', region, secretOf }, body);
  // The question comes before the answer whether the function exists, as in AWS.
  await onCall?.({ service: 'lambda', action: 'lambda:InvokeFunction', resource, accessKeyId: caller?.accessKeyId });
  const fn = options.functions.get(arn);
  if (fn === undefined || (qualifier ?? NOT_QUALIFIED) !== NOT_QUALIFIED) throw new LambdaError(404, 'ResourceNotFoundException', `Function not found: ${resource}`);

  const event = eventOf(body);
  if (invocationType === 'DryRun') {
    answer(response, 204);
    return;
  }
  options.onInvoke?.(fn.name);
  if (invocationType === 'Event') {
    const { onLog = console.error } = options;
    fn.invokeAsync(event).catch((error: unknown) => onLog(`Function ${fn.name}: an event failed and could not be dead-lettered, and is lost: ${String(error)}`));
    answer(response, 202);
    return;
  }
  const { payload, failed } = await resultOf(fn, event);
  answer(response, 200, { 'x-amz-executed-version': NOT_QUALIFIED, ...(failed ? { 'x-amz-function-error': 'Unhandled' } : {}) }, payload);
}

/** What the function answers, or how it failed, in the words of Lambda. */
async function resultOf(fn: Pick<LambdaFunction, 'invoke'>, event: unknown): Promise<{ payload: unknown; failed: boolean }> {
  try {
    return { payload: await fn.invoke(event), failed: false };
  } catch (error) {
    if (!(error instanceof LambdaInvocationError)) throw error;
    const { errorType, errorMessage, trace } = error;
    return { payload: { errorType, errorMessage, ...(trace.length > 0 ? { trace } : {}) }, failed: true };
  }
}

function invocationTypeOf(request: IncomingMessage): InvocationType {
  const type = request.headers['x-amz-invocation-type'] ?? 'RequestResponse';
  if (!Object.hasOwn(PAYLOAD_LIMITS, String(type))) {
    throw invalid(`Value '${type}' at 'invocationType' failed to satisfy constraint: Member must satisfy enum value set: [${Object.keys(PAYLOAD_LIMITS).join(', ')}]`);
  }
  return type as InvocationType;
}

function identify({ accountId, region }: LambdaApiOptions, text: string, queryQualifier?: string): { arn: string; qualifier?: string } {
  const [, owner = accountId, name, qualifier = queryQualifier] = FUNCTION_NAME.exec(text) ?? [];
  if (name === undefined) throw invalid(`Value '${text}' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern: ${FUNCTION_NAME.source}`);
  return { arn: `${owner.startsWith('arn:') ? owner : `arn:aws:lambda:${region}:${owner}`}:function:${name}`, qualifier };
}

async function bodyOf(request: IncomingMessage, limit: number): Promise<Buffer> {
  try {
    return await readBody(request, limit);
  } catch (error) {
    if (!(error instanceof BodyTooLargeError)) throw error;
    throw new LambdaError(413, 'RequestTooLargeException', `Request must be smaller than ${limit} bytes for the InvokeFunction operation`);
  }
}

function eventOf(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8') || '{}') as unknown;
  } catch (error) {
    throw new LambdaError(400, 'InvalidRequestContentException', `Could not parse request body into json: ${(error as Error).message}`);
  }
}

function invalid(problem: string): LambdaError {
  return new LambdaError(400, 'ValidationException', `1 validation error detected: ${problem}`);
}

function asLambdaError(error: unknown): LambdaError | undefined {
  if (error instanceof AccessDeniedError) return new LambdaError(403, 'AccessDeniedException', error.message);
  if (error instanceof SignatureError) return new LambdaError(403, signatureErrorOf(error.problem)[0], error.message);
  if (error instanceof URIError) return invalid(`The function's name is not URL-encoded: ${error.message}`);
  return error instanceof LambdaError ? error : undefined;
}

function answer(response: ServerResponse, status: number, headers: Record<string, string> = {}, body?: unknown): void {
  if (response.destroyed) return;
  const common = { 'content-type': 'application/json', 'x-amzn-requestid': crypto.randomUUID() };
  send(response, status, { ...common, ...headers }, body === undefined ? '' : JSON.stringify(body));
}
