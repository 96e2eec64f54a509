/** The checkout of a repository for which the build has no credentials: the trusted side has fetched the commit, and hands over a pack and a status. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import * as path from 'node:path';
import { promisify } from 'node:util';
import { BuildMachine } from './build-machine';
import { startGitServer, type GitServer } from '../../local/git-server';
import type { SourceStatus } from '../../src/contract/source';

const run = promisify(execFile);

let machine: BuildMachine;
let gitServer: GitServer;
let bucket: Server;
/** What the step knows of what was handed over. */
let handover: string;
/** By path; what is not there answers 403, as S3 does to whoever may not list. */
let objects: Record<string, string | Buffer | ((response: ServerResponse) => void)>;
let commits: string[];
let repository: string;

const url = (name: string) => `http://127.0.0.1:${(bucket.address() as AddressInfo).port}/${name}`;

beforeAll(async () => {
  bucket = createServer((request, response) => {
    const object = objects[request.url!.slice(1)];
    if (typeof object === 'function') object(response);
    else response.writeHead(object === undefined ? 403 : 200).end(object ?? 'AccessDenied');
  });
  await new Promise<void>((resolve) => bucket.listen(0, '127.0.0.1', resolve));
  gitServer = await startGitServer();
});

afterAll(async () => {
  bucket.closeAllConnections();
  bucket.close();
  await gitServer.close();
});

async function git(input: string | Buffer | undefined, ...args: string[]): Promise<Buffer> {
  const env = { PATH: process.env.PATH, GIT_CONFIG_NOSYSTEM: '1', GIT_CONFIG_GLOBAL: '/dev/null' };
  const running = run('git', ['-C', repository, '-c', 'user.name=Test', '-c', 'user.email=test@example.com', ...args], { env, encoding: 'buffer' });
  running.child.stdin!.end(input);
  return (await running).stdout;
}

/** Of these commits, without their history. */
async function pack(...shas: string[]): Promise<Buffer> {
  const listed = await git(undefined, 'rev-list', '--objects', '--no-walk', ...shas);
  return git(listed.toString().replace(/ .*$/gm, ''), 'pack-objects', '--stdout', '-q');
}

beforeEach(async () => {
  machine = await BuildMachine.start(gitServer.buildEnvironment);
  repository = machine.path('repository');
  await mkdir(path.join(repository, 'apps', 'web'), { recursive: true });
  await git(undefined, 'init', '-q', '-b', 'main');
  commits = [];
  for (const version of ['first', 'second']) {
    await writeFile(path.join(repository, 'apps', 'web', 'package.json'), '{}');
    await writeFile(path.join(repository, 'file'), version);
    await git(undefined, 'add', '-A');
    await git(undefined, 'commit', '-qm', version);
    commits.push((await git(undefined, 'rev-parse', 'HEAD')).toString().trim());
  }
  objects = { pack: await pack(commits[1]) };
  handOver();
});

afterEach(() => machine.stop());

function handOver(waitSeconds = 30): void {
  handover = JSON.stringify({ version: 1, cache: {}, source: { statusUrl: url('status'), packUrl: url('pack'), waitSeconds } });
}

const says = (status: SourceStatus) => { objects.status = JSON.stringify(status); };
const checkout = (environment: Record<string, string> = {}) => machine.step('checkout', {
  SOURCE_FROM: 'handover', REPO_URL: 'https://private.example/acme/shop.git', COMMIT_SHA: commits[1], ...environment,
}, handover);
const checkedOut = async () => readFile(path.join(machine.source, 'checkout', 'file'), 'utf8');

test('the commit comes out of the pack; nobody asks the git host', async () => {
  says({ status: 'ready' });
  expect(await checkout({ ROOT_DIRECTORY: 'apps/web' })).toMatchObject({ status: 0 });
  expect(await checkedOut()).toBe('second');
  expect(await machine.fact('app')).toBe(path.join(machine.source, 'checkout', 'apps', 'web'));
});

test('git has its history end there, as after a shallow clone', async () => {
  says({ status: 'ready' });
  await checkout();
  const { stdout } = await run('git', ['-C', path.join(machine.source, 'checkout'), 'log', '--format=%s']);
  expect(stdout).toBe('second\n');
});

test('what a cache restored stays, what the commit has wins', async () => {
  says({ status: 'ready' });
  await machine.files('src/checkout', { 'node_modules/.marker': 'cached', 'file': 'stale' });
  expect(await checkout()).toMatchObject({ status: 0 });
  expect(await checkedOut()).toBe('second');
});

test('a status that is not there yet is waited for', async () => {
  setTimeout(() => says({ status: 'ready' }), 1500);
  expect(await checkout()).toMatchObject({ status: 0 });
  expect(await checkedOut()).toBe('second');
});

test('"direct": the build clones by itself', async () => {
  says({ status: 'direct' });
  expect(await checkout({ REPO_URL: gitServer.addRepository('app', path.join(repository, '.git')), COMMIT_SHA: commits[0] })).toMatchObject({ status: 0 });
  expect(await checkedOut()).toBe('first');
});

test.each(['CHECKOUT_FAILED', 'COMMIT_NOT_FOUND'] as const)('%s, in the words of whoever tried', async (failureCode) => {
  says({ status: 'failed', failureCode, reason: 'git.example does not accept the platform\'s token.' });
  const result = await checkout();
  expect(result.failure).toBe(failureCode);
  expect(result.output).toContain(`${failureCode}: git.example does not accept the platform's token.`);
});

describe('CHECKOUT_FAILED', () => {
  test('nothing comes of it: the wait is bounded', async () => {
    handOver(1);
    const result = await checkout();
    expect(result).toMatchObject({ failure: 'CHECKOUT_FAILED', output: expect.stringContaining('was not fetched within 1 s') });
  });

  test('the handover has expired', async () => {
    handover = '';
    const result = await checkout();
    expect(result).toMatchObject({ failure: 'CHECKOUT_FAILED', output: expect.stringContaining('The handover has expired.') });
  });

  test.each<[string, () => Promise<void> | void]>([
    ['has gone', () => { delete objects.pack; }],
    ['is damaged', () => { (objects.pack as Buffer).fill('x', 40, 45); }],
    ['ends too early', () => { objects.pack = (objects.pack as Buffer).subarray(0, -30); }],
    ['breaks off', () => {
      const whole = objects.pack as Buffer;
      objects.pack = (response) => void response.writeHead(200, { 'content-length': whole.length }).write(whole.subarray(0, 50), () => response.destroy());
    }],
  ])('the pack %s', async (_, spoil) => {
    says({ status: 'ready' });
    await spoil();
    const result = await checkout();
    expect(result.failure).toBe('CHECKOUT_FAILED');
    expect(result.output).toContain('The source cannot be taken over: ');
    expect(result.output).not.toContain('/pack');
  });

  test('the pack holds another commit', async () => {
    says({ status: 'ready' });
    objects.pack = await pack(commits[0]);
    expect((await checkout()).failure).toBe('CHECKOUT_FAILED');
  });

  test('the pack does not hold all of the commit', async () => {
    says({ status: 'ready' });
    const blob = (await git(undefined, 'rev-parse', `${commits[1]}:file`)).toString().trim();
    const listed = (await git(undefined, 'rev-list', '--objects', '--no-walk', commits[1])).toString().replace(/ .*$/gm, '');
    objects.pack = await git(listed.replace(`${blob}\n`, ''), 'pack-objects', '--stdout', '-q');
    expect((await checkout()).failure).toBe('CHECKOUT_FAILED');
  });
});

test('a pack that breaks off once is fetched again', async () => {
  says({ status: 'ready' });
  const whole = objects.pack as Buffer;
  objects.pack = (response) => {
    objects.pack = whole;
    response.writeHead(200, { 'content-length': whole.length }).write(whole.subarray(0, 50), () => response.destroy());
  };
  expect(await checkout()).toMatchObject({ status: 0 });
  expect(await checkedOut()).toBe('second');
});

test.each(['..', '.git'])('a directory of the name "%s" is git\'s business, and git refuses it', async (name) => {
  const text = (output: Buffer) => output.toString().trim();
  const write = async (type: string, content: string | Buffer) => text(await git(content, 'hash-object', '-w', '--literally', '-t', type, '--stdin'));
  const entry = (mode: string, entryName: string, sha: string) => Buffer.concat([Buffer.from(`${mode} ${entryName}\0`), Buffer.from(sha, 'hex')]);
  const inner = await write('tree', entry('100755', 'evil', await write('blob', 'evil')));
  const commitSha = text(await git(undefined, 'commit-tree', '-m', 'evil', await write('tree', entry('40000', name, inner))));
  says({ status: 'ready' });
  objects.pack = await pack(commitSha);
  expect((await checkout({ COMMIT_SHA: commitSha })).failure).toBe('CHECKOUT_FAILED');
  expect(existsSync(path.join(machine.source, 'evil')) || existsSync(path.join(machine.source, 'checkout', '.git', 'evil'))).toBe(false);
});
