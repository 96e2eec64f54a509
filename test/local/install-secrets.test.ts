/** A project's install secrets through the whole pipeline: from Secrets Manager into its install, and nowhere else. */
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { runBuilds } from '../../local/build-command';
import { UsageError } from '../../local/usage-error';
import { synthesizePipeline } from '../support/local-pipeline';

const TOKEN = 'npm_s3cret';

let directory: string;
let template: string;
let seen: string;

beforeAll(async () => {
  directory = await realpath(await mkdtemp(path.join(tmpdir(), 'install-secrets-')));
  await chmod(directory, 0o777); // for the app, which writes to it: where root runs this, it is another user's
  template = synthesizePipeline(path.join(directory, 'cdk.out'), { installSecretsPrefix: 'builds/install/' });
  seen = path.join(directory, 'seen');
  const next = { name: 'next', version: '16.4.6' };
  const dependencies = { next: 'file:vendor' };
  const packages = { '': { dependencies }, 'node_modules/next': { resolved: 'vendor', link: true }, 'vendor': next };
  await mkdir(path.join(directory, 'app', 'vendor'), { recursive: true });
  await writeFile(path.join(directory, 'app', 'vendor', 'package.json'), JSON.stringify(next));
  await writeFile(path.join(directory, 'app', 'package-lock.json'), JSON.stringify({ lockfileVersion: 3, requires: true, packages }));
  // What an install script sees; then the build has served its purpose.
  await writeFile(path.join(directory, 'app', 'package.json'), JSON.stringify({
    dependencies, scripts: { preinstall: 'printf "%s" "${NPM_TOKEN-not set}" > "$SEEN"; cat ~/.npmrc >> "$SEEN" 2> /dev/null; exit 1' },
  }));
}, 60_000);

beforeEach(() => rm(seen, { force: true }));

afterAll(() => rm(directory, { recursive: true, force: true }));

async function build(secrets: string, projectId = 'web'): Promise<{ output: string; state: string }> {
  const file = path.join(directory, 'secrets.json');
  await writeFile(file, secrets);
  const state = path.join(directory, `state-${projectId}`);
  const lines: string[] = [];
  const command = { source: path.join(directory, 'app'), repeat: 1, environment: { SEEN: seen }, template, state, secrets: file, projectId };
  await runBuilds(command, (line) => lines.push(line), new AbortController().signal);
  return { output: lines.join('\n'), state };
}

async function contents(folder: string): Promise<string> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath ?? entry.path, entry.name));
  return (await Promise.all(files.map((file) => readFile(file, 'latin1')))).join('\n');
}

test('the install sees them; records, logs and the bucket hold nothing of them when the build has ended', async () => {
  const { output, state } = await build(JSON.stringify({ 'builds/install/web': { NPM_TOKEN: TOKEN, NPM_RC: `//npm.example/:_authToken=${TOKEN}` } }));
  expect(await readFile(seen, 'utf8')).toBe(`${TOKEN}\n//npm.example/:_authToken=${TOKEN}\n`);
  expect(output).toContain('INSTALL_FAILED');
  expect(output).not.toContain(TOKEN);
  expect(await contents(state)).toContain('"failureCode"');
  expect(await contents(state)).not.toContain(TOKEN);
}, 180_000);

test('another project\'s install sees nothing of them', async () => {
  await build(JSON.stringify({ 'builds/install/web': { NPM_TOKEN: TOKEN } }), 'web-admin');
  expect(await readFile(seen, 'utf8')).toBe('not set');
}, 180_000);

test('secrets that are not usable fail the deployment before anything is built', async () => {
  const { output } = await build('{"builds/install/web":{"NODE_OPTIONS":"--require evil"}}');
  expect(output).toContain('INVALID_INSTALL_SECRETS');
  expect(output).toContain('variable "NODE_OPTIONS" that is reserved');
  expect(existsSync(seen)).toBe(false);
}, 180_000);

test.each([['{"a":', 'is not JSON'], ['[]', 'holds something else'], ['null', 'holds something else']])('a file of secrets that holds %s is refused', async (text, why) => {
  const refused = build(text);
  await expect(refused).rejects.toThrow(UsageError);
  await expect(refused).rejects.toThrow(why);
});
