/** What is tried: each package manager with each major version of Next.js, and each layout at least twice. */
import type { AppSpec } from './generated-app';
import { isBerry, type PackageManager } from './package-managers';

const NPM: PackageManager = { name: 'npm', version: '11.21.2' };
const PNPM = (version: string): PackageManager => ({ name: 'pnpm', version });
const PNPM_10 = PNPM('10.34.9');
const YARN_1: PackageManager = { name: 'yarn', version: '1.22.22' };
const YARN_4: PackageManager = { name: 'yarn', version: '4.18.1' };
const BUN: PackageManager = { name: 'bun', version: '1.4.5' };

const NEXT_14 = '14.2.33';
const NEXT_15 = '15.5.28';
const NEXT_16 = '16.4.5';

const combination = (manager: PackageManager, next: string, more: Partial<AppSpec> = {}): AppSpec => ({ manager, next, router: 'app', layout: 'single', ...more });

export const COMBINATIONS: readonly AppSpec[] = [
  combination(NPM, NEXT_14, { router: 'pages' }),
  combination(NPM, NEXT_15),
  combination(NPM, NEXT_16),
  combination(NPM, NEXT_16, { bundler: 'webpack', router: 'pages' }),
  combination(NPM, NEXT_16, { layout: 'workspaces' }),
  combination(NPM, NEXT_15, { layout: 'nx' }),
  combination(PNPM_10, NEXT_14),
  combination(PNPM_10, NEXT_15, { bundler: 'turbopack' }),
  combination(PNPM_10, NEXT_16),
  combination(PNPM_10, NEXT_16, { layout: 'workspaces', router: 'pages' }),
  combination(PNPM_10, NEXT_15, { layout: 'turborepo' }),
  combination(PNPM_10, NEXT_16, { layout: 'nx' }),
  combination(PNPM('8.15.9'), NEXT_14),
  combination(PNPM('9.15.9'), NEXT_15, { router: 'pages' }),
  combination(PNPM('11.28.11'), NEXT_16),
  combination(PNPM('12.21.0'), NEXT_16, { layout: 'turborepo' }),
  combination(YARN_1, NEXT_14, { router: 'pages' }),
  combination(YARN_1, NEXT_15),
  combination(YARN_1, NEXT_16, { layout: 'workspaces' }),
  combination(YARN_4, NEXT_14),
  combination(YARN_4, NEXT_15, { layout: 'workspaces' }),
  combination(YARN_4, NEXT_16),
  combination(YARN_4, NEXT_16, { plugAndPlay: true }),
  combination(BUN, NEXT_14, { router: 'pages' }),
  combination(BUN, NEXT_15),
  combination(BUN, NEXT_16, { layout: 'workspaces' }),
];

export function describe({ bundler, layout, manager, next, plugAndPlay, router }: AppSpec): string {
  const yarn = isBerry(manager) ? (plugAndPlay ? ' (Plug\'n\'Play)' : ' (node_modules)') : '';
  return [`${manager.name} ${manager.version}${yarn}`, `Next.js ${next}`, `${router} router`, bundler, layout].filter(Boolean).join(', ');
}
