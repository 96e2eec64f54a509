/** Only ever moves to the right: queued -> building -> success | failed. The first terminal status wins. */
export type DeploymentStatus = 'queued' | 'building' | 'success' | 'failed';

export const TERMINAL_STATUSES: readonly DeploymentStatus[] = ['success', 'failed'];

/** Partition key of the deployments table, of type string. The table has no sort key. */
export const DEPLOYMENTS_PARTITION_KEY = 'deploymentId';

/** What a successful deployment left in the bucket. Keys are relative to the bucket. */
export interface DeploymentArtifacts {
  /** `artifacts/<projectId>/<commitSha>/` */
  readonly artifactsPrefix: string;
  /** `static/<projectId>/<commitSha>/` */
  readonly staticPrefix: string;
  /** Key of the default server function's zip file. */
  readonly lambdaKey: string;
  /** Key of the manifest: sizes, sha256, versions, timings. */
  readonly manifestKey: string;
  readonly objectCount: number;
  readonly totalBytes: number;
}

/** One item of the deployments table. Timestamps are ISO 8601 in UTC. */
export interface DeploymentRecord {
  readonly deploymentId: string;
  readonly projectId: string;
  readonly commitSha: string;
  readonly branch: string;
  readonly repoUrl: string;
  readonly rootDirectory?: string;
  readonly status: DeploymentStatus;
  readonly createdAt: string;
  readonly buildStartedAt?: string;
  /** CodeBuild's build id, `<project>:<uuid>`. */
  readonly buildId?: string;
  /** Console link to the build's log. */
  readonly logsUrl?: string;
  readonly completedAt?: string;
  /** One of the closed list in failure-codes.ts; only with status failed. */
  readonly failureCode?: string;
  /** A sentence for the person who pushed: what went wrong and what to do. */
  readonly failureMessage?: string;
  readonly artifacts?: DeploymentArtifacts;
  /** While an orchestrator invocation is starting the build: until when (epoch seconds) nobody else may. */
  readonly claimExpiresAt?: number;
}
