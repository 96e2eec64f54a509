/** What GitHub is told of a push that makes no deployment. */
import { anyProject, commit, push, webhook } from './webhook-support';
import { newsOf } from '../../../lambda/github-status/news';

const door = webhook();

let projectId: string;
beforeEach(async () => {
  projectId = anyProject();
  await door.putProject({ projectId, rootDirectory: 'apps/admin' });
});

const UNWANTED = push({ head_commit: { message: 'Fix a word [skip ci]' } });

test.each<[string, Record<string, unknown>, RegExp]>([
  ['whose message says so', UNWANTED, /^Nothing was deployed, because the commit's message says "\[skip ci\]"\.$/],
  ['without a change of the app', push(), /^Nothing was deployed, because no changed file lies in "apps\/admin\/"/],
])('a push to a deployed branch %s is news, for its commit', async (_, payload, reason) => {
  expect((await door.deliver({ projectId, payload })).body.outcome).toBe('skipped');
  const told = await door.skippedPushes();
  expect(told).toHaveLength(1);
  // As the function reads it that tells GitHub.
  const attributes = { SentTimestamp: '0' } as Parameters<typeof newsOf>[0]['attributes'];
  expect(newsOf({ attributes, body: JSON.stringify(told[0]) })).toMatchObject({
    about: 'skipped push', detail: { projectId, commitSha: commit('b'), repoUrl: 'https://github.com/acme/shop', reason: expect.stringMatching(reason) },
  });
});

test.each<[string, Record<string, unknown>]>([
  ['a push to a branch that the project does not deploy', { ...UNWANTED, ref: 'refs/heads/feature' }],
  ['a tag', { ...UNWANTED, ref: 'refs/tags/v1' }],
  ['a deleted branch', { ...UNWANTED, deleted: true }],
  ['a deployment', push({ commits: [] })],
])('%s is none', async (_, payload) => {
  await door.deliver({ projectId, payload });
  expect(await door.skippedPushes()).toEqual([]);
});

test('the answer is the same if it cannot be told', async () => {
  door.refusesMessages = true;
  expect(await door.deliver({ projectId, payload: UNWANTED })).toMatchObject({ status: 200, body: { outcome: 'skipped' } });
});

describe('without a GitHub App', () => {
  const alone = webhook({ statusQueueUrl: '' });

  test('nobody is told', async () => {
    await alone.putProject({ projectId });
    expect(await alone.deliver({ projectId, payload: UNWANTED })).toMatchObject({ status: 200, body: { outcome: 'skipped' } });
    expect(await alone.skippedPushes()).toEqual([]);
  });
});
