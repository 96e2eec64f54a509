import { BatchProcessor, EventType, processPartialResponse } from '@aws-lambda-powertools/batch';
import { StartBuildCommand } from '@aws-sdk/client-codebuild';
import { ChangeMessageVisibilityCommand, SendMessageCommand } from '@aws-sdk/client-sqs';
import type { Context, SQSBatchResponse, SQSEvent, SQSRecord } from 'aws-lambda';
import { decideStartFailure, NO_USE_WAITING_SECONDS, retrySeconds } from './start-failure';
import { BuildRequest, REQUEUE_ATTRIBUTES } from '../../src/contract/build-request';
import { DeploymentRecord, TERMINAL_STATUSES } from '../../src/contract/deployment';
import { BUILD_ENV, HANDLER_ENV } from '../../src/contract/environment';
import { FailureCode, failureMessage } from '../../src/contract/failure-codes';
import { codeBuildClient, dynamoDbClient, eventBridgeClient, sqsClient } from '../shared/aws-clients';
import { parseBuildRequest } from '../shared/build-request';
import { buildLogsUrl } from '../shared/console-link';
import { BuildReference, DeploymentStore } from '../shared/deployment-store';
import { requiredEnv } from '../shared/environment';
import { logger } from '../shared/logger';
import { emitStatusChanged } from '../shared/status-events';

/**
 * Steps 3 and 4 of a build's way: a build request comes out of the queue, its deployment is claimed, the build is started and the
 * deployment says so. A request that cannot be honoured ends its deployment as failed and goes to the dead-letter queue, never lost.
 */

const codeBuild = codeBuildClient();
const events = eventBridgeClient();
const sqs = sqsClient();
const store = new DeploymentStore(dynamoDbClient(), requiredEnv(HANDLER_ENV.deploymentsTable));
const buildProject = requiredEnv(HANDLER_ENV.buildProject);
const buildQueueUrl = requiredEnv(HANDLER_ENV.buildQueueUrl);
const maxReceiveCount = Number(requiredEnv(HANDLER_ENV.maxReceiveCount));
const retentionSeconds = Number(requiredEnv(HANDLER_ENV.messageRetentionSeconds));

/** Thrown for a failure that has been dealt with: the message stays in the queue, with the visibility it was given. */
class HandledFailure extends Error {}

export async function handler(event: SQSEvent, context: Context): Promise<SQSBatchResponse> {
  logger.addContext(context);
  return processPartialResponse(event, (message: SQSRecord) => handleMessage(message, context), new BatchProcessor(EventType.SQS), {
    context,
    // A failed message is an answer, not an error of the function: it must not slow the event source down.
    throwOnFullBatchFailure: false,
    // One after the other: the logger's keys are those of the message in hand.
    processInParallel: false,
  });
}

async function handleMessage(message: SQSRecord, context: Context): Promise<void> {
  logger.resetKeys();
  const parsed = parseBuildRequest(message.body);
  try {
    if (!parsed.valid) {
      logger.appendKeys({ messageId: message.messageId, deploymentId: parsed.readable.deploymentId, projectId: parsed.readable.projectId });
      return await rejectRequest(message, parsed.readable, parsed.problem);
    }
    const { request } = parsed;
    logger.appendKeys({ messageId: message.messageId, deploymentId: request.deploymentId, projectId: request.projectId });

    // Nobody else may start this build until this invocation is over, whatever becomes of it.
    const now = Math.floor(Date.now() / 1000);
    const claimExpiresAt = now + Math.ceil(context.getRemainingTimeInMillis() / 1000);
    const claimed = await store.claim(request, { now, claimExpiresAt, createdAt: sentAt(message) });
    if (!claimed) {
      return await explainUnclaimed(message, request, now);
    }
    await startBuild(message, request, claimExpiresAt);
  } catch (error) {
    if (!(error instanceof HandledFailure)) {
      // DynamoDB did not answer. The message comes back, not only after the queue's whole visibility timeout, but not before the claim
      // that this invocation may hold has expired either: until then nobody could do anything.
      logger.error('Build request could not be processed; it will be delivered again', error as Error);
      await delayNextDelivery(message, Math.max(retrySeconds(receiveCount(message)), Math.ceil(context.getRemainingTimeInMillis() / 1000) + 1));
    }
    throw error;
  }
}

async function startBuild(message: SQSRecord, request: BuildRequest, claimExpiresAt: number): Promise<void> {
  let build: BuildReference;
  try {
    const { build: started } = await codeBuild.send(new StartBuildCommand({
      projectName: buildProject,
      // Within five minutes the same token gives the same build: it covers the SDK's own retries and a quick redelivery.
      idempotencyToken: request.deploymentId,
      environmentVariablesOverride: buildEnvironment(request),
    }));
    build = { buildId: started!.id!, buildStartedAt: (started!.startTime ?? new Date()).toISOString(), logsUrl: buildLogsUrl(started!.arn!) };
  } catch (error) {
    logger.warn('Build was not started', { error: error as Error });
    return dealWithStartFailure(message, request, claimExpiresAt, (error as Error).name);
  }
  logger.appendKeys({ buildId: build.buildId });
  logger.info('Build started');
  const record = await store.markBuilding(request.deploymentId, build);
  if (record) await announce(record);
}

async function dealWithStartFailure(message: SQSRecord, request: BuildRequest, claimExpiresAt: number, errorName: string): Promise<void> {
  const requeues = attribute(message, REQUEUE_ATTRIBUTES.requeues, 0);
  const firstSentAt = attribute(message, REQUEUE_ATTRIBUTES.firstSentAt, Number(message.attributes.SentTimestamp));
  const waitedSeconds = (Date.now() - firstSentAt) / 1000;
  const decision = decideStartFailure({ errorName, receiveCount: receiveCount(message), maxReceiveCount, requeues, waitedSeconds, retentionSeconds });
  if (decision.action === 'fail') {
    // Only the error's name: its text may hold account id and role, and the sentence is for tenants too. The log has it all.
    await fail(message, request, 'START_FAILED', `${failureMessage('START_FAILED')} CodeBuild answered ${errorName}.`);
  } else {
    await store.releaseClaim(request.deploymentId, claimExpiresAt);
  }
  if (decision.action === 'requeue') {
    await sqs.send(new SendMessageCommand({
      QueueUrl: buildQueueUrl,
      MessageBody: message.body,
      MessageGroupId: message.attributes.MessageGroupId,
      DelaySeconds: decision.delaySeconds,
      MessageAttributes: {
        [REQUEUE_ATTRIBUTES.requeues]: { DataType: 'Number', StringValue: String(requeues + 1) },
        [REQUEUE_ATTRIBUTES.firstSentAt]: { DataType: 'Number', StringValue: String(firstSentAt) },
      },
    }));
    // Returning deletes this message. Should that fail, both are delivered, and the claim lets one of them start the build.
    logger.info('No capacity: the request waits in the queue', { delaySeconds: decision.delaySeconds, requeues: requeues + 1 });
    return;
  }
  await delayNextDelivery(message, decision.visibilitySeconds);
  throw new HandledFailure(`build not started: ${errorName}`);
}

/** What this function wrote onto a copy of a request; a producer has no reason to, and cannot harm anybody else with it. */
function attribute(message: SQSRecord, name: string, otherwise: number): number {
  const value = Number(message.messageAttributes[name]?.stringValue ?? NaN);
  return Number.isFinite(value) && value >= 0 ? value : otherwise;
}

function buildEnvironment(request: BuildRequest) {
  return (Object.keys(BUILD_ENV) as (keyof typeof BUILD_ENV)[]).flatMap((field) => {
    const value = request[field];
    return value === undefined ? [] : [{ name: BUILD_ENV[field], value, type: 'PLAINTEXT' as const }];
  });
}

/** The claim was refused: mostly because the work is done or being done. Returning deletes the message, throwing keeps it. */
async function explainUnclaimed(message: SQSRecord, request: BuildRequest, now: number): Promise<void> {
  const record = await store.get(request.deploymentId);
  if (record && isAnother(record, request)) {
    // Not ours to fail: the record belongs to another request, which may be a good one.
    logger.error('Deployment id is already taken by another project or commit; the request goes to the dead-letter queue', {
      takenBy: { projectId: record.projectId, commitSha: record.commitSha },
    });
    await delayNextDelivery(message, NO_USE_WAITING_SECONDS);
    throw new HandledFailure('deployment id is taken');
  }
  if (record?.status === 'queued') {
    logger.info('Another invocation is starting this build');
    await delayNextDelivery(message, Math.max(1, (record.claimExpiresAt ?? now) - now + 1));
    throw new HandledFailure('claimed by another invocation');
  }
  if (record?.failureCode === 'START_FAILED') {
    logger.info('The build of this request could not be started; the request belongs in the dead-letter queue');
    await delayNextDelivery(message, NO_USE_WAITING_SECONDS);
    throw new HandledFailure('could not be started before');
  }
  if (record && (record.status === 'building' || TERMINAL_STATUSES.includes(record.status))) {
    logger.info('Nothing to do: the deployment was started before', { status: record.status });
    return;
  }
  throw new Error(`The record of deployment ${request.deploymentId} ${record ? `has the unknown status "${record.status}"` : 'has just been removed'}`);
}

function isAnother(record: Partial<DeploymentRecord>, request: BuildRequest): boolean {
  return (['projectId', 'commitSha'] as const).some((field) => record[field] !== undefined && record[field] !== request[field]);
}

async function rejectRequest(message: SQSRecord, readable: Partial<BuildRequest>, problem: string): Promise<void> {
  logger.error('Build request is not valid; it goes to the dead-letter queue', { problem });
  if (readable.deploymentId) {
    await fail(message, { ...readable, deploymentId: readable.deploymentId }, 'INVALID_REQUEST', `${failureMessage('INVALID_REQUEST')} It says: ${problem}.`);
  }
  await delayNextDelivery(message, NO_USE_WAITING_SECONDS);
  throw new HandledFailure(problem);
}

async function fail(message: SQSRecord, request: Partial<BuildRequest> & { deploymentId: string }, failureCode: FailureCode, sentence: string): Promise<void> {
  const failure = { failureCode, failureMessage: sentence };
  const record = await store.failBeforeStart(request.deploymentId, failure, request, { createdAt: sentAt(message), completedAt: new Date().toISOString() });
  if (record) await announce(record);
}

/** The record is what counts; a lost event must not make this function start or fail anything again. */
async function announce(record: DeploymentRecord): Promise<void> {
  try {
    await emitStatusChanged(events, record);
  } catch (error) {
    logger.error('Status event was not sent; the record is right', error as Error);
  }
}

async function delayNextDelivery(message: SQSRecord, seconds: number): Promise<void> {
  try {
    await sqs.send(new ChangeMessageVisibilityCommand({ QueueUrl: buildQueueUrl, ReceiptHandle: message.receiptHandle, VisibilityTimeout: seconds }));
  } catch (error) {
    // Then the queue's own visibility timeout decides when the message comes back: later, but not lost.
    logger.warn('Visibility of the message was not changed', { error: error as Error });
  }
}

const receiveCount = (message: SQSRecord) => Number(message.attributes.ApproximateReceiveCount);
const sentAt = (message: SQSRecord) => new Date(Number(message.attributes.SentTimestamp)).toISOString();
