import { SendMessageCommand, type SQSClient } from '@aws-sdk/client-sqs';
import type { RecordedRequest } from '../../src/contract/build-request';
import { PUSH_SKIPPED, type PushSkippedDetail } from '../../src/contract/github-status';
import { attempt } from '../shared/attempt';

/** SQS takes some 20 ms. Whoever waits for the answer waits no longer for the sake of a mark beside a commit. */
const SEND_WITHIN_MS = 1_000;

/**
 * Tells whoever tells GitHub of pushes to a deployed branch that make no deployment: who pushed sees why at the commit, and a check that the
 * branch's protection asks for is not missing. Pushes to branches that the project does not deploy are no news.
 */
export class SkippedPushes {
  constructor(private readonly sqs: SQSClient, private readonly statusQueueUrl: string | undefined) {}

  public async tell({ commitSha, projectId, repoUrl }: RecordedRequest, why: string): Promise<void> {
    if (!this.statusQueueUrl) return;
    const detail: PushSkippedDetail = { projectId, commitSha, repoUrl, reason: `Nothing was deployed, because ${why}.` };
    const message = { 'detail-type': PUSH_SKIPPED, 'time': new Date().toISOString(), 'detail': detail };
    const command = new SendMessageCommand({ QueueUrl: this.statusQueueUrl, MessageBody: JSON.stringify(message) });
    await attempt('GitHub will not be told of a skipped push', undefined, () => this.sqs.send(command, { abortSignal: AbortSignal.timeout(SEND_WITHIN_MS) }));
  }
}
