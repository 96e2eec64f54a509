import type { DeploymentRecord } from './deployment';

/**
 * EventBridge event that follows each change of a deployment's status: on the account's default bus, at least once, in no certain order
 * (`version` tells which is newer). Its `resources` holds the ARN of the pipeline's CodeBuild project: two pipelines can be told apart.
 */
export const EVENT_SOURCE = 'cdk-nextjs-build-pipeline';
export const STATUS_CHANGED = 'Deployment Status Changed';

/** The fields of the record that an event carries: ours and public, not what a producer may have stored beside them. */
export const PUBLIC_RECORD_FIELDS = [
  'deploymentId', 'projectId', 'commitSha', 'branch', 'repoUrl', 'rootDirectory', 'defaultBranch', 'forceBuild', 'withoutCache', 'withoutSecrets', 'status',
  'version', 'createdAt', 'waitingReason', 'buildStartedAt', 'buildId', 'logsUrl', 'completedAt', 'failureCode', 'failureMessage', 'artifacts', 'reusedFrom', 'timings', 'cache',
  'warnings', 'supersededBy',
] as const satisfies readonly (keyof DeploymentRecord)[];

/** `detail` of the event: the record's public fields as they were after the change. */
export type DeploymentStatusChangedDetail = Pick<DeploymentRecord, (typeof PUBLIC_RECORD_FIELDS)[number]>;
