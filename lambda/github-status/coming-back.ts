/** When a message comes back that could not be dealt with: the queue is the memory of what is still to be told, its visibility timeout the wait. */
import { ChangeMessageVisibilityCommand, type SQSClient } from '@aws-sdk/client-sqs';
import type { SQSRecord } from 'aws-lambda';
import { PassingTrouble } from '../shared/host-problem';
import { logger } from '../shared/logger';

/** Seconds. A host that is restarted is back within the first, one that is down is not asked more than four times an hour. */
const FIRST_WAIT = 30;
const LONGEST_WAIT = 900;

/** GitHub counts by the hour, and the next one begins within it. Whoever says more than that is not believed: news gets old. */
export const LONGEST_LIMIT = 3_600;

/** Seconds: what the host has said, or longer each time. */
export function waitSeconds(error: unknown, receiveCount: number, now: number): number {
  const problems: unknown[] = error instanceof AggregateError ? error.errors : [error];
  const said = problems.flatMap((problem) => (problem instanceof PassingTrouble && problem.askAgainAt !== undefined ? [problem.askAgainAt] : []));
  // All have said so. If one has not, it has trouble of another kind, which wants its wait.
  const least = said.length === problems.length ? 1 : Math.min(FIRST_WAIT * 2 ** Math.min(receiveCount - 1, 10), LONGEST_WAIT);
  return Math.max(least, ...said.map((moment) => Math.min(Math.ceil((moment - now) / 1000), LONGEST_LIMIT)));
}

export async function comeBackAfter(sqs: SQSClient, queueUrl: string, message: SQSRecord, seconds: number): Promise<void> {
  try {
    await sqs.send(new ChangeMessageVisibilityCommand({ QueueUrl: queueUrl, ReceiptHandle: message.receiptHandle, VisibilityTimeout: seconds }));
  } catch (error) {
    // Then the queue's own visibility timeout decides when the message comes back: later, but not lost.
    logger.warn('Visibility of the message was not changed', { error: error as Error });
  }
}
