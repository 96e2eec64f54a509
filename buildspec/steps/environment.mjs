// Prints shell commands: the secrets of the install become environment variables. In other steps they are empty: package managers may
// fail over a variable that their configuration names and nobody has set. NPM_RC is the text of the user's .npmrc meanwhile, because
// pnpm puts no secret into a file of the repository.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { load, read, save } from './common.mjs';

const { installEnvironment = {} } = JSON.parse(load('handover') || '{}');
const installing = process.argv[2] === 'install';
const npmrc = join(process.env.HOME, '.npmrc');
if (installEnvironment.NPM_RC !== undefined) {
  if (installing) save({ npmrc: read(npmrc) });
  writeFileSync(npmrc, load('npmrc') + (installing ? `\n${installEnvironment.NPM_RC}\n` : ''), { mode: 0o600 });
}
for (const [name, value] of Object.entries(installEnvironment)) {
  console.log(`export ${name}='${installing ? value.replaceAll("'", "'\\''") : ''}'`);
}
