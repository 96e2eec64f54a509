/**
 * A function URL on 127.0.0.1. Whoever calls needs both rights that Lambda asks for, to call the URL and to invoke the function through it: with
 * the authentication NONE the function's own policy must give them to everybody, with AWS_IAM the caller signs.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { AccessDeniedError, BodyTooLargeError, listen, readBody, send, type Listener, type OnCall } from '../service';
import { authenticate, SignatureError, type SecretOf } from '../sigv4';
import { functionUrlAnswer, functionUrlEvent } from './function-url-payload';
import type { LambdaFunction } from './lambda-function';

export interface FunctionUrlOptions {
  readonly function: Pick<LambdaFunction, 'arn' | 'invoke' | 'name'>;
  readonly authType: 'NONE' | 'AWS_IAM';
  readonly region: string;
  readonly onCall?: OnCall;
  readonly secretOf?: SecretOf;
  readonly onInvoke?: (functionName: string) => void;
}

/** Lambda's limit for an event. */
const MAX_BODY_BYTES = 6 * 1_048_576;

export async function startFunctionUrl(options: FunctionUrlOptions): Promise<Listener> {
  return listen(async (request, response) => {
    try {
      await serve(options, request, response);
    } catch (error) {
      const refusal = refusalFor(error);
      // The client has gone before its request was complete.
      if (!refusal && request.destroyed && !request.complete) return;
      if (!refusal) throw error;
      send(response, refusal.status, { 'content-type': 'application/json' }, JSON.stringify({ Message: refusal.message }));
    }
  });
}

async function serve(options: FunctionUrlOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { authType, function: fn, onCall, onInvoke, region, secretOf } = options;
  const body = await readBody(request, MAX_BODY_BYTES);
  const caller = authType === 'AWS_IAM' ? await authenticate(request, { service: 'lambda', region, secretOf }, body) : undefined;
  const call = { service: 'lambda', resource: fn.arn, accessKeyId: caller?.accessKeyId };
  await onCall?.({ ...call, action: 'lambda:InvokeFunctionUrl', context: { 'lambda:FunctionUrlAuthType': authType } });
  await onCall?.({ ...call, action: 'lambda:InvokeFunction', context: { 'lambda:InvokedViaFunctionUrl': 'true' } });
  onInvoke?.(fn.name);
  const event = functionUrlEvent({ method: request.method ?? 'GET', path: request.url ?? '/', headers: headersOf(request), body });
  const result = await fn.invoke(event).catch(() => ({
    // What the function threw is in its log, and nobody else's business.
    statusCode: 502, headers: { 'content-type': 'application/json' }, body: JSON.stringify({ Message: 'Internal Server Error' }),
  }));
  if (response.destroyed) return;
  const answer = functionUrlAnswer(result);
  answer.cookies.forEach((cookie) => response.appendHeader('set-cookie', cookie));
  send(response, answer.status, { ...answer.headers }, answer.body);
}

/** A header that came several times is one, its values separated by commas. */
function headersOf({ headers }: IncomingMessage): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value].flat().join(',')]));
}

function refusalFor(error: unknown): { status: number; message: string } | undefined {
  if (error instanceof AccessDeniedError || error instanceof SignatureError) return { status: 403, message: 'Forbidden' };
  return error instanceof BodyTooLargeError ? { status: 413, message: `Request must be smaller than ${MAX_BODY_BYTES} bytes` } : undefined;
}
