import { existsSync } from 'node:fs';
import { BuildMachine } from './build-machine';

let machine: BuildMachine;

beforeEach(async () => {
  machine = await BuildMachine.start();
});

afterEach(() => machine.stop());

const APP = '{"dependencies":{"next":"16.0.0"}}';
const packageManager = (name: unknown) => JSON.stringify({ packageManager: name, devDependencies: { next: '16.0.0' } });

/** Runs the detection on these files of a repository, for the app in a directory of it. */
async function detect(files: Record<string, string>, app = '') {
  const top = machine.path('src', 'checkout');
  await machine.files('src/checkout', files);
  await machine.state({ top, app: app ? `${top}/${app}` : top });
  const result = await machine.bash('. "$STEPS/exit-codes.sh" && node "$STEPS/detect.mjs"');
  if (result.status !== 0) return result;
  const relative = async (name: string) => (await machine.fact(name)).replace(top, '').replace(/^\//, '');
  return {
    ...result,
    kind: await machine.fact('kind'),
    tool: await machine.fact('tool'),
    root: await relative('root'),
    lockfile: await relative('lockfile'),
  };
}

describe('without "packageManager", the lockfile decides, and its format decides about the version', () => {
  test.each([
    ['pnpm-lock.yaml', 'lockfileVersion: 5.4\n', 'pnpm', 'pnpm@7.33.7'],
    ['pnpm-lock.yaml', 'lockfileVersion: \'6.0\'\n', 'pnpm', 'pnpm@8.15.9'],
    ['pnpm-lock.yaml', 'lockfileVersion: \'9.0\'\n', 'pnpm', 'pnpm@10.34.9'],
    ['pnpm-lock.yaml', '---\nlockfileVersion: \'9.0\'\n\n---\nlockfileVersion: \'9.0\'\n', 'pnpm', 'pnpm@10.34.9'],
    ['yarn.lock', '# yarn lockfile v1\n\n\nnext@16.0.0:\n  version "16.0.0"\n', 'yarn', 'yarn@1.22.22'],
    ['yarn.lock', '__metadata:\n  version: 6\n  cacheKey: 8\n', 'berry', '@yarnpkg/cli-dist@3.8.7'],
    ['yarn.lock', '__metadata:\n  version: 8\n  cacheKey: 10c0\n', 'berry', '@yarnpkg/cli-dist@4.13.0'],
    ['yarn.lock', '__metadata:\n  version: 10\n  cacheKey: 10c0\n', 'berry', '@yarnpkg/cli-dist@4.18.1'],
    ['yarn.lock', '__metadata:\n  version: 99\n', 'berry', '@yarnpkg/cli-dist@4.18.1'],
    ['package-lock.json', '{"lockfileVersion":3}', 'npm', ''],
    ['npm-shrinkwrap.json', '{"lockfileVersion":3}', 'npm', ''],
    ['bun.lock', '{"lockfileVersion":1}', 'bun', 'bun@1.4.5'],
    ['bun.lockb', '\0binary', 'bun', 'bun@1.4.5'],
  ])('%s %j: %s, %j', async (lockfile, text, kind, tool) => {
    expect(await detect({ 'package.json': APP, [lockfile]: text })).toMatchObject({ kind, tool, root: '', lockfile });
  });

  test('a directory by the name of a lockfile is none', async () => {
    expect(await detect({ 'package.json': APP, 'yarn.lock/README.md': '' })).toMatchObject({ kind: 'pnpm', lockfile: '' });
  });

  test('no lockfile: pnpm in the app\'s directory', async () => {
    expect(await detect({ 'web/package.json': APP }, 'web')).toMatchObject({ kind: 'pnpm', tool: 'pnpm@10.34.9', root: 'web', lockfile: '' });
  });
});

describe('"packageManager" decides', () => {
  test.each([
    ['pnpm@9.1.0', 'pnpm', 'pnpm@9.1.0'],
    ['pnpm@9.1.0+sha512.0123456789abcdef', 'pnpm', 'pnpm@9.1.0'],
    ['npm@11.4.0', 'npm', 'npm@11.4.0'],
    ['yarn@1.22.19', 'yarn', 'yarn@1.22.19'],
    ['yarn@4.5.0', 'berry', '@yarnpkg/cli-dist@4.5.0'],
    ['bun@1.2.0', 'bun', 'bun@1.2.0'],
    ['pnpm@10.0.0-rc.1', 'pnpm', 'pnpm@10.0.0-rc.1'],
    ['pnpm@9', 'pnpm', 'pnpm@9.15.9'],
  ])('%s', async (name, kind, tool) => {
    expect(await detect({ 'package.json': packageManager(name) })).toMatchObject({ kind, tool });
  });

  test.each(['deno@2.0.0', 'pnpm', 'pnpm@latest', 'pnpm@https://example.com/pnpm.tgz', '--help@1.0.0', 'pnpm@9.1.0 --global', 9, { toString: false }])('UNSUPPORTED_PACKAGE_MANAGER: %j', async (name) => {
    const result = await detect({ 'package.json': packageManager(name) });
    expect(result.failure).toBe('UNSUPPORTED_PACKAGE_MANAGER');
    expect(result.output).toContain('like "pnpm@10.34.9"');
  });

  test('the app\'s own field wins over the root\'s', async () => {
    const files = { 'package.json': '{"packageManager":"pnpm@9.0.0"}', 'web/package.json': packageManager('npm@11.0.0') };
    expect(await detect(files, 'web')).toMatchObject({ tool: 'npm@11.0.0' });
  });

  test('a lockfile of another package manager is removed with a warning: OpenNext would believe it', async () => {
    const result = await detect({ 'package.json': packageManager('pnpm@9.0.0'), 'package-lock.json': '{}', 'pnpm-lock.yaml': 'lockfileVersion: \'9.0\'\n' });
    expect(result).toMatchObject({ tool: 'pnpm@9.0.0', lockfile: 'pnpm-lock.yaml' });
    expect(result.output).toMatch(/Warning: .*package-lock.json is ignored, because "packageManager" is pnpm@9.0.0/);
    expect(existsSync(machine.path('src/checkout/package-lock.json'))).toBe(false);
    expect(existsSync(machine.path('src/checkout/pnpm-lock.yaml'))).toBe(true);
  });
});

describe('"devEngines.packageManager" decides, after "packageManager" and before the lockfile', () => {
  const devEngines = (manager: unknown) => JSON.stringify({ devEngines: { packageManager: manager }, devDependencies: { next: '16.0.0' } });

  test.each([
    ['an exact version', { name: 'pnpm', version: '9.1.0' }, 'pnpm@9.1.0'],
    ['of a range, the newest', { name: 'pnpm', version: '^11.2.0' }, 'pnpm@11.28.11'],
    ['of a major version, the newest', { name: 'npm', version: '10' }, 'npm@10.9.9'],
    ['of what is none of the newest, the lowest', { name: 'bun', version: '~1.2.3' }, 'bun@1.2.3'],
    ['Yarn 4 is another package than Yarn 1', { name: 'yarn', version: '>=4' }, '@yarnpkg/cli-dist@4.18.1'],
    ['Yarn 1', { name: 'yarn', version: '1.x' }, 'yarn@1.22.22'],
    ['no version', { name: 'yarn', onFail: 'download' }, '@yarnpkg/cli-dist@4.18.1'],
    ['the first of several that is known', [{ name: 'deno' }, { name: 'bun', version: '>=1' }, { name: 'npm' }], 'bun@1.4.5'],
  ])('%s: %j', async (_, manager, tool) => {
    expect(await detect({ 'package.json': devEngines(manager) })).toMatchObject({ tool });
  });

  test.each([['>=9', 'pnpm@10.34.9'], ['>=11', 'pnpm@12.21.0'], ['>=7 <9', 'pnpm@8.15.9']])('pnpm %s with a lockfile of pnpm 9 or 10: %s', async (version, tool) => {
    expect(await detect({ 'package.json': devEngines({ name: 'pnpm', version }), 'pnpm-lock.yaml': 'lockfileVersion: \'9.0\'\n' })).toMatchObject({ tool });
  });

  test.each([['^10.0.0', ''], ['^99.0.0', 'npm@99.0.0']])('npm %s where the machine has 10.2.3: %j', async (version, tool) => {
    await machine.command('npm', 'echo 10.2.3');
    expect(await detect({ 'package.json': devEngines({ name: 'npm', version }) })).toMatchObject({ tool });
  });

  test('"packageManager" and its lockfile come first', async () => {
    const fields = { packageManager: 'npm@11.0.0', devEngines: { packageManager: { name: 'pnpm' } }, dependencies: { next: '16.0.0' } };
    expect(await detect({ 'package.json': JSON.stringify(fields) })).toMatchObject({ tool: 'npm@11.0.0' });
  });

  test('a lockfile of another package manager is removed', async () => {
    const result = await detect({ 'package.json': devEngines({ name: 'pnpm', version: '^10' }), 'yarn.lock': '' });
    expect(result).toMatchObject({ tool: 'pnpm@10.34.9', lockfile: '' });
    expect(result.output).toMatch(/yarn.lock is ignored, because "devEngines.packageManager" is pnpm@\^10/);
  });

  test('one that is not known may be ignored, if package.json says so', async () => {
    expect(await detect({ 'package.json': devEngines({ name: 'deno', onFail: 'ignore' }), 'bun.lock': '' })).toMatchObject({ kind: 'bun' });
  });

  test.each([{ name: 'deno' }, { name: 'pnpm', version: 'latest' }, { name: 'pnpm', version: '>5 <3' }, 'pnpm', [null], { name: { toString: false } }, { name: 'npm', version: { toString: false } }, { name: 'npm', version: '99999999' }])('UNSUPPORTED_PACKAGE_MANAGER: %j', async (manager) => {
    const result = await detect({ 'package.json': devEngines(manager) });
    expect(result.failure).toBe('UNSUPPORTED_PACKAGE_MANAGER');
    expect(result.output).toContain('"devEngines.packageManager" is ');
  });
});

describe('a monorepo is installed where its lockfile is', () => {
  test('the nearest lockfile from the app upwards', async () => {
    const files = { 'package.json': '{"packageManager":"pnpm@9.0.0"}', 'pnpm-lock.yaml': '', 'apps/web/package.json': APP };
    expect(await detect(files, 'apps/web')).toMatchObject({ tool: 'pnpm@9.0.0', root: '', lockfile: 'pnpm-lock.yaml' });
  });

  test('an app with a lockfile of its own stands alone', async () => {
    const files = { 'package-lock.json': '{}', 'apps/web/package.json': APP, 'apps/web/yarn.lock': '' };
    expect(await detect(files, 'apps/web')).toMatchObject({ tool: 'yarn@1.22.22', root: 'apps/web' });
    expect(existsSync(machine.path('src/checkout/package-lock.json'))).toBe(true);
  });

  test('a stray lockfile in the app does not hide the workspace of the package manager', async () => {
    const files = { 'package.json': '{"packageManager":"pnpm@9.0.0"}', 'pnpm-lock.yaml': '', 'apps/web/package.json': APP, 'apps/web/package-lock.json': '{}' };
    expect(await detect(files, 'apps/web')).toMatchObject({ kind: 'pnpm', root: '', lockfile: 'pnpm-lock.yaml' });
    expect(existsSync(machine.path('src/checkout/apps/web/package-lock.json'))).toBe(false);
  });
});

describe('NOT_A_NEXTJS_APP', () => {
  test.each([
    ['no package.json', {}],
    ['package.json is not JSON', { 'package.json': '{' }],
    ['package.json is null', { 'package.json': 'null' }],
    ['package.json is a directory', { 'package.json/README.md': '' }],
    ['no dependency on next', { 'package.json': '{"dependencies":{"react":"19.0.0"}}' }],
  ])('%s', async (_, files) => {
    expect((await detect(files)).failure).toBe('NOT_A_NEXTJS_APP');
  });

  test.each(['dependencies', 'devDependencies', 'peerDependencies'])('but next among %s will do, even behind a byte order mark', async (group) => {
    expect(await detect({ 'package.json': `\uFEFF{"${group}":{"next":"16.0.0"}}` })).toMatchObject({ status: 0 });
  });
});
