import { appendFileSync, existsSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

// Of a background job: the file that says that it runs.
if (process.env.JOB) process.on('exit', () => rmSync(process.env.JOB, { force: true }));

/** A repository may have a directory by the name of any file. */
export const isFile = (path) => existsSync(path) && statSync(path).isFile();
export const read = (...path) => isFile(join(...path)) ? readFileSync(join(...path), 'utf8') : '';
/** What should be text may be anything that JSON knows, even what JavaScript cannot turn into text. */
export const words = (value) => typeof value === 'string' ? value : value == null ? '' : JSON.stringify(value);
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
/** Into manifest and record; see src/contract/warnings.ts. */
export function warn(code, message) {
  console.error(`Warning: ${code}: ${message}`);
  appendFileSync(join(process.env.STATE, 'warnings'), `${JSON.stringify({ code, message })}\n`);
}
export function packageJson(directory) {
  try {
    return Object(JSON.parse(read(directory, 'package.json').replace(/^\uFEFF/, '') || '{}'));
  } catch (error) {
    return fail('NOT_A_NEXTJS_APP', `${directory}/package.json is not valid JSON: ${error.message}`);
  }
}
