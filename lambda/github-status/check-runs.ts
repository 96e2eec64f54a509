/**
 * One check run for each deployment, on its commit. https://docs.github.com/rest/checks/runs
 *
 * Which one that is, is kept; it is looked for at GitHub, by the app and `external_id`, when nothing was kept: the answer to its creation was
 * lost, or the function ended before it could be kept.
 */
import type { Channel, Trace } from './channel';
import { type CheckRun, checkRunOf } from './check-run';
import type { GitHub, GitHubRepository, Json } from './github';
import { commitOf, type News } from './news';
import type { HttpsClient } from '../shared/https-client';

/** A check run has up to ten kilobytes, with all that GitHub says of the app and of pull requests. */
const PAGE = 20;
/** Of one name on one commit. GitHub keeps a thousand. */
const MAX_PAGES = 50;

export class CheckRuns implements Channel {
  readonly name = 'checkRun';

  constructor(private readonly github: GitHub) {}

  public concerns(news: News): boolean {
    const commit = commitOf(news);
    return commit !== undefined && this.github.serves(commit.repository);
  }

  public async tell(news: News, before: Trace, client: HttpsClient): Promise<Trace> {
    const repository = await this.github.repository(commitOf(news)!.repository, 'checks', client);
    if (!repository) return before;
    const { head_sha: commitSha, ...run } = checkRunOf(news);
    const known = before.id === undefined ? await this.find(repository, commitSha, run) : before;
    if (known && !isOver(known, run)) {
      await repository.change(`/check-runs/${known.id}`, run);
      return { id: known.id, conclusion: run.conclusion };
    }
    const { id } = await repository.create('/check-runs', { head_sha: commitSha, ...run });
    return { id: Number(id), conclusion: run.conclusion };
  }

  /** The newest, should a deployment have begun anew. */
  private async find(repository: GitHubRepository, commitSha: string, run: Omit<CheckRun, 'head_sha'>): Promise<Trace | undefined> {
    const { appId } = this.github.settings;
    let found: { id: number; conclusion?: string } | undefined;
    for (let page = 1; page <= MAX_PAGES; page += 1) {
      const query = new URLSearchParams({ check_name: run.name, filter: 'all', per_page: String(PAGE), page: String(page) });
      const { check_runs: answered } = await repository.get(`/commits/${commitSha}/check-runs?${query}`);
      const runs = Array.isArray(answered) ? answered as Json[] : [];
      for (const { app, conclusion, external_id: externalId, id } of runs) {
        const { client_id: clientId, id: numericId } = Object(app) as Json;
        if (externalId !== run.external_id || ![String(numericId), clientId].includes(appId)) continue;
        if (found === undefined || found.id < Number(id)) found = { id: Number(id), conclusion: typeof conclusion === 'string' ? conclusion : undefined };
      }
      if (runs.length < PAGE) break;
    }
    return found;
  }
}

/**
 * GitHub does not take back a conclusion: a deployment that begins anew (its request was sent again after it had failed without a build) has
 * a new check run of the same name, which takes the other one's place.
 */
function isOver({ conclusion }: Trace, run: Pick<CheckRun, 'conclusion'>): boolean {
  return conclusion !== undefined && conclusion !== run.conclusion;
}
