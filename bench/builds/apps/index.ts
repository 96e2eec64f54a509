/** What is built. Lockfiles are written when the benchmark runs: they name their registry. */
import { existsSync, readFileSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import * as path from 'node:path';
import { OPEN_NEXT, type BenchApp } from './bench-app';
import { magazine } from './magazine';
import { monorepo } from './monorepo';
import { shop } from './shop';
import type { PackageManager } from '../../../test/matrix/package-managers';

export type { BenchApp } from './bench-app';

const EXAMPLE = path.join(__dirname, '..', '..', '..', 'examples', 'nextjs-app');
const GENERATED = /(^|\/)(node_modules|\.next|\.open-next|\.git)(\/|$)/;

const example: BenchApp = { ...folderApp(EXAMPLE), name: 'example' };

export const APPS: readonly BenchApp[] = [example, shop, magazine, monorepo];

/** An app in a folder, with its lockfile. Its package manager is the one of "packageManager", in an exact version. */
export function folderApp(folder: string): BenchApp {
  const manifest = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8')) as { packageManager?: string };
  const [, name, version] = /^(npm|pnpm|yarn|bun)@([\d.]+)/.exec(manifest.packageManager ?? '') ?? [];
  if (!name) throw new Error(`${folder}/package.json: "packageManager" is ${manifest.packageManager ?? 'not set'}; the benchmark needs one in an exact version, like "pnpm@10.34.9".`);
  const candidates = ['src/', ''].flatMap((source) => ['app/', 'pages/'].flatMap((router) => ['page.', 'index.'].flatMap((file) => ['tsx', 'jsx', 'js'].map((ending) => `${source}${router}${file}${ending}`))));
  const page = candidates.find((file) => existsSync(path.join(folder, file)));
  if (!page) throw new Error(`${folder} has no page of the usual name: ${candidates.join(', ')}.`);
  return {
    name: path.basename(path.resolve(folder)),
    manager: { name: name as PackageManager['name'], version },
    openNext: OPEN_NEXT,
    sourceFile: page,
    needsLockfile: false,
    write: async (directory) => cp(folder, directory, { recursive: true, filter: (file) => !GENERATED.test(path.relative(folder, file)) }),
  };
}
