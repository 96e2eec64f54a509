import type { Context } from 'aws-lambda';
import { DeadLetters } from './dead-letters';
import { OpenDeploymentsReview } from './open-deployments-review';
import { PlacesReview } from './places-review';
import { RunningBuildsReview } from './running-builds-review';
import { HANDLER_ENV } from '../../src/contract/environment';
import { lambdaClient } from '../shared/aws-clients';
import { requiredEnv } from '../shared/environment';
import { logger } from '../shared/logger';
import { pipelineOfEnvironment } from '../shared/pipeline';

/**
 * Step 10 of a build's way: repairs what lost events, crashed invocations and dead letters left behind. It compares what the pipeline
 * believes to be open with CodeBuild, and with the dead-letter queue. It only finds; ends of builds go to the finalizer, as their events do.
 */

const pipeline = pipelineOfEnvironment();
const finalizer = { client: lambdaClient(), functionName: requiredEnv(HANDLER_ENV.finalizerFunction) };
const runningBuilds = new RunningBuildsReview(pipeline, finalizer);
const deadLetters = new DeadLetters(pipeline, requiredEnv(HANDLER_ENV.deadLetterQueueUrl));
const places = new PlacesReview(pipeline);
const openDeployments = new OpenDeploymentsReview(pipeline, finalizer, {
  visibilityTimeoutSeconds: Number(requiredEnv(HANDLER_ENV.visibilityTimeoutSeconds)),
  retentionSeconds: Number(requiredEnv(HANDLER_ENV.messageRetentionSeconds)),
  stopSupersededBuilds: process.env[HANDLER_ENV.stopSupersededBuilds] === 'true',
});

/** For what has begun to be finished, and for the cursor to be stored. */
const RESERVE_MS = 20_000;

export async function handler(_event: unknown, context: Context): Promise<void> {
  logger.resetKeys();
  logger.addContext(context);
  const hasTime = (share: number) => {
    const total = context.getRemainingTimeInMillis() - RESERVE_MS;
    const until = Date.now() + total * share;
    return () => Date.now() < until;
  };
  // Each part for itself: what fails in one must not keep the others from their work.
  const failures: unknown[] = [];
  const parts: [string, () => Promise<void>][] = [
    ['running builds', () => runningBuilds.run(hasTime(0.3))],
    ['dead letters', () => deadLetters.run(hasTime(0.3))],
    ['open deployments', () => openDeployments.run(hasTime(1))],
    ['places', () => places.run(hasTime(1))],
    ['waiting line', () => pipeline.line.callNext(Date.now())],
  ];
  for (const [name, part] of parts) {
    try {
      await part();
    } catch (error) {
      logger.error(`The review of ${name} was not finished; the next run goes on`, error as Error);
      failures.push(error);
    }
  }
  // So that the function's error metric shows it.
  if (failures.length > 0) throw failures[0];
}
