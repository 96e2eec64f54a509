/** What becomes of a push: a deployment, or a reason why not. */
import { anyProject, commit, push, REPOSITORY, webhook } from './webhook-support';
import type { BuildRequest } from '../../../src/contract/build-request';
import type { ProjectItem } from '../../../src/contract/webhook';
import { setClock } from '../../support/clock';

const door = webhook();

let projectId: string;
beforeEach(async () => {
  projectId = anyProject();
  await door.putProject({ projectId });
});

const deliver = async (payload = push()) => door.deliver({ projectId, payload });

/** Of this test's project, if that has these settings. */
async function reasonToSkip(change: Record<string, unknown>, settings: Partial<ProjectItem> = {}): Promise<string | undefined> {
  await door.putProject({ projectId, ...settings });
  const { body, status } = await deliver(push(change));
  if (body.outcome === 'deployment') return undefined;
  expect([status, body.outcome, await door.isUntouched()]).toEqual([200, 'skipped', true]);
  return body.reason;
}

describe('a push to the project\'s branch', () => {
  test('is recorded as queued and put into the queue, with all that the project says', async () => {
    await door.putProject({ projectId, rootDirectory: 'apps/web' });
    const { body, status } = await deliver();
    const [deployment] = body.deployments!;
    expect([status, body]).toEqual([201, {
      outcome: 'deployment',
      reason: `${projectId}: deployment ${deployment.deploymentId} of commit ${commit('b')} on "main" is queued.`,
      deployments: [{ deploymentId: deployment.deploymentId, projectId, status: 'enqueued' }],
    }]);
    const request: BuildRequest = {
      deploymentId: deployment.deploymentId, projectId, commitSha: commit('b'), repoUrl: 'https://github.com/acme/shop', branch: 'main', defaultBranch: 'main', rootDirectory: 'apps/web',
    };
    expect(await door.requests()).toEqual([request]);
    expect(await door.records()).toEqual([expect.objectContaining({ ...request, status: 'queued', createdAt: expect.stringMatching(/^2026-11-22T12:00:00\.\d{3}Z$/) })]);
  });

  test('has an id that sorts by the time of the push', async () => {
    const ids: string[] = [];
    for (const seconds of [0, 1, 3600, 365 * 24 * 3600]) {
      const repository = { ...REPOSITORY, pushed_at: REPOSITORY.pushed_at + seconds };
      ids.push((await deliver(push({ repository }))).body.deployments![0].deploymentId);
    }
    expect(ids).toEqual([...ids].sort());
    expect(ids.every((id) => /^[0-9a-z]{26}$/.test(id))).toBe(true);
  });

  test.each<[string, Record<string, unknown>]>([
    ['created', { created: true, before: commit('0') }],
    ['forced', { forced: true }],
    ['without a commit: the branch was set to one that is there', { commits: [], head_commit: { id: commit('b'), message: 'Old' } }],
    ['of an empty commit, which is somebody\'s wish for a build', { commits: [{ id: commit('b'), added: [], modified: [], removed: [] }] }],
    ['of SHA-256', { after: 'b'.repeat(64) }],
  ])('%s', async (_, change) => {
    expect(await reasonToSkip(change)).toBeUndefined();
  });
});

describe('nothing is deployed', () => {
  test.each<[string, Record<string, unknown>, RegExp]>([
    ['of a deleted branch', { deleted: true, after: commit('0'), head_commit: null }, /"refs\/heads\/main" was deleted/],
    ['of no commit', { after: commit('0') }, /"refs\/heads\/main" was deleted/],
    ['of a tag', { ref: 'refs/tags/v1' }, /"refs\/tags\/v1" is not a branch/],
    ['of an annotated tag, whose SHA is no commit\'s', { ref: 'refs/tags/v1', base_ref: 'refs/heads/main', commits: [] }, /is not a branch/],
    ['of another branch', { ref: 'refs/heads/feature' }, /the branch "feature" is not "main".*"previews"/],
    ['of a branch with a similar name', { ref: 'refs/heads/Main' }, /is not "main"/],
  ])('%s', async (_, change, reason) => {
    expect(await reasonToSkip(change)).toMatch(reason);
  });

  test.each(['[skip ci]', '[ci skip]', '[no ci]', '[skip actions]', '[actions skip]', '[Skip CI]'])('if the commit\'s message says %s', async (command) => {
    expect(await reasonToSkip({ head_commit: { message: `Fix a word ${command}\n\nLong story` } })).toContain(command);
  });

  test('if its trailer says so', async () => {
    expect(await reasonToSkip({ head_commit: { message: 'Fix a word\n\n\nskip-checks: true' } })).toContain('skip-checks: true');
    expect(await reasonToSkip({ head_commit: { message: 'Explain skip-checks: true' } })).toBeUndefined();
  });
});

describe('previews', () => {
  test('other branches are deployed if the project wishes, and begin with the cache of its own branch', async () => {
    expect(await reasonToSkip({ ref: 'refs/heads/feature/a' }, { previews: true })).toBeUndefined();
    expect(await door.requests()).toMatchObject([{ branch: 'feature/a', defaultBranch: 'main' }]);
  });

  test('but not a branch that is named like a pull request: it would share that one\'s cache', async () => {
    expect(await reasonToSkip({ ref: 'refs/heads/pull/5/head' }, { previews: true })).toMatch(/reserved for pull requests/);
  });
});

describe('rootDirectory', () => {
  const changing = (...files: string[]) => ({ commits: [{ id: commit('a'), added: [], modified: [], removed: files.slice(1) }, { id: commit('b'), added: files.slice(0, 1), modified: [], removed: [] }] });
  const settings = { rootDirectory: 'apps/web', sharedDirectories: ['packages/ui'] };

  test.each([
    ['inside', ['apps/web/page.tsx']],
    ['deep inside', ['docs/a.md', 'apps/web/app/page.tsx']],
    ['in a directory that the app needs too', ['packages/ui/button.tsx']],
    ['at the top, where the lock file is', ['package-lock.json']],
  ])('a change %s is deployed', async (_, files) => {
    expect(await reasonToSkip(changing(...files), settings)).toBeUndefined();
  });

  test.each([
    ['of another app', ['apps/admin/page.tsx']],
    ['of a directory with a similar name', ['apps/web-old/page.tsx']],
    ['of another package', ['packages/email/index.ts', 'docs/a.md']],
  ])('a change %s is not', async (_, files) => {
    expect(await reasonToSkip(changing(...files), settings)).toMatch(/no changed file lies in "apps\/web\/", "packages\/ui\/".*sharedDirectories/);
  });

  test.each<[string, Record<string, unknown>]>([
    ['a new branch, whose list begins somewhere', { created: true }],
    ['a forced push, which does not say what it took back', { forced: true }],
    ['a push of more commits than GitHub shows', { commits: Array.from({ length: 2048 }, () => changing('docs/a.md').commits[0]) }],
    ['a commit of more files than GitHub shows', { commits: [{ added: Array.from({ length: 3000 }, (_, index) => `docs/${index}`), modified: [], removed: [] }] }],
    ['a commit without a list', { commits: [{ id: commit('b') }] }],
  ])('is of no account when the list is not complete: %s', async (_, change) => {
    expect(await reasonToSkip({ ...changing('docs/a.md'), ...change }, settings)).toBeUndefined();
  });
});

describe('one push is one deployment', () => {
  test('when GitHub delivers it again, though with another id of delivery', async () => {
    const first = await deliver();
    const again = await door.deliver({ projectId, headers: { 'x-github-delivery': 'another' } });
    expect(again).toMatchObject({ status: 200, body: { outcome: 'deployment', reason: expect.stringMatching(/was queued before/), deployments: [{ status: 'already' }] } });
    expect(again.body.deployments![0].deploymentId).toBe(first.body.deployments![0].deploymentId);
    expect(await door.requests()).toHaveLength(1);
  });

  test('when there are two hooks for it, one of the project and one of the GitHub App', async () => {
    await Promise.all([deliver(), door.deliver({}), deliver(), door.deliver({})]);
    expect((await door.requests()).filter((request) => request.projectId === projectId)).toHaveLength(1);
    expect((await door.records()).filter((record) => record.projectId === projectId)).toHaveLength(1);
  });

  test('but the same commit is another one when it is pushed again, to go back to it', async () => {
    await deliver();
    await deliver(push({ before: commit('c'), forced: true, repository: { ...REPOSITORY, pushed_at: REPOSITORY.pushed_at + 60 } }));
    expect(await door.requests()).toHaveLength(2);
  });

  test('an older push that is delivered late keeps its time', async () => {
    await deliver(push({ after: commit('c'), repository: { ...REPOSITORY, pushed_at: REPOSITORY.pushed_at + 60 } }));
    await deliver();
    const [older, newer] = (await door.records()).sort((a, b) => a.createdAt.localeCompare(b.createdAt));
    expect([older.commitSha, newer.commitSha]).toEqual([commit('b'), commit('c')]);
  });
});

describe('the deployments of a branch have the order of its pushes', () => {
  const PUSHED_AT = REPOSITORY.pushed_at * 1000;

  /** `createdAt` decides which deployment is the newest of its branch. */
  async function createdAt(after: string, { delivered, pushed = 0 }: { delivered: number; pushed?: number }): Promise<string> {
    setClock(PUSHED_AT + delivered);
    await deliver(push({ after, repository: { ...REPOSITORY, pushed_at: REPOSITORY.pushed_at + pushed } }));
    return (await door.records()).find((record) => record.commitSha === after)!.createdAt;
  }

  test('though the payload tells the time in whole seconds: of the pushes of one second, the first to be delivered is the first', async () => {
    const times: string[] = [];
    for (const [index, delivered] of [300, 700, 1_400, 4_000, 9_000].entries()) times.push(await createdAt(commit(String(index + 1)), { delivered }));
    expect(new Set(times).size).toBe(times.length);
    expect(times).toEqual([...times].sort());
    expect(times.every((time) => time.startsWith('2026-11-22T12:00:00.'))).toBe(true);
  });

  test('whenever they are delivered', async () => {
    const newer = await createdAt(commit('2'), { pushed: 1, delivered: 1_100 });
    const older = await createdAt(commit('1'), { delivered: 3_600_000 });
    expect([older, newer]).toEqual([...[older, newer]].sort());
    expect(older).not.toBe(newer);
  });

  test('and none is created in the future, where it would be newer than pushes that are still to come', async () => {
    expect(await createdAt(commit('1'), { pushed: 60, delivered: 0 })).toBe('2026-11-22T12:00:00.000Z');
  });
});

test('if the queue does not take it: 503, the record says queued, and repeating the delivery repairs it', async () => {
  const written = jest.spyOn(process.stdout, 'write').mockReturnValue(true);
  door.refusesMessages = true;
  expect(await deliver()).toMatchObject({ status: 503, body: { outcome: 'failed', reason: expect.stringMatching(/could not be put into the queue.*Deliver it again/), deployments: [{ projectId, status: 'unsent' }] } });
  expect(written).toHaveBeenCalledTimes(1);
  written.mockRestore();
  expect(await door.records()).toMatchObject([{ projectId, status: 'queued' }]);
  door.refusesMessages = false;
  expect(await deliver()).toMatchObject({ status: 201, body: { deployments: [{ status: 'enqueued' }] } });
  expect(await deliver()).toMatchObject({ status: 200, body: { deployments: [{ status: 'already' }] } });
  expect([(await door.requests()).length, (await door.records()).length]).toEqual([1, 1]);
});

describe('a request that nobody could build is said to whoever pushes', () => {
  test.each<[string, Partial<ProjectItem>, RegExp]>([
    ['a directory outside the repository', { rootDirectory: '../other' }, /"rootDirectory" must be/],
    ['a directory that is none', { rootDirectory: 5 as unknown as string }, /"rootDirectory" must be/],
    ['a branch that git does not accept', { previews: true, branch: 'refs//heads' }, /"branch" is not the name of one/],
    ['no branch', { previews: true, branch: undefined }, /"branch" is not the name of one/],
  ])('%s', async (_, settings, reason) => {
    await door.putProject({ projectId, ...settings });
    expect(await deliver(push({ commits: [] }))).toMatchObject({ status: 422, body: { outcome: 'refused', reason: expect.stringMatching(reason) } });
    expect(await door.isUntouched()).toBe(true);
  });
});

test('a ping says what the hook is good for', async () => {
  expect(await door.deliver({ projectId, event: 'ping', payload: { zen: 'Keep it logically awesome.', repository: REPOSITORY } })).toMatchObject({
    status: 200, body: { outcome: 'ignored', reason: `The webhook works. Pushes of its repository deploy: ${projectId} (branch main).` },
  });
});
