// Prints shell commands: what was handed over for this step becomes environment variables. NPM_RC is the text that the user's .npmrc has
// besides meanwhile, because pnpm puts no secret into a file of the repository.
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { load, read, save } from './common.mjs';

const { HOME, STATE } = process.env;
const npmrc = join(HOME, '.npmrc');
const variables = JSON.parse(load('environment'));
rmSync(join(STATE, 'environment'));
const { NPM_RC } = variables;
if (NPM_RC !== undefined) {
  if (!existsSync(join(STATE, 'npmrc'))) save({ npmrc: read(npmrc) });
  writeFileSync(npmrc, load('npmrc') + (NPM_RC && `\n${NPM_RC}\n`), { mode: 0o600 });
}
for (const [name, value] of Object.entries(variables)) console.log(`export ${name}='${value.replaceAll("'", "'\\''")}'`);
