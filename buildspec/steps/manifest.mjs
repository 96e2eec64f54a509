// The accounts of the build: what the cache did goes to $STATE/cache-report.json, and with the time of each phase into the manifest and the log.
// Standard input: what the upload has to add, lines that begin with the fact's name.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { handover, megabytes } from './cache.mjs';
import { load, save } from './common.mjs';

const added = readFileSync(0, 'utf8').split('\n').map((line) => line.split(' '));
const lines = (fact) => [
  ...load(fact).split('\n').filter(Boolean).map((line) => line.split(' ')), ...added.filter(([name]) => name === fact).map(([, ...line]) => line),
];
const add = (sum = 0, seconds) => Math.round((sum + Number(seconds)) * 10) / 10;

const timings = {};
for (const [phase, seconds] of lines('timings')) timings[phase] = add(timings[phase], seconds);

const cache = {};
for (const [layer, fact, ...value] of lines('cache/facts')) {
  const use = cache[layer] ??= {};
  if (fact.endsWith('Seconds')) use[fact] = add(use[fact], value[0]);
  else if (fact.endsWith('Bytes')) use[fact] = Number(value[0]);
  else if (fact !== 'packed') use[fact] = value.join(' ');
}
if (cache.next && timings.build !== undefined) cache.next.workSeconds = timings.build;
if (cache.tools) cache.tools.workSeconds ??= 0;
// Some of the tools were not in it.
if (cache.tools?.result === 'hit' && cache.tools.workSeconds) cache.tools.result = 'partial';

save({ 'cache-report.json': JSON.stringify(cache) });
const manifest = join(process.env.CODEBUILD_SRC_DIR, 'output/artifacts/manifest.json');
writeFileSync(manifest, JSON.stringify({ ...JSON.parse(readFileSync(manifest, 'utf8')), timings, cache }, undefined, 2));

console.log(Object.entries(timings).map(([phase, seconds]) => `${phase} ${seconds} s`).join(', '));
for (const [layer, { result, reason, restoredBytes, restoreSeconds = 0, savedBytes, saveSeconds = 0, workSeconds }] of Object.entries(cache)) {
  const { withoutSeconds } = handover(layer);
  const saved = ['hit', 'partial'].includes(result) && withoutSeconds !== undefined && workSeconds !== undefined
    ? `; saved ${add(withoutSeconds, -workSeconds - restoreSeconds - saveSeconds)} s` : '';
  console.log(`Cache of ${layer}: ${result}${reason ? ` (${reason})` : ''}${restoredBytes ? `, ${megabytes(restoredBytes)} restored in ${restoreSeconds} s` : ''}${savedBytes ? `, ${megabytes(savedBytes)} stored in ${saveSeconds} s` : ''}${saved}`);
}
