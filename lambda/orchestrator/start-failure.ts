/** What to do with a request whose build was not started. Pure: the handler acts on it. */
export type StartFailureDecision =
  /** Waiting for capacity is no failure: a copy of the message waits in the queue, and no receive is used up. */
  | { readonly action: 'requeue'; readonly delaySeconds: number }
  /** The message stays, invisible for this long. Each try uses up one of its receives. */
  | { readonly action: 'retry'; readonly visibilitySeconds: number }
  /** The deployment has failed; the message goes to the dead-letter queue. */
  | { readonly action: 'fail'; readonly visibilitySeconds: number };

export interface StartFailure {
  readonly errorName: string;
  readonly receiveCount: number;
  readonly maxReceiveCount: number;
  /** How often the request was put back already for want of capacity. */
  readonly requeues: number;
  /** Since the request was first sent, and how long the platform lets a message wait at all. */
  readonly waitedSeconds: number;
  readonly retentionSeconds: number;
}

/** The account runs or queues as many builds, or takes as many calls, as it may. It passes when builds end. */
const CAPACITY_ERRORS = new Set(['AccountLimitExceededException', 'ThrottlingException', 'Throttling', 'TooManyRequestsException', 'RequestLimitExceeded']);

/** These will be answered the same way a minute from now; waiting only delays the news. */
const PERMANENT_ERRORS = new Set(['InvalidInputException', 'ResourceNotFoundException', 'AccountSuspendedException']);

/** A small build lasts a minute or two; SQS delays a message by at most 900 seconds. */
const FIRST_REQUEUE_SECONDS = 30;
const LONGEST_REQUEUE_SECONDS = 900;

/** Long enough for a disturbance to pass, short enough that StartBuild's idempotency token (5 minutes) still covers the next try. */
const FIRST_RETRY_SECONDS = 60;
const LONGEST_RETRY_SECONDS = 240;

/** The dead-letter queue is reached by receives, not by a call: one second each, and it is there at once. */
export const NO_USE_WAITING_SECONDS = 1;

export function decideStartFailure(failure: StartFailure, random: () => number = Math.random): StartFailureDecision {
  if (CAPACITY_ERRORS.has(failure.errorName)) {
    return failure.waitedSeconds < failure.retentionSeconds
      ? { action: 'requeue', delaySeconds: growing(FIRST_REQUEUE_SECONDS, failure.requeues, LONGEST_REQUEUE_SECONDS, random) }
      : { action: 'fail', visibilitySeconds: NO_USE_WAITING_SECONDS };
  }
  if (failure.receiveCount >= failure.maxReceiveCount) return { action: 'fail', visibilitySeconds: NO_USE_WAITING_SECONDS };
  if (PERMANENT_ERRORS.has(failure.errorName)) return { action: 'retry', visibilitySeconds: NO_USE_WAITING_SECONDS };
  return { action: 'retry', visibilitySeconds: retrySeconds(failure.receiveCount, random) };
}

/** Until a message whose handling was disturbed is delivered again. */
export function retrySeconds(receiveCount: number, random: () => number = Math.random): number {
  return growing(FIRST_RETRY_SECONDS, receiveCount - 1, LONGEST_RETRY_SECONDS, random);
}

/** Jitter over the upper half, so that requests that were turned away together do not come back together. */
function growing(first: number, times: number, longest: number, random: () => number): number {
  return Math.round(Math.min(longest, first * 2 ** times) * (0.5 + random() / 2));
}
