/** Builds that fail, through the whole pipeline: the real buildspec, real git, the machine's npm. The record tells why, in the contract's words. */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { StopBuildCommand } from '@aws-sdk/client-codebuild';
import { GIT_HOST, GitServer, snapshot, startGitServer } from '../../local/git-server';
import type { BuildRequest } from '../../src/contract/build-request';
import { FailureCode, failureMessage } from '../../src/contract/failure-codes';
import { LocalPipeline, until } from '../support/local-pipeline';
import { COMMIT_SHA } from '../support/requests';

type Files = Readonly<Record<string, string>>;

let scratch: string;
let gitServer: GitServer;
let pipeline: LocalPipeline;

beforeAll(async () => {
  scratch = await mkdtemp(path.join(tmpdir(), 'failures-'));
  await chmod(scratch, 0o777); // for apps that write to it: where root runs this, they are another user's
  gitServer = await startGitServer();
  pipeline = await LocalPipeline.start({ imageEnvironment: gitServer.buildEnvironment, buildEnvironment: { SCRATCH: scratch } });
}, 60_000);

afterAll(async () => {
  await pipeline?.close();
  await gitServer?.close();
  await rm(scratch, { recursive: true, force: true });
});

/** Commits the files to a new repository of the git server, and asks for a build of them. */
async function requestFor(files: Files, change: Partial<BuildRequest> = {}): Promise<BuildRequest> {
  const name = `repository-${randomBytes(4).toString('hex')}`;
  const folder = path.join(scratch, name);
  for (const [file, content] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(folder, file)), { recursive: true });
    await writeFile(path.join(folder, file), content);
  }
  const { repository, commitSha, branch } = await snapshot(folder, `${folder}.git`);
  return { deploymentId: `of-${name}`, projectId: 'project-1', commitSha, branch, repoUrl: gitServer.addRepository(name, repository), ...change };
}

interface App {
  readonly next?: string;
  readonly scripts?: Record<string, string>;
  /** More of package.json, of which the lockfile knows nothing. */
  readonly more?: object;
}

/** A Next.js app as far as package managers see: `next` comes out of the repository itself, so nothing has to be downloaded. */
function app({ next = '16.4.6', scripts = {}, more = {} }: App = {}): Files {
  const dependencies = { next: 'file:vendor/next' };
  const packages = { '': { dependencies }, 'node_modules/next': { resolved: 'vendor/next', link: true }, 'vendor/next': { name: 'next', version: next } };
  return {
    'package.json': JSON.stringify({ scripts: { build: 'next build', ...scripts }, dependencies, ...more }),
    'package-lock.json': JSON.stringify({ lockfileVersion: 3, requires: true, packages }),
    'vendor/next/package.json': JSON.stringify({ name: 'next', version: next }),
  };
}

/** The deployment has failed for this reason, and what the build had stored is gone. Returns the build's log. */
async function expectFailure(request: BuildRequest, failureCode: FailureCode): Promise<string> {
  const { buildId, status, failureCode: code, failureMessage: sentence, ...record } = await pipeline.deploy(request);
  const log = await pipeline.buildLog(buildId!);
  expect({ status, code, sentence, log }).toEqual({ status: 'failed', code: failureCode, sentence: failureMessage(failureCode), log });
  expect(record).not.toHaveProperty('artifacts');
  expect(record).not.toHaveProperty('claimExpiresAt');
  await pipeline.stagingRemoved();
  return log;
}

interface Row {
  readonly name: string;
  readonly files: Files;
  readonly request?: Partial<BuildRequest>;
  readonly code: FailureCode;
  /** The words of the tool that failed, which must be in the log. */
  readonly says: string | RegExp;
}

const NEXT = { dependencies: { next: '16.4.6' } };

const ROWS: Row[] = [
  {
    name: 'a repository that does not exist',
    code: 'CHECKOUT_FAILED',
    files: app(),
    request: { repoUrl: `https://${GIT_HOST}/no-such-repository.git` },
    says: /fatal: repository '.*no-such-repository.git\/?' not found/,
  },
  { name: 'a commit that does not exist', code: 'COMMIT_NOT_FOUND', files: app(), request: { commitSha: COMMIT_SHA }, says: `not our ref ${COMMIT_SHA}` },
  { name: 'neither the commit nor the branch', code: 'COMMIT_NOT_FOUND', files: app(), request: { commitSha: COMMIT_SHA, branch: 'gone' }, says: 'nor branch gone' },
  { name: 'a root directory that does not exist', code: 'ROOT_DIRECTORY_NOT_FOUND', files: app(), request: { rootDirectory: 'apps/web' }, says: 'no directory apps/web' },
  { name: 'no package.json', code: 'NOT_A_NEXTJS_APP', files: { 'index.html': '' }, says: 'package.json is missing' },
  { name: 'an invalid package.json', code: 'NOT_A_NEXTJS_APP', files: { 'package.json': '{"dependencies": {' }, says: /package\.json is not valid JSON: .*JSON/ },
  { name: 'no dependency on next', code: 'NOT_A_NEXTJS_APP', files: { 'package.json': '{"dependencies": {"react": "19.3.1"}}' }, says: 'does not depend on "next"' },
  {
    name: 'a package manager that nobody knows',
    code: 'UNSUPPORTED_PACKAGE_MANAGER',
    files: { 'package.json': JSON.stringify({ ...NEXT, packageManager: 'cnpm@9.4.0' }) },
    says: '"packageManager" is "cnpm@9.4.0"',
  },
  {
    name: 'a lockfile that does not belong to package.json',
    code: 'INSTALL_FAILED',
    files: { ...app({ more: { devDependencies: { forgotten: 'file:vendor/forgotten' } } }), 'vendor/forgotten/package.json': '{"name":"forgotten","version":"1.0.0"}' },
    says: 'can only install packages when your package.json and package-lock.json',
  },
  {
    name: 'an install script that fails',
    code: 'INSTALL_FAILED',
    files: app({ scripts: { preinstall: 'echo the database is not there >&2; exit 3' } }),
    says: /the database is not there[^]*npm (error|ERR!) code 3/,
  },
  {
    name: 'a process that the kernel kills for its memory',
    code: 'OUT_OF_MEMORY',
    files: app({ scripts: { preinstall: 'kill -9 $$' } }),
    // npm passes the signal on to itself, and comes to say so or not.
    says: /SIGKILL|Killed/,
  },
  { name: 'a Next.js that OpenNext refuses', code: 'UNSUPPORTED_NEXTJS_VERSION', files: app({ next: '12.3.7' }), says: 'Next.js 12.3.7 is installed' },
];

test.each(ROWS.map((row) => [row.code, row.name, row] as const))('%s: %s', async (code, _, { files, request, says }) => {
  const started = Date.now();
  expect(await expectFailure(await requestFor(files, request), code)).toMatch(says);
  // Nothing to download, nothing to wait for: whoever pushed learns it at once.
  expect(Date.now() - started).toBeLessThan(30_000);
}, 60_000);

test('BUILD_FAILED: the app\'s build script, run by the OpenNext that fits', async () => {
  const files = app({ scripts: { build: 'echo "Type error: 1 is not a string"; exit 1' } });
  expect(await expectFailure(await requestFor(files), 'BUILD_FAILED')).toContain('Type error: 1 is not a string');
}, 180_000);

test('STOPPED: a build that is stopped, and none of its processes is left', async () => {
  const pidFile = path.join(scratch, 'pid-of-stopped');
  const request = await requestFor(app({ scripts: { preinstall: 'echo $$ > "$SCRATCH/pid-of-stopped"; sleep 600' } }));
  await pipeline.pipeline.send(request);
  await until('the build is installing', () => existsSync(pidFile));
  const { buildId } = (await pipeline.record(request.deploymentId))!;

  await pipeline.codeBuild.send(new StopBuildCommand({ id: buildId }));

  expect(await pipeline.ended(request.deploymentId)).toMatchObject({ status: 'failed', failureCode: 'STOPPED', failureMessage: failureMessage('STOPPED') });
  const pid = Number(await readFile(pidFile, 'utf8'));
  expect(() => process.kill(pid, 0)).toThrow('ESRCH');
}, 90_000);

test('builds of failed deployments are not tried again', async () => {
  await pipeline.queueEmpty();
  expect(await pipeline.builds()).toHaveLength(ROWS.length + 2);
  expect((await pipeline.takeDeadLetters()).size).toBe(0);
});
