import { BatchProcessor, EventType, processPartialResponse } from '@aws-lambda-powertools/batch';
import type { Context, SQSBatchResponse, SQSEvent, SQSRecord } from 'aws-lambda';
import { BuildPreparation } from './build-preparation';
import { Delivery, HandledFailure } from './delivery';
import { DeploymentStart } from './deployment-start';
import { InstallSecrets } from './install-secrets';
import { SourceFetches } from './source-fetches';
import { NO_USE_WAITING_SECONDS, retrySeconds } from './start-failure';
import { WaitingEnvironments } from './waiting-environments';
import { BuildRequest } from '../../src/contract/build-request';
import { DeploymentRecord } from '../../src/contract/deployment';
import { HANDLER_ENV } from '../../src/contract/environment';
import { failureMessage } from '../../src/contract/failure-codes';
import { codeBuildProjectsClient, lambdaClient, s3PresigningClient, secretsManagerClient, startBuildClient } from '../shared/aws-clients';
import { parseBuildRequest } from '../shared/build-request';
import { requiredEnv } from '../shared/environment';
import { logger } from '../shared/logger';
import { pipelineOfEnvironment } from '../shared/pipeline';

/**
 * Steps 3 and 4 of a build's way: a build request comes out of the queue, its deployment is claimed, the build is started and the
 * deployment says so. A request that cannot be honoured ends its deployment as failed and goes to the dead-letter queue, never lost.
 */

const pipeline = pipelineOfEnvironment();
const { capacity, events, openDeployments, store } = pipeline;
const [s3, bucket] = [s3PresigningClient(), requiredEnv(HANDLER_ENV.artifactsBucket)];
const sources = new SourceFetches(lambdaClient(), process.env[HANDLER_ENV.sourceFetcherFunction], process.env[HANDLER_ENV.sourceHosts]);
const preparation = new BuildPreparation(pipeline, codeBuildProjectsClient(), sources, s3, bucket);
const secrets = new InstallSecrets(secretsManagerClient(), process.env[HANDLER_ENV.installSecretsPrefix]);
const start = new DeploymentStart(pipeline, startBuildClient(), preparation, secrets, new WaitingEnvironments(s3, bucket), {
  maxReceiveCount: Number(requiredEnv(HANDLER_ENV.maxReceiveCount)),
  retentionSeconds: Number(requiredEnv(HANDLER_ENV.messageRetentionSeconds)),
});

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
  const delivery = new Delivery(message, pipeline.sqs, pipeline.queueUrl);
  const parsed = parseBuildRequest(delivery.body);
  try {
    if (!parsed.valid) {
      logger.appendKeys({ messageId: message.messageId, deploymentId: parsed.readable.deploymentId, projectId: parsed.readable.projectId });
      return await rejectRequest(delivery, parsed.readable, parsed.problem);
    }
    const { request } = parsed;
    logger.appendKeys({ messageId: message.messageId, deploymentId: request.deploymentId, projectId: request.projectId });
    if (!await staysInLine(delivery, request)) await claimAndStart(delivery, request, context);
  } catch (error) {
    if (!(error instanceof HandledFailure)) {
      // A service did not answer. The message comes back, not only after the queue's whole visibility timeout, but not before the claim
      // that this invocation may hold has expired either: until then nobody could do anything.
      logger.error('Build request could not be processed; it will be delivered again', error as Error);
      await delivery.comeBackAfter(Math.max(retrySeconds(delivery.receiveCount), secondsLeft(context) + 1));
    }
    throw error;
  }
}

/** A request that waits, at a time when it is known that there is no room, only waits on: thousands may do so at the same time. */
async function staysInLine(delivery: Delivery, { deploymentId, projectId }: BuildRequest): Promise<boolean> {
  const { createdAt, isHint } = delivery;
  const now = nowInSeconds();
  if (isHint || createdAt === undefined || !start.mayWait(delivery) || !await capacity.isExhausted(now)) return false;
  const open = await openDeployments.stillOpen({ deploymentId, projectId, createdAt }, now);
  if (!open || open.buildId !== undefined) {
    logger.info('Nothing to do: the deployment was started, or has ended');
  } else {
    await start.putBack(delivery, createdAt);
  }
  return true;
}

async function claimAndStart(delivery: Delivery, request: BuildRequest, context: Context): Promise<void> {
  // Nobody else may start this build until this invocation is over, whatever becomes of it.
  const claimExpiresAt = Math.ceil((Date.now() + context.getRemainingTimeInMillis()) / 1000);
  const claim = { now: nowInSeconds(), claimExpiresAt, createdAt: new Date(delivery.sentAt).toISOString() };
  const record = await store.claim(request, claim) ?? await claimAgain(delivery, request, claim);
  await (record ? start.run(delivery, request, record, claim) : start.passTurn(delivery));
}

/** The claim was refused: mostly because the work is done or being done. Throws to keep the message; undefined: it is done with. */
async function claimAgain(delivery: Delivery, request: BuildRequest, claim: Parameters<typeof store.claim>[1]): Promise<DeploymentRecord | undefined> {
  const record = await store.get(request.deploymentId);
  if (!record) throw new Error(`The record of deployment ${request.deploymentId} has just been removed`);
  if (isAnother(record, request)) {
    // Not ours to fail: the record belongs to another request, which may be a good one.
    logger.error('Deployment id is already taken by another project or commit; the request goes to the dead-letter queue', {
      takenBy: { projectId: record.projectId, commitSha: record.commitSha },
    });
    return goToDeadLetterQueue(delivery, 'deployment id is taken');
  }
  switch (record.status) {
    case 'queued':
      logger.info('Another invocation is starting this build');
      // What that comes to is not known yet; a copy looks later, and no receive is used up meanwhile. The copy claims anew: that the
      // deployment is known to be open (staysInLine relies on it) is something that the other invocation may not have come to.
      if (!delivery.isHint) await delivery.putBack(delivery.createdAt, Math.max(1, (record.claimExpiresAt ?? 0) - claim.now + 1));
      return undefined;
    case 'failed':
      if (record.buildId !== undefined) break;
      if (delivery.isHint) return undefined;
      if (await store.reopen(record.deploymentId, new Date(delivery.sentAt).toISOString())) {
        logger.info('The request was sent again after its deployment had failed without a build: it begins anew');
        delivery.beginAnew();
        return await store.claim(request, claim) ?? claimAgain(delivery, request, claim);
      }
      logger.info('The build of this request could not be started; the request belongs in the dead-letter queue');
      await events.tryToAnnounce(record);
      return goToDeadLetterQueue(delivery, 'could not be started before');
    case 'building':
    case 'success':
    case 'superseded':
      break;
    default:
      throw new Error(`The record of deployment ${request.deploymentId} has the unknown status "${String(record.status)}"`);
  }
  logger.info('Nothing to do: the deployment was started before', { status: record.status });
  await events.tryToAnnounce(record);
  return undefined;
}

function isAnother(record: Partial<DeploymentRecord>, request: BuildRequest): boolean {
  return (['projectId', 'commitSha'] as const).some((field) => record[field] !== undefined && record[field] !== request[field]);
}

async function rejectRequest(delivery: Delivery, readable: Partial<BuildRequest>, problem: string): Promise<void> {
  logger.error('Build request is not valid; it goes to the dead-letter queue', { problem });
  if (readable.deploymentId) {
    const failure = { failureCode: 'INVALID_REQUEST' as const, failureMessage: `${failureMessage('INVALID_REQUEST')} It says: ${problem}.` };
    const at = { createdAt: new Date(delivery.sentAt).toISOString(), completedAt: new Date().toISOString() };
    const record = await store.failUnseen(readable.deploymentId, failure, readable, at) ?? await store.get(readable.deploymentId);
    if (record) await events.tryToAnnounce(record);
  }
  return goToDeadLetterQueue(delivery, problem);
}

async function goToDeadLetterQueue(delivery: Delivery, why: string): Promise<never> {
  await delivery.comeBackAfter(NO_USE_WAITING_SECONDS);
  throw new HandledFailure(why);
}

const nowInSeconds = () => Math.floor(Date.now() / 1000);
const secondsLeft = (context: Context) => Math.ceil(context.getRemainingTimeInMillis() / 1000);
