import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

// Of a background job: the file that says that it runs.
if (process.env.JOB) process.on('exit', () => rmSync(process.env.JOB, { force: true }));

export const read = (...path) => existsSync(join(...path)) ? readFileSync(join(...path), 'utf8') : '';
export const load = (name) => read(process.env.STATE, name);
/** Background jobs look at facts while they come to be: never at half of one. */
export function save(facts) {
  for (const [name, value] of Object.entries(facts)) {
    const path = join(process.env.STATE, name);
    writeFileSync(`${path}.part`, value);
    renameSync(`${path}.part`, path);
  }
}
export function fail(code, sentence) {
  console.error(`${code}: ${sentence}`);
  process.exit(Number(process.env[`EXIT_${code}`]));
}
export function packageJson(directory) {
  try {
    return JSON.parse(read(directory, 'package.json').replace(/^\uFEFF/, '') || '{}') ?? {};
  } catch (error) {
    return fail('NOT_A_NEXTJS_APP', `${directory}/package.json is not valid JSON: ${error.message}`);
  }
}
