// Fetches layers of the build cache into $STATE/cache/<layer>, beside whatever else goes on, and notes in <layer>.json what came of it.
// Nothing in here fails a build: what is missing, damaged or slow is done without.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { unpack } from './archive.mjs';
import { CACHE, handover, keyOf, KEY_LENGTH, wantedKey } from './cache.mjs';
import { load, save } from './common.mjs';

// Seconds. An install takes a minute or so: what takes longer than two is no help. S3 itself never pauses for that long.
const BOUND = 120;
const PAUSE = 15;
// The longest git fetch that is waited for: only then the build knows its dependencies.
const CHECKOUT = 1200;

const ABSENT = 'not there';

class Missing extends Error {}
class Stale extends Error {}

async function attempt(layer, url) {
  const controller = new AbortController();
  const { signal } = controller;
  const timer = (seconds, reason) => setTimeout(() => controller.abort(new Missing(reason)), seconds * 1000);
  const bound = timer(BOUND, `not here within ${BOUND} s`);
  const pause = timer(PAUSE, `nothing came for ${PAUSE} s`);
  // The key comes first in an archive: what does not fit is not fetched to its end.
  const misfit = () => layer === 'dependencies' && wantedKey(layer) !== undefined && keyOf(layer).length === KEY_LENGTH && keyOf(layer) !== wantedKey(layer);
  const watch = setInterval(() => misfit() && controller.abort(new Stale('made for other dependencies')), 100);
  let restoredBytes = 0;
  async function* counted(body) {
    for await (const chunk of body) {
      pause.refresh();
      restoredBytes += chunk.length;
      yield chunk;
    }
  }
  try {
    const { status, body } = await fetch(url, { signal });
    if (status !== 200) {
      await body?.cancel();
      throw new Missing([403, 404].includes(status) ? ABSENT : `HTTP ${status}`);
    }
    await unpack(counted(body), join(CACHE, layer), signal);
    [bound, pause].forEach(clearTimeout);
    if (layer === 'dependencies') {
      for (let waited = 0; wantedKey(layer) === undefined && waited < CHECKOUT; waited += 0.1) await sleep(100);
      if (keyOf(layer) !== wantedKey(layer)) throw new Stale('made for other dependencies');
    }
    return { result: 'hit', restoredBytes };
  } catch (thrown) {
    const error = signal.aborted ? signal.reason : thrown;
    const result = error instanceof Stale ? 'stale' : error instanceof Missing || restoredBytes === 0 ? 'miss' : 'damaged';
    return { result, reason: (error.cause?.message ?? error.message).replace(/\s+/g, ' ').slice(0, 150) };
  } finally {
    [bound, pause].forEach(clearTimeout);
    clearInterval(watch);
  }
}

async function restore(layer) {
  const { urls = [], off } = handover(layer);
  let outcome = off ? { result: 'off', reason: off } : { result: 'miss', reason: 'none was handed over' };
  for (const [index, url] of urls.entries()) {
    const next = await attempt(layer, url);
    if (index === 0 || next.result !== 'miss' || outcome.reason === ABSENT) outcome = next;
    if (outcome.result === 'hit') break;
  }
  if (outcome.result !== 'hit') rmSync(join(CACHE, layer), { recursive: true, force: true });
  save({ [`cache/${layer}.json`]: JSON.stringify(outcome) });
}

await Promise.all(process.argv.slice(2).map(restore));
