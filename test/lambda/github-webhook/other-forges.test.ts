/** GitLab and Bitbucket send their pushes to the same URLs. */
import { anyProject, commit, signed, SECRET, webhook } from './webhook-support';
import { setClock } from '../../support/clock';

const door = webhook();

let projectId: string;
beforeEach(() => { projectId = anyProject(); });

describe('GitLab', () => {
  const push = (change: Record<string, unknown> = {}) => ({
    object_kind: 'push',
    ref: 'refs/heads/main',
    before: commit('a'),
    after: commit('b'),
    checkout_sha: commit('b'),
    project_id: 15,
    project: { git_http_url: 'https://gitlab.example.com/acme/shop.git', web_url: 'https://gitlab.example.com/acme/shop', default_branch: 'main' },
    commits: [{ id: commit('b'), message: 'Sell more', timestamp: '2026-11-22T11:00:00+01:00', added: [], modified: ['a'], removed: [] }],
    total_commits_count: 1,
    ...change,
  });
  const deliver = async (payload: unknown = push(), token: string | undefined = SECRET, event = 'Push Hook') => door.deliver({
    projectId, payload, headers: { 'x-github-event': undefined, 'x-hub-signature-256': undefined, 'x-gitlab-event': event, 'x-gitlab-token': token },
  });
  beforeEach(() => door.putProject({ projectId, repoUrl: 'https://gitlab.example.com/acme/shop' }));

  test('a push is a deployment, once, in the order of the deliveries: the payload does not say when it was pushed', async () => {
    setClock('2026-11-22T12:00:00.000Z');
    expect((await deliver()).status).toBe(201);
    setClock('2026-11-22T12:00:01.000Z');
    expect((await deliver()).status).toBe(200);
    expect(await door.records()).toMatchObject([{ branch: 'main', commitSha: commit('b'), createdAt: '2026-11-22T12:00:00.000Z' }]);
  });

  test('another token, or none: 401', async () => {
    for (const token of ['guessed', SECRET.slice(0, -1), `${SECRET}0`, '']) expect((await deliver(push(), token)).status).toBe(401);
    expect(await door.deliver({ projectId, payload: push(), headers: { 'x-github-event': undefined, 'x-gitlab-event': 'Push Hook' } })).toMatchObject({ status: 401 });
    expect(await door.isUntouched()).toBe(true);
  });

  test.each<[string, Record<string, unknown>]>([
    ['of a deleted branch', { after: commit('0'), checkout_sha: null, commits: [] }],
    ['of a tag', { ref: 'refs/tags/v1' }],
    ['of another branch', { ref: 'refs/heads/feature' }],
    ['that says so', { commits: [{ id: commit('b'), message: 'Fix a word [ci skip]' }] }],
  ])('nothing is deployed %s', async (_, change) => {
    expect(await deliver(push(change))).toMatchObject({ status: 200, body: { outcome: 'skipped' } });
  });

  test('a branch that was created at a commit that is there shows no commit', async () => {
    expect((await deliver(push({ before: commit('0'), commits: [] }))).status).toBe(201);
  });

  test('other events: 202', async () => {
    expect((await deliver({}, SECRET, 'Pipeline Hook')).status).toBe(202);
  });
});

describe('Bitbucket', () => {
  const change = (to: Record<string, unknown> | null = {}) => ({
    old: { type: 'branch', name: 'main', target: { hash: commit('a') } },
    new: to && { type: 'branch', name: 'main', target: { hash: commit('b'), date: '2026-11-22T11:00:00+00:00', message: 'Sell more' }, ...to },
    forced: false,
  });
  const push = (...changes: unknown[]) => ({
    push: { changes },
    repository: { uuid: '{673a6070-3421-46c9-9d48-90745f7bfe8e}', full_name: 'acme/shop', links: { html: { href: 'https://bitbucket.org/acme/shop' } } },
  });
  const deliver = async (payload: unknown = push(change()), event = 'repo:push') => {
    const body = JSON.stringify(payload);
    return door.deliver({ projectId, body, headers: { 'x-github-event': undefined, 'x-hub-signature-256': undefined, 'x-event-key': event, 'x-hub-signature': signed(body) } });
  };
  beforeEach(() => door.putProject({ projectId, repoUrl: 'https://bitbucket.org/acme/shop.git', previews: true }));

  test('each branch of a push is a deployment', async () => {
    const payload = push(change(), change({ name: 'feature' }), change({ type: 'tag', name: 'v1' }), change(null));
    const { body, status } = await deliver(payload);
    expect([status, body.deployments!.length]).toEqual([201, 2]);
    expect((await door.requests()).map(({ branch, commitSha }) => [branch, commitSha]).sort()).toEqual([['feature', commit('b')], ['main', commit('b')]]);
    expect((await deliver(payload)).body.deployments!.map(({ status: each }) => each)).toEqual(['already', 'already']);
    expect(await door.project(projectId)).toMatchObject({ repositoryId: '{673a6070-3421-46c9-9d48-90745f7bfe8e}' });
  });

  test('wrongly signed: 401', async () => {
    expect((await door.deliver({ projectId, payload: push(change()), headers: { 'x-github-event': undefined, 'x-event-key': 'repo:push', 'x-hub-signature': signed('{}') } })).status).toBe(401);
  });

  test('a push without changes, and other events', async () => {
    expect(await deliver(push())).toMatchObject({ status: 200, body: { outcome: 'skipped', reason: 'The payload has no changes.' } });
    expect((await deliver({}, 'repo:fork')).status).toBe(202);
  });
});

test('whoever names several forges has to prove to be the first of them', async () => {
  await door.putProject({ projectId });
  expect((await door.deliver({ projectId, headers: { 'x-hub-signature-256': undefined, 'x-gitlab-event': 'Push Hook', 'x-gitlab-token': SECRET } })).status).toBe(401);
});
