import { BatchGetBuildsCommand, Build } from '@aws-sdk/client-codebuild';
import type { Context, EventBridgeEvent } from 'aws-lambda';
import { outcomeOf } from './build-outcome';
import { planPromotion, PromotionPlan } from './promotion-plan';
import { RefusedObjectError, StagingArea } from './staging-area';
import { ID_PATTERN, COMMIT_SHA_PATTERN } from '../../src/contract/build-request';
import { DeploymentArtifacts, DeploymentRecord, TERMINAL_STATUSES } from '../../src/contract/deployment';
import { BUILD_ENV, HANDLER_ENV } from '../../src/contract/environment';
import { FailureCode, failureMessage } from '../../src/contract/failure-codes';
import { artifactsPrefix, LAMBDA_ZIP, MANIFEST, stagingPrefix, staticPrefix } from '../../src/contract/keys';
import { codeBuildClient, dynamoDbClient, eventBridgeClient, s3Client } from '../shared/aws-clients';
import { buildLogsUrl } from '../shared/console-link';
import { BuildReference, DeploymentStore } from '../shared/deployment-store';
import { requiredEnv } from '../shared/environment';
import { logger } from '../shared/logger';
import { emitStatusChanged } from '../shared/status-events';

/**
 * Steps 7 to 9 of a build's way: a build has ended; its artifacts are promoted, the deployment's record says how it went, an event
 * tells the rest. The CodeBuild event only says which build: everything else is asked from CodeBuild, so that any other trigger
 * (a retry, a repair) gives the same result. Whatever fails here is thrown: Lambda tries an event three times, then it goes to the
 * dead-letter queue for events.
 */

const codeBuild = codeBuildClient();
const events = eventBridgeClient();
const s3 = s3Client();
const store = new DeploymentStore(dynamoDbClient(), requiredEnv(HANDLER_ENV.deploymentsTable));
const artifactsBucket = requiredEnv(HANDLER_ENV.artifactsBucket);
const buildProject = requiredEnv(HANDLER_ENV.buildProject);

export async function handler(event: EventBridgeEvent<string, { 'build-id': string }>, context: Context): Promise<void> {
  logger.resetKeys();
  logger.addContext(context);
  const buildArn = event.detail['build-id'];
  logger.appendKeys({ buildArn });
  try {
    await finalizeByArn(buildArn);
  } catch (error) {
    logger.error('The end of this build could not be dealt with; Lambda tries again', error as Error);
    throw error;
  }
}

async function finalizeByArn(buildArn: string): Promise<void> {
  // The API documents `<project>:<uuid>`, the event carries the ARN.
  const { builds } = await codeBuild.send(new BatchGetBuildsCommand({ ids: [buildArn.replace(/^arn:[^/]*:build\//, '')] }));
  const build = builds?.[0];
  if (!build) throw new Error(`CodeBuild does not know build ${buildArn} yet, or any more`);
  if (build.projectName !== buildProject) {
    logger.warn('Ignored: the build belongs to another project');
    return;
  }
  await finalize(build);
}

async function finalize(build: Build): Promise<void> {
  const outcome = outcomeOf(build);
  // The event says that it has ended: CodeBuild's answer is older than the event.
  if (outcome === 'running') throw new Error(`CodeBuild still says that build ${build.id} is running`);
  const staging = new StagingArea(s3, artifactsBucket, stagingPrefix(build.arn!));
  const deployment = await deploymentOf(build);
  if (deployment) {
    await endDeployment(deployment, build, outcome, staging);
  }
  await staging.remove();
}

/** The record this build belongs to, by the environment that the orchestrator gave it. */
async function deploymentOf(build: Build): Promise<DeploymentRecord | undefined> {
  const environment = new Map(build.environment?.environmentVariables?.map(({ name, value }) => [name, value ?? '']));
  const deploymentId = environment.get(BUILD_ENV.deploymentId) ?? '';
  logger.appendKeys({ deploymentId });
  if (!ID_PATTERN.test(deploymentId)) {
    logger.warn('The build belongs to no deployment: it was not started by the orchestrator');
    return undefined;
  }
  const record = await store.get(deploymentId);
  if (!record) {
    logger.warn('The deployment of this build has no record any more');
    return undefined;
  }
  if (record.buildId !== undefined && record.buildId !== build.id) {
    logger.warn('The deployment belongs to another build', { buildId: record.buildId });
    return undefined;
  }
  if (!ID_PATTERN.test(record.projectId) || !COMMIT_SHA_PATTERN.test(record.commitSha)) {
    throw new Error(`The record of deployment ${deploymentId} has been changed: its projectId or commitSha cannot be part of an object key`);
  }
  return record;
}

async function endDeployment(deployment: DeploymentRecord, build: Build, outcome: 'succeeded' | FailureCode, staging: StagingArea): Promise<void> {
  let ended: DeploymentRecord | undefined = deployment;
  if (!TERMINAL_STATUSES.includes(deployment.status)) {
    ended = outcome === 'succeeded' ? await promoteAndSucceed(deployment, build, staging) : await fail(deployment, build, outcome);
    // Somebody was first. It may have been this very write, whose answer got lost and which the SDK repeated: ask who it was.
    ended ??= await store.get(deployment.deploymentId);
  }
  // Also for a deployment that had ended before: the earlier attempt may have died between the record and the event.
  if (ended && TERMINAL_STATUSES.includes(ended.status) && ended.buildId === build.id) {
    await emitStatusChanged(events, ended);
    logger.info('Deployment ended', { status: ended.status, failureCode: ended.failureCode });
  }
}

async function promoteAndSucceed(deployment: DeploymentRecord, build: Build, staging: StagingArea): Promise<DeploymentRecord | undefined> {
  const { deploymentId, projectId, commitSha } = deployment;
  const plan = planPromotion(await staging.list(), projectId, commitSha);
  if (!plan.acceptable) {
    logger.error('What the build stored is not acceptable', { problem: plan.problem });
    return fail(deployment, build, 'ARTIFACTS_INVALID', `${failureMessage('ARTIFACTS_INVALID')} Reason: ${plan.problem}.`);
  }
  try {
    await staging.promote(plan.promotions);
    await staging.promote([plan.manifest]);
  } catch (error) {
    if (!(error instanceof RefusedObjectError)) throw error;
    logger.error('S3 does not copy what the build stored', error);
    return fail(deployment, build, 'ARTIFACTS_INVALID', `${failureMessage('ARTIFACTS_INVALID')} Reason: ${error.message}.`);
  }
  return store.markSuccess(deploymentId, referenceTo(build), describeArtifacts(deployment, plan), new Date().toISOString());
}

async function fail(
  deployment: DeploymentRecord, build: Build, failureCode: FailureCode, sentence = failureMessage(failureCode),
): Promise<DeploymentRecord | undefined> {
  return store.markFailed(deployment.deploymentId, referenceTo(build), { failureCode, failureMessage: sentence }, new Date().toISOString());
}

function referenceTo(build: Build): BuildReference {
  return { buildId: build.id!, buildStartedAt: (build.startTime ?? new Date()).toISOString(), logsUrl: buildLogsUrl(build.arn!) };
}

function describeArtifacts({ projectId, commitSha }: DeploymentRecord, plan: PromotionPlan & { acceptable: true }): DeploymentArtifacts {
  const prefix = artifactsPrefix(projectId, commitSha);
  return {
    artifactsPrefix: prefix,
    staticPrefix: staticPrefix(projectId, commitSha),
    lambdaKey: prefix + LAMBDA_ZIP,
    manifestKey: prefix + MANIFEST,
    objectCount: plan.promotions.length + 1,
    totalBytes: plan.totalBytes,
  };
}
