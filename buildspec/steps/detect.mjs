// Finds the app's package manager. Writes to $STATE: manager, tool (its npm package, empty: the image's npm), root (where to install), lockfile.
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

const LOCKFILES = {
  'bun.lock': 'bun',
  'bun.lockb': 'bun',
  'pnpm-lock.yaml': 'pnpm',
  'yarn.lock': 'yarn',
  'package-lock.json': 'npm',
  'npm-shrinkwrap.json': 'npm',
};
// Without "packageManager": the newest release that leaves a lockfile of this format as it is.
const PNPM = { 5: '7.33.7', 6: '8.15.9', 9: '10.34.9' };
const YARN = { classic: '1.22.22', 6: '3.8.7', 8: '4.18.1' };
const BUN = '1.4.5';

const { STATE } = process.env;
const state = (name) => readFileSync(join(STATE, name), 'utf8');
const fail = (code, sentence) => {
  console.error(`\n[install] ${code}: ${sentence}`);
  process.exit(Number(process.env[`EXIT_${code}`]));
};
const packageJson = (directory) => {
  const file = join(directory, 'package.json');
  try {
    return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8').replace(/^\uFEFF/, '')) ?? {} : {};
  } catch (error) {
    return fail('NOT_A_NEXTJS_APP', `${file} is not valid JSON: ${error.message}`);
  }
};

const app = state('app');
const top = state('checkout');
if (!existsSync(join(app, 'package.json'))) fail('NOT_A_NEXTJS_APP', 'There is no package.json. In a monorepo, set the root directory to the app.');
const { dependencies, devDependencies, peerDependencies } = packageJson(app);
if (![dependencies, devDependencies, peerDependencies].some((group) => group?.next)) {
  fail('NOT_A_NEXTJS_APP', 'package.json does not depend on "next". In a monorepo, set the root directory to the app.');
}

const directories = [app];
while (directories.at(-1) !== top) directories.push(dirname(directories.at(-1)));

const field = directories.map((directory) => packageJson(directory).packageManager).find(Boolean);
const named = /^(npm|pnpm|yarn|bun)@(\d[\w.-]*)(\+.*)?$/.exec(field);
if (field && !named) {
  fail('UNSUPPORTED_PACKAGE_MANAGER', `"packageManager" is ${JSON.stringify(field)}; expected npm, pnpm, yarn or bun with an exact version, like "pnpm@10.34.9".`);
}
const lockfilesIn = (directory) => Object.keys(LOCKFILES).map((name) => join(directory, name)).filter(existsSync);
const kind = (lockfile) => LOCKFILES[basename(lockfile)];
const lockfiles = directories.flatMap(lockfilesIn);
const lockfile = lockfiles.find((file) => kind(file) === named?.[1]) ?? (named ? undefined : lockfiles[0]);
const root = dirname(lockfile ?? lockfiles[0] ?? join(app, 'package.json'));

let manager = named?.[1] ?? (lockfile ? kind(lockfile) : 'pnpm');
let version = named?.[2];
if (!version) {
  const text = lockfile ? readFileSync(lockfile, 'latin1') : '';
  if (manager === 'pnpm') version = PNPM[/^lockfileVersion: *'?(\d+)/m.exec(text)?.[1]] ?? PNPM[9];
  if (manager === 'yarn') version = !/^__metadata:/m.test(text) ? YARN.classic : Number(/^ +version: (\d+)/m.exec(text)?.[1]) < 7 ? YARN[6] : YARN[8];
  if (manager === 'bun') version = BUN;
}
let tool = version ? `${manager}@${version}` : '';
if (manager === 'yarn' && !/^[01]\./.test(version)) {
  manager = 'berry';
  tool = `@yarnpkg/cli-dist@${version}`;
}

// OpenNext goes by the nearest lockfile: one of another package manager would mislead it.
for (const other of lockfiles) {
  if (other === lockfile || (dirname(other) !== root && other.length < root.length)) continue;
  console.log(`[install] Warning: ${other} is ignored, ${field ? `"packageManager" is ${field}` : `${lockfile} comes first`}. Remove one of the two.`);
  rmSync(other);
}
for (const [name, value] of Object.entries({ manager, tool, root, lockfile: lockfile ?? '' })) writeFileSync(join(STATE, name), value);
