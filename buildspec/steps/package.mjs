// A zip for each function in open-next.output.json, which is proven to run, the static files, the seed of the ISR cache, the manifest.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, copyFileSync, createReadStream, existsSync, lutimesSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fail, load } from './common.mjs';
import { check, count, list } from './function-files.mjs';
import { ARCHITECTURE } from './native-code.mjs';
import { tryOut } from './trial.mjs';

const EPOCH = 315_532_800; // 1980, where a zip file's time begins: same input, same bytes
const COMMAND_LINE = 200_000; // characters of paths; macOS takes a million bytes, environment and pointers included
process.env.TZ = 'UTC';
process.on('uncaughtException', (error) => fail('PACKAGE_FAILED', error.stack));
const { OUTPUT, STATE, DEPLOYMENT_ID, PROJECT_ID, COMMIT_SHA } = process.env;

async function zip(one) {
  const { name, handler, key, directory } = one;
  const files = list(directory);
  check(one, files);
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
const others = [origins, edgeFunctions, additionalProps].flatMap((group) => Object.values(group ?? {})).filter((found) => found?.bundle);
const functions = [server, ...others].map((found) => {
  const { bundle, handler, type, wrapper = 'aws-lambda' } = found;
  const isDefault = found === server;
  const name = isDefault ? 'default' : basename(bundle);
  return {
    name,
    handler,
    wrapper: type === 'ecs' ? 'of a container' : wrapper,
    packages: found === origins.imageOptimizer && wrapper.startsWith('aws-') ? ['sharp'] : [],
    key: isDefault ? 'lambda.zip' : `functions/${name}.zip`,
    bundle: join(build, bundle),
    // Beside the app, so that a function finds what is in it and nothing else.
    directory: join(STATE, 'functions', name),
  };
});
const twice = functions.find(({ key }, index) => functions.findIndex((other) => other.key === key) < index);
if (twice) throw new Error(`Two functions want to be ${twice.key}. Rename one in open-next.config.ts.`);
const missing = functions.find(({ bundle }) => !existsSync(bundle));
if (missing) fail('FUNCTION_BROKEN', `OpenNext did not make ${missing.bundle}.`);
mkdirSync(join(STATE, 'functions'), { recursive: true });
for (const { bundle, directory } of functions) renameSync(bundle, directory);
const zipped = await parallel(functions, async (one) => ({ ...await zip(one), tried: await tryOut(one) }));

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
  warnings: load('warnings').split('\n').filter(Boolean).map((line) => JSON.parse(line)),
}, undefined, 2));
