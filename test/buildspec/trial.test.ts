/** The handlers of the functions are loaded, and answer, before anything is stored. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { BuildMachine } from './build-machine';

/** Long enough for the time that a handler has, on a busy machine. */
const PATIENT_MS = 60_000;

let machine: BuildMachine;

beforeEach(async () => {
  machine = await BuildMachine.start();
  await machine.state({ 'build-output': machine.path('app') });
});

afterEach(() => machine.stop());

/** An app of one function. */
async function tryOut(files: Record<string, string>, description: object = {}, environment: Record<string, string> = {}) {
  const origin = { type: 'function', handler: 'index.handler', bundle: '.open-next/server-functions/default', wrapper: 'aws-lambda', ...description };
  await machine.files('app/.open-next', { 'open-next.output.json': JSON.stringify({ origins: { s3: { copy: [] }, default: origin } }) });
  await machine.files('app/.open-next/server-functions/default', files);
  const result = await machine.step('package', environment);
  if (result.status !== 0) return result;
  const { functions, warnings } = JSON.parse(await readFile(machine.path('src/output/artifacts/manifest.json'), 'utf8'));
  return { ...result, tried: functions[0].tried, warnings };
}

const handler = (body: string) => ({ 'index.mjs': `${body}\nexport const handler = async (event) => event;` });

describe('A handler answers', () => {
  test.each<[string, Record<string, string>, object?]>([
    ['as an ES module', handler('')],
    ['as a CommonJS module', { 'index.js': 'exports.handler = async (event) => event;' }],
    ['that exports an object of handlers', { 'index.cjs': 'module.exports = Object.create({}, { handler: { value: async (event) => event, enumerable: false } });' }],
    ['by another name', { 'handler.mjs': 'export const run = async () => {};' }, { handler: 'handler.run' }],
    ['that streams', { 'index.mjs': 'export const handler = awslambda.streamifyResponse(async (event, stream, context) => { stream.setContentType("text/plain"); context.x = 1; stream.end("x"); });' }, { wrapper: 'aws-lambda-streaming' }],
    ['as OpenNext\'s wrappers do, which know the server\'s id only in servers', { 'index.mjs': 'export const handler = async (event) => new Promise((resolve) => setTimeout(() => resolve({ serverId, type: event.type }), event.delay));' }],
    ['that finds its files in its directory', { ...handler('import { readFileSync } from "node:fs"; readFileSync("data.json");'), 'data.json': '{}' }],
    ['with packages of its own', { ...handler('import "own";'), 'node_modules/own/index.js': '' }],
  ])('%s', async (_, files, description = {}) => {
    expect(await tryOut(files, description)).toMatchObject({ status: 0, tried: 'answered', warnings: [] });
  });
});

describe('FUNCTION_BROKEN: what no variable and no database would mend', () => {
  test.each<[string, Record<string, string>, string, object?]>([
    ['a package is missing', handler('import "missing";'), 'Cannot find package \'missing\''],
    ['a package is missing that CommonJS asks for', { 'index.cjs': 'require("missing"); exports.handler = async () => {};' }, 'Cannot find module \'missing\''],
    ['a package is missing when it is called', { 'index.mjs': 'export const handler = async () => import("missing");' }, 'Cannot find package \'missing\''],
    ['a file is missing', handler('import "./chunk.mjs";'), 'Cannot find module'],
    ['a module cannot be parsed', handler('const = 1;'), 'Unexpected token'],
    ['a CommonJS module cannot be parsed', { ...handler('import { createRequire } from "node:module"; createRequire(import.meta.url)("./chunk.cjs");'), 'chunk.cjs': 'const = 1;' }, 'Unexpected token'],
    ['an export is missing', { ...handler('import { gone } from "./chunk.mjs"; gone();'), 'chunk.mjs': '' }, 'does not provide an export named \'gone\''],
    ['native code that is none', { ...handler('import { createRequire } from "node:module"; createRequire(import.meta.url)("./a.node");'), 'a.node': 'none' }, 'a.node'],
    ['the handler\'s file is missing', { 'other.mjs': '' }, 'there is no index.mjs'],
    ['the handler is missing', { 'index.mjs': 'export const other = 1;' }, 'index exports no function "handler"'],
    ['the handler is no function', { 'index.mjs': 'export const handler = 1;' }, 'index exports no function "handler"'],
  ])('%s', async (_, files, message) => {
    const result = await tryOut(files);
    expect(result.failure).toBe('FUNCTION_BROKEN');
    expect(result.output).toMatch(/FUNCTION_BROKEN: lambda\.zip: /);
    expect(result.output).toContain(message);
    expect(existsSync(machine.path('src/output/artifacts/manifest.json'))).toBe(false);
  });

  test('also if the app has the package that the function lacks', async () => {
    await machine.files('app/node_modules/missing', { 'index.js': '' });
    expect((await tryOut(handler('import "missing";'))).failure).toBe('FUNCTION_BROKEN');
  });
});

describe('A warning: what may be the build\'s doing, because the function has its environment only where it is deployed', () => {
  test.each<[string, Record<string, string>, string]>([
    ['it throws without a variable', handler('if (!process.env.DATABASE_URL) throw new Error("DATABASE_URL is not set\\nor so");'), 'DATABASE_URL is not set'],
    ['it reads JSON from a variable', handler('JSON.parse(process.env.FIREBASE_CONFIG);'), '"undefined" is not valid JSON'],
    ['it makes a pattern from a variable', handler('new RegExp(`${process.env.PATTERN ?? "("}`);'), 'Invalid regular expression'],
    ['it ends its process', handler('process.exit(3);'), 'its process ended with 3'],
    ['it dies', handler('process.kill(process.pid, "SIGSEGV");'), 'its process ended with SIGSEGV'],
    ['something throws beside it', handler('setTimeout(() => { throw new Error("connect ECONNREFUSED"); }); await new Promise(() => setTimeout(() => {}, 1e6));'), 'connect ECONNREFUSED'],
    ['it refuses the event', { 'index.mjs': 'export const handler = async () => { throw new Error("no such table"); };' }, 'no such table'],
    ['it throws what is no error', handler('throw "text";'), 'text'],
    ['it throws nothing', handler('throw undefined;'), 'undefined'],
  ])('%s', async (_, files, message) => {
    const result = await tryOut(files);
    expect(result).toMatchObject({ status: 0, tried: expect.stringContaining(message), warnings: [{ code: 'FUNCTION_UNPROVEN', message: expect.stringMatching(/^lambda\.zip: /) }] });
    expect(result.output).toContain('Warning: FUNCTION_UNPROVEN: lambda.zip: ');
  });

  test('it does not answer in time', async () => {
    const result = await tryOut({ 'index.mjs': 'export const handler = () => new Promise(() => setTimeout(() => {}, 1e9));' });
    expect(result).toMatchObject({ status: 0, tried: 'no answer within 20 s', warnings: [{ code: 'FUNCTION_UNPROVEN' }] });
  }, PATIENT_MS);

  test('it fills its memory: its process ends, the build goes on', async () => {
    const result = await tryOut(handler('const all = []; for (;;) all.push(new Array(1e6).fill(Math.random()));'));
    expect(result).toMatchObject({ status: 0, warnings: [{ code: 'FUNCTION_UNPROVEN' }] });
  }, PATIENT_MS);
});

describe('What cannot be tried here says why, and warns of nothing', () => {
  test.each<[string, object, Record<string, string>, string]>([
    ['functions for another processor', {}, { FUNCTION_ARCHITECTURE: process.arch === 'arm64' ? 'x86_64' : 'arm64' }, 'not tried: it is for Linux on '],
    ['a server that listens', { wrapper: 'node' }, {}, 'not tried: its wrapper is node'],
    ['a worker at the edge', { wrapper: 'cloudflare-edge' }, {}, 'not tried: its wrapper is cloudflare-edge'],
    ['a wrapper of the app', { wrapper: 'mine' }, {}, 'not tried: its wrapper is mine'],
    ['a container', { type: 'ecs' }, {}, 'not tried: its wrapper is of a container'],
  ])('%s', async (_, description, environment, reason) => {
    expect(await tryOut({ 'index.mjs': 'throw new Error("was loaded")' }, description, environment)).toMatchObject({ status: 0, tried: expect.stringContaining(reason), warnings: [] });
  });
});

test('a function that needs the AWS SDK of Lambda\'s runtime, as OpenNext\'s initialization function does, is not tried', async () => {
  expect(await tryOut(handler('import "@aws-sdk/client-dynamodb";'))).toMatchObject({ status: 0, tried: 'not tried: it needs the AWS SDK that Lambda brings', warnings: [] });
});

test('a handler sees nothing of this build\'s environment', async () => {
  const seen = machine.path('seen');
  await tryOut(handler(`import { writeFileSync } from "node:fs"; writeFileSync(${JSON.stringify(seen)}, JSON.stringify(process.env));`), {}, {
    NPM_TOKEN: 'secret', AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: '/v2/credentials', HANDOVER_URL: 'https://handover', NODE_OPTIONS: '--no-warnings',
  });
  expect(Object.keys(JSON.parse(await readFile(seen, 'utf8'))).sort()).toEqual(['AWS_EC2_METADATA_DISABLED', 'AWS_REGION', 'LAMBDA_TASK_ROOT', 'PATH']);
});

test('it runs in the Node.js of the app, if that is not the machine\'s', async () => {
  await machine.command('node', `echo called > "${machine.path('called')}"; exec "${process.execPath}" "$@"`, machine.path('other'));
  await machine.state({ 'node-path': machine.path('other') });
  expect(await tryOut(handler(''))).toMatchObject({ tried: 'answered' });
  expect(existsSync(machine.path('called'))).toBe(true);
});

test('what it writes is not in the zip file', async () => {
  const files = handler('import { writeFileSync } from "node:fs"; writeFileSync("written", "");');
  expect(await tryOut(files)).toMatchObject({ tried: 'answered' });
  expect((await machine.bash('unzip -l output/artifacts/lambda.zip')).output).not.toContain('written');
});

/** Where the build is ended, nobody is left to end them. */
describe('Without its parent', () => {
  const GONE_MS = 15_000;

  test.each([
    ['whose handler fails', 'await new Promise((resolve) => process.once("disconnect", () => setTimeout(resolve, 100))); throw new Error("late");'],
    ['whose handler never rests', 'process.send({}); for (;;);'],
  ])('a process %s ends', async (_, body) => {
    await machine.files('function', handler(body));
    const trial = machine.path('src/steps/trial-process.mjs');
    // As if its parent had gone before it listened.
    await writeFile(trial, (await readFile(trial, 'utf8')).replace('const SECONDS = 30', 'const SECONDS = 3').replace('process.exit());', '{});'));
    const child = fork(trial, [machine.path('function'), 'index.handler'], { stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
    child.once('message', () => child.disconnect());
    setTimeout(() => child.connected && child.disconnect(), 1_000);
    const gone = await once(child, 'exit', { signal: AbortSignal.timeout(GONE_MS) }).catch(() => 'still there');
    child.kill('SIGKILL');
    expect(gone).not.toBe('still there');
  }, PATIENT_MS);
});
