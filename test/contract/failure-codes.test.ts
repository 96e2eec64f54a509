import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { EXIT_CODES, FAILURE_CODES, failureMessage, failureOfExitCode } from '../../src/contract/failure-codes';

test.each(FAILURE_CODES)('%s has a sentence that says what to do', (code) => {
  expect(failureMessage(code)).toMatch(/^[A-Z].{30,}\.$/);
});

test('exit codes are distinct and none that a shell uses itself', () => {
  const codes = Object.values(EXIT_CODES);
  expect(new Set(codes).size).toBe(codes.length);
  for (const code of codes) {
    expect(code).toBeGreaterThan(2);
    expect(code).toBeLessThan(126);
  }
});

test('an exit code leads back to its failure', () => {
  expect(failureOfExitCode(EXIT_CODES.COMMIT_NOT_FOUND!)).toBe('COMMIT_NOT_FOUND');
  expect(failureOfExitCode(1)).toBeUndefined();
});

test('the documentation has every code, with its exit status and sentence, and no other', () => {
  const rows = readFileSync(join(__dirname, '..', '..', 'docs', 'lifecycle.md'), 'utf8').split('\n').filter((line) => line.startsWith('| `'));
  expect(rows).toEqual(FAILURE_CODES.map((code) => `| \`${code}\` | ${EXIT_CODES[code] ?? ''} | ${failureMessage(code)} |`));
});
