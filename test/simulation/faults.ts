/** What can go wrong, and where. A plan of faults is asked at every point at which one can happen. */
import type { HttpAnswer } from './execution-environment';

export type HandlerName = 'producer' | 'orchestrator' | 'finalizer' | 'reconciler';

/** One HTTP request to AWS; a retry of the SDK is another one. */
export interface AwsCall {
  readonly handler: HandlerName;
  /** Which invocation of the handler, from 0. */
  readonly invocation: number;
  /** Which call of the invocation, from 0. */
  readonly index: number;
  /** When it was made, in milliseconds since 1970. */
  readonly at: number;
  readonly service: AwsService;
  /** As in the API: `UpdateItem`. */
  readonly operation: string;
}

export type AwsService = 'dynamodb' | 'codebuild' | 'sqs' | 's3' | 'events' | 'lambda';

export const CALL_FAULTS = [
  /** The invocation dies, and the call was not sent. */
  'crash before',
  /** The invocation dies, and the call has its effect. */
  'crash after',
  /** Nothing arrives and nothing comes back: the SDK's own timeout ends it. */
  'timeout before',
  /** The call has its effect; its answer does not come. */
  'timeout after',
  /** As `timeout after`, and the effect comes seconds later, when the SDK may have repeated the call. */
  'timeout late',
  /** The connection breaks before anything was sent. */
  'reset before',
  /** The call has its effect; the connection breaks before the answer. */
  'reset after',
  /** The service takes no more calls. */
  'throttle',
  /** The service fails, without an effect. */
  'error before',
  /** The service fails after the effect. */
  'error after',
  /** The answer takes almost as long as the SDK waits. */
  'slow',
] as const;

export type CallFault = typeof CALL_FAULTS[number];

/** `undeleted`: the function has handled the message, its deletion gets lost. */
export const MESSAGE_FAULTS = ['duplicate', 'delay', 'undeleted'] as const;
export type MessageFault = typeof MESSAGE_FAULTS[number];

export const EVENT_FAULTS = ['drop', 'duplicate', 'delay'] as const;
export type EventFault = typeof EVENT_FAULTS[number];

/** A copy of a message, an event that is late: within this time. */
export const LONGEST_DELAY_MS = 40 * 60_000;

export interface Faults {
  readonly onCall?: (call: AwsCall) => CallFault | undefined;
  /** Which delivery of a message to the orchestrator, from 0. */
  readonly onMessage?: (delivery: number) => MessageFault | undefined;
  /** Which event of CodeBuild, from 0. */
  readonly onBuildEvent?: (event: number) => EventFault | undefined;
  /** Which invocation of the reconciler's schedule, from 0. */
  readonly onSchedule?: (tick: number) => EventFault | undefined;
}

/** How each service says that it is asked too much. */
export function throttled(service: AwsService, operation: string): HttpAnswer {
  switch (service) {
    case 'dynamodb': return json(400, { __type: 'com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException', message: 'The level of configured provisioned throughput was exceeded' });
    case 'codebuild': return json(400, { __type: 'ThrottlingException', message: 'Rate exceeded' });
    case 'sqs': return json(400, { __type: 'com.amazonaws.sqs#RequestThrottled', message: 'Rate exceeded' });
    case 's3': return xml(503, 'SlowDown');
    case 'lambda': return json(429, { message: 'Rate exceeded' }, { 'x-amzn-errortype': 'TooManyRequestsException' });
    case 'events': return operation === 'PutEvents'
      ? json(200, { FailedEntryCount: 1, Entries: [{ ErrorCode: 'ThrottlingException', ErrorMessage: 'Rate exceeded' }] })
      : json(400, { __type: 'ThrottlingException', message: 'Rate exceeded' });
  }
}

/** How each service says that it has failed. */
export function failed(service: AwsService): HttpAnswer {
  switch (service) {
    case 'dynamodb': return json(500, { __type: 'com.amazonaws.dynamodb.v20120810#InternalServerError', message: 'Internal server error' });
    case 's3': return xml(500, 'InternalError');
    case 'lambda': return json(500, { message: 'Internal server error' }, { 'x-amzn-errortype': 'ServiceException' });
    case 'codebuild': case 'sqs': case 'events': return json(500, { __type: 'InternalFailure', message: 'Internal server error' });
  }
}

function json(status: number, body: object, headers: Record<string, string> = {}): HttpAnswer {
  return { status, headers: { 'content-type': 'application/x-amz-json-1.1', ...headers }, body: Buffer.from(JSON.stringify(body)) };
}

function xml(status: number, code: string): HttpAnswer {
  return { status, headers: { 'content-type': 'application/xml' }, body: Buffer.from(`<Error><Code>${code}</Code><Message>Simulated</Message></Error>`) };
}
