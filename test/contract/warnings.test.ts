import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { WARNING_CODES } from '../../src/contract/warnings';

const ROOT = join(__dirname, '..', '..');

test('the documentation says what to do about every warning, and about no other', () => {
  const lines = readFileSync(join(ROOT, 'docs', 'artifacts.md'), 'utf8').split('\n');
  const rows = lines.slice(lines.indexOf('| warning | what to do |') + 2).filter((line) => line.startsWith('| `'));
  expect(rows.slice(0, WARNING_CODES.length).map((row) => /^\| `(\w+)` \| [A-Z].*\. \|$/.exec(row)?.[1])).toEqual([...WARNING_CODES]);
});

test('the steps of the build warn of these, each of them, and of nothing else', () => {
  const steps = ['function-files.mjs', 'trial.mjs', 'leaks.mjs', 'package.mjs'].map((name) => readFileSync(join(ROOT, 'buildspec', 'steps', name), 'utf8')).join('\n');
  const warned = [...steps.matchAll(/\bwarn\('(\w+)'/g)].map(([, code]) => code);
  expect([...new Set(warned)].sort()).toEqual([...WARNING_CODES].sort());
});
