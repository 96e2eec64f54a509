// Puts a restored layer where the build expects it, if it fits, and says what came of it. Fact `cache/<layer>.placed`: the result.
import { existsSync, mkdirSync, readdirSync, realpathSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { CACHE, keyOf, megabytes, note, stat, wantedKey } from './cache.mjs';
import { load, save } from './common.mjs';
import { directories } from './repository.mjs';

const [layer] = process.argv.slice(2);
const { STATE } = process.env;
const restored = join(CACHE, layer);

/** A directory moves within the file system, which takes no time. What is in the way comes from an archive, or is older. */
function move(from, to) {
  if (!stat(from)?.isDirectory() && !stat(from)?.isFile()) return;
  rmSync(to, { recursive: true, force: true });
  renameSync(from, to);
}

/** node_modules of every package, and the little that goes with them. Only into directories of the repository, and never through a link. */
function placeDependencies(below = '') {
  const target = join(realpathSync(load('root')), below);
  if (!stat(target)?.isDirectory() || realpathSync(target) !== target) return;
  for (const entry of readdirSync(join(restored, below), { withFileTypes: true })) {
    const path = join(below, entry.name);
    if (entry.name === 'node_modules' || path === join('.yarn', 'install-state.gz')) move(join(restored, path), join(target, entry.name));
    else if (entry.isDirectory()) placeDependencies(path);
  }
}
const PLACE = {
  dependencies() {
    placeDependencies();
    if (!directories().some((directory) => existsSync(join(directory, 'node_modules/next/package.json')))) throw new Error('there is no Next.js in it');
  },
  store: () => move(join(restored, 'store'), join(STATE, 'store')),
  tools: () => move(join(restored, 'tools'), join(STATE, 'tools')),
  next() {
    const target = join(load('app'), '.next');
    if (stat(target)?.isSymbolicLink()) throw new Error('.next is a link');
    mkdirSync(target, { recursive: true });
    move(join(restored, 'cache'), join(target, 'cache'));
  },
};

const without = { result: 'miss', reason: load('handover') ? 'not here in time' : 'nothing was handed over' };
let { result, reason, restoredBytes } = JSON.parse(load(`cache/${layer}.json`) || JSON.stringify(without));
try {
  if (result === 'hit' && keyOf(layer) !== wantedKey(layer)) [result, reason] = ['stale', 'made for another version or machine'];
  if (result === 'hit') PLACE[layer]();
  if (result === 'hit' && layer === 'store') result = 'partial';
} catch (error) {
  [result, reason] = ['damaged', error.message];
}
if (layer === 'dependencies' && load('dependencies-off')) [result, reason] = ['off', load('dependencies-off')];
const used = ['hit', 'partial'].includes(result);
rmSync(restored, { recursive: true, force: true });
save({ [`cache/${layer}.placed`]: result });
note(layer, 'result', result);
if (!used && reason) note(layer, 'reason', reason);
if (used) note(layer, 'restoredBytes', restoredBytes);
console.log(`Cache of ${layer}: ${result}${used ? `, ${megabytes(restoredBytes)}` : `, ${reason}`}`);
