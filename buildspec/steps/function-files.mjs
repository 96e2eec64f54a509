// What a function's files tell before it is run: what Lambda would refuse, or could not run.
import { existsSync, lstatSync, readdirSync, readlinkSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fail, warn } from './common.mjs';
import { ARCHITECTURE, architectureOf, foreignPackages, packageOf } from './native-code.mjs';

const LIMIT = 262_144_000; // Lambda's, unzipped
const CLOSE = 0.8 * LIMIT; // one more package of some size
const SHOWN = 3;

/** Files and links below a directory, in the same order everywhere. "./" keeps a leading dash from being an option. */
export const list = (directory, below = '.') => readdirSync(join(directory, below), { withFileTypes: true })
  .sort((a, b) => (a.name < b.name ? -1 : 1))
  .flatMap((entry) => {
    const path = `${below}/${entry.name}`;
    if (entry.isDirectory()) return list(directory, path);
    const isLink = entry.isSymbolicLink();
    return isLink || entry.isFile() ? [{ path, bytes: lstatSync(join(directory, path)).size, isLink }] : [];
  });
export const count = (files) => ({ files: files.length, bytes: files.reduce((sum, { bytes }) => sum + bytes, 0) });

function checkSize(key, files) {
  const { bytes } = count(files);
  if (bytes <= CLOSE) return;
  const sizes = {};
  for (const file of files) sizes[packageOf(file.path)] = (sizes[packageOf(file.path)] ?? 0) + file.bytes;
  const largest = Object.entries(sizes).sort((a, b) => b[1] - a[1]).slice(0, 10).map(([owner, size]) => `${size} ${owner}`);
  console.error(largest.join('\n'));
  if (bytes > LIMIT) fail('ARTIFACT_TOO_LARGE', `${key} has ${bytes} bytes, Lambda accepts ${LIMIT}. Leave packages out with outputFileTracingExcludes.`);
  warn('FUNCTION_LARGE', `${key} has ${bytes} bytes, Lambda accepts ${LIMIT}: ${largest.slice(0, SHOWN).join(', ')}`);
}

function checkLinks(key, directory, links) {
  const top = realpathSync(directory);
  const target = (path) => readlinkSync(join(top, path));
  const leadsNowhere = (path) => !existsSync(join(top, path));
  // By what it says, wherever the function lies; or by way of other links.
  const saysOut = (path) => /^(\/|\.\.(\/|$))/.test(target(path).startsWith('/') ? '/' : join(dirname(path), target(path)));
  const out = links.find((path) => saysOut(path) || (!leadsNowhere(path) && !`${realpathSync(join(top, path))}/`.startsWith(`${top}/`)));
  if (out) fail('FUNCTION_BROKEN', `${out} in ${key} is a link that leads out of it, to ${target(out)}.`);
  const dangling = links.filter(leadsNowhere);
  if (dangling.length) warn('LINK_DANGLING', `${dangling.length} links in ${key} lead nowhere: ${dangling.slice(0, SHOWN).join(', ')}`);
}

export function check({ key, directory, packages }, files) {
  checkSize(key, files);
  checkLinks(key, directory, files.filter(({ isLink }) => isLink).map(({ path }) => path));
  const paths = files.filter(({ isLink }) => !isLink).map(({ path }) => path);
  const foreign = foreignPackages(directory, paths);
  if (foreign.length > 0) {
    fail('PACKAGE_FAILED', `${foreign.join(', ')} in ${key} cannot run on ${ARCHITECTURE}, for which the functions are: its native code is another processor's. Build on ${ARCHITECTURE === 'arm64' ? 'an ARM' : 'an x86'} image.`);
  }
  // All of them have native code.
  const isNativeOf = (name) => (path) => path.includes(name) && path.endsWith('.node') && architectureOf(join(directory, path)) === ARCHITECTURE;
  const missing = packages.find((name) => !paths.some(isNativeOf(name)));
  if (missing) fail('FUNCTION_BROKEN', `${key} has no ${missing} for ${ARCHITECTURE}.`);
}
