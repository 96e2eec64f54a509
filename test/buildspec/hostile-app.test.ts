/**
 * Whole builds, by the commands of the buildspec, of apps that look for what they should not find. git, npm and zip are real; OpenNext is a
 * stand-in of a few lines in the app's own node_modules, and `aws` one that copies what it can read, as root would upload it.
 */
import { execFile } from 'node:child_process';
import { readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import * as path from 'node:path';
import { promisify } from 'node:util';
import { parse } from 'yaml';
import { BuildMachine, type StepResult } from './build-machine';
import { startGitServer, type GitServer } from '../../local/git-server';
import { renderBuildSpec } from '../../src/buildspec';

const run = promisify(execFile);

const IS_ROOT = process.getuid!() === 0;
/** The laptop's way has no other user to defend with. */
const testAsRoot = IS_ROOT ? test : test.skip;
const MACHINES: [string, number | undefined][] = IS_ROOT ? [['root', undefined], ['an ordinary user', 65_533]] : [['an ordinary user', undefined]];
/** git and npm run several times, on a machine that may be busy. */
const TIMEOUT_MS = 60_000;

const CREDENTIALS = {
  AWS_ACCESS_KEY_ID: 'AKIDs3cret', AWS_SECRET_ACCESS_KEY: 's3cret', AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: '/v2/credentials/s3cret', CODEBUILD_BUILD_ID: 'builds:1-2-3',
};
const HANDOVER = { version: 1, cache: {}, installEnvironment: { NPM_TOKEN: 'of the install' }, buildEnvironment: { CMS_TOKEN: 'of the build' } };

const OPEN_NEXT = `
import { execSync } from 'node:child_process';
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
copyFileSync(process.argv[4], 'config.mjs');
const { buildCommand } = (await import(process.cwd() + '/config.mjs')).default;
mkdirSync('.open-next/assets', { recursive: true });
mkdirSync('.open-next/server');
writeFileSync('.open-next/server/index.mjs', 'export const handler = async () => {};');
writeFileSync('.open-next/assets/robots.txt', 'robots');
writeFileSync('.open-next/open-next.output.json', JSON.stringify({
  origins: { s3: { copy: [{ from: '.open-next/assets', to: '_assets' }] }, default: { handler: 'index.handler', bundle: '.open-next/server' } },
}));
execSync(buildCommand, { stdio: 'inherit' });`;

/** Writes down what it sees, for the test to read. */
const SPY = `
import { appendFileSync } from 'node:fs';
const { AWS_EC2_METADATA_DISABLED, ...env } = process.env;
appendFileSync(process.env.CODEBUILD_SRC_DIR + '/checkout/seen', JSON.stringify({ when: process.argv[2], uid: process.getuid(), env }) + '\\n');`;

let gitServer: GitServer;
let handoverServer: Server;
let machine: BuildMachine;
let repository: string;

beforeAll(async () => {
  gitServer = await startGitServer();
  handoverServer = createServer((_, response) => response.end(JSON.stringify(HANDOVER)));
  await new Promise<void>((resolve) => handoverServer.listen(0, '127.0.0.1', resolve));
});

afterAll(async () => {
  handoverServer.closeAllConnections();
  handoverServer.close();
  await gitServer.close();
});

afterEach(async () => {
  await machine.stop();
});

interface HostileApp {
  /** Run by a dependency's author, so to speak. */
  readonly install?: string;
  readonly build?: string;
  readonly files?: Record<string, string>;
  /** By name, where they lead to. */
  readonly links?: Record<string, string>;
}

async function start(uid?: number): Promise<void> {
  machine = await BuildMachine.start({
    ...gitServer.buildEnvironment, ...CREDENTIALS, HANDOVER_URL: `http://127.0.0.1:${(handoverServer.address() as AddressInfo).port}/`, FLAG: 'on', BUILD_ENVIRONMENT: 'FLAG',
  }, { uid });
  await machine.command('aws', 'echo "$AWS_SECRET_ACCESS_KEY $*" >> "$STATE/../calls"; mkdir -p "$STATE/../uploaded"; cp -RL "$5" "$STATE/../uploaded"');
  repository = machine.path('repository');
}

/** Every command of the buildspec but those that install the steps, until one fails. */
async function build({ install = 'true', build: buildScript = 'true', files = {}, links = {} }: HostileApp): Promise<StepResult> {
  const dependencies = { '@opennextjs/aws': 'file:vendor/open-next', 'next': 'file:vendor/next' };
  const linked = (name: string, resolved: string, version: string) => ({ [`node_modules/${name}`]: { resolved, link: true }, [resolved]: { name, version } });
  await machine.files('repository', {
    'package.json': JSON.stringify({ scripts: { postinstall: `node spy.mjs install; ${install}`, build: `node spy.mjs build; ${buildScript}` }, dependencies }),
    'package-lock.json': JSON.stringify({
      lockfileVersion: 3, requires: true, packages: { '': { dependencies }, ...linked('@opennextjs/aws', 'vendor/open-next', '4.1.12'), ...linked('next', 'vendor/next', '16.4.6') },
    }),
    'spy.mjs': SPY,
    'vendor/next/package.json': '{"name":"next","version":"16.4.6"}',
    'vendor/open-next/package.json': '{"name":"@opennextjs/aws","version":"4.1.12","type":"module"}',
    'vendor/open-next/dist/index.js': OPEN_NEXT,
    'vendor/open-next/dist/build/compileConfig.js': '',
    ...files,
  });
  for (const [name, target] of Object.entries(links)) {
    await rm(path.join(repository, name), { force: true });
    await symlink(target, path.join(repository, name));
  }
  const git = (...args: string[]) => run('git', ['-C', repository, '-c', 'user.name=Test', '-c', 'user.email=test@example.com', ...args]);
  await git('init', '-q', '-b', 'main');
  await git('add', '-Af');
  await git('commit', '-qm', 'hostile');
  const environment = { REPO_URL: gitServer.addRepository('hostile', path.join(repository, '.git')), COMMIT_SHA: (await git('rev-parse', 'HEAD')).stdout.trim() };

  const { phases } = parse(renderBuildSpec()) as { phases: Record<string, { commands: string[] }> };
  let output = '';
  for (const command of ['pre_build', 'build', 'post_build'].flatMap((phase) => phases[phase].commands)) {
    const result = await machine.trusted(command, { ...environment, CODEBUILD_BUILD_SUCCEEDING: '1' });
    output += result.output;
    if (result.status !== 0) return { ...result, output };
  }
  return { status: 0, output, failure: undefined };
}

interface Seen {
  readonly when: 'install' | 'build';
  readonly uid: number;
  readonly env: Record<string, string>;
}

const inWork = (...parts: string[]) => machine.path('src/work', ...parts);
const seen = async (): Promise<Seen[]> => (await readFile(inWork('checkout/seen'), 'utf8')).trim().split('\n').map((line) => JSON.parse(line) as Seen);

/** Everything that was uploaded, in one text. */
async function uploaded(): Promise<string> {
  const { stdout } = await run('bash', ['-c', 'find . -type f -print -exec cat {} +'], { cwd: machine.path('uploaded'), encoding: 'latin1', maxBuffer: 1e8 });
  return stdout;
}

describe.each(MACHINES)('in a build that %s runs', (_, uid) => {
  beforeEach(() => start(uid));

  test('the install sees its secrets and the build its environment, neither the other\'s, nor anything of the role', async () => {
    const result = await build({});
    expect({ ...result, output: result.status === 0 ? '' : result.output }).toEqual({ status: 0, output: '', failure: undefined });
    const [install, app, ...more] = await seen();
    expect(more).toEqual([]);
    expect([install.env.NPM_TOKEN, install.env.CMS_TOKEN, install.env.FLAG]).toEqual(['of the install', undefined, 'on']);
    expect([app.env.NPM_TOKEN, app.env.CMS_TOKEN, app.env.FLAG]).toEqual(['', 'of the build', 'on']);
    for (const { env } of [install, app]) {
      expect(JSON.stringify(env)).not.toContain('s3cret');
      expect(Object.keys(env).filter((name) => /^(AWS|ECS|HANDOVER|GIT_CONFIG)/.test(name))).toEqual([]);
      expect(env).toMatchObject({ CI: 'true', PROJECT_ID: 'project-1', BRANCH: 'main', HOME: inWork('home') });
    }
    for (const { uid: who } of [install, app]) expect(who === (uid ?? process.getuid!())).toBe(uid !== undefined || !IS_ROOT);
    expect(await readFile(machine.path('calls'), 'utf8')).toMatch(/^s3cret .*\/output\/ .*\n(s3cret .*\/archives\/ .*\n)?s3cret .*manifest\.json\n$/);
    expect(await uploaded()).not.toMatch(/s3cret|of the install|of the build/);
    expect(await uploaded()).toContain('"timings"');
  }, TIMEOUT_MS);

  test.each([
    ['package.json', 'NOT_A_NEXTJS_APP'], ['.nvmrc', undefined], ['package-lock.json', 'INSTALL_FAILED'],
  ])('%s that is a link to the environment of whoever reads it shows no secret', async (name, failure) => {
    const result = await build({ links: { [name]: '/proc/self/environ' } });
    expect(result.failure).toBe(failure);
    expect(result.output).not.toMatch(/s3cret|of the (install|build)|HANDOVER/);
  }, TIMEOUT_MS);
});

describe('in a build that root runs', () => {
  beforeEach(async () => {
    await start();
    await writeFile(machine.path('trusted/roots-own'), 's3cret of root');
  });

  testAsRoot('what the install leaves running, and what the build does, is ended before anything is uploaded', async () => {
    const endless = 'setsid env -i bash -c \'trap "" TERM INT HUP; while :; do sleep 0.1; done\' > /dev/null 2>&1 &';
    await machine.command('aws', 'ps -e -o uid=,stat= >> "$STATE/../processes"');
    expect(await build({ install: endless, build: endless })).toMatchObject({ status: 0 });
    const user = (await readFile(machine.path('trusted/build-user'), 'utf8')).split(':')[0];
    // A zombie runs no more, and has no files; this machine's first process may not take it away.
    const processes = await readFile(machine.path('processes'), 'utf8');
    expect(processes).toMatch(/^ *0 +[^Z]/m);
    expect(processes).not.toMatch(new RegExp(`^ *${user} +[^Z]`, 'm'));
  }, TIMEOUT_MS);

  testAsRoot('nor does anything go on when the build has talked the one who was to end it out of it', async () => {
    await writeFile(machine.path('src/steps/end.mjs'), '');
    const result = await build({ build: 'setsid sleep 300 > /dev/null 2>&1 &' });
    await machine.bash('pkill -9 -u "$(cut -d: -f1 "$STATE/../../trusted/build-user")"');
    expect(result).toMatchObject({ failure: 'PACKAGE_FAILED', output: expect.stringContaining('What the build has left running did not end.') });
    expect(await readdir(machine.path('uploaded')).catch(() => 'nothing')).toBe('nothing');
  }, TIMEOUT_MS);

  testAsRoot.each([
    ['a link to root\'s own', 'ln -s ROOTS-OWN .open-next/assets/leak', 0],
    ['a link to a directory of root\'s own', 'ln -s $(dirname ROOTS-OWN) .open-next/assets/leak', 0],
    ['a link to the environment of whoever uploads', 'ln -s /proc/self/environ .open-next/assets/leak', 0],
    ['a pipe', 'mkfifo .open-next/assets/pipe', 33],
    ['a link that comes after packaging', 'setsid bash -c \'until [ -f $OUTPUT/artifacts/manifest.json ]; do sleep 0.01; done; while :; do ln -sfn ROOTS-OWN $OUTPUT/static/leak; done\' > /dev/null 2>&1 &', undefined],
    ['links in place of the archives of the cache', 'for layer in dependencies store next tools; do ln -sf ROOTS-OWN $CODEBUILD_SRC_DIR/archives/$layer; done', 33],
    ['a link in place of a log of the steps', 'ln -sf ROOTS-OWN $STATE/save-store.log', 0],
    ['links in place of what the steps count', 'rm $STATE/timings; ln -s ROOTS-OWN $STATE/timings; mkdir -p $STATE/cache; ln -sf ROOTS-OWN $STATE/cache/facts; exit 1', undefined],
  ])('nothing of root\'s is uploaded or changed: %s', async (_, script, status) => {
    const own = machine.path('trusted/roots-own');
    const result = await build({ build: script.replaceAll('ROOTS-OWN', own) });
    if (status !== undefined) expect({ status: result.status, output: result.output }).toEqual({ status, output: result.output });
    expect(result.output).not.toContain('s3cret');
    expect(await readFile(own, 'utf8')).toBe('s3cret of root');
    if (await readdir(machine.path('uploaded')).catch(() => undefined)) expect(await uploaded()).not.toContain('s3cret');
  }, TIMEOUT_MS);

  testAsRoot('its home directory is its own, and nobody reads settings from it but itself', async () => {
    const command = `touch ${machine.path('trusted/hacked')}`;
    const settings = `for file in .bashrc .profile .bash_profile .npmrc .gitconfig .aws/config; do mkdir -p "$(dirname ~/$file)"; echo "${command}" > ~/$file; done; export BASH_ENV=~/.bashrc`;
    expect(await build({ build: settings })).toMatchObject({ status: 0 });
    expect(await readFile(inWork('home/.bashrc'), 'utf8')).toBe(`${command}\n`);
    expect(await readdir(machine.path('trusted'))).not.toContain('hacked');
  }, TIMEOUT_MS);
});
