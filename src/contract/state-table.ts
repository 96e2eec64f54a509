/**
 * The pipeline's own table. The deployment's record is the truth; what lies here only says where to look, counts, and takes turns. Losing
 * an item costs time, never a deployment. Items of a kind that nobody removes expire.
 */
export const STATE_TABLE = { partitionKey: 'kind', sortKey: 'id', timeToLive: 'expiresAt' } as const;

export const STATE_KINDS = {
  /** A deployment that has not ended, or whose end is not dealt with, or whose record is about to be written. `id`: see openDeploymentKey. */
  open: 'OPEN',
  /** A project with builds that run or wait. `id`: the project's. */
  project: 'PROJECT',
  /** The newest deployment of a project's branch. `id`: see branchKey. */
  branch: 'BRANCH',
  /** Until when CodeBuild need not be asked: it has just said that it takes no more builds. One item. */
  capacity: 'CAPACITY',
  /** A build of a branch's commit that can be used again, and what it was built from. `id`: see artifactsKey. */
  artifacts: 'ARTIFACTS',
  /** How far the promotion of a large build has come. `id`: the build's. */
  promotion: 'PROMOTION',
  /** What the layers of a project's build cache cost and save. `id`: the project's. */
  cache: 'CACHE',
  /** What was told of a deployment at GitHub and elsewhere, and who is telling. `id`: the deployment's, or a skipped push's. */
  told: 'TOLD',
  /** Where the reconciler goes on. One item. */
  cursor: 'CURSOR',
} as const;

/** Sorts the deployments of a project by age. Neither an id nor a time holds a `#`. */
export function openDeploymentKey({ projectId, createdAt, deploymentId }: { projectId: string; createdAt: string; deploymentId: string }): string {
  return `${openDeploymentsOf(projectId)}${createdAt}#${deploymentId}`;
}

export function openDeploymentsOf(projectId: string): string {
  return `${projectId}#`;
}

/** A branch may hold a `#`, a project id cannot: the first one ends it. */
export function branchKey({ projectId, branch }: { projectId: string; branch: string }): string {
  return `${projectId}#${branch}`;
}

export function artifactsKey({ projectId, commitSha, branch }: { projectId: string; commitSha: string; branch: string }): string {
  return `${projectId}#${commitSha}#${branch}`;
}
