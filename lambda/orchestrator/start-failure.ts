/** What to do with a request whose build could not be started. Pure: the handler acts on it. */
export interface RetryDecision {
  /** How long the message stays invisible before its next delivery. */
  readonly visibilitySeconds: number;
  /** This was the last delivery: SQS moves the message to the dead-letter queue next. */
  readonly lastDelivery: boolean;
}

/** These will be answered the same way a minute from now; waiting only delays the news. */
const PERMANENT_ERRORS = new Set(['InvalidInputException', 'ResourceNotFoundException', 'AccountSuspendedException']);

/** Long enough for a burst of throttling to pass, short enough that StartBuild's idempotency token (5 minutes) still covers the next try. */
const FIRST_RETRY_SECONDS = 60;
const LONGEST_RETRY_SECONDS = 240;

/** The dead-letter queue is reached by receives, not by a call: one second each, and it is there at once. */
const NO_USE_WAITING_SECONDS = 1;

export function decideRetry(failure: { errorName: string; receiveCount: number; maxReceiveCount: number }, random: () => number = Math.random): RetryDecision {
  const lastDelivery = failure.receiveCount >= failure.maxReceiveCount;
  if (lastDelivery || PERMANENT_ERRORS.has(failure.errorName)) {
    return { visibilitySeconds: NO_USE_WAITING_SECONDS, lastDelivery };
  }
  const longest = Math.min(LONGEST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2 ** (failure.receiveCount - 1));
  // Jitter over the upper half, so that a burst of requests that were throttled together does not come back together.
  return { visibilitySeconds: Math.round(longest * (0.5 + random() / 2)), lastDelivery };
}
