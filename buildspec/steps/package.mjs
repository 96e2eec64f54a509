// A zip for each function in open-next.output.json, the static files, the seed of the ISR cache, the manifest.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, copyFileSync, createReadStream, existsSync, lstatSync, lutimesSync, mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fail, load } from './common.mjs';
import { ARCHITECTURE, foreignPackages, packageOf } from './native-code.mjs';

const LIMIT = 262_144_000; // Lambda's, unzipped
const EPOCH = 315_532_800; // 1980, where a zip file's time begins: same input, same bytes
const COMMAND_LINE = 200_000; // characters of paths; macOS takes a million bytes, environment and pointers included
process.env.TZ = 'UTC';
process.on('uncaughtException', (error) => fail('PACKAGE_FAILED', error.stack));
const { OUTPUT, DEPLOYMENT_ID, PROJECT_ID, COMMIT_SHA } = process.env;

/** Files and links below a directory, in the same order everywhere. "./" keeps a leading dash from being an option. */
const list = (directory, below = '.') => readdirSync(join(directory, below), { withFileTypes: true })
  .sort((a, b) => (a.name < b.name ? -1 : 1))
  .flatMap((entry) => {
    const path = `${below}/${entry.name}`;
    if (entry.isDirectory()) return list(directory, path);
    return [{ path, bytes: lstatSync(join(directory, path)).size, isLink: entry.isSymbolicLink() }];
  });
const count = (files) => ({ files: files.length, bytes: files.reduce((sum, { bytes }) => sum + bytes, 0) });

/** What Lambda would refuse, or could not run. */
function check({ key, directory }, files) {
  const { bytes } = count(files);
  if (bytes > LIMIT) {
    const sizes = {};
    for (const file of files) sizes[packageOf(file.path)] = (sizes[packageOf(file.path)] ?? 0) + file.bytes;
    console.error(Object.entries(sizes).sort((a, b) => b[1] - a[1]).slice(0, 10).map(([owner, size]) => `${size} ${owner}`).join('\n'));
    fail('ARTIFACT_TOO_LARGE', `${key} has ${bytes} bytes, Lambda accepts ${LIMIT}. Leave packages out with outputFileTracingExcludes.`);
  }
  const foreign = foreignPackages(directory, files.filter(({ isLink }) => !isLink).map(({ path }) => path));
  if (foreign.length > 0) {
    fail('PACKAGE_FAILED', `${foreign.join(', ')} in ${key} cannot run on ${ARCHITECTURE}, for which the functions are: its native code is another processor's. Build on ${ARCHITECTURE === 'arm64' ? 'an ARM' : 'an x86'} image.`);
  }
}

async function zip({ name, handler, key, directory }) {
  const files = list(directory);
  check({ key, directory }, files);
  for (const { path, isLink } of files) {
    if (!isLink) chmodSync(join(directory, path), 0o755); // Lambda runs as another user
    lutimesSync(join(directory, path), EPOCH, EPOCH);
  }
  const target = join(OUTPUT, 'artifacts', key);
  mkdirSync(dirname(target), { recursive: true });
  for (let paths = files.map(({ path }) => path); paths.length > 0;) {
    let length = 0;
    const rest = paths.findIndex((path) => (length += path.length) > COMMAND_LINE);
    const child = spawn('zip', ['-qXy', target, ...paths.splice(0, rest < 0 ? paths.length : Math.max(rest, 1))], { cwd: directory, stdio: 'inherit' });
    const [status, signal] = await once(child, 'exit');
    if (status !== 0) throw new Error(`zip of ${key} ended with ${signal ?? status}.`);
  }
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(target)) hash.update(chunk);
  return { name, handler, key, bytes: statSync(target).size, sha256: hash.digest('hex'), unzippedBytes: count(files).bytes };
}

/** As many at a time as there are processors; the results in the order of the items. */
async function parallel(items, work) {
  const results = [];
  const queue = items.entries();
  await Promise.all(Array.from({ length: availableParallelism() }, async () => {
    for (const [index, item] of queue) results[index] = await work(item);
  }));
  return results;
}

const build = load('build-output');
const description = join(build, '.open-next/open-next.output.json');
const { origins: { s3, default: server, ...origins }, edgeFunctions, additionalProps } = JSON.parse(readFileSync(description, 'utf8'));
const others = [origins, edgeFunctions, additionalProps].flatMap((group) => Object.values(group ?? {})).filter((found) => found?.bundle && existsSync(join(build, found.bundle)));
const functions = [
  { name: 'default', handler: server.handler, key: 'lambda.zip', directory: join(build, server.bundle) },
  ...others.map(({ bundle, handler }) => ({ name: basename(bundle), handler, key: `functions/${basename(bundle)}.zip`, directory: join(build, bundle) })),
];
const twice = functions.find(({ key }, index) => functions.findIndex((other) => other.key === key) < index);
if (twice) throw new Error(`Two functions want to be ${twice.key}. Rename one in open-next.config.ts.`);
const zipped = await parallel(functions, zip);

// "_assets/docs" is what browsers ask for below /docs, "_cache" the seed of the ISR cache.
const moved = { static: [], 'artifacts/isr-cache': [] };
for (const { from, to } of s3.copy.filter((copy) => existsSync(join(build, copy.from)))) {
  const kind = to.startsWith('_assets') ? 'static' : 'artifacts/isr-cache';
  const target = join(OUTPUT, kind, to.replace(/^_(assets|cache)/, ''));
  mkdirSync(dirname(target), { recursive: true });
  renameSync(join(build, from), target);
  moved[kind].push(...list(target));
}
copyFileSync(description, join(OUTPUT, 'artifacts/open-next.output.json'));
writeFileSync(join(OUTPUT, 'artifacts/manifest.json'), JSON.stringify({
  version: 1,
  deploymentId: DEPLOYMENT_ID,
  projectId: PROJECT_ID,
  commitSha: COMMIT_SHA,
  nextVersion: load('next-version'),
  openNextVersion: load('open-next-version'),
  nodeVersion: load('node-version'),
  architecture: ARCHITECTURE,
  packageManager: load('package-manager'),
  functions: zipped,
  static: count(moved.static),
  isrCache: count(moved['artifacts/isr-cache']),
}, undefined, 2));
