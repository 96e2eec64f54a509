/** Whose push it is: by the project in the URL, or, for a GitHub App, by the repository. */
import { anyProject, push, REPOSITORY, webhook } from './webhook-support';

const door = webhook();

let id = REPOSITORY.id;
/** Of this test. */
let repository: typeof REPOSITORY;
let projectId: string;
beforeEach(() => {
  id += 1;
  repository = { ...REPOSITORY, id, clone_url: `https://github.com/acme/Shop-${id}.git` };
  projectId = anyProject();
});

const renamed = (name: string) => ({ ...repository, clone_url: `https://github.com/${name}-${id}.git` });
const deliver = async (from: object = repository, path = `/projects/${projectId}`) => door.deliver({ path, payload: push({ repository: from }) });

describe('the URL of a project', () => {
  test('of an unknown project: 404', async () => {
    for (const unknown of ['unknown', '', '..', '%2e%2e', '%', '%00', 'a/b', 'x'.repeat(3000)]) {
      expect((await deliver(repository, `/projects/${unknown}`)).status).toBe(404);
    }
    expect(await door.isUntouched()).toBe(true);
  });

  test.each(['https://github.com/acme/Shop-ID', 'https://github.com/acme/Shop-ID.git', 'https://github.com/acme/Shop-ID/', 'https://GitHub.com/ACME/shop-ID'])('%s is the repository, however it is written', async (url) => {
    await door.putProject({ projectId, repoUrl: url.replace('ID', String(id)) });
    expect((await deliver()).status).toBe(201);
    expect(await door.requests()).toMatchObject([{ repoUrl: url.replace('ID', String(id)) }]);
  });

  test('of a project of another repository: 404, with both in the reason', async () => {
    await door.putProject({ projectId, repoUrl: 'https://github.com/acme/other' });
    expect(await deliver()).toMatchObject({ status: 404, body: { reason: `The project ${projectId} is of the repository https://github.com/acme/other, not of ${repository.clone_url} (id ${id}).` } });
    expect((await door.project(projectId))!.repositoryId).toBeUndefined();
    expect(await door.isUntouched()).toBe(true);
  });
});

describe('the repository\'s id', () => {
  beforeEach(() => door.putProject({ projectId, repoUrl: `https://github.com/acme/shop-${id}` }));

  test('is learned on the first delivery, even if that deploys nothing; nothing else of the item is written', async () => {
    const before = await door.project(projectId);
    await door.deliver({ projectId, event: 'ping', payload: { repository } });
    expect(await door.project(projectId)).toEqual({ ...before, repositoryId: String(id) });
  });

  test('finds the project after the repository was renamed or transferred, and the build clones from where it is now', async () => {
    await deliver();
    await door.requests();
    for (const name of ['acme/store', 'globex/store']) {
      expect((await deliver({ ...renamed(name), pushed_at: repository.pushed_at + name.length })).status).toBe(201);
      expect(await door.requests()).toMatchObject([{ repoUrl: renamed(name).clone_url }]);
    }
  });

  test('keeps out another repository that was given the old name', async () => {
    await deliver();
    expect((await deliver({ ...repository, id: 99 })).status).toBe(404);
    expect((await deliver({ ...repository, id: 99 }, '/')).status).toBe(404);
  });

  test('means nothing at another host', async () => {
    await deliver();
    expect((await deliver({ ...repository, clone_url: 'https://git.example.com/acme/shop.git' })).status).toBe(404);
  });

  test('may be what the platform has set itself', async () => {
    await door.putProject({ projectId, repoUrl: 'https://github.com/acme/what-it-was-called', repositoryId: String(id) });
    expect((await deliver()).status).toBe(201);
  });
});

describe('the URL of the GitHub App', () => {
  test.each(['/', '', '/webhooks/github', '/prod/'])('is every other path, such as %p: the project is found by its repository', async (path) => {
    await door.putProject({ projectId, repoUrl: repository.clone_url });
    expect(await deliver(repository, path)).toMatchObject({ status: 201, body: { deployments: [{ projectId }] } });
  });

  test.each([(url: string) => url, (url: string) => url.toLowerCase(), (url: string) => url.replace('.git', ''), (url: string) => url.replace('.git', '').toLowerCase()])('whichever way the index has it', async (written) => {
    await door.putProject({ projectId, repoUrl: written(repository.clone_url) });
    expect((await deliver(repository, '/')).status).toBe(201);
  });

  test('each app of a monorepo is a deployment of its own, and what is skipped says why', async () => {
    await door.putProject({ projectId: `${projectId}-web`, repoUrl: repository.clone_url, rootDirectory: 'apps/web' });
    await door.putProject({ projectId: `${projectId}-admin`, repoUrl: repository.clone_url, rootDirectory: 'apps/admin' });
    await door.putProject({ projectId: `${projectId}-next`, repoUrl: repository.clone_url, branch: 'next' });
    const { body, status } = await deliver(repository, '/');
    expect([status, body.deployments!.map((deployment) => deployment.projectId)]).toEqual([201, [`${projectId}-web`]]);
    expect(body.reason).toMatch(/-web: deployment \w+ of commit \w+ on "main" is queued\./);
    expect(body.reason).toMatch(/-admin: skipped, because no changed file lies in "apps\/admin\/"/);
    expect(body.reason).toMatch(/-next: skipped, because the branch "main" is not "next"/);
  });

  test('finds a renamed repository by the id that was learned', async () => {
    await door.putProject({ projectId, repoUrl: repository.clone_url });
    await deliver(repository, '/');
    expect(await deliver({ ...renamed('acme/store'), pushed_at: repository.pushed_at + 1 }, '/')).toMatchObject({ status: 201, body: { deployments: [{ projectId }] } });
  });

  test('a repository of no project: 404', async () => {
    expect(await deliver(repository, '/')).toMatchObject({ status: 404, body: { outcome: 'refused', reason: `No project is of the repository ${repository.clone_url} (id ${id}).` } });
  });

  test('the App\'s own ping names no repository', async () => {
    expect(await door.deliver({ event: 'ping', payload: { zen: 'Speak like a human.', hook: { type: 'App' } } })).toMatchObject({ status: 200, body: { reason: expect.stringMatching(/The webhook works/) } });
  });

  test('an item without what a project has ends no delivery', async () => {
    await door.putProject({ projectId, repoUrl: repository.clone_url, branch: undefined, previews: true });
    expect((await deliver(repository, '/')).status).toBe(422);
  });
});
