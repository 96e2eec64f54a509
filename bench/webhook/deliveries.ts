/** Pushes to the repositories of many projects, as GitHub delivers them. */
import { createHmac } from 'node:crypto';

export interface Delivery {
  /** Of the push; no two have the same. */
  readonly commitSha: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export const PROJECTS = 200;
export const SECRET = 'It\'s a Secret to Everybody';

/** Two hooks, or a delivery that is repeated: more often than it happens. */
const EVERY_TWICE = 10;

export const projectIdOf = (push: number) => `app-${push % PROJECTS}`;
export const repositoryUrlOf = (projectId: string) => `https://github.com/acme/${projectId}`;

/** To the URL of the GitHub App; what comes twice comes at the same time to that of the project. */
export function deliveriesOf(pushes: number): Delivery[] {
  return Array.from({ length: pushes }, (_, push) => {
    const toApp = deliveryOf(push, '/');
    return push % EVERY_TWICE === 0 ? [toApp, { ...toApp, path: `/projects/${projectIdOf(push)}` }] : [toApp];
  }).flat();
}

function deliveryOf(push: number, path: string): Delivery {
  const [before, commitSha] = [push, push + PROJECTS].map((index) => `c${index.toString(16).padStart(39, '0')}`);
  const name = projectIdOf(push);
  const commit = { id: commitSha, message: `Change ${push}`, added: [], modified: ['app/page.tsx'], removed: [] };
  const body = JSON.stringify({
    ref: 'refs/heads/main',
    before,
    after: commitSha,
    created: false,
    deleted: false,
    forced: false,
    head_commit: commit,
    commits: [commit],
    repository: { id: 1_000 + push % PROJECTS, name, clone_url: `${repositoryUrlOf(name)}.git`, pushed_at: Math.floor(Date.now() / 1000) },
    // GitHub's payloads have some ten kilobytes: what it says of people, and of the repository's URLs.
    sender: { login: 'ada', bio: 'x'.repeat(8_000) },
  });
  const signature = createHmac('sha256', SECRET).update(body).digest('hex');
  return { commitSha, path, body, headers: { 'content-type': 'application/json', 'x-github-event': 'push', 'x-hub-signature-256': `sha256=${signature}` } };
}
