/** Every payload of @octokit/webhooks-examples, of github.com and of GitHub Enterprise Server, signed and sent: each gets the documented answer. */
import { readFileSync } from 'node:fs';
import * as path from 'node:path';
import { webhook } from './webhook-support';

interface Example {
  readonly name: string;
  readonly examples: readonly Payload[];
}

interface Payload {
  readonly ref?: string;
  readonly deleted?: boolean;
  readonly action?: string;
  readonly repository?: { readonly id: number; readonly clone_url: string };
  readonly pull_request?: { readonly head: { readonly repo: { readonly id: number } | null } };
}

const door = webhook();
const DIRECTORY = path.dirname(require.resolve('@octokit/webhooks-examples/package.json'));
const SOURCES = ['api.github.com', 'ghes-31', 'ghes-32', 'ghes-33', 'ghes-34', 'ghes-35'];

const HELLO_WORLD = 'https://github.com/Codertocat/Hello-World';

/** As README and docs say, for a project of the branch master of this repository. */
function documented(event: string, { action, deleted, ref, repository }: Payload): [number, string] {
  switch (event) {
    case 'ping':
      return [200, 'ignored'];
    case 'push':
      if (deleted || !ref!.startsWith('refs/heads/')) return [200, 'skipped'];
      return ref === 'refs/heads/master' ? [201, 'deployment'] : [200, 'skipped'];
    case 'pull_request':
      // All of them are of branches of the repository itself.
      return repository && ['opened', 'reopened', 'synchronize'].includes(action!) ? [200, 'skipped'] : [202, 'ignored'];
    default:
      return [202, 'ignored'];
  }
}

test.each(SOURCES)('%s', async (source) => {
  const events = JSON.parse(readFileSync(path.join(DIRECTORY, source, 'index.json'), 'utf8')) as Example[];
  let answers = 0;
  for (const { examples, name } of events) {
    for (const [index, payload] of examples.entries()) {
      await door.putProject({ projectId: 'hello', repoUrl: payload.repository?.clone_url ?? HELLO_WORLD, branch: 'master' });
      const { body, status } = await door.deliver({ projectId: 'hello', event: name, payload });
      expect([name, index, status, body.outcome]).toEqual([name, index, ...documented(name, payload)]);
      expect(body.reason).toMatch(/^\S.*\.$/);
      expect((await door.records()).length).toBe(status === 201 ? 1 : 0);
      answers += 1;
      if (status === 201) await door.tables.clear();
    }
  }
  // So that nobody takes an empty file for a good one.
  expect(answers).toBeGreaterThan(40);
});
