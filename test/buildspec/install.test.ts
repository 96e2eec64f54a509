import { BuildMachine } from './build-machine';

let machine: BuildMachine;

beforeEach(async () => {
  machine = await BuildMachine.start();
  const checkout = machine.path('src', 'checkout');
  await machine.state({ top: checkout, app: checkout });
  await everyCommand('[ "$1" = --version ] && echo 1.2.3 && exit; echo "RAN $(basename "$0") $* in $PWD NODE_ENV=${NODE_ENV-unset} CI=$CI strict=$pnpm_config_strict_dep_builds"');
});

afterEach(() => machine.stop());

/** npm fetches package managers; what it fetches, and npm itself, runs the script. */
async function everyCommand(script: string, fetching = 'exit 0'): Promise<void> {
  await machine.command('npm', `if [ "$2" = --prefix ]; then echo "FETCHED \${*: -1} into $3"; ${fetching}; fi\n${script}`);
  for (const name of ['pnpm', 'yarn', 'bun']) {
    await machine.command(name, `[ "$*" = "config get nodeLinker" ] && echo "\${LINKER:-pnp}" && exit\n${script}; echo "linker=$YARN_NODE_LINKER"`);
  }
}

async function install(files: Record<string, string>, environment: Record<string, string> = {}) {
  await machine.files('src/checkout', { 'package.json': '{"dependencies":{"next":"16.0.0"}}', ...files });
  return machine.step('install', environment);
}

const BERRY = '__metadata:\n  version: 10\n';

test.each([
  ['package-lock.json', '', 'npm ci --include=dev'],
  ['pnpm-lock.yaml', '', 'pnpm install --frozen-lockfile --prod=false'],
  ['yarn.lock', '', 'yarn install --frozen-lockfile --production=false --non-interactive'],
  ['yarn.lock', BERRY, 'yarn install --immutable'],
  ['bun.lock', '', 'bun install --frozen-lockfile'],
])('%s %j: %s', async (lockfile, text, command) => {
  const result = await install({ [lockfile]: text }, { NODE_ENV: 'production' });
  expect(result.output).toContain(`RAN ${command} in ${machine.path('src', 'checkout')} NODE_ENV=unset CI=true`);
  expect(result.status).toBe(0);
});

test.each([['npm@11.0.0', 'npm install --include=dev'], ['pnpm@9.0.0', 'pnpm install --no-frozen-lockfile --prod=false'], ['yarn@1.22.22', 'yarn install --production=false'],
  ['yarn@4.0.0', 'yarn install --no-immutable'], ['bun@1.2.0', 'bun install']])('without a lockfile, %s installs anyway, with a loud warning', async (packageManager, command) => {
  const result = await install({ 'package.json': JSON.stringify({ packageManager, dependencies: { next: '16.0.0' } }) });
  expect(result.output).toContain(`RAN ${command} `);
  expect(result.output).toContain('WARNING: there is no lockfile');
});

test('the package manager is fetched in one exact version, out of the app\'s reach', async () => {
  const result = await install({ 'pnpm-lock.yaml': 'lockfileVersion: \'9.0\'\n' });
  expect(result.output).toContain(`FETCHED pnpm@10.34.9 into ${machine.path('src', 'state', 'tools', 'pnpm@10.34.9')}`);
  expect(await machine.fact('package-manager')).toBe('pnpm@10.34.9');
});

test('npm is the image\'s own, unless package.json names a version', async () => {
  expect((await install({ 'package-lock.json': '' })).output).not.toContain('FETCHED');
});

test('pnpm 11 and later do not fail over build scripts that nobody approved', async () => {
  expect((await install({ 'pnpm-lock.yaml': '' })).output).toContain('strict=false');
});

test('Yarn\'s Plug\'n\'Play becomes node_modules, any other choice of the app stays', async () => {
  await machine.files('src/checkout', { '.pnp.cjs': '' });
  expect((await install({ 'yarn.lock': BERRY })).output).toContain('linker=node-modules');
  expect((await install({ 'yarn.lock': BERRY }, { LINKER: 'pnpm' })).output).toContain('linker=\n');
});

test('INSTALL_FAILED: the package manager fails, and its own words stay visible', async () => {
  await everyCommand('[ "$1" = --version ] && exit; echo "lockfile is out of date" >&2; exit 1');
  const result = await install({ 'package-lock.json': '' });
  expect(result.failure).toBe('INSTALL_FAILED');
  expect(result.output).toContain('lockfile is out of date');
});

test('UNSUPPORTED_PACKAGE_MANAGER: the named version does not exist', async () => {
  await everyCommand('', 'echo "npm error code ETARGET"; exit 1');
  expect((await install({ 'pnpm-lock.yaml': '' })).failure).toBe('UNSUPPORTED_PACKAGE_MANAGER');
});

test('INSTALL_FAILED: the package manager cannot be fetched', async () => {
  await everyCommand('', 'echo "npm error code ECONNRESET"; exit 1');
  expect((await install({ 'pnpm-lock.yaml': '' })).failure).toBe('INSTALL_FAILED');
});

test.each(['exit 137', 'kill -KILL $$', 'echo "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory"; exit 134'])('OUT_OF_MEMORY: %s', async (death) => {
  await everyCommand(`[ "$1" = --version ] && exit; ${death}`);
  expect((await install({ 'package-lock.json': '' })).failure).toBe('OUT_OF_MEMORY');
});
