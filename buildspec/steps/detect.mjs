// Which package manager installs where: facts `kind`, `tool` (npm package; empty: the image's npm), `root`, `lockfile`.
import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fail, isFile, load, packageJson, read, save, words } from './common.mjs';
import { minimum, satisfies } from './ranges.mjs';
import { directories, nearest } from './repository.mjs';
import { MANAGERS, PNPM, YARN } from './versions.mjs';

const LOCKFILES = {
  'bun.lock': 'bun', 'bun.lockb': 'bun', 'pnpm-lock.yaml': 'pnpm', 'yarn.lock': 'yarn', 'npm-shrinkwrap.json': 'npm', 'package-lock.json': 'npm',
};
const NEWEST = { npm: '', pnpm: PNPM[9], yarn: YARN[10], bun: MANAGERS.bun[0] };
const refuse = (field, value) => fail('UNSUPPORTED_PACKAGE_MANAGER', `"${field}" is "${words(value)}"; expected npm, pnpm, yarn or bun, like "pnpm@${PNPM[9]}".`);

const app = load('app');
const { dependencies, devDependencies, peerDependencies } = packageJson(app);
if (!{ ...peerDependencies, ...devDependencies, ...dependencies }.next) {
  fail('NOT_A_NEXTJS_APP', 'package.json is missing or does not depend on "next". In a monorepo, set the root directory to the app.');
}

/** What package.json asks for: a package manager and, maybe, a version or a range of versions. */
function asked() {
  const field = nearest((directory) => packageJson(directory).packageManager);
  if (field) {
    const [, name, version] = /^(npm|pnpm|yarn|bun)@(\d[\w.-]*)(\+.*)?$/.exec(words(field)) ?? refuse('packageManager', field);
    return { name, version, source: 'packageManager' };
  }
  const engines = [nearest((directory) => packageJson(directory).devEngines?.packageManager) ?? []].flat().map(Object);
  const known = engines.find(({ name }) => Object.keys(MANAGERS).includes(name));
  if (!known && engines.some(({ onFail }) => onFail !== 'ignore')) refuse('devEngines.packageManager', engines.map(({ name }) => words(name)).join(', '));
  return { name: known?.name, version: words(known?.version), source: 'devEngines.packageManager' };
}

/** One exact version: the one that is asked for, or the best of ours that is in the range, or the range's lowest. */
function choose(manager, range, byLockfile, source) {
  if (!range) return byLockfile;
  if (/^\d+\.\d+\.\d+(-[\w.-]+)?$/.test(range)) return range;
  if (manager === 'npm' && satisfies(execFileSync('npm', ['--version'], { encoding: 'utf8' }), range)) return '';
  return [byLockfile, ...MANAGERS[manager]].find((version) => version && satisfies(version, range)) ?? minimum(range) ?? refuse(source, `${manager}@${range}`);
}

const { name, version: range, source } = asked();
const lockfiles = directories().flatMap((directory) => Object.keys(LOCKFILES).map((file) => join(directory, file))).filter(isFile);
const manager = name ?? LOCKFILES[basename(lockfiles[0] ?? '')] ?? 'pnpm';
const lockfile = lockfiles.find((file) => LOCKFILES[basename(file)] === manager) ?? '';
const root = dirname(lockfile || (lockfiles[0] ?? join(app, '-')));

const [, format = 'classic'] = /^(?:lockfileVersion: '?|__metadata:\s+version: )(\d+)/m.exec(lockfile && read(lockfile)) ?? [];
const byLockfile = (lockfile && { pnpm: PNPM, yarn: YARN }[manager]?.[format]) || NEWEST[manager];
const version = choose(manager, range, byLockfile, source);
const berry = manager === 'yarn' && !version.startsWith('1.');
save({ kind: berry ? 'berry' : manager, tool: version && `${berry ? '@yarnpkg/cli-dist' : manager}@${version}`, root, lockfile });

// OpenNext goes by the nearest lockfile, whoever wrote it.
for (const other of lockfiles.filter((file) => file !== lockfile && dirname(file).startsWith(root))) {
  console.log(`Warning: ${other} is ignored, because ${name ? `"${source}" is ${[name, range].filter(Boolean).join('@')}` : `of ${lockfile}`}. Remove it.`);
  rmSync(other);
}
