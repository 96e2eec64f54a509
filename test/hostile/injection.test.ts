/** Requests that would have a shell, git or S3 do something else: refused, or taken for the names that they are. */
import { existsSync } from 'node:fs';
import * as path from 'node:path';
import { Platform, type Outside } from './platform';
import type { BuildRequest } from '../../src/contract/build-request';

const BOUND_MS = 120_000;

let platform: Platform;
let before: Outside;
let canary: string;

beforeAll(async () => {
  platform = await Platform.start();
  before = await platform.outside();
  canary = path.join(platform.directory, 'canary');
}, BOUND_MS);
afterEach(async () => {
  expect(existsSync(canary)).toBe(false);
  expect(await platform.outside()).toEqual(before);
  expect(platform.denials()).toEqual([]);
});
afterAll(() => platform.close());

/** Of a branch, which has at most 255 characters. */
const command = (file: string) => `$(touch\${IFS}${file});touch\${IFS}${file}&'"`;
const commands = (file: string) => `${command(file)}&touch\${IFS}${file}|\`touch\${IFS}${file}\``;

test('a branch and a root directory that are shell commands are names', async () => {
  const rootDirectory = `apps/${commands(canary)}`;
  const app = { name: 'attacker-names', rootDirectory };
  const { log, record } = await platform.deploy(app, { branch: `feature/${command(canary)}`, defaultBranch: `main;${command(canary)}` });
  expect(record).toMatchObject({ status: 'success', rootDirectory, branch: `feature/${command(canary)}` });
  expect(log).not.toMatch(/command not found|syntax error/);
}, BOUND_MS);

test('a repository that is not there by a URL that is a command', async () => {
  const { record } = await platform.attack({
    deploymentId: 'attacker-url', projectId: 'attacker-url', repoUrl: `https://git.local-run.example/$(touch$IFS${canary});touch$IFS${canary}&.git`,
  });
  expect(record).toMatchObject({ status: 'failed', failureCode: 'CHECKOUT_FAILED' });
}, BOUND_MS);

test.each<[string, Partial<BuildRequest>]>([
  ['a protocol that runs a command', { repoUrl: 'ext::touch${IFS}/tmp/x' }],
  ['an option as URL', { repoUrl: '--upload-pack=touch${IFS}/tmp/x' }],
  ['a file of the machine', { repoUrl: 'file:///etc' }],
  ['the credentials\' own address', { repoUrl: 'https://169.254.170.2/v2/credentials' }],
  ['the machine itself', { repoUrl: 'https://127.0.0.1/repository.git' }],
  ['an option as branch', { branch: '--upload-pack=touch${IFS}/tmp/x' }],
  ['a branch with a line break', { branch: 'main\ntouch /tmp/x' }],
  ['a directory out of the repository', { rootDirectory: '../../home' }],
  ['an absolute directory', { rootDirectory: '/etc' }],
  ['an option as directory', { rootDirectory: '-rf' }],
  ['an option as commit', { commitSha: '--upload-pack=touch' }],
  ['a project that is a path', { projectId: '../neighbour' }],
])('%s is refused before anything is built', async (_, request) => {
  const builds = await platform.pipeline.builds();
  const { record } = await platform.attack({ deploymentId: `attacker-refused-${builds.length}-${Math.random().toString(36).slice(2)}`, projectId: 'attacker-refused', ...request });
  expect(record).toMatchObject({ status: 'failed', failureCode: 'INVALID_REQUEST' });
  expect(await platform.pipeline.builds()).toEqual(builds);
}, BOUND_MS);

test('a repository whose links lead out of it', async () => {
  const { record } = await platform.deploy({ name: 'attacker-links', links: { 'apps/outside': '../../../..' } }, { rootDirectory: 'apps/outside' });
  expect(record).toMatchObject({ status: 'failed', failureCode: 'ROOT_DIRECTORY_NOT_FOUND' });
}, BOUND_MS);
