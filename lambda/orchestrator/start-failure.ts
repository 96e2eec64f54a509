import type { FailureCode } from '../../src/contract/failure-codes';

/** What to do with a request whose build was not started. Pure: the handler acts on it. */
export type StartFailureDecision =
  /** CodeBuild has no room, which is no failure: the request waits, and for a while CodeBuild is not asked for every request that waits. */
  | { readonly action: 'wait'; readonly askAgainSeconds: number }
  /** No build was started. The message stays, invisible for this long; each try uses up one of its receives. */
  | { readonly action: 'retry'; readonly visibilitySeconds: number }
  /** Nobody knows whether a build was started: as retry, but the claim stays, and the next try looks for the build first. */
  | { readonly action: 'find-out'; readonly visibilitySeconds: number }
  /** The deployment has failed; the message goes to the dead-letter queue. */
  | { readonly action: 'fail' };

export interface StartFailure {
  readonly errorName: string;
  readonly errorMessage: string;
  /** Of CodeBuild's answer; undefined if there was none. */
  readonly httpStatus?: number;
  readonly receiveCount: number;
  readonly maxReceiveCount: number;
}

/** The account runs or queues as many builds as it may. It passes when builds end; their ends call the next, so this is only a precaution. */
const ASK_AGAIN_SECONDS = 60;
const CAPACITY_ERROR = 'AccountLimitExceededException';

/** The account makes as many calls as it may: AWS counts them by the second. */
const THROTTLED_SECONDS = 10;
const THROTTLING_ERRORS = new Set(['ThrottlingException', 'Throttling', 'TooManyRequestsException', 'RequestLimitExceeded']);

/** These will be answered the same way a minute from now; waiting only delays the news. */
const PERMANENT_ERRORS = new Set(['InvalidInputException', 'ResourceNotFoundException', 'AccountSuspendedException']);

/** There is a build of this deployment, started with other presigned URLs: an earlier call has come through after all. */
const SAME_TOKEN = /idempotency|parameter mismatch/i;

/** A small build lasts a minute or two; SQS delays a message by at most 900 seconds. */
const FIRST_WAIT_SECONDS = 30;
const LONGEST_WAIT_SECONDS = 900;

/** Long enough for a disturbance to pass, short enough that StartBuild's idempotency token (5 minutes) still covers the next try. */
const FIRST_RETRY_SECONDS = 60;
const LONGEST_RETRY_SECONDS = 240;

/** The dead-letter queue is reached by receives, not by a call: one second each, and it is there at once. */
export const NO_USE_WAITING_SECONDS = 1;

export function decideStartFailure(failure: StartFailure, random: () => number = Math.random): StartFailureDecision {
  if (failure.errorName === CAPACITY_ERROR) return { action: 'wait', askAgainSeconds: jittered(ASK_AGAIN_SECONDS, random) };
  if (THROTTLING_ERRORS.has(failure.errorName)) return { action: 'wait', askAgainSeconds: jittered(THROTTLED_SECONDS, random) };
  const refused = !SAME_TOKEN.test(failure.errorMessage) && failure.httpStatus !== undefined && failure.httpStatus >= 400 && failure.httpStatus < 500;
  if (!refused) return { action: 'find-out', visibilitySeconds: retrySeconds(failure.receiveCount, random) };
  if (failure.receiveCount >= failure.maxReceiveCount) return { action: 'fail' };
  return { action: 'retry', visibilitySeconds: PERMANENT_ERRORS.has(failure.errorName) ? NO_USE_WAITING_SECONDS : retrySeconds(failure.receiveCount, random) };
}

export type WaitDecision =
  | { readonly action: 'put-back'; readonly delaySeconds: number }
  | { readonly action: 'fail'; readonly failureCode: FailureCode };

/** How long a request that waits stays out of sight: the longer it has waited, the longer. It may wait as long as SQS would keep its message. */
export function decideWait(wait: { requeues: number; waitedSeconds: number; retentionSeconds: number }, random: () => number = Math.random): WaitDecision {
  if (wait.waitedSeconds >= wait.retentionSeconds) return { action: 'fail', failureCode: 'NO_CAPACITY' };
  return { action: 'put-back', delaySeconds: growing(FIRST_WAIT_SECONDS, wait.requeues, LONGEST_WAIT_SECONDS, random) };
}

/** Until a message whose handling was disturbed is delivered again. */
export function retrySeconds(receiveCount: number, random: () => number = Math.random): number {
  return growing(FIRST_RETRY_SECONDS, receiveCount - 1, LONGEST_RETRY_SECONDS, random);
}

function growing(first: number, times: number, longest: number, random: () => number): number {
  return jittered(Math.min(longest, first * 2 ** times), random);
}

/** Over the upper half, so that requests that were turned away together do not come back together. */
function jittered(seconds: number, random: () => number): number {
  return Math.round(seconds * (0.5 + random() / 2));
}
