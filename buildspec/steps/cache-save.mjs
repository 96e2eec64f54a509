// Makes archives of layers, for upload.sh to store: cache-save.mjs LAYER... An archive that is not made leaves the last one where it is.
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { setPriority } from 'node:os';
import { dirname, join } from 'node:path';
import { pack } from './archive.mjs';
import { ARCHIVES, handover, megabytes, note, stat, wantedKey } from './cache.mjs';
import { load } from './common.mjs';

const { STATE } = process.env;
// What is larger takes longer to fetch than it saves. Also the most that the trusted side accepts.
const MAX_BYTES = 1e9;
// Of `next build`: what no build wrote for so long belongs to another bundler or version.
const MAX_AGE_DAYS = 14;
// A store only ever grows. It begins anew when it is three times what one install needs, and more than a little.
const GROWTH = 3;
const LITTLE = 300e6;
// Seconds. The build waits for the archive of its dependencies, which is usually done in three; all others are made beside it.
const BOUND = 40;
const BOUND_BESIDE = 600;

const entries = (directory) => (stat(directory)?.isDirectory() ? readdirSync(directory, { withFileTypes: true }) : []);
/** Bytes and newest change of all files below. */
function sum(path) {
  const found = stat(path);
  if (!found?.isDirectory()) return { bytes: found?.size ?? 0, changed: found?.mtimeMs ?? 0 };
  return readdirSync(path).map((name) => sum(join(path, name)))
    .reduce((all, one) => ({ bytes: all.bytes + one.bytes, changed: Math.max(all.changed, one.changed) }), { bytes: 0, changed: 0 });
}

/** Every node_modules that an install makes, but for those that lie in the repository. */
function modules(directory, below = '.') {
  return entries(join(directory, below)).filter((entry) => entry.isDirectory() && entry.name !== '.git').flatMap(({ name }) => {
    const path = `${below}/${name}`;
    return name === 'node_modules' ? [path] : modules(directory, path);
  });
}

/** What to keep: paths below a directory. Nothing: the last archive stays. */
const CONTENT = {
  dependencies() {
    const directory = load('root');
    const vendored = load('vendored').split('\n').filter(Boolean).map((path) => join(load('top'), path));
    const state = './.yarn/install-state.gz';
    return { directory, paths: [...modules(directory).filter((path) => !vendored.includes(dirname(join(directory, path)))), ...[state].filter((path) => existsSync(join(directory, path)))] };
  },
  store() {
    const { bytes } = sum(join(STATE, 'store'));
    const base = Number(load('store/base')) || bytes;
    writeFileSync(join(STATE, 'store/base'), String(base));
    // An archive that fits nothing.
    if (bytes > GROWTH * base + LITTLE) return { directory: STATE, paths: [], key: '' };
    return { directory: STATE, paths: bytes ? ['./store'] : [] };
  },
  /** Not what a page would answer with. Bundlers keep databases, of which nothing can be left out: they stay or go as a whole. */
  next() {
    const directory = join(load('app'), '.next');
    const units = entries(join(directory, 'cache')).filter(({ name }) => !['fetch-cache', 'images'].includes(name)).flatMap((entry) => {
      const path = `./cache/${entry.name}`;
      return entry.isDirectory() ? readdirSync(join(directory, path)).map((name) => `${path}/${name}`) : [path];
    }).map((path) => ({ path, ...sum(join(directory, path)) })).sort((a, b) => b.changed - a.changed);
    let left = MAX_BYTES;
    const paths = units.filter(({ bytes, changed }) => changed > Date.now() - MAX_AGE_DAYS * 86_400_000 && (left -= bytes) > 0).map(({ path }) => path);
    return { directory, paths };
  },
  tools() {
    const used = [...new Set(load('tools-used').split('\n').filter((name) => name && existsSync(join(STATE, 'tools', name, '.complete'))))];
    const paths = used.map((name) => `./tools/${name}`);
    const now = JSON.stringify(used.sort());
    if (paths.length === 0 || load('tools/content') === now) return { directory: STATE, paths: [] };
    writeFileSync(join(STATE, 'tools/content'), now);
    return { directory: STATE, paths: [...paths, './tools/content'] };
  },
};

const layers = process.argv.slice(2);
const beside = !layers.includes('dependencies');
const bound = beside ? BOUND_BESIDE : BOUND;
if (beside) setPriority(19);
for (const layer of layers.filter((name) => !handover(name).off)) {
  const began = Date.now();
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(new Error(`it takes longer than ${bound} s`)), bound * 1000);
  try {
    const { directory, paths, key = wantedKey(layer) } = CONTENT[layer]();
    if (paths.length === 0 && key) continue;
    const bytes = await pack(layer, key, directory, paths, late.signal);
    if (bytes > MAX_BYTES) {
      rmSync(join(ARCHIVES, layer));
      throw new Error(`it has ${megabytes(bytes)}, more than ${megabytes(MAX_BYTES)}`);
    }
    note(layer, 'packed', bytes);
  } catch (error) {
    console.log(`Cache of ${layer} is not stored: ${error.message}`);
  } finally {
    clearTimeout(timer);
  }
  if (!beside) note(layer, 'saveSeconds', ((Date.now() - began) / 1000).toFixed(1));
}
