import { Build } from '@aws-sdk/client-codebuild';
import { DeleteObjectCommand } from '@aws-sdk/client-s3';
import type { Context, EventBridgeEvent } from 'aws-lambda';
import { DeploymentEnd, deploymentOf } from './deployment-end';
import { StagingArea } from './staging-area';
import { HANDLER_ENV } from '../../src/contract/environment';
import { buildEnvironmentKey, handoverKey, sourcePrefix, stagingPrefix } from '../../src/contract/keys';
import { s3Client } from '../shared/aws-clients';
import { outcomeOf } from '../shared/build-outcome';
import { deploymentIdOf, projectIdOf, referenceTo } from '../shared/builds';
import { requiredEnv } from '../shared/environment';
import { logger } from '../shared/logger';
import { pipelineOfEnvironment } from '../shared/pipeline';

/**
 * Steps 7 to 9 of a build's way: a build has ended; its artifacts are promoted, the deployment's record says how it went, an event
 * tells the rest. The CodeBuild event only says which build: everything else is asked from CodeBuild, so that any other trigger
 * (a retry, the reconciler) gives the same result. Whatever fails here is thrown: Lambda tries an event three times, then it goes to the
 * dead-letter queue for events.
 *
 * Of a build that has begun, the event makes sure that its deployment knows it: the orchestrator may have died before it could write that.
 */

const pipeline = pipelineOfEnvironment();
const { builds, events, line, openDeployments, projects, store } = pipeline;
const s3 = s3Client();
const artifactsBucket = requiredEnv(HANDLER_ENV.artifactsBucket);

type BuildStateChange = EventBridgeEvent<string, { 'build-id': string; 'build-status': string }>;

export async function handler({ detail }: Pick<BuildStateChange, 'detail'>, context: Context): Promise<void> {
  logger.resetKeys();
  logger.addContext(context);
  const buildArn = detail['build-id'];
  logger.appendKeys({ buildArn });
  try {
    const [build] = await builds.get([buildArn]);
    if (!build) throw new Error(`CodeBuild does not know build ${buildArn} yet, or any more`);
    if (build.projectName !== pipeline.buildProject) {
      logger.warn('Ignored: the build belongs to another project');
      return;
    }
    logger.appendKeys({ deploymentId: deploymentIdOf(build) });
    if (outcomeOf(build) !== 'running') {
      await endBuild(build, context);
    } else if (detail['build-status'] === 'IN_PROGRESS') {
      await adoptBuild(build);
    } else {
      // The event says that it has ended: CodeBuild's answer is older than the event.
      throw new Error(`CodeBuild still says that build ${build.id} is running`);
    }
  } catch (error) {
    logger.error('This build event could not be dealt with; Lambda tries again', error as Error);
    throw error;
  }
}

/** Its orchestrator may write the same at the same time. */
async function adoptBuild(build: Build): Promise<void> {
  const deploymentId = deploymentIdOf(build);
  const adopted = deploymentId && await store.markBuilding(deploymentId, referenceTo(build));
  if (!adopted) return;
  logger.info('Build started');
  await openDeployments.started(adopted, build.id!);
  await events.announce(adopted);
}

async function endBuild(build: Build, context: Context): Promise<void> {
  const staging = new StagingArea(s3, artifactsBucket, stagingPrefix(build.arn!));
  const deployment = await deploymentOf(build, pipeline);
  if (deployment !== 'another') await makeRoom(build);
  if (typeof deployment === 'object' && !await new DeploymentEnd(pipeline, build, staging, context.awsRequestId).end(deployment)) return;
  await staging.remove();
  if (deployment !== 'another') await removeHandover(build);
  // Last of all: as long as it is there, the reconciler sees to it that all of this is done.
  if (typeof deployment === 'object') await openDeployments.close(deployment);
}

/** Presigned URLs expire by themselves; the app's environment and source are of no more use. There is no reason to keep them until then. */
async function removeHandover(build: Build): Promise<void> {
  const deploymentId = deploymentIdOf(build);
  if (!deploymentId) return;
  const keys = [handoverKey(deploymentId), buildEnvironmentKey(deploymentId)];
  await Promise.all(keys.map((Key) => s3.send(new DeleteObjectCommand({ Bucket: artifactsBucket, Key }))));
  await new StagingArea(s3, artifactsBucket, sourcePrefix(deploymentId)).remove();
}

/** The build is over, whatever becomes of its artifacts: the next one need not wait for their promotion. */
async function makeRoom(build: Build): Promise<void> {
  const [deploymentId, projectId] = [deploymentIdOf(build), projectIdOf(build)];
  if (!deploymentId || !projectId) return;
  await projects.release(projectId, deploymentId);
  try {
    await line.callNext(Date.now());
  } catch (error) {
    logger.warn('The next deployment was not called; it comes by itself, only later', { error: error as Error });
  }
}
