import type { Repository } from './change';
import type { ProjectItem } from '../../src/contract/webhook';

/**
 * Whether the project is of this repository. Once the repository's id is known, it counts: the name can have been changed, and given to
 * another repository since.
 */
export function isOf(project: ProjectItem, repository: Repository): boolean {
  const [registered, actual] = [plainUrl(project.repoUrl), plainUrl(repository.cloneUrl)];
  if (project.repositoryId === undefined) return registered === actual;
  // By hand, somebody may have stored a number. Ids of two hosts have nothing to do with each other.
  return String(project.repositoryId) === repository.id && hostOf(registered) === hostOf(actual);
}

/** Where the repository is now, in the project's own words if these still say so. */
export function currentUrl(project: ProjectItem, repository: Repository): string {
  return plainUrl(project.repoUrl) === plainUrl(repository.cloneUrl) ? project.repoUrl : repository.cloneUrl;
}

/** All ways to write the URL under which the index may have it. */
export function urlsOf({ cloneUrl }: Repository): string[] {
  const withoutSuffix = cloneUrl.replace(/\.git$/, '');
  return [...new Set([cloneUrl, withoutSuffix, cloneUrl.toLowerCase(), withoutSuffix.toLowerCase()])];
}

/** One text for all ways to write it: forges do not tell cases apart either. */
function plainUrl(url: string): string {
  return url.toLowerCase().replace(/\/+$/, '').replace(/\.git$/, '');
}

function hostOf(url: string): string {
  return url.split('/')[2];
}
