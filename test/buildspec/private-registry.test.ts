/** Real package managers, and a registry that gives nothing to whoever does not have the token of the project's install secrets. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { promisify } from 'node:util';
import { BuildMachine, type StepResult } from './build-machine';
import { buildEnvironment, npmSettings } from '../../local/image';

const TOKEN = 'npm_it\'s-s3cret';
const PACKAGE = '@private/greeting';
/** A package manager is fetched and run; on a busy machine that takes half a minute. */
const TIMEOUT_MS = 180_000;

let machine: BuildMachine;
let registry: Server;
let port: number;
let archive: Buffer;
/** How a build on this machine reaches the registry of the package managers themselves. */
let network: Record<string, string>;

beforeAll(async () => {
  archive = await packageArchive({ name: PACKAGE, version: '1.2.3' });
  registry = createServer((request, response) => {
    const url = decodeURIComponent(request.url!);
    if (request.headers.authorization !== `Bearer ${TOKEN}`) response.writeHead(401).end('{"error":"who are you?"}');
    else if (url.endsWith('.tgz')) response.end(archive);
    else if (url === `/${PACKAGE}`) response.end(JSON.stringify(description()));
    else response.writeHead(404).end('{}');
  });
  await new Promise<void>((resolve) => registry.listen(0, '127.0.0.1', resolve));
  ({ port } = registry.address() as AddressInfo);
  network = buildEnvironment(process.env, { pathEntries: [], emptyFile: '/dev/null', npm: await npmSettings(tmpdir(), process.env) });
});

afterAll(() => {
  registry.closeAllConnections();
  registry.close();
});

beforeEach(async () => {
  machine = await BuildMachine.start(network);
  await machine.state({ top: machine.path('src', 'checkout'), app: machine.path('src', 'checkout') });
});

afterEach(() => machine.stop());

async function packageArchive(manifest: object): Promise<Buffer> {
  const directory = await mkdtemp(path.join(tmpdir(), 'package-'));
  await mkdir(path.join(directory, 'package'));
  await writeFile(path.join(directory, 'package', 'package.json'), JSON.stringify(manifest));
  await promisify(execFile)('tar', ['-czf', 'package.tgz', 'package'], { cwd: directory });
  const bytes = await readFile(path.join(directory, 'package.tgz'));
  await rm(directory, { recursive: true });
  return bytes;
}

function description(): object {
  const dist = {
    tarball: `http://127.0.0.1:${port}/${PACKAGE}/-/greeting-1.2.3.tgz`,
    shasum: createHash('sha1').update(archive).digest('hex'),
    integrity: `sha512-${createHash('sha512').update(archive).digest('base64')}`,
  };
  return { 'name': PACKAGE, 'dist-tags': { latest: '1.2.3' }, 'versions': { '1.2.3': { name: PACKAGE, version: '1.2.3', dist } }, 'time': { '1.2.3': '2020-01-01T00:00:00Z' } };
}

/** What the app has in its repository, and what its install secrets are. */
interface Configuration {
  readonly files: () => Record<string, string>;
  readonly secrets: () => Record<string, string>;
}

const host = () => `//127.0.0.1:${port}/`;
const scope = () => `@private:registry=http:${host()}\n`;
const NPM_TOKEN = { NPM_TOKEN: TOKEN };

const NPMRC: Configuration = { files: () => ({ '.npmrc': `${scope()}${host()}:_authToken=\${NPM_TOKEN}\n` }), secrets: () => NPM_TOKEN };
/** pnpm puts no variable of the environment into what the repository says. */
const USER_NPMRC: Configuration = { files: () => ({ '.npmrc': scope() }), secrets: () => ({ ...NPM_TOKEN, NPM_RC: `${host()}:_authToken=${TOKEN}` }) };
const YARNRC: Configuration = {
  files: () => ({
    '.yarnrc.yml': `unsafeHttpWhitelist: ["127.0.0.1"]\nnpmScopes:\n  private:\n    npmRegistryServer: "http:${host()}"\n    npmAuthToken: "\${NPM_TOKEN}"\n`,
  }),
  secrets: () => NPM_TOKEN,
};
const BUNFIG: Configuration = {
  files: () => ({ 'bunfig.toml': `[install.scopes]\nprivate = { url = "http:${host()}", token = "$NPM_TOKEN" }\n` }),
  secrets: () => NPM_TOKEN,
};

async function install(packageManager: string, { files }: Configuration, installEnvironment?: Record<string, string>): Promise<StepResult> {
  const show = 'node -p "\'token of \' + process.env.NPM_TOKEN.length"';
  const scripts = { postinstall: `${show} >> ../seen`, show };
  const dependencies = { next: 'file:./next', [PACKAGE]: '1.2.3' };
  await machine.files('src/checkout', {
    'package.json': JSON.stringify({ name: 'app', packageManager, scripts, dependencies }),
    'next/package.json': '{"name":"next","version":"16.0.0"}',
    ...files(),
  });
  return machine.step('install', {}, JSON.stringify(installEnvironment ?? {}));
}

/** Before the app's build; the names are known, the values are not. */
async function afterInstall(secrets: Record<string, string>, script = ''): Promise<StepResult> {
  await machine.state({ environment: JSON.stringify(Object.fromEntries(Object.keys(secrets).map((name) => [name, '']))) });
  return machine.bash(`. "$STEPS/common.sh"; use_package_manager; ${script}`);
}

test.each([
  ['npm@10.9.4', NPMRC], ['pnpm@10.34.9', USER_NPMRC], ['pnpm@12.21.0', USER_NPMRC], ['yarn@1.22.22', NPMRC], ['yarn@4.18.0', YARNRC], ['bun@1.4.2', BUNFIG],
])('%s installs with the project\'s token, which is gone when the app is built', async (packageManager, configuration) => {
  const result = await install(packageManager, configuration, configuration.secrets());
  expect({ ...result, output: result.status === 0 ? '' : result.output }).toEqual({ status: 0, failure: undefined, output: '' });
  expect(result.output).not.toContain('s3cret');
  expect(JSON.parse(await readFile(machine.path('src/checkout/node_modules', PACKAGE, 'package.json'), 'utf8'))).toEqual({ name: PACKAGE, version: '1.2.3' });
  expect(await readFile(machine.path('src/seen'), 'utf8')).toBe(`token of ${TOKEN.length}\n`);

  const build = await afterInstall(configuration.secrets(), `cd "$CHECKOUT"; ${packageManager.split('@')[0]} run show; cat ~/.npmrc`);
  expect(build.output).toContain('token of 0');
  expect(build.output).not.toContain('s3cret');
}, TIMEOUT_MS);

test('an install without the token fails', async () => {
  expect(await install('npm@10.9.4', NPMRC)).toMatchObject({ failure: 'INSTALL_FAILED', output: expect.stringContaining('E401') });
}, TIMEOUT_MS);

test('a user\'s .npmrc that the image brings stays in force, and is as before when the app is built', async () => {
  await machine.files('.', { '.npmrc': `//elsewhere.example/:_authToken=other\n${scope()}` });
  const result = await install('npm@10.9.4', { ...USER_NPMRC, files: () => ({}) }, USER_NPMRC.secrets());
  expect(result.status).toBe(0);
  await afterInstall(USER_NPMRC.secrets());
  expect(await readFile(machine.path('.npmrc'), 'utf8')).toBe(`//elsewhere.example/:_authToken=other\n${scope()}`);
}, TIMEOUT_MS);
