import type { Change, Repository } from './change';
import { deploymentIdOf } from './deployment-id';
import { currentUrl } from './repository-match';
import { ID_PATTERN, MAX_BRANCH_LENGTH, MAX_REPO_URL_LENGTH, MAX_ROOT_DIRECTORY_LENGTH, type RecordedRequest } from '../../src/contract/build-request';
import type { ProjectItem } from '../../src/contract/webhook';
import { isBranchName, isRelativeDirectory, repoUrlProblem } from '../shared/request-fields';

export function requestOf(change: Change, project: ProjectItem, repository: Repository): RecordedRequest {
  const { branch, commitSha, fromFork } = change;
  const { projectId, rootDirectory } = project;
  return {
    deploymentId: deploymentIdOf(projectId, change),
    projectId,
    commitSha,
    repoUrl: currentUrl(project, repository),
    branch,
    ...(rootDirectory ? { rootDirectory } : {}),
    // Code that nobody trusts gets nothing that others' builds have left, and no secrets.
    ...(fromFork ? { withoutSecrets: true } : { defaultBranch: project.branch }),
  };
}

/** Ten seconds, within which nearly every delivery comes, are spread over the second of the push. */
const LATE_MS_PER_MS = 10;

/**
 * What orders the deployments of a branch: the time of the push. Forges tell it in whole seconds; of the pushes of one second, the one that is
 * delivered first is taken for the first, because nothing in the payloads says more. It stays before every push of the next second.
 */
export function createdAtOf({ pushedAt }: Pick<Change, 'pushedAt'>, deliveredAt: Date): Date {
  // Then the order of the deliveries is all there is.
  if (!pushedAt) return deliveredAt;
  const lateMs = Math.max(0, deliveredAt.getTime() - pushedAt.getTime());
  return new Date(pushedAt.getTime() + Math.min(999, Math.floor(lateMs / LATE_MS_PER_MS)));
}

/** Why nobody could build this, so that it is said to whoever pushes, and not found in a dead-letter queue; undefined: it is a good request. */
export function requestProblem({ branch, defaultBranch, projectId, repoUrl, rootDirectory }: RecordedRequest): string | undefined {
  if (!ID_PATTERN.test(projectId)) return 'the project\'s item has no "projectId" that is one';
  const urlProblem = repoUrl.length > MAX_REPO_URL_LENGTH ? 'is too long' : repoUrlProblem(repoUrl);
  if (urlProblem) return `the repository's URL ${urlProblem}`;
  if (!isBranch(branch)) return 'git would not accept the name of the branch';
  if (defaultBranch !== undefined && !isBranch(defaultBranch)) return 'the project\'s "branch" is not the name of one';
  if (rootDirectory === undefined || isRootDirectory(rootDirectory)) return undefined;
  return 'the project\'s "rootDirectory" must be a relative path such as "apps/web", without ".", ".." or a trailing "/"';
}

function isBranch(name: string): boolean {
  return name !== '' && name.length <= MAX_BRANCH_LENGTH && isBranchName(name);
}

/** A platform's table may hold anything. */
function isRootDirectory(value: unknown): boolean {
  return typeof value === 'string' && value.length <= MAX_ROOT_DIRECTORY_LENGTH && isRelativeDirectory(value);
}
