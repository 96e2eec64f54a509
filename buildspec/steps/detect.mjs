// Which package manager installs where: facts `kind`, `tool` (npm package; empty: the image's npm), `root`, `lockfile`.
import { existsSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fail, load, packageJson, read, save } from './common.mjs';

const LOCKFILES = {
  'bun.lock': 'bun', 'bun.lockb': 'bun', 'pnpm-lock.yaml': 'pnpm', 'yarn.lock': 'yarn', 'npm-shrinkwrap.json': 'npm', 'package-lock.json': 'npm',
};
// By the format of the lockfile: the newest release that accepts it as it is.
const PNPM = { 5: '7.33.7', 6: '8.15.9', 9: '10.34.9' };
const YARN = { 6: '3.8.7', 8: '4.13.0', 9: '4.14.1', 10: '4.18.1', classic: '1.22.22' };
const BUN = '1.4.5';

const app = load('app');
const { dependencies, devDependencies, peerDependencies } = packageJson(app);
if (!{ ...peerDependencies, ...devDependencies, ...dependencies }.next) {
  fail('NOT_A_NEXTJS_APP', 'package.json is missing or does not depend on "next". In a monorepo, set the root directory to the app.');
}
const directories = [app];
while (directories.at(-1) !== load('top')) directories.push(dirname(directories.at(-1)));

const field = directories.map((directory) => packageJson(directory).packageManager).find(Boolean);
const [, name, exact] = /^(npm|pnpm|yarn|bun)@(\d[\w.-]*)(\+.*)?$/.exec(field) ?? [];
if (field && !name) fail('UNSUPPORTED_PACKAGE_MANAGER', `"packageManager" is "${field}"; expected npm, pnpm, yarn or bun, like "pnpm@${PNPM[9]}".`);
const lockfiles = directories.flatMap((directory) => Object.keys(LOCKFILES).map((file) => join(directory, file))).filter(existsSync);
const manager = name ?? LOCKFILES[basename(lockfiles[0] ?? '')] ?? 'pnpm';
const lockfile = lockfiles.find((file) => LOCKFILES[basename(file)] === manager) ?? '';
const root = dirname(lockfile || (lockfiles[0] ?? join(app, '-')));

const [, format] = /^(?:lockfileVersion: '?|__metadata:\s+version: )(\d+)/m.exec(lockfile && read(lockfile)) ?? [];
const version = exact ?? { npm: '', pnpm: PNPM[format] ?? PNPM[9], yarn: YARN[format ?? 'classic'] ?? YARN[10], bun: BUN }[manager];
const berry = manager === 'yarn' && !version.startsWith('1.');
save({ kind: berry ? 'berry' : manager, tool: version && `${berry ? '@yarnpkg/cli-dist' : manager}@${version}`, root, lockfile });

// OpenNext goes by the nearest lockfile, whoever wrote it.
for (const other of lockfiles.filter((file) => file !== lockfile && dirname(file).startsWith(root))) {
  console.log(`Warning: ${other} is ignored, because ${field ? `"packageManager" is ${field}` : `of ${lockfile}`}. Remove it.`);
  rmSync(other);
}
