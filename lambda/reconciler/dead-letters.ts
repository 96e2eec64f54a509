import { Message, ReceiveMessageCommand } from '@aws-sdk/client-sqs';
import { BuildRequest } from '../../src/contract/build-request';
import type { DeploymentRecord } from '../../src/contract/deployment';
import { failureMessage } from '../../src/contract/failure-codes';
import { parseBuildRequest } from '../shared/build-request';
import { logger } from '../shared/logger';
import { Pipeline } from '../shared/pipeline';

/** Longer than it takes to look at the ten messages of one receive; a redrive can take them again after this time. */
const LOOK_SECONDS = 30;

/** A receive samples SQS' servers: two that find nothing are as good as an empty queue. */
const EMPTY_RECEIVES = 2;

/**
 * Deployments whose request came to the dead-letter queue because nobody could work on it: their records would say "queued" for ever.
 * The messages are only looked at; they stay for the operator, who looks into them or redrives them.
 */
export class DeadLetters {
  constructor(private readonly pipeline: Pipeline, private readonly queueUrl: string) {}

  public async run(hasTime: () => boolean): Promise<void> {
    const seen = new Set<string>();
    for (let empty = 0; empty < EMPTY_RECEIVES && hasTime();) {
      const { Messages = [] } = await this.pipeline.sqs.send(new ReceiveMessageCommand({
        QueueUrl: this.queueUrl, MaxNumberOfMessages: 10, VisibilityTimeout: LOOK_SECONDS, MessageSystemAttributeNames: ['SentTimestamp'],
      }));
      // Those of the first look become visible again while this goes on.
      const unseen = Messages.filter(({ MessageId }) => !seen.has(MessageId!));
      if (unseen.length === 0) empty += 1;
      for (const message of unseen) {
        seen.add(message.MessageId!);
        await this.lookAt(message);
      }
    }
  }

  private async lookAt(message: Message): Promise<void> {
    const { events, store } = this.pipeline;
    const parsed = parseBuildRequest(message.Body!);
    const request: Partial<BuildRequest> = parsed.valid ? parsed.request : parsed.readable;
    if (!request.deploymentId) return;
    const { deploymentId } = request;
    const record = await store.get(deploymentId);
    const isOthers = record !== undefined && (record.projectId !== request.projectId || record.commitSha !== request.commitSha);
    if (isOthers && parsed.valid) return;
    if (record === undefined || record.version === undefined) {
      // Nobody came as far as to claim it.
      const failure = parsed.valid
        ? { failureCode: 'START_FAILED' as const, failureMessage: failureMessage('START_FAILED') }
        : { failureCode: 'INVALID_REQUEST' as const, failureMessage: `${failureMessage('INVALID_REQUEST')} It says: ${parsed.problem}.` };
      const createdAt = new Date(Number(message.Attributes?.SentTimestamp ?? Date.now())).toISOString();
      const failed = await store.failUnseen(deploymentId, failure, request, { createdAt, completedAt: new Date().toISOString() });
      if (failed) await events.tryToAnnounce(failed);
    } else if (record.status === 'queued' && parsed.valid) {
      // It waits, so that a copy of the request is in the queue.
      if (record.waitingReason !== undefined && record.startAttemptedAt === undefined) return;
      // Another copy of the request is being worked on.
      if ((record.claimExpiresAt ?? 0) > Date.now() / 1000) return;
      await this.endQueued(record);
    } else {
      await events.tryToAnnounce(record);
    }
  }

  private async endQueued({ deploymentId, startAttemptedAt, claimExpiresAt }: DeploymentRecord): Promise<void> {
    const { builds, events, openDeployments, projects, store } = this.pipeline;
    // A build that is there all the same is found by the other reviews, which make the deployment know it.
    if (startAttemptedAt !== undefined && await builds.findOf(deploymentId, startAttemptedAt)) return;
    const failure = { failureCode: 'START_FAILED' as const, failureMessage: failureMessage('START_FAILED') };
    const failed = await store.failUnstarted(deploymentId, failure, { claimExpiresAt, completedAt: new Date().toISOString() });
    if (!failed) return;
    logger.warn('A request came to the dead-letter queue and left its deployment queued: it has failed', { deploymentId });
    await projects.release(failed.projectId, deploymentId);
    if (await events.tryToAnnounce(failed)) await openDeployments.close(failed);
  }
}
