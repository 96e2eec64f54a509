import type { DeploymentRecord } from './deployment';

/** EventBridge event that follows each change of a deployment's status, on the account's default bus. */
export const EVENT_SOURCE = 'cdk-nextjs-build-pipeline';
export const STATUS_CHANGED = 'Deployment Status Changed';

/** `detail` of the event: the record's public fields as they were after the change. */
export type DeploymentStatusChangedDetail = Omit<DeploymentRecord, 'claimExpiresAt'>;
