/** `npm run local` as a process of its own: what it leaves behind when it is interrupted, and what a developer's AWS settings can do to it. */
import { ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { AddressInfo, connect, createServer, Server } from 'node:net';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { synthesizePipeline, until } from '../support/local-pipeline';

const CLI = path.join(__dirname, '..', '..', 'local', 'cli.ts');

/** What stays from run to run, on purpose: what tsx has compiled. */
const CACHES = /^(tsx-|node-compile-cache)/;

let directory: string;
let template: string;

beforeAll(async () => {
  directory = await realpath(await mkdtemp(path.join(tmpdir(), 'cli-')));
  await chmod(directory, 0o755); // where root runs this, the app is another user's
  template = synthesizePipeline(path.join(directory, 'cdk.out'));
  // The app sees little of what CodeBuild gives to a build, so the buildspec writes it down.
  const file = path.join(template, 'Test.template.json');
  const text = await readFile(file, 'utf8');
  const changed = text.replace(/(- bash \\"\$STEPS\/prepare\.sh\\")/, '- env > \\"$SEEN.before\\"\\n    $1');
  if (changed === text) throw new Error('The buildspec has no step prepare.sh in front of which its environment could be written down.');
  await writeFile(file, changed);
}, 60_000);
afterAll(() => rm(directory, { recursive: true, force: true }));

interface Run {
  readonly child: ChildProcess;
  readonly temporary: string;
  readonly state: string;
  readonly json: string;
  /** Written by the app's install script: its environment. Beside it, as `.before`, that of the build, and of no app. */
  readonly seen: string;
  readonly ended: Promise<number | null>;
  output(): string;
}

/** Builds an app that, when it is installed, writes down what it sees and then does what it is told. */
async function build(name: string, script: string, environment: Record<string, string> = {}): Promise<Run> {
  const [app, temporary, seen, state, json] = ['app', 'tmp', 'seen', 'state', 'report.json'].map((part) => path.join(directory, name, part));
  for (const folder of [app, temporary]) await mkdir(folder, { recursive: true });
  await chmod(path.join(directory, name), 0o777);
  const dependencies = { next: 'file:vendor' };
  const packages = { '': { dependencies }, 'node_modules/next': { resolved: 'vendor', link: true }, 'vendor': { name: 'next', version: '16.4.6' } };
  await mkdir(path.join(app, 'vendor'));
  await writeFile(path.join(app, 'vendor', 'package.json'), JSON.stringify({ name: 'next', version: '16.4.6' }));
  await writeFile(path.join(app, 'package.json'), JSON.stringify({ dependencies, scripts: { preinstall: `(echo "PID=$$"; env) > "$SEEN.new"; mv "$SEEN.new" "$SEEN"; ${script}` } }));
  await writeFile(path.join(app, 'package-lock.json'), JSON.stringify({ lockfileVersion: 3, requires: true, packages }));

  // As `npm run local` in the folder above: relative paths begin there.
  const args = ['build', 'app', '--template', template, '--env', `SEEN=${seen}`, '--state', 'state', '--json', 'report.json'];
  const child = spawn(process.execPath, ['--import', 'tsx', CLI, ...args], {
    env: { ...process.env, ...environment, TMPDIR: temporary, INIT_CWD: path.dirname(app) }, stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => { output += chunk.toString(); });
  return { child, temporary, state, json, seen, output: () => output, ended: once(child, 'close').then(([code]) => code as number | null) };
}

interface Environments {
  readonly build: Record<string, string>;
  readonly app: Record<string, string>;
}

async function environmentsOf({ seen, output }: Run): Promise<Environments> {
  await until('the app is installed', () => existsSync(seen)).catch((error: Error) => { throw new Error(`${error.message}\n${output()}`); });
  const [before, app] = await Promise.all([`${seen}.before`, seen].map(async (file) =>
    Object.fromEntries((await readFile(file, 'utf8')).split('\n').map((line) => line.split(/=(.*)/s).slice(0, 2) as [string, string])) as Record<string, string>));
  return { build: before, app };
}

const endpointsIn = (environment: Record<string, string>) => Object.entries(environment).filter(([name]) => name.startsWith('AWS_ENDPOINT_URL_'));

async function listens(endpoint: string): Promise<boolean> {
  const socket = connect(Number(new URL(endpoint).port), '127.0.0.1');
  const open = await Promise.race([once(socket, 'connect').then(() => true), once(socket, 'error').then(() => false)]).catch(() => false);
  socket.destroy();
  return open;
}

async function leftovers({ temporary }: Run): Promise<string[]> {
  return (await readdir(temporary)).filter((name) => !CACHES.test(name));
}

/** What may end a run before its deployments have ended. */
const INTERRUPTIONS: [string, (child: ChildProcess) => void][] = [
  ['SIGINT', (child) => child.kill('SIGINT')],
  ['SIGTERM', (child) => child.kill('SIGTERM')],
  ['Ctrl-C in a terminal, of which npm tells the run once more', (child) => {
    child.kill('SIGINT');
    setTimeout(() => child.kill('SIGINT'), 20);
  }],
  // Noticed at the next line, which is one of the finished build here.
  ['a reader that goes away, as head does,', (child) => child.stdout!.destroy()],
];

test.each(INTERRUPTIONS)('%s during a build: no process, no port, no file is left, and the exit status is 130', async (name, interrupt) => {
  const endless = !name.startsWith('a reader');
  const run = await build(`stopped by ${name}`, endless ? 'sleep 600' : 'sleep 5');
  const { app: { PID: pid }, build: environment } = await environmentsOf(run);
  const endpoints = endpointsIn(environment).map(([, endpoint]) => endpoint);
  expect(endpoints.length).toBeGreaterThanOrEqual(4);
  expect(await Promise.all(endpoints.map(listens))).not.toContain(false);
  expect(await leftovers(run)).not.toEqual([]);

  interrupt(run.child);

  expect({ code: await run.ended, output: run.output() }).toEqual({ code: 130, output: expect.stringMatching(/Stopping: [^]*\nStopped\.\n$/) });
  expect(() => process.kill(Number(pid), 0)).toThrow('ESRCH');
  expect(await Promise.all(endpoints.map(listens))).not.toContain(true);
  expect(await leftovers(run)).toEqual([]);

  // What was asked to be kept is kept, and free for the next run.
  const { deployments } = JSON.parse(await readFile(run.json, 'utf8')) as { deployments: { status: string; logFile: string }[] };
  expect(deployments).toEqual([expect.objectContaining({ status: endless ? 'building' : expect.any(String), logFile: expect.any(String) })]);
  expect(path.dirname(deployments[0].logFile)).toBe(path.join(run.state, 'logs'));
  expect(await readFile(deployments[0].logFile, 'utf8')).toContain('Entering phase PRE_BUILD');
  expect((await readdir(run.state)).sort()).toEqual(['dynamodb', 'logs', 's3']);
}, 120_000);

describe('a developer\'s AWS settings', () => {
  let trap: Server;
  let caught = 0;

  /** Whatever is sent where the settings point ends up here. */
  beforeAll(async () => {
    trap = createServer((socket) => {
      caught += 1;
      socket.destroy();
    }).listen(0, '127.0.0.1');
    await once(trap, 'listening');
  });
  afterAll(() => trap.close());

  test('do not lead the run anywhere but to 127.0.0.1, and do not reach the build', async () => {
    const elsewhere = `http://127.0.0.1:${(trap.address() as AddressInfo).port}`;
    const configuration = path.join(directory, 'aws-config');
    await writeFile(configuration, `[profile production]\nregion = eu-west-1\nendpoint_url = ${elsewhere}\ncredential_process = false\n`);

    const run = await build('hostile', 'exit 7', {
      AWS_PROFILE: 'production',
      AWS_CONFIG_FILE: configuration,
      AWS_ENDPOINT_URL: elsewhere,
      AWS_ENDPOINT_URL_S3: elsewhere,
      AWS_ENDPOINT_URL_DYNAMODB: elsewhere,
      AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: 'true',
      AWS_ACCESS_KEY_ID: 'AKIAPRODUCTION',
      AWS_SECRET_ACCESS_KEY: 'production-secret',
      AWS_SESSION_TOKEN: 'production-token',
      AWS_REGION: 'eu-west-1',
      AWS_DEFAULT_REGION: 'eu-west-1',
    });

    // Queue, handlers, CodeBuild, table: the failure travelled through all of them, with credentials that AWS would have refused.
    expect({ code: await run.ended, output: run.output() }).toEqual({ code: 1, output: expect.stringContaining('FAILED INSTALL_FAILED') });
    expect(caught).toBe(0);
    const { app, build: environment } = await environmentsOf(run);
    expect(Object.keys(app).filter((variable) => variable.startsWith('AWS_'))).toEqual(['AWS_EC2_METADATA_DISABLED']);
    for (const [name, endpoint] of endpointsIn(environment)) expect([name, endpoint]).toEqual([name, expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/)]);
    for (const name of ['AWS_PROFILE', 'AWS_IGNORE_CONFIGURED_ENDPOINT_URLS', 'AWS_SESSION_TOKEN']) expect(environment).not.toHaveProperty(name);
    expect(JSON.stringify(environment)).not.toMatch(/production|PRODUCTION|eu-west-1/);
    expect(await leftovers(run)).toEqual([]);
  }, 120_000);
});
