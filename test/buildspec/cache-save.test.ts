/** What is kept for the next build, and what is not. */
import { utimes } from 'node:fs/promises';
import { APP, CachedBuild } from './cached-builds';
import type { CacheLayer } from '../../src/contract/cache';

let build: CachedBuild;

afterEach(() => build.stop());

async function start(files: Record<string, string> = APP): Promise<void> {
  build = await CachedBuild.start(undefined, files);
}

/** Files in a layer's archive, without its marks. */
async function kept(layer: CacheLayer): Promise<string[]> {
  return (await build.content(layer)).filter((name) => !name.endsWith('/') && !/^\.(key|end)$/.test(name)).sort();
}

test('an archive begins with what it fits, and ends with a mark', async () => {
  await start();
  await build.run('mkdir -p .next/cache/a; touch .next/cache/a/b');
  for (const layer of ['dependencies', 'store', 'next', 'tools'] as const) {
    const names = await build.content(layer);
    expect([names[0], names.at(-1)]).toEqual(['.key', '.end']);
  }
});

describe('dependencies', () => {
  test('node_modules of every package, as the install left them', async () => {
    await start({ ...APP, 'packages/ui/package.json': '{}', 'packages/ui/index.js': '' });
    await build.restore();
    await build.machine.files('src/checkout', {
      'packages/ui/node_modules/a/index.js': '', 'packages/ui/node_modules/a/node_modules/b/index.js': '', '.git/node_modules/c': '',
    });
    await build.install();
    await build.build('mkdir -p node_modules/.cache; touch node_modules/.cache/of-the-build; echo changed > node_modules/installed');
    await build.upload();
    expect(await kept('dependencies')).toEqual([
      './node_modules/installed', './node_modules/next/package.json', './packages/ui/node_modules/a/index.js', './packages/ui/node_modules/a/node_modules/b/index.js',
    ]);
  });

  test('not those that the repository has', async () => {
    await start({ ...APP, 'test/fixture/node_modules/a/index.js': '' });
    await build.run();
    expect(await kept('dependencies')).toEqual(['./node_modules/installed', './node_modules/next/package.json']);
  });

  test('what Yarn needs besides to run a script', async () => {
    await start();
    await build.machine.files('src/checkout/.yarn', { 'install-state.gz': '', 'cache/a.zip': '' });
    await build.run();
    expect(await kept('dependencies')).toContain('./.yarn/install-state.gz');
    expect(await kept('dependencies')).not.toContain('./.yarn/cache/a.zip');
  });

  test('not for longer than the build should wait', async () => {
    await start();
    await build.change('cache-save.mjs', 'const BOUND = 40', 'const BOUND = 0');
    expect(await build.run()).toContain('Cache of dependencies is not stored: it takes longer than 0 s');
    expect((await build.staged()).has('dependencies')).toBe(false);
  });
});

describe('next', () => {
  async function after(script: string): Promise<string[]> {
    await start();
    await build.run(script);
    return (await build.staged()).has('next') ? kept('next') : [];
  }

  test('what a compiler can use again, but no answers that a page would give', async () => {
    expect(await after(`mkdir -p .next/server .next/cache/turbopack/db .next/cache/webpack/client .next/cache/fetch-cache .next/cache/images
      touch .next/server/a .next/cache/turbopack/db/1 .next/cache/webpack/client/0.pack .next/cache/fetch-cache/a .next/cache/images/a .next/cache/.tsbuildinfo`)).toEqual([
      './cache/.tsbuildinfo', './cache/turbopack/db/1', './cache/webpack/client/0.pack',
    ]);
  });

  test('nothing that is older than 14 days; but what was written in a directory keeps the rest of it', async () => {
    await start();
    await build.machine.files('src/checkout/.next/cache', { 'webpack/old/0.pack': '', 'webpack/new/0.pack': '', 'webpack/new/1.pack': '' });
    const old = new Date(Date.now() - 15 * 86_400_000);
    for (const file of ['webpack/old/0.pack', 'webpack/new/0.pack']) await utimes(`${build.checkout}/.next/cache/${file}`, old, old);
    await build.run();
    expect(await kept('next')).toEqual(['./cache/webpack/new/0.pack', './cache/webpack/new/1.pack']);
  });

  test('the newest first, up to a limit', async () => {
    await start();
    await build.change('cache-save.mjs', 'let left = MAX_BYTES', 'let left = 250');
    await build.machine.files('src/checkout/.next/cache', Object.fromEntries(['a', 'b', 'c'].map((name) => [`webpack/${name}/pack`, 'x'.repeat(100)])));
    const old = new Date(Date.now() - 3_600_000);
    await utimes(`${build.checkout}/.next/cache/webpack/b/pack`, old, old);
    await build.run();
    expect(await kept('next')).toEqual(['./cache/webpack/a/pack', './cache/webpack/c/pack']);
  });

  test('nothing, if there is no cache', async () => {
    expect(await after('')).toEqual([]);
  });
});

describe('tools', () => {
  test('those that this build has used', async () => {
    await start({ ...APP, 'package.json': '{"dependencies":{"next":"16"},"packageManager":"npm@11.1.0"}' });
    await build.machine.files('src/state/tools', { 'left-over@1.0.0/.complete': '' });
    await build.machine.files('src/state/tools/npm@11.1.0/node_modules/.bin', {});
    await build.machine.command('npm', `case "$*" in
      --version) echo 11.0.0 ;;
      'install --prefix'*) mkdir -p "$3/node_modules/.bin"; touch "$3/node_modules/index.js" ;;
      ci*) mkdir -p node_modules/next; echo '{}' > node_modules/next/package.json ;;
    esac`);
    await build.run();
    expect(await kept('tools')).toEqual([
      './tools/@opennextjs/aws@4.1.12/.complete', './tools/@opennextjs/aws@4.1.12/node_modules/index.js', './tools/content',
      './tools/npm@11.1.0/.complete', './tools/npm@11.1.0/node_modules/index.js',
    ]);
  });

  test('none that was not fetched whole', async () => {
    await start();
    await build.machine.command('npm', `case "$*" in
      --version) echo 11.0.0 ;;
      'install --prefix'*) mkdir -p "$3/node_modules"; exit 1 ;;
    esac`);
    await build.restore();
    await build.install();
    expect((await build.bash('get "@opennextjs/aws@4.1.12" || fail PACKAGE_FAILED "gone"')).failure).toBe('PACKAGE_FAILED');
    await build.bash('background save cache-save tools next');
    await build.upload();
    expect((await build.staged()).has('tools')).toBe(false);
  });
});

describe('store', () => {
  test('what the package manager has downloaded', async () => {
    await start();
    await build.run();
    expect(await kept('store')).toEqual(['./store/base', './store/download']);
  });

  test('it begins anew when it has grown to three times of what one install needs', async () => {
    await start();
    await build.change('cache-save.mjs', 'const LITTLE = 300e6', 'const LITTLE = 0');
    await build.machine.files('src/state/store', { base: '2' });
    await build.run();
    expect(await kept('store')).toEqual([]);
  });
});

test('too large for a cache: it is not stored, and the log says so', async () => {
  await start();
  await build.change('cache-save.mjs', 'const MAX_BYTES = 1e9', 'const MAX_BYTES = 10');
  expect(await build.run()).toContain('Cache of dependencies is not stored: it has');
  expect((await build.staged()).size).toBe(0);
});

test('without zstd, gzip does', async () => {
  await start();
  await build.machine.command('zstd', 'exit 127');
  await build.machine.command('pigz', 'exit 127');
  await build.run();
  const magic = (await build.staged()).get('dependencies')!.subarray(0, 4).toString('hex');
  // Node.js may bring a zstd of its own.
  expect(magic).toMatch(/^(1f8b|28b52ffd)/);
  expect(await kept('dependencies')).toContain('./node_modules/next/package.json');
});
