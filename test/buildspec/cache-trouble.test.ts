/** What may be wrong with a cache: each of it means a line in the log and a cold build. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { APP, archive, CachedBuild, CacheStore } from './cached-builds';

let store: CacheStore;
let good: Map<string, Buffer>;
let build: CachedBuild;

/** What a first build stored: the same for every test. */
beforeAll(async () => {
  const first = await CachedBuild.start(undefined);
  await first.run('mkdir -p .next/cache/turbopack; echo compiled > .next/cache/turbopack/db');
  good = await first.staged();
  await first.stop();
});

beforeEach(async () => {
  store = await CacheStore.start();
  for (const [layer, content] of good) store.answers.set(`own/${layer}`, content);
  build = await CachedBuild.start(store);
});

afterEach(async () => {
  await build.stop();
  await store.close();
});

const LAYERS = ['dependencies', 'next', 'tools'];
const answer = (with_: (content: Buffer) => Parameters<typeof store.answers.set>[1]) => LAYERS.forEach((layer) => store.answers.set(`own/${layer}`, with_(good.get(layer)!)));

/** The build succeeds without any of the archives. */
async function coldBuild(): Promise<string> {
  const output = await build.run();
  expect(output).toContain('RAN npm ci');
  expect(output).toContain('FETCHED @opennextjs/aws@4.1.12');
  expect(existsSync(`${build.checkout}/.next/cache/turbopack`)).toBe(false);
  return output;
}

test('a sound one is used', async () => {
  expect(await build.run()).not.toMatch(/RAN npm ci|FETCHED/);
});

test.each<[string, (content: Buffer) => Buffer]>([
  ['a byte is another one', (content) => Buffer.concat([content.subarray(0, content.length / 2), Buffer.from([255 - content[Math.floor(content.length / 2)]]), content.subarray(content.length / 2 + 1)])],
  ['the end is missing', (content) => content.subarray(0, content.length - 20)],
  ['half of it is missing', (content) => content.subarray(0, content.length / 2)],
  ['it is empty', () => Buffer.alloc(0)],
  ['it is something else', () => Buffer.from('<html>')],
])('damaged: %s', async (_, damage) => {
  answer(damage);
  await coldBuild();
  const { dependencies, next, tools } = await build.cache();
  for (const use of [dependencies, next, tools]) expect(['damaged', 'miss']).toContain(use!.result);
  expect((await build.staged()).has('dependencies')).toBe(true);
});

test('damaged: the connection breaks', async () => {
  answer((content) => (_, response) => {
    response.writeHead(200, { 'content-length': content.length });
    response.write(content.subarray(0, 100), () => response.destroy());
  });
  await coldBuild();
  expect(await build.cache()).toMatchObject({ dependencies: { result: 'damaged' } });
});

test('damaged: the dependencies fit, but there is no Next.js in them', async () => {
  const { stdout: key } = await keyOf('dependencies');
  store.answers.set('own/dependencies', await archive(`printf %s ${key} > .key; mkdir node_modules; touch .end; tar -cf - .key ./node_modules .end`));
  expect(await build.run()).toContain('Cache of dependencies: damaged, there is no Next.js in it');
});

test.each([403, 404, 500, 503])('not there: %d', async (status) => {
  answer(() => status);
  await coldBuild();
  expect(await build.cache()).toMatchObject({ dependencies: { result: 'miss', reason: status < 500 ? 'not there' : `HTTP ${status}` } });
});

test.each<[string, () => void]>([
  ['has expired', () => store.answers.set('handover', 403)],
  ['is no JSON', () => store.answers.set('handover', Buffer.from('<Error>'))],
  ['is of another version', () => store.answers.set('handover', Buffer.from('{"version":2}'))],
  ['is something else', () => store.answers.set('handover', Buffer.from('{"version":1,"cache":[null]}'))],
])('the handover %s', async (_, arrange) => {
  arrange();
  await coldBuild();
});

describe('slow', () => {
  test.each<[string, Parameters<typeof store.answers.set>[1]]>([
    ['no answer', () => undefined],
    ['it stops in the middle', (_, response) => void response.write(good.get('dependencies')!.subarray(0, 100))],
  ])('%s: waited for, but not for long', async (_, hang) => {
    answer(() => hang);
    await build.change('cache-restore.mjs', 'const PAUSE = 15', 'const PAUSE = 0.5');
    await coldBuild();
    expect(await build.cache()).toMatchObject({ dependencies: { result: 'miss', reason: 'nothing came for 0.5 s' } });
  });

  test('it trickles: waited for, but not for long', async () => {
    answer((content) => (_, response) => {
      let at = 0;
      const timer = setInterval(() => response.write(content.subarray(at, ++at)), 50);
      response.on('close', () => clearInterval(timer));
    });
    await build.change('cache-restore.mjs', 'const BOUND = 120', 'const BOUND = 1');
    await coldBuild();
    expect(await build.cache()).toMatchObject({ dependencies: { result: 'miss', reason: 'not here within 1 s' } });
  });

  test('what fetches it does not end by itself', async () => {
    answer(() => () => undefined);
    await build.change('common.sh', 'restore 1200', 'restore 10');
    await coldBuild();
    expect(await build.cache()).toMatchObject({ dependencies: { result: 'miss', reason: 'not here in time' } });
  });

  test.each(['gzip', ...(spawnSync('zstd', ['--version']).status === 0 ? ['zstd'] : [])])('dependencies that do not fit are not fetched to their end (%s)', async (program) => {
    const stale = await archive('printf %064d 0 > .key; head -c 3000000 /dev/urandom > large; touch .end; tar -cf - .key large .end', program);
    let closed = false;
    store.answers.set('own/dependencies', (_, response) => {
      response.on('close', () => { closed = true; });
      response.write(stale.subarray(0, 2_000_000));
    });
    await build.run();
    expect(closed).toBe(true);
    expect(await build.cache()).toMatchObject({ dependencies: { result: 'stale' } });
  });
});

describe('hostile: nothing gets out of the archive\'s own directory', () => {
  const outside = () => build.machine.path('src', 'outside');
  const directory = (name: string): Entry => ({ name, type: 'directory' });
  const file = (name: string, content = '{}'): Entry => ({ name, type: 'file', content });
  const link = (name: string, target: string, type: Entry['type'] = 'link'): Entry => ({ name, type, target });

  /** Entries between a key that fits and the end. */
  async function restore(layer: string, ...entries: Entry[]): Promise<void> {
    const { stdout: key } = await keyOf(layer);
    store.answers.set(`own/${layer}`, gzipSync(tar([file('.key', key), ...entries, file('.end', '')])));
    await mkdir(outside());
    await writeFile(`${outside()}/file`, 'untouched');
    await build.run();
    expect(await readdir(outside())).toEqual(['file']);
    expect(await readFile(`${outside()}/file`, 'utf8')).toBe('untouched');
  }

  test('what is right is restored from an archive like these', async () => {
    await restore('dependencies', directory('node_modules'), directory('node_modules/next'), file('node_modules/next/package.json'));
    expect(await build.cache()).toMatchObject({ dependencies: { result: 'hit' } });
  });

  test('absolute paths', () => restore('dependencies', file(`${outside()}/evil`)));

  test('paths with ..', () => restore('dependencies', file('../../../outside/evil')));

  test('a file behind a link', () => restore('dependencies', link('a', outside()), file('a/evil')));

  test('a file behind a link with ..', () => restore('dependencies', link('a', '../../../outside'), file('a/file')));

  test('a hard link', () => restore('dependencies', link('a', `${outside()}/file`, 'hard link'), file('a', 'evil')));

  test('node_modules that is a link', async () => {
    await restore('dependencies', link('node_modules', outside()));
    expect(await build.cache()).toMatchObject({ dependencies: { result: 'damaged' } });
  });

  test('node_modules of a package that the repository does not have', async () => {
    await restore('dependencies', directory('p'), directory('p/node_modules'), directory('node_modules'), directory('node_modules/next'), file('node_modules/next/package.json'));
    expect(existsSync(`${build.checkout}/p`)).toBe(false);
  });

  test('node_modules of a package that is a link in the repository', async () => {
    await symlink(outside(), `${build.checkout}/p`);
    await restore('dependencies', directory('p'), directory('p/node_modules'));
  });

  test('a link in place of the compiler\'s cache', async () => {
    await restore('next', link('cache', outside()));
    expect(existsSync(`${build.checkout}/.next/cache/file`)).toBe(false);
  });

  test('a .next of the repository that is a link', async () => {
    await symlink(outside(), `${build.checkout}/.next`);
    await restore('next', directory('cache'), file('cache/evil'));
  });

  test('a link in place of the tools', () => restore('tools', link('tools', outside())));

  test('a key that is a pipe', async () => {
    store.answers.set('own/dependencies', gzipSync(tar([{ name: '.key', type: 'pipe' }, file('.end', '')])));
    expect(await build.run()).toContain('RAN npm ci');
  });
});

interface Entry {
  readonly name: string;
  readonly type: 'file' | 'directory' | 'link' | 'hard link' | 'pipe';
  readonly content?: string;
  readonly target?: string;
}

/** A tar (ustar) with names that no tar would write. */
function tar(entries: readonly Entry[]): Buffer {
  const blocks = entries.flatMap(({ name, type, content = '', target = '' }) => {
    const header = Buffer.alloc(512);
    header.write(name);
    header.write('0000755\0', 100);
    header.write(`${content.length.toString(8).padStart(11, '0')}\0`, 124);
    header.write('00000000000\0', 136);
    header.write(' '.repeat(8), 148);
    header.write({ 'file': '0', 'hard link': '1', 'link': '2', 'directory': '5', 'pipe': '6' }[type], 156);
    header.write(target, 157);
    header.write('ustar\x0000', 257);
    header.write(`${header.reduce((sum, byte) => sum + byte, 0).toString(8).padStart(6, '0')}\0 `, 148);
    return [header, Buffer.from(content), Buffer.alloc((512 - content.length % 512) % 512)];
  });
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

/** The key of what a first build stored. */
async function keyOf(layer: string): Promise<{ stdout: string }> {
  const other = await CachedBuild.start(undefined, APP);
  try {
    const file = other.machine.path('archive');
    await writeFile(file, good.get(layer)!);
    const result = await other.machine.bash(`{ zstd -dqc ${file} 2> /dev/null || gzip -dc ${file}; } | tar -xOf - .key`);
    return { stdout: result.output };
  } finally {
    await other.stop();
  }
}
