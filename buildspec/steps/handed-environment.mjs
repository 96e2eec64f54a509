// Prints shell commands: what is handed over becomes environment variables of the step that it is for. The secrets of the install are empty
// in other steps: package managers may fail over a variable that their configuration names and nobody has set. NPM_RC is the text of the
// user's .npmrc meanwhile, because pnpm puts no secret into a file of the repository.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { load, read, save } from './common.mjs';

const { installEnvironment = {}, buildEnvironment = {} } = JSON.parse(load('handover') || '{}');
const step = process.argv[2];
const npmrc = join(process.env.HOME, '.npmrc');
if (installEnvironment.NPM_RC !== undefined) {
  if (step === 'install') save({ npmrc: read(npmrc) });
  writeFileSync(npmrc, load('npmrc') + (step === 'install' ? `\n${installEnvironment.NPM_RC}\n` : ''), { mode: 0o600 });
}
const set = (environment) => Object.entries(environment).forEach(([name, value]) => console.log(`export ${name}='${value.replaceAll("'", "'\\''")}'`));
set(step === 'install' ? installEnvironment : Object.fromEntries(Object.keys(installEnvironment).map((name) => [name, ''])));
if (step === 'app-build') set(buildEnvironment);
