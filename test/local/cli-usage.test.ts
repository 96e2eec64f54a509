/** Calls of `npm run local` that make no sense: exit status 2, and what would make sense. */
import { spawnSync } from 'node:child_process';
import * as path from 'node:path';

const CLI = path.join(__dirname, '..', '..', 'local', 'cli.ts');

/** The program loads within seconds; the machine may be busy. */
const TIMEOUT_MS = 60_000;

test.each([
  ['an unknown command', ['deploy', '.'], 'There is no command "deploy".'],
  ['no source', ['webhook'], 'What is to be pushed? Name a folder or a git URL.'],
  ['an option of the other command', ['webhook', '.', '--repeat', '2'], 'The command webhook has no option --repeat.'],
  ['a secret that is none', ['webhook', '.', '--secret', ' '], '--secret takes what deliveries are signed with, got nothing. Leave it out for a random one.'],
  ['a template that is not there', ['webhook', '.', '--template', 'no-such-folder'], '--template: there is no folder'],
])('%s', (_, args, problem) => {
  const { status, stderr } = spawnSync(process.execPath, ['--import', 'tsx', CLI, ...args], { encoding: 'utf8', timeout: TIMEOUT_MS });
  expect({ status, stderr }).toEqual({ status: 2, stderr: expect.stringContaining(problem) });
  expect(stderr).toContain('See "npm run local -- --help".');
}, TIMEOUT_MS);
