/** What an install depends on: with the same key it is skipped, so whatever changes its result has to change the key. */
import { writeFile } from 'node:fs/promises';
import { CachedBuild } from './cached-builds';

let build: CachedBuild;

const FACTS = { 'kind': 'pnpm', 'tool': 'pnpm@10.34.9', 'package-manager': 'pnpm@10.34.9' };

beforeEach(async () => {
  build = await CachedBuild.start(undefined);
});

afterEach(() => build.stop());

interface Circumstances {
  readonly facts?: Record<string, string>;
  readonly environment?: Record<string, string>;
  /** Below the top of the repository. */
  readonly root?: string;
}

const REPOSITORY = {
  'package.json': JSON.stringify({ name: 'shop', version: '1.0.0', description: 'a shop', scripts: { build: 'next build', postinstall: 'node setup.js' }, workspaces: ['packages/*'], dependencies: { next: '16.4.6' } }),
  'packages/ui/package.json': JSON.stringify({ name: 'ui', dependencies: { react: '19.0.0' } }),
  'pnpm-lock.yaml': 'lockfileVersion: \'9.0\'\n',
  'patches/next.patch': 'a patch',
  '.npmrc': 'public-hoist-pattern[]=*',
  'app/page.tsx': 'a page',
};

async function keyOf(files: Record<string, string | undefined> = {}, { facts = {}, environment, root = '' }: Circumstances = {}): Promise<string> {
  const all = Object.entries({ ...REPOSITORY, ...files }).filter((entry): entry is [string, string] => entry[1] !== undefined);
  await build.git('rm', '-rfq', '--ignore-unmatch', '.');
  await build.machine.files('src/checkout', Object.fromEntries(all));
  await build.git('add', '-Af');
  const directory = [build.checkout, root].filter(Boolean).join('/');
  await build.machine.state({ top: build.checkout, app: directory, root: directory, lockfile: `${directory}/pnpm-lock.yaml`, ...FACTS, ...facts });
  const result = await build.machine.bash('node "$STEPS/dependencies-key.mjs"', environment);
  expect(result).toMatchObject({ status: 0, output: '' });
  return build.machine.fact('dependencies-key');
}

const packageJson = (changes: object) => ({ 'package.json': JSON.stringify({ ...JSON.parse(REPOSITORY['package.json']), ...changes }) });

test('a sha256', async () => {
  expect(await keyOf()).toMatch(/^[0-9a-f]{64}$/);
});

describe('stays the same', () => {
  test.each<[string, Record<string, string | undefined>]>([
    ['for the same commit', {}],
    ['when a page changes', { 'app/page.tsx': 'another page' }],
    ['when a file is new', { 'public/robots.txt': '' }],
    ['when the build script changes', packageJson({ scripts: { build: 'next build --turbopack', postinstall: 'node setup.js' } })],
    ['when version or description change', packageJson({ version: '1.0.1', description: 'the shop' })],
    ['when another package\'s sources change', { 'packages/ui/index.ts': 'export {}' }],
  ])('%s', async (_, files) => {
    expect(await keyOf(files)).toBe(await keyOf());
  });

  test('wherever the checkout lies', async () => {
    const other = await CachedBuild.start(undefined);
    try {
      const here = await keyOf();
      const first = build;
      build = other;
      expect(await keyOf()).toBe(here);
      build = first;
    } finally {
      await other.stop();
    }
  });

  test('with files that git does not know', async () => {
    const before = await keyOf();
    await writeFile(`${build.checkout}/.pnpmfile.cjs`, 'untracked');
    expect((await build.machine.bash('node "$STEPS/dependencies-key.mjs"')).status).toBe(0);
    expect(await build.machine.fact('dependencies-key')).toBe(before);
  });
});

describe('is another one', () => {
  test.each<[string, Record<string, string | undefined>]>([
    ['for another lockfile', { 'pnpm-lock.yaml': 'lockfileVersion: \'9.0\'\n\npackages: {}' }],
    ['for another dependency', packageJson({ dependencies: { next: '16.4.7' } })],
    ['for another dependency of a package of the workspace', { 'packages/ui/package.json': JSON.stringify({ name: 'ui', dependencies: { react: '19.0.1' } }) }],
    ['for one more package', { 'packages/icons/package.json': '{"name":"icons"}' }],
    ...['devDependencies', 'optionalDependencies', 'peerDependencies', 'dependenciesMeta', 'overrides', 'resolutions', 'pnpm', 'packageManager', 'engines'].map(
      (field): [string, Record<string, string>] => [`for other ${field}`, packageJson({ [field]: { a: '1' } })]),
    ['for another install script', packageJson({ scripts: { build: 'next build', postinstall: 'node setup.js --all' } })],
    ['for another patch', { 'patches/next.patch': 'another patch' }],
    ['without the patch', { 'patches/next.patch': undefined }],
    ['for another .npmrc', { '.npmrc': 'node-linker=hoisted' }],
    ['for a .npmrc of a package', { 'packages/ui/.npmrc': 'a=b' }],
    ...['.yarnrc', '.yarnrc.yml', 'bunfig.toml', 'pnpm-workspace.yaml', '.pnpmfile.cjs', '.yarn/patches/a.patch', '.yarn/plugins/a.cjs', '.yarn/releases/yarn.cjs', 'prisma/schema.prisma', 'fixes/next.patch'].map(
      (file): [string, Record<string, string>] => [`with ${file}`, { [file]: 'settings: true' }]),
  ])('%s', async (_, files) => {
    expect(await keyOf(files)).not.toBe(await keyOf());
  });

  test.each<[string, Circumstances]>([
    ['package manager', { facts: { 'package-manager': 'pnpm@10.34.8' } }],
    ['build image', { environment: { CODEBUILD_BUILD_IMAGE: 'aws/codebuild/standard:8.0' } }],
  ])('for another %s', async (_, circumstances) => {
    expect(await keyOf({}, circumstances)).not.toBe(await keyOf());
  });

  test.each([
    ['file: dependency', { dependencies: { lib: 'file:./lib' } }],
    ['dependency by path', { dependencies: { lib: './lib' } }],
    ['injected dependency', { dependenciesMeta: { lib: { injected: true } } }],
  ])('for another content of a %s, which is copied', async (_, changes) => {
    const content = (text: string) => keyOf({ ...packageJson(changes), 'lib/index.js': text });
    expect(await content('a')).not.toBe(await content('b'));
  });
});

test('an app below the top with a lockfile of its own: what lies beside it does not matter, settings above it do', async () => {
  const web = { 'apps/web/package.json': '{"name":"web"}', 'apps/web/pnpm-lock.yaml': '' };
  const of = (files: Record<string, string>) => keyOf({ ...web, ...files }, { root: 'apps/web' });
  const before = await of({});
  expect(await of({ 'apps/docs/package.json': '{"dependencies":{"a":"1"}}', 'pnpm-lock.yaml': 'other' })).toBe(before);
  expect(await of({ '.npmrc': 'registry=https://npm.example' })).not.toBe(before);
});

describe('there is none, and the install is not skipped', () => {
  const none = async (files: Record<string, string>, facts: Record<string, string>, why: string) => {
    expect(await keyOf(files, { facts })).toBe('');
    expect(await build.machine.fact('dependencies-off')).toBe(why);
  };

  test('without a lockfile', () => none({}, { lockfile: '' }, 'there is no lockfile'));

  test('where the repository itself has node_modules', () => none({ 'node_modules/next/package.json': '{}' }, {}, 'node_modules is in the repository'));

  test('where git cannot say what is tracked', async () => {
    await build.machine.command('git', 'exit 128');
    await build.machine.state({ top: build.checkout, app: build.checkout, root: build.checkout, lockfile: '', ...FACTS });
    expect((await build.machine.bash('node "$STEPS/dependencies-key.mjs"')).status).toBe(0);
    expect(await build.machine.fact('dependencies-key')).toBe('');
  });
});

test.each(['{', 'null', '5', '{"dependencies":{"a":["file:b"]}}', '{"scripts":null}'])('a package.json that says %s is a test\'s, and harmless', async (text) => {
  expect(await keyOf({ 'test/broken/package.json': text })).toMatch(/^[0-9a-f]{64}$/);

});
