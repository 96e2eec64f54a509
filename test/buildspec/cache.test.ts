/** The build cache over several builds of one project, by the steps as they are. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { APP, CachedBuild, CacheStore } from './cached-builds';

let store: CacheStore;
let builds: CachedBuild[];

beforeEach(async () => {
  store = await CacheStore.start();
  builds = [];
});

afterEach(async () => {
  await Promise.all(builds.map((build) => build.stop()));
  await store.close();
});

async function start(files?: Record<string, string>): Promise<CachedBuild> {
  const build = await CachedBuild.start(store, files);
  builds.push(build);
  return build;
}

const BUILD = 'mkdir -p .next/cache/turbopack/db .next/cache/fetch-cache; echo compiled >> .next/cache/turbopack/db/0001; echo answer > .next/cache/fetch-cache/a';

/** A first build of the app, and what it stored promoted. */
async function first(files?: Record<string, string>, branch?: string): Promise<CachedBuild> {
  const build = await start(files);
  await build.run(BUILD);
  await store.promote(build, branch);
  return build;
}

test('the first build of a project installs, and stores every layer', async () => {
  const build = await start();
  const output = await build.run(BUILD);
  expect(output).toContain('RAN npm ci');
  expect(output).toContain('Cache of dependencies: miss, not there');
  expect([...(await build.staged()).keys()].sort()).toEqual(['dependencies', 'next', 'store', 'tools']);
  expect(await build.cache()).toEqual({
    dependencies: { result: 'miss', reason: 'not there', restoreSeconds: expect.any(Number), workSeconds: expect.any(Number), savedBytes: expect.any(Number), saveSeconds: expect.any(Number) },
    store: { result: 'miss', reason: 'not there', restoreSeconds: expect.any(Number), workSeconds: expect.any(Number), savedBytes: expect.any(Number), saveSeconds: expect.any(Number) },
    next: { result: 'miss', reason: 'not there', restoreSeconds: expect.any(Number), savedBytes: expect.any(Number), saveSeconds: expect.any(Number) },
    tools: { result: 'miss', reason: 'not there', restoreSeconds: expect.any(Number), workSeconds: expect.any(Number), savedBytes: expect.any(Number), saveSeconds: expect.any(Number) },
  });
});

test('the second build installs nothing, fetches no tools, and compiles what has changed', async () => {
  await first();
  const second = await start({ ...APP, 'page.tsx': 'changed' });
  const output = await second.run(BUILD);
  expect(output).not.toMatch(/RAN npm ci|FETCHED/);
  expect(await readFile(`${second.checkout}/node_modules/installed`, 'utf8')).toBe('installed\n');
  expect(await readFile(`${second.checkout}/.next/cache/turbopack/db/0001`, 'utf8')).toBe('compiled\ncompiled\n');
  // What fits need not be stored again; the compiler's cache has changed.
  expect([...(await second.staged()).keys()]).toEqual(['next']);
  expect(await second.cache()).toEqual({
    dependencies: { result: 'hit', restoredBytes: expect.any(Number), restoreSeconds: expect.any(Number), workSeconds: expect.any(Number) },
    next: { result: 'hit', restoredBytes: expect.any(Number), restoreSeconds: expect.any(Number), savedBytes: expect.any(Number), saveSeconds: expect.any(Number) },
    tools: { result: 'hit', restoredBytes: expect.any(Number), restoreSeconds: expect.any(Number), workSeconds: 0 },
  });
});

test('the app\'s own install scripts run all the same', async () => {
  const files = { ...APP, 'package.json': '{"dependencies":{"next":"16"},"scripts":{"postinstall":"prisma generate","prepare":"husky"}}' };
  await first(files);
  const output = await (await start(files)).run();
  expect(output).toMatch(/RAN npm run --ignore-scripts postinstall in checkout[^]*RAN npm run --ignore-scripts prepare in checkout/);
  expect(output).not.toContain('RAN npm ci');
});

test('INSTALL_FAILED: one of them fails', async () => {
  const files = { ...APP, 'package.json': '{"dependencies":{"next":"16"},"scripts":{"postinstall":"prisma generate"}}' };
  await first(files);
  const second = await start(files);
  await second.machine.command('npm', 'if [ "$1" = --version ]; then echo 11.0.0; else exit 1; fi');
  await second.restore();
  const result = await second.install();
  expect(result.failure).toBe('INSTALL_FAILED');
  expect(result.output).toContain('The script "postinstall" of');
});

test('another lockfile: the install runs on what was downloaded before, and its result replaces the old one', async () => {
  await first();
  const second = await start({ ...APP, 'package-lock.json': '{"lockfileVersion":3,"more":true}' });
  const output = await second.run();
  expect(output).toContain('Cache of dependencies: stale, made for other dependencies');
  expect(output).toContain('RAN npm ci --include=dev, downloaded: download');
  expect(await second.cache()).toMatchObject({ dependencies: { result: 'stale', savedBytes: expect.any(Number) }, store: { result: 'partial', savedBytes: expect.any(Number) } });
  await store.promote(second);
  expect(await (await start({ ...APP, 'package-lock.json': '{"lockfileVersion":3,"more":true}' })).run()).not.toContain('RAN npm ci');
});

test('a branch without a cache begins with the default branch\'s', async () => {
  await first(APP, 'default');
  const output = await (await start()).run();
  expect(output).not.toMatch(/RAN npm ci|FETCHED/);
});

test('dependencies that fit are found on the default branch when those of the own branch do not', async () => {
  await first({ ...APP, 'package-lock.json': '{"old":1}' });
  await first(APP, 'default');
  expect(await (await start()).run()).not.toContain('RAN npm ci');
});

test('without a handover everything is cold, and stored', async () => {
  const build = await CachedBuild.start(undefined);
  builds.push(build);
  const output = await build.run(BUILD);
  expect(output).toContain('RAN npm ci');
  expect(await build.cache()).toMatchObject({ dependencies: { result: 'miss', reason: 'nothing was handed over' } });
  expect((await build.staged()).size).toBe(4);
});

test('a layer that is off is neither restored nor stored', async () => {
  await first();
  Object.assign(store.off, { dependencies: 'it cost more than it saved', next: 'too' });
  store.requests.length = 0;
  const build = await start();
  expect(await build.run(BUILD)).toContain('RAN npm ci');
  expect(store.requests.sort()).toEqual(['handover', 'own/store', 'own/tools']);
  expect([...(await build.staged()).keys()]).toEqual(['store']);
  expect(await build.cache()).toMatchObject({ dependencies: { result: 'off', reason: 'it cost more than it saved' }, next: { result: 'off' } });
});

test('without a lockfile no two installs are the same, and none is kept', async () => {
  const files = { 'package.json': '{"dependencies":{"next":"16"},"packageManager":"npm@11.0.0"}' };
  const build = await start(files);
  await build.run();
  expect(await build.cache()).toMatchObject({ dependencies: { result: 'off', reason: 'there is no lockfile' } });
  expect((await build.staged()).has('dependencies')).toBe(false);
});

test('the compiler\'s cache of another Next.js is left alone', async () => {
  await first();
  const build = await start();
  await build.change('cache.mjs', "load('next-version')", "'17.0.0'");
  await build.run();
  expect(await build.cache()).toMatchObject({ next: { result: 'stale' } });
  expect(existsSync(`${build.checkout}/.next/cache/turbopack`)).toBe(false);
});

describe('what a build leaves running', () => {
  const alive = async (pid: string) => (await promisify(execFile)('ps', ['-o', 'stat=', '-p', pid]).catch(() => ({ stdout: '' }))).stdout.replace(/^Z.*/, '').trim() !== '';

  test('ends when a step fails', async () => {
    store.answers.set('own/next', () => undefined);
    const build = await start();
    await build.restore();
    const pid = (await build.machine.fact('background/restore')).trim();
    expect(await alive(pid)).toBe(true);
    expect((await build.bash('fail BUILD_FAILED "for a test"')).failure).toBe('BUILD_FAILED');
    // It has been told to end, and does in its own time.
    for (let tries = 0; await alive(pid) && tries < 100; tries += 1) await new Promise((resolve) => setTimeout(resolve, 50));
    expect(await alive(pid)).toBe(false);
  });

  test('is nothing after the upload', async () => {
    const build = await start();
    await build.run(BUILD);
    expect(await readdir(build.machine.path('src/state/background'))).toEqual([]);
  });
});

describe('archives are stored', () => {
  test('after the artifacts and before the manifest', async () => {
    const build = await start();
    await build.run(BUILD);
    expect((await readFile(build.machine.path('calls'), 'utf8')).trim().split('\n').map((call) => /src\/(\S+) /.exec(call)![1])).toEqual(['output/', 'archives/', 'output/artifacts/manifest.json']);
  });

  test.each(['exit 1', 'exec sleep 60', 'trap "" INT; while :; do :; done'])('or not, which fails nothing: aws %s', async (aws) => {
    const build = await start();
    await build.change('cache-upload.mjs', 'const SECONDS = 120', 'const SECONDS = 0.5');
    await build.change('cache-upload.mjs', 'const GRACE = 10', 'const GRACE = 0.5');
    await build.machine.command('aws', `case "$*" in *"/archives/ "*) ${aws} ;; esac`);
    expect(await build.run(BUILD)).toContain('The cache is not stored');
    expect((await build.cache()).dependencies!.savedBytes).toBeUndefined();
  });
});

describe('get', () => {
  test('fetches a tool once, and prints nothing', async () => {
    const build = await start();
    const get = () => build.bash('get "@scope/tool@1.2.3"');
    expect((await get()).output).toContain('FETCHED @scope/tool@1.2.3');
    expect((await get()).output).not.toContain('FETCHED');
    expect((await build.bash('trap - EXIT; exec 2> /dev/null; get "other@1.0.0"')).output).toBe('');
    expect((await build.bash('trap - EXIT; tool_path "@scope/tool@1.2.3"')).output).toBe(`${build.machine.path('src/state/tools/@scope/tool@1.2.3/node_modules')}\n`);
  });

  test('begins anew with what was not fetched whole', async () => {
    const build = await start();
    await build.machine.files('src/state/tools/tool@1.2.3/node_modules', { half: '' });
    await build.bash('get "tool@1.2.3"');
    expect(await readdir(build.machine.path('src/state/tools/tool@1.2.3'))).toEqual(['.complete', 'node_modules']);
    expect(existsSync(build.machine.path('src/state/tools/tool@1.2.3/node_modules/half'))).toBe(false);
  });
});

test('the manifest has the time of each phase, every second once', async () => {
  const build = await start();
  await build.run('echo "build 1.5" >> "$STATE/timings"');
  const { timings, version } = JSON.parse(await readFile(build.machine.path('src/output/artifacts/manifest.json'), 'utf8'));
  expect(version).toBe(1);
  expect(Object.keys(timings)).toEqual(expect.arrayContaining(['restore', 'install', 'build', 'upload', 'cache']));
  expect(timings.build).toBe(1.5);
  expect(JSON.stringify(timings)).not.toMatch(/\.\d\d/);
  expect((await build.cache()).next!.workSeconds).toBe(1.5);
});

describe('OpenNext is fetched beside the install', () => {
  /** Fetching goes on until `slow` is there. */
  async function begin(files: Record<string, string> = APP): Promise<CachedBuild> {
    const build = await start(files);
    await build.machine.command('npm', `case "$*" in
      --version) echo 11.0.0 ;;
      'install --prefix'*) until [ -e "$STATE/go" ]; do sleep 0.1; done; echo "FETCHED \${*: -1}" >> "$STATE/fetched" ;;
      ci*) mkdir -p node_modules/next; echo '{"version":"16.4.6"}' > node_modules/next/package.json ;;
    esac`);
    return build;
  }
  const fetched = async (build: CachedBuild) => (await build.machine.fact('fetched')).trim();

  test('as far as package.json tells which one', async () => {
    const build = await begin();
    expect((await build.install()).status).toBe(0);
    await build.machine.state({ go: '' });
    expect((await build.build()).status).toBe(0);
    expect(await fetched(build)).toBe('FETCHED @opennextjs/aws@4.1.12');
  });

  test('if it was another one, the right one is fetched all the same', async () => {
    const build = await begin({ ...APP, 'package.json': '{"dependencies":{"next":"14.2.35"}}' });
    expect((await build.install()).status).toBe(0);
    await build.machine.state({ go: '' });
    expect((await build.build()).status).toBe(0);
    expect((await fetched(build)).split('\n').sort()).toEqual(['FETCHED @opennextjs/aws@3.9.10', 'FETCHED @opennextjs/aws@4.1.12']);
  });

  test('but not for an app that has its own', async () => {
    const build = await begin({ ...APP, 'package.json': '{"dependencies":{"next":"16"},"devDependencies":{"@opennextjs/aws":"4.1.0"}}' });
    await build.machine.state({ go: '' });
    expect((await build.install()).status).toBe(0);
    expect(existsSync(build.machine.path('src/state/fetched'))).toBe(false);
  });

  test('one that cannot be fetched beside it is tried once more', async () => {
    const build = await start();
    await build.machine.command('npm', `case "$*" in
      --version) echo 11.0.0 ;;
      'install --prefix'*) if [ ! -e "$STATE/tried" ]; then touch "$STATE/tried"; exit 1; fi ;;
      ci*) mkdir -p node_modules/next; echo '{"version":"16.4.6"}' > node_modules/next/package.json ;;
    esac`);
    expect((await build.install()).status).toBe(0);
    expect((await build.build()).status).toBe(0);
  });
});
