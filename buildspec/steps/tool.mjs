// Fetches an npm package of ours: tool.mjs PACKAGE@VERSION. Out of the reach of the app's dependencies and its .npmrc.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import './common.mjs';

const [name] = process.argv.slice(2);
const home = join(process.env.STATE, 'tools', name);
rmSync(home, { recursive: true, force: true });
mkdirSync(home, { recursive: true });
const npm = spawn('npm', ['install', '--prefix', home, '--legacy-peer-deps', '--no-audit', '--no-fund', '--loglevel=error', name], { stdio: ['ignore', 'inherit', 'inherit'] });
process.once('SIGTERM', () => npm.kill());
const [status] = await once(npm, 'exit');
if (status !== 0) process.exit(status ?? 137);
// Half of the files are for people and editors, and each file and directory costs time whenever it is restored.
function prune(directory) {
  const left = readdirSync(directory, { withFileTypes: true }).filter((entry) => {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) return !prune(path);
    if (/\.(d\.[mc]?ts|map|md)$/i.test(entry.name)) return rmSync(path);
    return true;
  });
  if (left.length === 0) rmdirSync(directory);
  return left.length === 0;
}
prune(home);
mkdirSync(home, { recursive: true });
writeFileSync(join(home, '.complete'), '');
