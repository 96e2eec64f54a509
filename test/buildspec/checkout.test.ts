import { execFile } from 'node:child_process';
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import * as path from 'node:path';
import { promisify } from 'node:util';
import { BuildMachine } from './build-machine';
import { startGitServer, type GitServer } from '../../local/git-server';

const run = promisify(execFile);

let server: GitServer;
let machine: BuildMachine;
let repository: string;
let first: string;
let second: string;
let url: string;

async function git(...args: string[]): Promise<string> {
  const env = { PATH: process.env.PATH, GIT_CONFIG_NOSYSTEM: '1', GIT_CONFIG_GLOBAL: '/dev/null' };
  const { stdout } = await run('git', ['-C', repository, '-c', 'user.name=Test', '-c', 'user.email=test@example.com', ...args], { env });
  return stdout.trim();
}

async function commit(message: string): Promise<string> {
  await git('add', '-A');
  await git('commit', '-qm', message);
  return git('rev-parse', 'HEAD');
}

/** Servers of protocol version 0 serve the tips of branches and nothing else. */
function onlyTips(): Record<string, string> {
  const count = Number(server.buildEnvironment.GIT_CONFIG_COUNT);
  return { GIT_CONFIG_COUNT: String(count + 1), [`GIT_CONFIG_KEY_${count}`]: 'protocol.version', [`GIT_CONFIG_VALUE_${count}`]: '0' };
}

function checkout(environment: Record<string, string> = {}) {
  return machine.step('checkout', { REPO_URL: url, COMMIT_SHA: first, ...environment });
}

beforeEach(async () => {
  server = await startGitServer();
  machine = await BuildMachine.start(server.buildEnvironment);
  repository = machine.path('repository');
  await mkdir(path.join(repository, 'apps', 'web'), { recursive: true });
  await git('init', '-q', '-b', 'main');
  await writeFile(path.join(repository, 'apps', 'web', 'package.json'), '{}');
  await writeFile(path.join(repository, 'file'), 'first');
  await symlink('..', path.join(repository, 'out'));
  first = await commit('first');
  await writeFile(path.join(repository, 'file'), 'second');
  second = await commit('second');
  url = server.addRepository('app', path.join(repository, '.git'));
});

afterEach(async () => {
  await machine.stop();
  await server.close();
});

const checkedOut = () => readFile(path.join(machine.source, 'checkout', 'file'), 'utf8');

test('exactly the commit is fetched, without history', async () => {
  expect(await checkout()).toMatchObject({ status: 0 });
  expect(await checkedOut()).toBe('first');
  const { stdout } = await run('git', ['-C', path.join(machine.source, 'checkout'), 'rev-list', '--all', '--count', 'HEAD']);
  expect(stdout.trim()).toBe('1');
});

test('what a cache restored stays, what the commit has wins', async () => {
  await machine.files('src/checkout', { 'node_modules/.marker': 'cached', 'file': 'stale' });
  expect(await checkout({ COMMIT_SHA: second })).toMatchObject({ status: 0 });
  expect(await checkedOut()).toBe('second');
  expect(await readFile(path.join(machine.source, 'checkout', 'node_modules', '.marker'), 'utf8')).toBe('cached');
});

test('where only the tips of branches can be fetched, the commit is looked for in the branch', async () => {
  expect(await checkout(onlyTips())).toMatchObject({ status: 0 });
  expect(await checkedOut()).toBe('first');
});

test('CHECKOUT_FAILED: there is no such repository', async () => {
  const result = await checkout({ REPO_URL: url.replace('app.git', 'other.git') });
  expect(result.failure).toBe('CHECKOUT_FAILED');
  expect(result.output).toContain('cannot be read without a password');
});

test.each(['http://git.example/app.git', 'ext::touch hacked', '--upload-pack=touch hacked'])('CHECKOUT_FAILED: %s is not https', async (repoUrl) => {
  const result = await checkout({ REPO_URL: repoUrl });
  expect(result.failure).toBe('CHECKOUT_FAILED');
  await expect(readFile(path.join(machine.source, 'hacked'))).rejects.toThrow('ENOENT');
});

test('CHECKOUT_FAILED: a repository on the machine itself is out of reach', async () => {
  expect((await checkout({ REPO_URL: `file://${repository}` })).failure).toBe('CHECKOUT_FAILED');
  expect((await checkout({ REPO_URL: repository })).failure).toBe('CHECKOUT_FAILED');
});

test.each([['any commit', () => ({})], ['only tips of branches', onlyTips]])('COMMIT_NOT_FOUND: from a server that serves %s', async (_, environment) => {
  expect((await checkout({ COMMIT_SHA: 'b'.repeat(40), ...environment() })).failure).toBe('COMMIT_NOT_FOUND');
});

test('COMMIT_NOT_FOUND: neither the commit nor the branch', async () => {
  expect((await checkout({ COMMIT_SHA: 'b'.repeat(40), BRANCH: 'gone' })).failure).toBe('COMMIT_NOT_FOUND');
});

test('COMMIT_NOT_FOUND: the SHA is that of an annotated tag', async () => {
  await git('tag', '-am', 'tag', 'v1', first);
  expect((await checkout({ COMMIT_SHA: await git('rev-parse', 'v1') })).failure).toBe('COMMIT_NOT_FOUND');
});

test('the root directory is where the app is', async () => {
  expect(await checkout({ ROOT_DIRECTORY: 'apps/web' })).toMatchObject({ status: 0 });
  expect(await machine.fact('app')).toBe(path.join(machine.source, 'checkout', 'apps', 'web'));
});

test.each(['apps/none', 'file', 'out', 'out/steps', '../..'])('ROOT_DIRECTORY_NOT_FOUND: %s', async (rootDirectory) => {
  expect((await checkout({ ROOT_DIRECTORY: rootDirectory })).failure).toBe('ROOT_DIRECTORY_NOT_FOUND');
});

test('submodules and Git LFS files are not fetched, and the log says so', async () => {
  await writeFile(path.join(repository, '.gitattributes'), '*.png filter=lfs\n');
  const result = await checkout({ COMMIT_SHA: await commit('lfs') });
  expect(result).toMatchObject({ status: 0, output: expect.stringContaining('neither submodules nor Git LFS') });
  expect((await checkout({ COMMIT_SHA: first })).output).not.toContain('Warning');
});

test('the step says how long it took', async () => {
  expect((await checkout()).output).toMatch(/^\[checkout\] checkout \d+\.\d s$/m);
  expect(await machine.fact('timings')).toMatch(/^checkout \d+\.\d\n$/);
});
