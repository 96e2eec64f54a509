// What an install depends on, as a hash: fact `dependencies-key`, empty if an install cannot be repeated. And the packages that
// it installs for, with their scripts: fact `packages`.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { basename, dirname, join, posix, relative } from 'node:path';
import { load, save } from './common.mjs';

const FIELDS = [
  'name', 'bin', 'directories', 'dependencies', 'devDependencies', 'optionalDependencies', 'peerDependencies', 'peerDependenciesMeta', 'dependenciesMeta',
  'bundleDependencies', 'bundledDependencies', 'overrides', 'resolutions', 'pnpm', 'workspaces', 'packageManager', 'devEngines', 'engines', 'os', 'cpu', 'libc',
  'installConfig', 'publishConfig', 'trustedDependencies', 'patchedDependencies', 'catalog', 'catalogs',
];
const SCRIPTS = /^(pnpm:devPreinstall|(pre|post)?(install|prepare)|prepublish|dependencies)$/;
const SETTINGS = /^(\.npmrc|\.yarnrc.*|bunfig\.toml|pnpm-workspace\.yaml|\.pnpmfile\..*)$/;
const INPUTS = /(^|\/)(patches|\.yarn\/(patches|plugins|releases))\/|\.(patch|prisma)$/;
const VENDORED = /^(.*?\/)?node_modules\//;

const without = (reason) => save({ 'dependencies-key': '', 'dependencies-off': reason });
process.on('uncaughtException', (error) => without(error.message.split('\n')[0]));

const top = load('top');
const root = relative(top, load('root'));
const inside = (path, directory) => !directory || path === directory || path.startsWith(`${directory}/`);
const git = (...args) => execFileSync('git', ['-C', top, ...args], { encoding: 'utf8', maxBuffer: 2 ** 28 });
const tracked = git('ls-files', '-sz').split('\0').filter(Boolean).map((line) => {
  const [facts, path] = line.split('\t');
  return { path, blob: facts.split(' ')[1] };
});
const blobs = (wanted) => tracked.filter(({ path }) => wanted(path)).map(({ path, blob }) => `${blob} ${path}`);

const packages = tracked.filter(({ path }) => basename(path) === 'package.json' && inside(path, root) && !VENDORED.test(path)).map(({ path, blob }) => {
  let manifest = { name: blob };
  try {
    const found = JSON.parse(readFileSync(join(top, path), 'utf8').replace(/^\uFEFF/, ''));
    if (found instanceof Object) manifest = found;
  } catch {
    // A test's, most likely.
  }
  const scripts = Object.fromEntries(Object.entries(manifest.scripts ?? {}).filter(([name]) => SCRIPTS.test(name)));
  return { directory: dirname(path), manifest, scripts };
});
const fields = packages.map(({ directory, manifest, scripts }) => [directory, ...FIELDS.map((name) => manifest[name]), scripts]);
/** Copied into node_modules by some package managers, and in no lockfile. */
const copied = packages.flatMap(({ directory, manifest: { dependencies, devDependencies, optionalDependencies } }) =>
  Object.values({ ...dependencies, ...devDependencies, ...optionalDependencies })
    .filter((spec) => typeof spec === 'string' && /^(file:|\.\.?\/)/.test(spec))
    .map((spec) => posix.join(directory, spec.replace('file:', ''))));
const settings = tracked.filter(({ path }) => SETTINGS.test(basename(path)) && (inside(path, root) || inside(root, dirname(path).replace(/^\.$/, ''))));
const text = JSON.stringify([fields, settings.map(({ path }) => readFileSync(join(top, path), 'utf8'))]);
const injected = /"injected":true|inject-?workspace-?packages/i.test(text);

const lockfile = load('lockfile');
const vendored = new Set(tracked.map(({ path }) => VENDORED.exec(path)).filter(Boolean).map(([, before = '']) => before.replace(/\/$/, '')));
const app = relative(top, load('app'));
const why = !lockfile ? 'there is no lockfile' : vendored.has(root) || vendored.has(app) ? 'node_modules is in the repository' : '';
process.report.excludeNetwork = true; // it would ask for the names of addresses
const libc = process.platform === 'linux' ? process.report.getReport().header.glibcVersionRuntime ? 'glibc' : 'musl' : '';
const key = createHash('sha256').update(JSON.stringify([
  1, load('package-manager'), process.versions.node.split('.')[0], process.platform, process.arch, libc, process.env.CODEBUILD_BUILD_IMAGE ?? '',
  lockfile && readFileSync(lockfile, 'utf8'), root, text,
  blobs((path) => injected ? inside(path, root) : INPUTS.test(path) && inside(path, root) || copied.some((directory) => inside(path, directory))),
])).digest('hex');
save({
  packages: JSON.stringify(packages.map(({ directory, manifest, scripts }) => ({ directory: relative(root, directory), manifest, scripts }))),
  vendored: [...vendored].join('\n'),
});
if (why) without(why);
else save({ 'dependencies-key': key });
