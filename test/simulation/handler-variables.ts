import { BUILD_PROJECT, BUILD_PROJECT_ARN } from './code-build';
import type { HandlerName } from './faults';
import { BUCKET, DEPLOYMENTS_TABLE, STATE_TABLE_NAME } from './services';
import { HANDLER_ENV } from '../../src/contract/environment';

export interface HandlerSettings {
  readonly queueUrl: string;
  readonly deadLetterQueueUrl: string;
  readonly maxReceiveCount: number;
  readonly messageRetentionSeconds: number;
  readonly visibilityTimeoutSeconds: number;
  readonly maxConcurrentBuildsPerProject?: number;
  readonly stopSupersededBuilds?: boolean;
}

/** The environment of each handler, as the construct sets it. */
export function handlerVariables(settings: HandlerSettings): Record<HandlerName, Record<string, string>> {
  const { maxConcurrentBuildsPerProject } = settings;
  const shared: Record<string, string> = {
    [HANDLER_ENV.deploymentsTable]: DEPLOYMENTS_TABLE,
    [HANDLER_ENV.stateTable]: STATE_TABLE_NAME,
    [HANDLER_ENV.buildProject]: BUILD_PROJECT,
    [HANDLER_ENV.buildProjectArn]: BUILD_PROJECT_ARN,
    [HANDLER_ENV.buildQueueUrl]: settings.queueUrl,
    ...maxConcurrentBuildsPerProject !== undefined && { [HANDLER_ENV.maxConcurrentBuildsPerProject]: String(maxConcurrentBuildsPerProject) },
  };
  const stop: Record<string, string> = settings.stopSupersededBuilds ? { [HANDLER_ENV.stopSupersededBuilds]: 'true' } : {};
  const bucket = { [HANDLER_ENV.artifactsBucket]: BUCKET };
  const retention = { [HANDLER_ENV.messageRetentionSeconds]: String(settings.messageRetentionSeconds) };
  return {
    producer: shared,
    orchestrator: { ...shared, ...bucket, ...stop, ...retention, [HANDLER_ENV.maxReceiveCount]: String(settings.maxReceiveCount) },
    finalizer: { ...shared, ...bucket },
    reconciler: {
      ...shared,
      ...stop,
      ...retention,
      [HANDLER_ENV.deadLetterQueueUrl]: settings.deadLetterQueueUrl,
      [HANDLER_ENV.finalizerFunction]: 'finalizer',
      [HANDLER_ENV.visibilityTimeoutSeconds]: String(settings.visibilityTimeoutSeconds),
    },
  };
}
