import type { Change } from './change';
import { skipCommandOf } from './skip-commands';
import type { ProjectItem } from '../../src/contract/webhook';
import { quoted } from '../shared/quoted';

/** A branch of the repository that is named so would share a cache with the pull request of that number. */
const PULL_REQUEST_HEAD = /^pull\/\d+\/head$/;

/** Why the project deploys nothing of this branch; undefined: it does. */
export function reasonOfBranch({ branch, fromFork }: Change, project: ProjectItem): string | undefined {
  if (fromFork) return project.forkPreviews === true ? undefined : 'pull requests from forks are deployed only if the project\'s "forkPreviews" is true';
  if (PULL_REQUEST_HEAD.test(branch)) return `the branch name ${quoted(branch)} is reserved for pull requests`;
  if (branch === project.branch || project.previews === true) return undefined;
  return `the branch ${quoted(branch)} is not ${quoted(project.branch)}; others are deployed only if the project's "previews" is true`;
}

/** Why it does not deploy this commit of it. */
export function reasonOfCommit(change: Change, project: ProjectItem): string | undefined {
  return reasonOfMessage(change) ?? reasonOfFiles(change, project);
}

function reasonOfMessage({ message = '' }: Change): string | undefined {
  const command = skipCommandOf(message);
  return command && `the commit's message says ${quoted(command)}`;
}

/** A push without any file, such as an empty commit, is somebody's wish to have it built. */
function reasonOfFiles({ changedFiles = [] }: Change, { rootDirectory, sharedDirectories }: ProjectItem): string | undefined {
  if (!rootDirectory || changedFiles.length === 0) return undefined;
  const directories = [rootDirectory, ...(Array.isArray(sharedDirectories) ? sharedDirectories as unknown[] : [])].map((directory) => `${directory}/`);
  // What lies at the top, such as a lock file, is of all apps of the repository.
  const matters = (file: string) => !file.includes('/') || directories.some((directory) => file.startsWith(directory));
  if (changedFiles.some(matters)) return undefined;
  return `no changed file lies in ${directories.map(quoted).join(', ')} or at the repository's top; add directories that the app needs too to the project's "sharedDirectories"`;
}
