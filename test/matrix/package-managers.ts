/** Package managers in exact versions, to write the lockfiles of generated apps with: a lockfile that names its registry belongs to no repository. */
import { execFile } from 'node:child_process';
import { readFile, rm, writeFile } from 'node:fs/promises';
import * as path from 'node:path';
import { promisify } from 'node:util';

export interface PackageManager {
  readonly name: 'npm' | 'pnpm' | 'yarn' | 'bun';
  readonly version: string;
}

/** A slow registry; everything else takes seconds. */
const TIMEOUT_MS = 5 * 60_000;

export function isBerry({ name, version }: PackageManager): boolean {
  return name === 'yarn' && !version.startsWith('1.');
}

/** pnpm 11 and later do not run on Node.js 20. The others take what there is. */
export function nodeFor({ name, version }: PackageManager): string | undefined {
  return name === 'pnpm' && parseInt(version) >= 11 ? '22.23.3' : undefined;
}

/** Writes the lockfile of the app in this directory, and nothing else. `environment`: as a build sees it, so that both ask the same registry. */
export async function lock(directory: string, manager: PackageManager, environment: Readonly<Record<string, string>>): Promise<void> {
  const node = nodeFor(manager);
  const packages = [packageOf(manager), ...node === undefined ? [] : [`node-${process.platform}-${process.arch}@${node}`]];
  await promisify(execFile)('npm', ['exec', '--yes', ...packages.map((name) => `--package=${name}`), '--', manager.name, ...lockArguments(manager)], {
    cwd: directory,
    env: { ...environment, CI: '', YARN_ENABLE_IMMUTABLE_INSTALLS: 'false', COREPACK_ENABLE_STRICT: '0', pnpm_config_pm_on_fail: 'ignore' },
    timeout: TIMEOUT_MS,
    maxBuffer: 1e8,
  }).catch((error: Error & { stderr?: string; stdout?: string }) => {
    throw new Error(`${manager.name} ${manager.version} wrote no lockfile: ${error.message}\n${error.stdout ?? ''}${error.stderr ?? ''}`);
  });
  if (manager.name === 'npm') await nameForeignPackages(path.join(directory, 'package-lock.json'));
  // Yarn 1 writes a lockfile only when it installs.
  for (const installed of ['node_modules', '.yarn']) await rm(path.join(directory, installed), { recursive: true, force: true });
}

interface Lockfile {
  readonly packages: Record<string, { readonly optionalDependencies?: Readonly<Record<string, string>> }>;
}

/** For a platform that nobody has. */
const foreign = (range: string): object => ({ version: range.replace(/^[^\d]*/, ''), optional: true, os: ['aix'] });

/** A mirror may lack optional packages of other platforms. Nobody installs them here, but "npm ci" insists on finding them in the lockfile. */
async function nameForeignPackages(file: string): Promise<void> {
  const lockfile = JSON.parse(await readFile(file, 'utf8')) as Lockfile;
  for (const { optionalDependencies = {} } of Object.values(lockfile.packages)) {
    for (const [name, range] of Object.entries(optionalDependencies)) {
      lockfile.packages[`node_modules/${name}`] ??= foreign(range);
    }
  }
  await writeFile(file, JSON.stringify(lockfile, undefined, 2));
}

export function packageOf(manager: PackageManager): string {
  return `${isBerry(manager) ? '@yarnpkg/cli-dist' : manager.name}@${manager.version}`;
}

function lockArguments(manager: PackageManager): string[] {
  switch (manager.name) {
    case 'npm': return ['install', '--package-lock-only', '--ignore-scripts', '--no-audit', '--no-fund'];
    case 'pnpm': return ['install', '--lockfile-only', '--ignore-scripts'];
    case 'yarn': return isBerry(manager) ? ['install', '--mode=update-lockfile'] : ['install', '--ignore-scripts', '--non-interactive', '--no-progress'];
    case 'bun': return ['install', '--lockfile-only'];
  }
}
