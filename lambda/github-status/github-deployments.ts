/**
 * A deployment at GitHub for each of ours, where the app may: pull requests and the repository's page then show where a commit has gone.
 * https://docs.github.com/rest/deployments
 */
import type { Channel, Trace } from './channel';
import { logLink } from './check-run';
import type { GitHub, GitHubRepository, Json } from './github';
import { commitOf, type DeploymentNews, type News } from './news';
import type { DeploymentStatusChangedDetail } from '../../src/contract/events';
import type { HttpsClient } from '../shared/https-client';

/** Some five kilobytes each. */
const PAGE = 30;
const MAX_PAGES = 10;

/** GitHub's limit. */
const MAX_DESCRIPTION = 140;

export class GitHubDeployments implements Channel {
  readonly name = 'githubDeployment';

  constructor(private readonly github: GitHub) {}

  public concerns(news: News): boolean {
    const commit = commitOf(news);
    return news.about === 'deployment' && commit !== undefined && this.github.serves(commit.repository);
  }

  public async tell(news: News, before: Trace, client: HttpsClient): Promise<Trace> {
    const { detail } = news as DeploymentNews;
    const repository = await this.github.repository(commitOf(news)!.repository, 'deployments', client);
    if (!repository) return before;
    const id = before.id ?? await this.find(repository, detail) ?? await this.create(repository, detail);
    await repository.create(`/deployments/${id}/statuses`, { ...stateOf(detail), log_url: logLink(detail.logsUrl), environment: environmentOf(detail) });
    return { id };
  }

  private async find(repository: GitHubRepository, detail: DeploymentStatusChangedDetail): Promise<number | undefined> {
    for (let page = 1; page <= MAX_PAGES; page += 1) {
      const query = new URLSearchParams({ sha: detail.commitSha, environment: environmentOf(detail), per_page: String(PAGE), page: String(page) });
      const answered: unknown = await repository.get(`/deployments?${query}`);
      const deployments = Array.isArray(answered) ? answered as Json[] : [];
      const found = deployments.find(({ payload }) => (Object(payload) as Json).deploymentId === detail.deploymentId);
      if (found) return Number(found.id);
      if (deployments.length < PAGE) break;
    }
    return undefined;
  }

  private async create(repository: GitHubRepository, detail: DeploymentStatusChangedDetail): Promise<number> {
    const { branch, commitSha, deploymentId, projectId } = detail;
    const { id } = await repository.create('/deployments', {
      ref: commitSha,
      environment: environmentOf(detail),
      description: described(`${projectId}, branch ${branch}`),
      payload: { deploymentId, projectId },
      // Neither merges anything nor waits for checks, of which ours is one.
      auto_merge: false,
      required_contexts: [],
      production_environment: !isPreview(detail),
      // Or GitHub would take each preview to be over when another one succeeds.
      transient_environment: isPreview(detail),
    });
    return Number(id);
  }
}

function environmentOf(detail: DeploymentStatusChangedDetail): 'Production' | 'Preview' {
  return isPreview(detail) ? 'Preview' : 'Production';
}

/** Whoever does not say which branch is the default one has no previews, but for pull requests: those are never production. */
function isPreview({ branch, defaultBranch }: DeploymentStatusChangedDetail): boolean {
  return /^(refs\/)?pull\//.test(branch) || (defaultBranch !== undefined && defaultBranch !== branch);
}

function stateOf({ failureMessage, status, supersededBy }: DeploymentStatusChangedDetail): { readonly state: string; readonly description: string } {
  const inactive = { state: 'inactive', description: described(`Superseded by ${supersededBy ?? 'a newer deployment'}`) };
  switch (status) {
    case 'queued': return { state: 'queued', description: 'Waits for its build' };
    case 'building': return { state: 'in_progress', description: 'Is being built' };
    case 'success': return supersededBy === undefined ? { state: 'success', description: 'Was built' } : inactive;
    case 'failed': return { state: 'failure', description: described(failureMessage ?? 'Failed') };
    case 'superseded': return inactive;
  }
}

function described(text: string): string {
  return text.length <= MAX_DESCRIPTION ? text : `${text.slice(0, MAX_DESCRIPTION - 1)}…`;
}
