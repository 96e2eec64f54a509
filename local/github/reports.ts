/** What GitHub's API makes of check runs and deployments, as its documentation says and apps have found out. */

export interface ReportAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface CheckRunReport {
  readonly id: number;
  /** Its number. */
  readonly repository: number;
  readonly name: string;
  readonly head_sha: string;
  readonly external_id?: string;
  readonly status: string;
  readonly conclusion: string | null;
  readonly details_url?: string;
  readonly started_at?: string;
  readonly completed_at?: string;
  readonly output?: { readonly title: string; readonly summary: string };
}

export interface DeploymentReport {
  readonly id: number;
  readonly repository: number;
  readonly sha: string;
  readonly environment: string;
  readonly payload: Readonly<Record<string, unknown>>;
  readonly production_environment: boolean;
  readonly transient_environment: boolean;
  readonly statuses: readonly { readonly state: string; readonly description?: string; readonly log_url?: string; readonly environment?: string }[];
}

export interface ReportRequest {
  readonly method: string;
  /** What comes after the repository. */
  readonly route: string;
  readonly body: string;
  readonly repository: number;
  /** The token's. */
  readonly permissions: Readonly<Record<string, string>>;
}

type Fields = Record<string, unknown>;

const CONCLUSIONS = ['action_required', 'cancelled', 'failure', 'neutral', 'success', 'skipped', 'timed_out'];
const STATES = ['error', 'failure', 'inactive', 'in_progress', 'queued', 'pending', 'success'];

export class GitHubReports {
  readonly checkRuns: CheckRunReport[] = [];
  readonly deployments: DeploymentReport[] = [];
  /** Commits that the repositories do not have. */
  readonly unknownCommits = new Set<string>();
  private nextId = 1;

  /** `onChange`: hears in a few words what is to be seen at a commit from now on. */
  constructor(private readonly appId: string, private readonly onChange: (what: string) => void = () => undefined) {}

  clear(): void {
    this.checkRuns.length = 0;
    this.deployments.length = 0;
    this.unknownCommits.clear();
  }

  answer({ body, method, permissions, repository, route }: ReportRequest): ReportAnswer {
    const [path, query] = route.split('?');
    const permission = path.startsWith('/deployments') ? 'deployments' : 'checks';
    if (permissions[permission] !== 'write') return json(403, { message: 'Resource not accessible by integration' });
    const fields = body === '' ? {} : JSON.parse(body) as Fields;
    const parameters = new URLSearchParams(query);
    const [, commit] = /^\/commits\/([^/]+)\/check-runs$/.exec(path) ?? [];
    const [, id] = /^\/check-runs\/(\d+)$/.exec(path) ?? [];
    const [, deployment] = /^\/deployments\/(\d+)\/statuses$/.exec(path) ?? [];
    switch (true) {
      case method === 'GET' && commit !== undefined: return this.listCheckRuns(repository, commit, parameters);
      case method === 'POST' && path === '/check-runs': return this.createCheckRun(repository, fields);
      case method === 'PATCH' && id !== undefined: return this.changeCheckRun(repository, Number(id), fields);
      case method === 'GET' && path === '/deployments': return this.listDeployments(repository, parameters);
      case method === 'POST' && path === '/deployments': return this.createDeployment(repository, fields);
      case method === 'POST' && deployment !== undefined: return this.createStatus(repository, Number(deployment), fields);
      default: return json(404, { message: 'Not Found' });
    }
  }

  /** `filter=latest`, GitHub's own choice, would leave out all but one of a name. */
  private listCheckRuns(repository: number, commit: string, parameters: URLSearchParams): ReportAnswer {
    if (this.unknownCommits.has(commit)) return this.noCommit(commit);
    const named = this.checkRuns.filter((one) => one.repository === repository && one.head_sha === commit && [null, one.name].includes(parameters.get('check_name'))).reverse();
    const found = parameters.get('filter') === 'all' ? named : named.slice(0, 1);
    return json(200, { total_count: found.length, check_runs: paged(found, parameters).map((run) => this.shown(run)) });
  }

  private createCheckRun(repository: number, fields: Fields): ReportAnswer {
    const problem = typeof fields.name !== 'string' || typeof fields.head_sha !== 'string' ? 'name and head_sha are required' : checkRunProblem(fields);
    if (problem) return invalid(problem);
    if (this.unknownCommits.has(String(fields.head_sha))) return this.noCommit(String(fields.head_sha));
    const run = { status: 'queued', conclusion: null, ...fields, id: this.nextId++, repository } as CheckRunReport;
    this.checkRuns.push(run);
    this.onChange(described(run));
    return json(201, this.shown(run));
  }

  private changeCheckRun(repository: number, id: number, fields: Fields): ReportAnswer {
    const index = this.checkRuns.findIndex((one) => one.id === id && one.repository === repository);
    if (index < 0) return json(404, { message: 'Not Found' });
    const problem = 'head_sha' in fields ? '"head_sha" is not a permitted key.' : checkRunProblem(fields);
    if (problem) return invalid(problem);
    const before = this.checkRuns[index];
    // Apps have found: what is completed stays completed, whatever the answer says.
    const kept = before.status === 'completed' ? { status: before.status, conclusion: before.conclusion } : {};
    this.checkRuns[index] = { ...before, ...fields, ...kept };
    this.onChange(described(this.checkRuns[index]));
    return json(200, this.shown(this.checkRuns[index]));
  }

  private listDeployments(repository: number, parameters: URLSearchParams): ReportAnswer {
    const matches = (name: string, value: string) => [null, value].includes(parameters.get(name));
    const found = this.deployments.filter((one) => one.repository === repository && matches('sha', one.sha) && matches('environment', one.environment)).reverse();
    return json(200, paged(found, parameters).map(({ statuses: _, ...deployment }) => deployment));
  }

  private createDeployment(repository: number, { ref, ...fields }: Fields): ReportAnswer {
    if (typeof ref !== 'string') return invalid('ref is required');
    if (this.unknownCommits.has(ref)) return this.noCommit(ref);
    // Without a word about it, GitHub merges the default branch first, and waits for every check.
    if (fields.auto_merge !== false) return json(409, { message: 'Conflict merging main into feature.' });
    if (!Array.isArray(fields.required_contexts) || fields.required_contexts.length > 0) return json(409, { message: 'Conflict: Commit status checks failed for feature.' });
    const deployment = { environment: 'production', payload: {}, ...fields, id: this.nextId++, repository, sha: ref, statuses: [] } as unknown as DeploymentReport;
    this.deployments.push(deployment);
    return json(201, { ...deployment, statuses: undefined });
  }

  private createStatus(repository: number, id: number, fields: Fields): ReportAnswer {
    const index = this.deployments.findIndex((one) => one.id === id && one.repository === repository);
    if (index < 0) return json(404, { message: 'Not Found' });
    if (!STATES.includes(String(fields.state)) || String(fields.description ?? '').length > 140) return invalid('state is not included in the list');
    const deployment = this.deployments[index];
    this.deployments[index] = { ...deployment, statuses: [...deployment.statuses, fields as DeploymentReport['statuses'][number]] };
    this.onChange(`deployment of ${deployment.sha.slice(0, 7)} to ${deployment.environment}: ${String(fields.state)}`);
    return json(201, { id: this.nextId++, ...fields });
  }

  private shown({ repository: _, ...run }: CheckRunReport): object {
    return { ...run, app: { id: Number(this.appId), client_id: 'Iv23forge', slug: 'platform' } };
  }

  private noCommit(commit: string): ReportAnswer {
    return json(422, { message: `No commit found for SHA: ${commit}` });
  }
}

function described({ conclusion, head_sha: commit, name, output, status }: CheckRunReport): string {
  return `check run "${name}" of ${commit.slice(0, 7)}: ${conclusion ?? status}${output ? ` (${output.title})` : ''}`;
}

function checkRunProblem({ conclusion, details_url: url, output, status }: Fields): string | undefined {
  if (status === 'completed' ? !CONCLUSIONS.includes(String(conclusion)) : conclusion !== undefined) return 'conclusion belongs to status completed';
  if (url !== undefined && !/^https?:/.test(String(url))) return 'details_url must be http or https';
  const { summary, title } = Object(output) as Fields;
  return output !== undefined && (typeof summary !== 'string' || typeof title !== 'string') ? 'output needs title and summary' : undefined;
}

function paged<T>(found: readonly T[], parameters: URLSearchParams): readonly T[] {
  const perPage = Number(parameters.get('per_page') ?? 30);
  const start = (Number(parameters.get('page') ?? 1) - 1) * perPage;
  return found.slice(start, start + perPage);
}

function invalid(problem: string): ReportAnswer {
  return json(422, { message: `Invalid request.\n\n${problem}` });
}

export function json(status: number, body: object): ReportAnswer {
  return { status, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
}
