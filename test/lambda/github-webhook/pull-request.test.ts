/** Pull requests: those from forks are code of people who may not push. */
import { anyProject, commit, REPOSITORY, webhook } from './webhook-support';

const door = webhook();

let projectId: string;
beforeEach(async () => {
  projectId = anyProject();
  await door.putProject({ projectId, forkPreviews: true, previews: true, rootDirectory: 'apps/web' });
});

const FORK = { id: 4711, clone_url: 'https://github.com/mallory/shop.git' };
const pullRequest = (change: Record<string, unknown> = {}, action = 'opened') => ({
  action,
  number: 7,
  pull_request: { number: 7, updated_at: '2026-11-22T12:00:00Z', head: { ref: 'main', sha: commit('f'), repo: FORK }, base: { ref: 'main', repo: REPOSITORY }, ...change },
  repository: REPOSITORY,
});
const deliver = async (payload: unknown = pullRequest()) => door.deliver({ projectId, event: 'pull_request', payload });

describe('from a fork', () => {
  test('is not deployed unless the project asks for it by name: previews of its own branches are something else', async () => {
    await door.putProject({ projectId, previews: true });
    expect(await deliver()).toMatchObject({ status: 200, body: { outcome: 'skipped', reason: expect.stringMatching(/"forkPreviews" is true/) } });
    expect(await door.isUntouched()).toBe(true);
  });

  test.each(['true', 1, {}, null])('nor for %p in place of true', async (forkPreviews) => {
    await door.putProject({ projectId, forkPreviews: forkPreviews as boolean });
    expect((await deliver()).body.outcome).toBe('skipped');
  });

  test('is built without secrets and without what other builds have left, from the project\'s own repository, not under the name of the fork\'s branch', async () => {
    const { body, status } = await deliver();
    const { deploymentId } = body.deployments![0];
    expect(status).toBe(201);
    expect(await door.requests()).toEqual([{
      deploymentId, projectId, commitSha: commit('f'), repoUrl: 'https://github.com/acme/shop', branch: 'pull/7/head', rootDirectory: 'apps/web', withoutSecrets: true,
    }]);
  });

  test('never counts as the project\'s branch, whatever that is called', async () => {
    await door.putProject({ projectId, branch: 'pull/7/head' });
    expect((await deliver()).body.outcome).toBe('skipped');
  });

  test.each(['opened', 'synchronize', 'reopened'])('is deployed when it is %s', async (action) => {
    expect((await deliver(pullRequest({}, action))).status).toBe(201);
  });

  test.each(['closed', 'labeled', 'edited', 'ready_for_review'])('%s gives it no other commit: 202', async (action) => {
    expect(await deliver(pullRequest({}, action))).toMatchObject({ status: 202, body: { outcome: 'ignored' } });
  });

  test('one commit of it is one deployment, however often it is delivered', async () => {
    await Promise.all([deliver(), deliver(), deliver()]);
    expect(await door.requests()).toHaveLength(1);
  });

  test('nothing is deployed of a fork that was deleted', async () => {
    expect(await deliver(pullRequest({ head: { ref: 'main', sha: commit('f'), repo: null } }))).toMatchObject({ status: 200, body: { outcome: 'skipped', reason: expect.stringMatching(/the fork of pull request 7 was deleted/) } });
  });
});

test('from a branch of the repository is left to the push of that branch', async () => {
  const head = { ref: 'feature', sha: commit('f'), repo: REPOSITORY };
  expect(await deliver(pullRequest({ head }))).toMatchObject({ status: 200, body: { outcome: 'skipped', reason: expect.stringMatching(/deployed when it is pushed/) } });
  expect(await door.isUntouched()).toBe(true);
});

test.each([{ number: undefined }, { head: undefined }, { updated_at: 'yesterday' }, { updated_at: null }, { head: { sha: 'main', repo: FORK } }])('with %p: 400', async (change) => {
  const { status } = await deliver(pullRequest(change));
  expect(status).toBe('head' in change && change.head === undefined ? 200 : 400);
  expect(await door.isUntouched()).toBe(true);
});
