// open-next.output.json says what exists. Writes $OUTPUT: a zip for each function, the static files, the ISR cache, the manifest.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, copyFileSync, existsSync, lstatSync, lutimesSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

const LIMIT = 262_144_000; // Lambda's, unzipped

const { STATE, OUTPUT, DEPLOYMENT_ID, PROJECT_ID, COMMIT_SHA } = process.env;
const fail = (code, sentence) => {
  console.error(`\n[package] ${code}: ${sentence}`);
  process.exit(Number(process.env[`EXIT_${code}`]));
};
process.on('uncaughtException', (error) => fail('PACKAGE_FAILED', error.stack));
const state = (name) => readFileSync(join(STATE, name), 'utf8');

/** Files and links below a directory, sorted by name, with sizes. */
function entries(directory, below = '.') {
  return readdirSync(join(directory, below), { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const path = `${below}/${entry.name}`;
      return entry.isDirectory() ? entries(directory, path) : { path, bytes: lstatSync(join(directory, path)).size };
    });
}
const total = (files) => files.reduce((sum, { bytes }) => sum + bytes, 0);

function zip(source, key) {
  const files = entries(source);
  for (const { path } of files) {
    const file = join(source, path);
    if (!lstatSync(file).isSymbolicLink()) chmodSync(file, 0o755); // Lambda's user is neither owner nor group
    lutimesSync(file, 315532800, 315532800); // 1980, a zip file's first year: same input, same bytes
  }
  const target = join(OUTPUT, 'artifacts', key);
  mkdirSync(dirname(target), { recursive: true });
  // 500 names fit on every system's command line. "./" keeps a leading dash from being an option.
  for (let i = 0; i < files.length; i += 500) {
    execFileSync('zip', ['-qXy', target, ...files.slice(i, i + 500).map(({ path }) => path)], { cwd: source, stdio: 'inherit' });
  }
  const content = readFileSync(target);
  return { files, bytes: content.length, sha256: createHash('sha256').update(content).digest('hex'), unzippedBytes: total(files) };
}

function tooLarge(name, { files, unzippedBytes }) {
  const packages = {};
  for (const { path, bytes } of files) {
    const owner = /.*\/node_modules\/((@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? 'the app';
    packages[owner] = (packages[owner] ?? 0) + bytes;
  }
  const largest = Object.entries(packages).sort((a, b) => b[1] - a[1]).slice(0, 10);
  console.error(largest.map(([owner, bytes]) => `${(bytes / 1e6).toFixed(1).padStart(8)} MB  ${owner}`).join('\n'));
  fail('ARTIFACT_TOO_LARGE', `Function ${name} has ${unzippedBytes} bytes, Lambda accepts ${LIMIT}. Leave packages out with outputFileTracingExcludes.`);
}

const app = state('app');
const description = join(app, '.open-next/open-next.output.json');
if (!existsSync(description)) fail('PACKAGE_FAILED', `OpenNext left no ${description}. Leave buildOutputPath out of open-next.config.ts.`);
const { origins, edgeFunctions, additionalProps } = JSON.parse(readFileSync(description, 'utf8'));
mkdirSync(join(OUTPUT, 'artifacts'), { recursive: true });

const functions = [...Object.values(origins), ...Object.values(edgeFunctions ?? {}), ...Object.values(additionalProps ?? {})]
  .filter((found) => found?.bundle && existsSync(join(app, found.bundle)))
  .map(({ bundle, handler }) => {
    const name = basename(bundle);
    const key = bundle === origins.default.bundle ? 'lambda.zip' : `functions/${name}.zip`;
    const zipped = zip(join(app, bundle), key);
    if (zipped.unzippedBytes > LIMIT) tooLarge(name, zipped);
    const { bytes, sha256, unzippedBytes } = zipped;
    return { name, key, bytes, sha256, unzippedBytes, handler };
  });
if (functions[0]?.key !== 'lambda.zip' && !functions.some(({ key }) => key === 'lambda.zip')) fail('PACKAGE_FAILED', 'OpenNext built no default server function.');

// "_assets/docs" holds what the browser asks for below /docs; "_cache" is the seed of the ISR cache.
const moved = { static: [], isrCache: [] };
for (const { from, to } of origins.s3.copy) {
  const kind = to.startsWith('_assets') ? 'static' : 'isrCache';
  const target = kind === 'static' ? join(OUTPUT, 'static', to.slice('_assets'.length)) : join(OUTPUT, 'artifacts/isr-cache');
  if (!existsSync(join(app, from))) continue;
  mkdirSync(dirname(target), { recursive: true });
  renameSync(join(app, from), target);
  moved[kind].push(...entries(target));
}
copyFileSync(description, join(OUTPUT, 'artifacts/open-next.output.json'));

const count = (files) => ({ files: files.length, bytes: total(files) });
writeFileSync(join(OUTPUT, 'artifacts/manifest.json'), JSON.stringify({
  version: 1,
  deploymentId: DEPLOYMENT_ID,
  projectId: PROJECT_ID,
  commitSha: COMMIT_SHA,
  nextVersion: state('next-version'),
  openNextVersion: state('open-next-version'),
  nodeVersion: process.versions.node,
  packageManager: state('package-manager'),
  functions,
  static: count(moved.static),
  isrCache: count(moved.isrCache),
  steps: Object.fromEntries(state('seconds').trim().split('\n').map((line) => line.split(' ')).map(([step, seconds]) => [step, Number(seconds)])),
}, undefined, 2));
