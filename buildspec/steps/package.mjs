// A zip for each function in open-next.output.json, the static files, the seed of the ISR cache, the manifest.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, copyFileSync, existsSync, lstatSync, lutimesSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fail, load } from './common.mjs';

const LIMIT = 262_144_000; // Lambda's, unzipped
const EPOCH = 315_532_800; // 1980, where a zip file's time begins: same input, same bytes
process.env.TZ = 'UTC';
process.on('uncaughtException', (error) => fail('PACKAGE_FAILED', error.stack));
const { OUTPUT, DEPLOYMENT_ID, PROJECT_ID, COMMIT_SHA } = process.env;

/** Files and links below a directory, in the same order everywhere. "./" keeps a leading dash from being an option. */
const list = (directory, below = '.') => readdirSync(join(directory, below), { withFileTypes: true })
  .sort((a, b) => (a.name < b.name ? -1 : 1))
  .flatMap((entry) => {
    const path = `${below}/${entry.name}`;
    return entry.isDirectory() ? list(directory, path) : [{ path, bytes: lstatSync(join(directory, path)).size }];
  });
const count = (files) => ({ files: files.length, bytes: files.reduce((sum, { bytes }) => sum + bytes, 0) });

function zip(key, directory) {
  const files = list(directory);
  const unzippedBytes = count(files).bytes;
  if (unzippedBytes > LIMIT) {
    const sizes = {};
    for (const { path, bytes } of files) {
      const owner = /.*node_modules\/((@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? 'the app';
      sizes[owner] = (sizes[owner] ?? 0) + bytes;
    }
    console.error(Object.entries(sizes).sort((a, b) => b[1] - a[1]).slice(0, 10).map(([owner, bytes]) => `${bytes} ${owner}`).join('\n'));
    fail('ARTIFACT_TOO_LARGE', `${key} has ${unzippedBytes} bytes, Lambda accepts ${LIMIT}. Leave packages out with outputFileTracingExcludes.`);
  }
  for (const file of files.map(({ path }) => join(directory, path))) {
    if (!lstatSync(file).isSymbolicLink()) chmodSync(file, 0o755); // Lambda runs as another user
    lutimesSync(file, EPOCH, EPOCH);
  }
  const target = join(OUTPUT, 'artifacts', key);
  if (existsSync(target)) throw new Error(`Two functions want to be ${key}. Rename one in open-next.config.ts.`);
  mkdirSync(dirname(target), { recursive: true });
  // 500 paths fit on any command line.
  for (let i = 0; i < files.length; i += 500) {
    execFileSync('zip', ['-qXy', target, ...files.slice(i, i + 500).map(({ path }) => path)], { cwd: directory, stdio: 'inherit' });
  }
  const content = readFileSync(target);
  return { key, bytes: content.length, sha256: createHash('sha256').update(content).digest('hex'), unzippedBytes };
}

const app = load('app');
const description = join(app, '.open-next/open-next.output.json');
const { origins: { s3, default: server, ...origins }, edgeFunctions, additionalProps } = JSON.parse(readFileSync(description, 'utf8'));
const others = [origins, edgeFunctions, additionalProps].flatMap((group) => Object.values(group ?? {})).filter((found) => found?.bundle && existsSync(join(app, found.bundle)));
const functions = [
  { name: 'default', handler: server.handler, ...zip('lambda.zip', join(app, server.bundle)) },
  ...others.map(({ bundle, handler }) => ({ name: basename(bundle), handler, ...zip(`functions/${basename(bundle)}.zip`, join(app, bundle)) })),
];

// "_assets/docs" is what browsers ask for below /docs, "_cache" the seed of the ISR cache.
const moved = { static: [], 'artifacts/isr-cache': [] };
for (const { from, to } of s3.copy.filter((copy) => existsSync(join(app, copy.from)))) {
  const kind = to.startsWith('_assets') ? 'static' : 'artifacts/isr-cache';
  const target = join(OUTPUT, kind, to.replace(/^_(assets|cache)/, ''));
  mkdirSync(dirname(target), { recursive: true });
  renameSync(join(app, from), target);
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
  nodeVersion: process.versions.node,
  architecture: process.arch, // of the native code in the functions
  packageManager: load('package-manager'),
  functions,
  static: count(moved.static),
  isrCache: count(moved['artifacts/isr-cache']),
  steps: Object.fromEntries(load('seconds').match(/.+/g).map((line) => line.split(' ')).map(([step, seconds]) => [step, Number(seconds)])),
}, undefined, 2));
