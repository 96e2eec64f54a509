// What the parts of the build cache share. A layer's archive is a tar, compressed: `.key` (what it fits), what it holds, `.end`.
import { appendFileSync, lstatSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { load } from './common.mjs';

export const LAYERS = ['dependencies', 'store', 'next', 'tools'];
export const CACHE = join(process.env.STATE, 'cache');
/** Of the dependencies', a sha256 in hex. */
export const KEY_LENGTH = 64;
export const ARCHIVES = join(process.env.CODEBUILD_SRC_DIR, 'archives');

/** What the trusted side handed over; nothing before it is fetched, or if it cannot be. */
export const handover = (layer) => JSON.parse(load('handover') || '{}').cache?.[layer] ?? {};
export const note = (layer, fact, value) => appendFileSync(join(CACHE, 'facts'), `${layer} ${fact} ${value}\n`);
export const stat = (...path) => lstatSync(join(...path), { throwIfNoEntry: false });
/** What an archive fits. It comes from a build, so it may be anything: even a pipe that nobody writes to. */
export function keyOf(layer) {
  const found = stat(CACHE, layer, '.key');
  return found?.isFile() && found.size < 1000 ? readFileSync(join(CACHE, layer, '.key'), 'utf8') : '';
}
/** What the archive of a layer has to fit in this build; undefined: not known yet. */
export function wantedKey(layer) {
  const platform = `${process.platform}-${process.arch}`;
  if (layer === 'dependencies') return stat(process.env.STATE, 'dependencies-key') && load('dependencies-key');
  if (layer === 'store') return load('kind');
  if (layer === 'next') return `${load('next-version')} ${platform} ${process.env.ROOT_DIRECTORY ?? ''}`;
  return platform;
}
export const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;
