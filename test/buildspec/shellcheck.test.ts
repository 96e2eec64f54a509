import { execFileSync, spawnSync } from 'node:child_process';
import * as path from 'node:path';

const ROOT = path.join(__dirname, '..', '..');
const installed = spawnSync('shellcheck', ['--version']).status === 0;
const scripts = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '*.sh'], { cwd: ROOT, encoding: 'utf8' }).trim().split('\n');

// A laptop may lack shellcheck; in CI its absence is an error.
const testWithShellcheck = installed || process.env.CI ? test : test.skip;

testWithShellcheck.each(scripts)(`shellcheck accepts %s${installed ? '' : ' (not checked: shellcheck is not installed)'}`, (script) => {
  const { stdout, error } = spawnSync('shellcheck', [script], { cwd: ROOT, encoding: 'utf8' });
  expect({ error, stdout }).toEqual({ error: undefined, stdout: '' });
});
