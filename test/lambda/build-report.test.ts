import fc from 'fast-check';
import { readBuildReport } from '../../lambda/finalizer/build-report';
import { WARNING_CODES } from '../../src/contract/warnings';

const read = (manifest: unknown, accounts = {}) => readBuildReport(JSON.stringify(manifest), accounts);

test('phases and cache layers are taken over, seconds with one decimal', () => {
  expect(read({ timings: { install: 1.26, build: 20 }, cache: { dependencies: { result: 'hit', restoredBytes: 1, restoreSeconds: 0.04 } } })).toEqual({
    timings: { install: 1.3, build: 20 }, cache: { dependencies: { result: 'hit', restoredBytes: 1, restoreSeconds: 0 } },
  });
});

test('what a layer saved is reckoned here, from what earlier builds took without it', () => {
  const cache = { next: { result: 'hit', workSeconds: 10, restoreSeconds: 1, saveSeconds: 2, secondsSaved: 1000 } };
  expect(read({ cache }, { next: { without: 30, saved: [] } }).cache).toMatchObject({ next: { secondsSaved: 17 } });
  expect(read({ cache }).cache!.next).not.toHaveProperty('secondsSaved');
});

test('unknown layers, phases and fields are left out', () => {
  expect(read({ timings: { 'a b': 1, '__proto__': 2 }, cache: { other: { result: 'hit' }, tools: { result: 'miss', extra: 1 } } })).toEqual({ cache: { tools: { result: 'miss' } } });
});

test.each([
  ['no JSON', '{'],
  ['no object', '[]'],
  ['null', 'null'],
  ['negative seconds', '{"timings":{"build":-1}}'],
  ['a number as text', '{"timings":{"build":"1"}}'],
  ['an unknown result', '{"cache":{"next":{"result":"great"}}}'],
  ['layers that are no objects', '{"cache":{"next":1}}'],
])('%s says nothing', (_, manifest) => {
  expect(readBuildReport(manifest, {})).toEqual({});
});

test('a reason is one short line', () => {
  const { cache } = read({ cache: { next: { result: 'miss', reason: `a\n\u202Eb\u0000${'x'.repeat(500)}` } } });
  expect(cache!.next!.reason).toMatch(/^a b x{196}$/);
});

test('a reason is not cut within a character', () => {
  const { cache } = read({ cache: { next: { result: 'miss', reason: `${'x'.repeat(199)}😀😀` } } });
  expect(cache!.next!.reason).toBe(`${'x'.repeat(199)}😀`);
});

describe('warnings', () => {
  const WARNING = { code: 'FUNCTION_LARGE', message: 'lambda.zip has 230000000 of the 262144000 bytes' };

  test('are taken over', () => {
    expect(read({ warnings: [WARNING] })).toEqual({ warnings: [WARNING] });
  });

  test('of no known code, or without a sentence, are left out, and so is what is beside them', () => {
    const warnings = [{ ...WARNING, extra: 1 }, { ...WARNING, code: 'ALL_IS_WELL' }, { code: 'FUNCTION_LARGE' }, { ...WARNING, message: 1 }, 'text', null, []];
    expect(read({ warnings })).toEqual({ warnings: [WARNING] });
  });

  test('are one line each, and not more than anybody reads', () => {
    const { warnings } = read({ warnings: Array.from({ length: 1000 }, () => ({ ...WARNING, message: `a\n\u202Eb${'😀'.repeat(1000)}` })) });
    expect(warnings).toHaveLength(10);
    for (const { message } of warnings!) expect(message).toBe(`a b${'😀'.repeat(297)}`);
  });

  test.each([['an object', { warnings: { 0: WARNING } }], ['text', { warnings: 'x' }], ['nothing', { warnings: [] }]])('that are %s say nothing', (_, manifest) => {
    expect(read(manifest)).toEqual({});
  });
});

test('whatever a build writes, the report is small and has nothing but what it may have', () => {
  const value = fc.oneof(fc.jsonValue(), fc.record({ result: fc.constantFrom('hit', 'miss'), workSeconds: fc.double(), reason: fc.string() }));
  const warnings = fc.oneof(fc.array(fc.record({ code: fc.constantFrom(...WARNING_CODES, 'x'), message: fc.oneof(fc.string({ unit: 'binary' }), value) })), value);
  const manifest = fc.record({ timings: fc.oneof(fc.dictionary(fc.string(), value), value), cache: fc.dictionary(fc.constantFrom('next', 'tools', 'x', '__proto__'), value), warnings });
  fc.assert(fc.property(manifest, (one) => {
    const report = read(one);
    expect(Object.keys(report).every((name) => ['timings', 'cache', 'warnings'].includes(name))).toBe(true);
    expect(JSON.stringify(report).length).toBeLessThan(12_000);
    expect(Object.values(report.timings ?? {}).every((seconds) => seconds >= 0 && seconds <= 129_600)).toBe(true);
  }));
});
