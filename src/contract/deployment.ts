import type { CacheLayer, CacheUse } from './cache';
import type { BuildWarning } from './warnings';

/**
 * Only ever moves to the right: queued -> building -> success | failed | superseded. The first terminal status wins, with one way
 * back: a deployment that failed before it had a build becomes queued again when its request is sent again.
 * A deployment whose commit has been built before with the same settings goes from queued to success without a build.
 *
 * Superseded is no failure: a newer deployment of the same project and branch was queued before this one was done.
 */
export type DeploymentStatus = 'queued' | 'building' | 'success' | 'failed' | 'superseded';

export const TERMINAL_STATUSES: readonly DeploymentStatus[] = ['success', 'failed', 'superseded'];

/** Why a queued deployment waits: for CodeBuild to take another build, or for a build of its own project to end. */
export type WaitingReason = 'ACCOUNT_CAPACITY' | 'PROJECT_LIMIT';

/** Partition key of the deployments table, of type string. The table has no sort key. */
export const DEPLOYMENTS_PARTITION_KEY = 'deploymentId';

/** What a successful deployment left in the bucket. Keys are relative to the bucket. */
export interface DeploymentArtifacts {
  /** `artifacts/<projectId>/<commitSha>/<deploymentId>/`; the id is that of `reusedFrom`, if there is one. */
  readonly artifactsPrefix: string;
  /** `static/<projectId>/<commitSha>/<deploymentId>/`, likewise. */
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
  readonly defaultBranch?: string;
  readonly forceBuild?: boolean;
  readonly withoutCache?: boolean;
  readonly withoutSecrets?: boolean;
  /** The request has a `buildEnvironment`, which is not kept here. */
  readonly hasBuildEnvironment?: boolean;
  readonly status: DeploymentStatus;
  /** Counts the changes of status: of two events or copies of this record, the one with the greater version is the newer. */
  readonly version?: number;
  /** Orders the deployments of a branch: the newest is the one created last. */
  readonly createdAt: string;
  /** Only while the deployment is queued, and only after it had to wait. */
  readonly waitingReason?: WaitingReason;
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
  /** Id of the deployment whose build these artifacts are of: the same commit with the same settings. This one has no build. */
  readonly reusedFrom?: string;
  /** Seconds that each phase of the build took, as the build says. */
  readonly timings?: { readonly [phase: string]: number };
  /** What became of each layer of the build cache, as the build says. */
  readonly cache?: { readonly [layer in CacheLayer]?: CacheUse };
  /** What the build found about its output that did not fail it, as the build says. */
  readonly warnings?: readonly BuildWarning[];
  /** Id of a newer deployment of the same project and branch that was queued before this one was done: do not go live with this one. */
  readonly supersededBy?: string;
  /** While an invocation is starting the build, or ending the deployment: until when (epoch seconds) nobody else may. */
  readonly claimExpiresAt?: number;
  /** The invocation that is ending the deployment. */
  readonly claimedBy?: string;
  /** Since when (epoch seconds) there may be a build that the record does not know: StartBuild was called and its answer not stored. */
  readonly startAttemptedAt?: number;
  /** The version that the last status event told of. */
  readonly announcedVersion?: number;
}
