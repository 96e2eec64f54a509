import { execFileSync } from 'node:child_process';
import * as path from 'node:path';

const RANGES = path.join(__dirname, '..', '..', 'buildspec', 'steps', 'ranges.mjs');

/** Each range with the versions that are in it, those that are not, and its lowest. */
const CASES: Array<[string, string[], string[], string | undefined]> = [
  ['*', ['0.0.0', '99.1.2'], [], '0.0.0'],
  ['', ['1.0.0'], [], '0.0.0'],
  ['20', ['20.0.0', '20.99.1'], ['19.9.9', '21.0.0'], '20.0.0'],
  ['20.x', ['20.1.0'], ['21.0.0'], '20.0.0'],
  ['v20.1', ['20.1.7'], ['20.0.9', '20.2.0'], '20.1.0'],
  ['=20.1.2', ['20.1.2'], ['20.1.3'], '20.1.2'],
  ['^20.9.1', ['20.9.1', '20.10.0'], ['20.9.0', '21.0.0'], '20.9.1'],
  ['^0.2.3', ['0.2.9'], ['0.3.0'], '0.2.3'],
  ['^0.0.3', ['0.0.3'], ['0.0.4'], '0.0.3'],
  ['^0.0', ['0.0.9'], ['0.1.0'], '0.0.0'],
  ['~20.9.1', ['20.9.9'], ['20.10.0'], '20.9.1'],
  ['~20', ['20.10.0'], ['21.0.0'], '20.0.0'],
  ['>= 18.17.0', ['18.17.0', '24.0.0'], ['18.16.9'], '18.17.0'],
  ['>20', ['21.0.0'], ['20.9.9'], '21.0.0'],
  ['>20.1.2', ['20.1.3'], ['20.1.2'], '20.1.3'],
  ['<=22.1', ['22.1.9', '4.0.0'], ['22.2.0'], '0.0.0'],
  ['<22.1', ['22.0.9'], ['22.1.0'], '0.0.0'],
  ['>=18.17.0 <19 || ^20.5', ['18.20.0', '20.6.0'], ['19.0.0', '20.4.0', '21.0.0'], '18.17.0'],
  ['22 || 18', ['18.1.0', '22.1.0'], ['20.0.0'], '18.0.0'],
  ['18.2 - 20.1', ['18.2.0', '20.1.9'], ['18.1.9', '20.2.0'], '18.2.0'],
  ['<18 >20', [], ['17.0.0', '19.0.0', '21.0.0'], undefined],
  ['*', [], ['', 'latest', '20', '20.x.1'], '0.0.0'],
  ['99999999', [], ['99999999.0.0'], undefined],
  ...['latest', 'lts/*', '18,20', 'workspace:*'].map((text): [string, string[], string[], undefined] => [text, [], ['20.0.0'], undefined]),
];

test('ranges mean what they mean to npm', () => {
  const script = `import(${JSON.stringify(RANGES)}).then(({ satisfies, minimum }) => console.log(JSON.stringify(${JSON.stringify(CASES)}
    .map(([range, inside, outside]) => [range, inside.filter((v) => satisfies(v, range)), outside.filter((v) => !satisfies(v, range)), minimum(range) ?? null]))))`;
  const found = JSON.parse(execFileSync(process.execPath, ['-e', script], { encoding: 'utf8' }));
  expect(found).toEqual(CASES.map(([range, inside, outside, minimum]) => [range, inside, outside, minimum ?? null]));
});
