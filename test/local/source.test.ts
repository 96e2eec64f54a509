/** What may be named to `npm run local -- build`, and what is said of the rest. Git's own side of it is in git-server.test.ts. */
import { execFile } from 'node:child_process';
import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { promisify } from 'node:util';
import { runBuilds } from '../../local/build-command';
import { GitServer, startGitServer } from '../../local/git-server';
import { isRemote, prepareSource } from '../../local/source';
import { UsageError } from '../../local/usage-error';

const run = promisify(execFile);
const SHA = '0123456789abcdef0123456789abcdef01234567';

let scratch: string;
let gitServer: GitServer;
let environment: NodeJS.ProcessEnv;

beforeAll(async () => {
  scratch = await realpath(await mkdtemp(path.join(tmpdir(), 'source-')));
  gitServer = await startGitServer();
  environment = { ...process.env };
  // This process asks remotes itself, and has to find the git server as a build does.
  Object.assign(process.env, gitServer.buildEnvironment);
});
afterAll(async () => {
  process.env = environment;
  await gitServer?.close();
  await rm(scratch, { recursive: true, force: true });
});

const prepare = (source: string, commit?: string) => prepareSource(source, { commit, gitServer, scratchDirectory: path.join(scratch, 'snapshot') });

test('what is a remote, and what is a folder', () => {
  const remotes = ['https://host/shop.git', 'http://host/shop', 'ssh://git@host/shop', 'git://host/shop', 'file:///shop', 'git@host:shop.git', 'git@10.0.0.1:shop', 'host:shop', 'ext::sh'];
  for (const remote of remotes) expect([remote, isRemote(remote)]).toEqual([remote, true]);
  for (const folder of ['.', 'shop', './shop:1', '/srv/shop', '/srv/git@host:shop', '../a@b', '~/shop']) expect([folder, isRemote(folder)]).toEqual([folder, false]);
});

describe('a URL that the pipeline refuses', () => {
  const URLS = ['http://user:secret@host/shop', 'ssh://secret@host/shop', 'git://host/shop', 'file:///srv/shop', 'secret@host:shop.git', 'ext::sh', 'https://user:secret@host/shop', 'https://secret@host/shop'];

  test.each(URLS)('%s: refused before anything is asked, without its user name and password', async (url) => {
    const error = await prepare(url, 'main').catch((thrown: Error) => thrown) as Error;
    expect(error).toBeInstanceOf(UsageError);
    expect(error.message).toMatch(url.startsWith('https:') ? /takes no URL with a user name/ : /only https:\/\/ URLs/);
    expect(error.message).not.toContain('secret');
  });

  test.each(URLS)('%s: with a full SHA it is passed on, so that the pipeline says so itself', async (url) => {
    const { repoUrl, commitSha, ...shown } = await prepare(url, SHA);
    expect({ repoUrl, commitSha }).toEqual({ repoUrl: url, commitSha: SHA });
    expect(JSON.stringify(shown)).not.toContain('secret');
  });
});

test('branch, tag, annotated tag and default branch of a remote are asked for', async () => {
  const repository = path.join(scratch, 'shop');
  const git = async (...args: string[]) => (await run('git', ['-C', repository, '-c', 'user.name=A', '-c', 'user.email=a@example.com', ...args], { env: environment })).stdout.trim();
  await run('git', ['init', '--quiet', '--initial-branch=trunk', repository], { env: environment });
  const commits: string[] = [];
  for (const [branch, ...tag] of [['trunk', 'v1'], ['next', '-m', 'annotated', 'v2'], ['both', 'both']]) {
    await git('checkout', '--quiet', '-B', branch);
    await git('commit', '--quiet', '--allow-empty', '--message', branch);
    await git('tag', ...tag);
    commits.push(await git('rev-parse', 'HEAD'));
  }
  await git('commit', '--quiet', '--allow-empty', '--message', 'The branch goes on, the tag of this name does not');
  await git('symbolic-ref', 'HEAD', 'refs/heads/trunk');
  const url = gitServer.addRepository('shop', path.join(repository, '.git'));

  expect(await prepare(url)).toMatchObject({ commitSha: commits[0], branch: 'trunk' });
  expect(await prepare(url, 'next')).toMatchObject({ commitSha: commits[1], branch: 'next' });
  expect(await prepare(url, 'v1')).toMatchObject({ commitSha: commits[0], branch: 'HEAD', description: expect.stringContaining('tag v1') });
  expect(await prepare(url, 'v2')).toMatchObject({ commitSha: commits[1] });
  expect(await prepare(url, 'both')).toMatchObject({ commitSha: await git('rev-parse', 'refs/heads/both'), branch: 'both' });
  await expect(prepare(url, 'v*')).rejects.toThrow('no branch or tag v*');
});

test.each([
  ['--json is a folder', { json: __dirname }, '--json'],
  ['--state is a file', { state: __filename }, '--state'],
  ['--state is in the folder that is built', { state: path.join(__dirname, 'state') }, 'would be part of the next build'],
  ['--template does not exist', { template: path.join(__dirname, 'nowhere') }, '--template'],
])('%s: refused before anything starts', async (_, options, sentence) => {
  const refused = runBuilds({ source: __dirname, repeat: 1, environment: {}, ...options }, () => undefined, new AbortController().signal);
  await expect(refused).rejects.toThrow(UsageError);
  await expect(refused).rejects.toThrow(sentence);
});
