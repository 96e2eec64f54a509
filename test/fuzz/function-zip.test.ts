/** Zip files that a build left behind. Whatever they are: an answer, soon, and what it says fits a record. */
import * as path from 'node:path';
import { buffer } from 'node:stream/consumers';
import * as fc from 'fast-check';
import { ZipFile } from 'yazl';
import { inputs } from './fuzzing';
import { fragment, text } from './hostile';
import { refusalOfZip } from '../../lambda/finalizer/function-zip';
import { failureMessage } from '../../src/contract/failure-codes';
import { LINK_MODE, zipFile, type ZipEnd, type ZipEntry } from '../support/zip-file';

/** A zip file of some kilobytes is judged in milliseconds. */
const BOUND_MS = 10_000;

async function judge(zip: Buffer) {
  let read = 0;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('It does not come to an end')), BOUND_MS);
  });
  try {
    return await Promise.race([late, refusalOfZip({ name: 'artifacts/lambda.zip', bytes: zip.length }, async (start, end) => {
      // Within the file, and never all of it many times.
      expect([start >= 0, end <= zip.length, (read += end - start) <= 2 * zip.length]).toEqual([true, true, true]);
      return zip.subarray(start, end);
    })]);
  } finally {
    clearTimeout(timer);
  }
}

async function isJudged(zip: Buffer): Promise<boolean> {
  const refusal = await judge(zip);
  if (!refusal) return true;
  expect(refusal.problem).toMatch(/^"artifacts\/lambda\.zip" [^\p{C}\p{Zl}\p{Zp}]{1,3000}$/u);
  expect(failureMessage(refusal.failureCode)).toBeTruthy();
  return false;
}

/** Places and sizes that something may stumble over. */
const number = (max: number) => fc.oneof(fc.nat(200), fc.nat(max), fc.constantFrom(0, 1, 0xffff, max - 1, max));
const optional = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined, freq: 8 });
const bytesUpTo = (maxLength: number) => fc.uint8Array({ maxLength }).map((bytes) => Buffer.from(bytes));
const place = fc.array(fc.oneof(fragment, fc.constantFrom('a', 'b', 'link', '/')), { maxLength: 5 }).map((parts) => parts.join(''));
const name = fc.oneof(place, text, bytesUpTo(20));
/** Of the kinds that change what an entry is called, or how large it is. */
const extraField = fc.tuple(fc.constantFrom([1, 0], [0x75, 0x70]), fc.nat(40), bytesUpTo(40))
  .map(([id, size, data]) => Buffer.concat([Buffer.from([...id, size, 0]), data]));
const entry: fc.Arbitrary<ZipEntry> = fc.record({
  name,
  content: fc.oneof(name, bytesUpTo(100)),
  mode: fc.constantFrom(undefined, 0o10_0755, LINK_MODE, LINK_MODE, 0o4_0755, 0o2_0666, 0xffff),
  method: fc.constantFrom(undefined, undefined, 0, 8, 99),
  flags: fc.constantFrom(undefined, undefined, 0x800, 1, 0x40, 0xffff),
  compressedSize: optional(number(0xffff_ffff)),
  uncompressedSize: optional(number(0xffff_ffff)),
  offset: optional(number(0xffff_ffff)),
  extra: optional(fc.oneof(bytesUpTo(40), extraField)),
}, { requiredKeys: ['name'] });
const end: fc.Arbitrary<ZipEnd> = fc.record({
  entryCount: optional(number(0xffff)), directoryOffset: optional(number(0xffff_ffff)), comment: optional(text),
}, { requiredKeys: [] });

describe('a function\'s zip file', () => {
  test('of any bytes is judged', async () => {
    await fc.assert(fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), fc.boolean(), async (bytes, isZip) => {
      await isJudged(Buffer.concat([Buffer.from(bytes), isZip ? zipFile([]) : Buffer.alloc(0)]));
    }), inputs(0.5));
  });

  test('of crafted entries is judged; one that is accepted leads to no other place', async () => {
    await fc.assert(fc.asyncProperty(fc.array(entry, { maxLength: 6 }), end, async (entries, ending) => {
      const isAccepted = await isJudged(zipFile(entries, ending));
      if (!isAccepted || Object.values(ending).some((value) => value !== undefined)) return;
      for (const { content = '', mode, name: raw } of entries) {
        const at = path.posix.normalize(`/top/${String(raw).replace(/\\/g, '/')}`);
        expect(at).toMatch(/^\/top\/./s);
        if (mode === LINK_MODE && !String(content).includes('\ufffd')) expect(path.posix.resolve(path.posix.dirname(at), String(content))).toMatch(/^\/top(\/|$)/);
      }
    }), inputs());
  });

  describe('as the build makes it', () => {
    let real: Buffer;

    beforeAll(async () => {
      const zip = new ZipFile();
      zip.addBuffer(Buffer.from('export const handler = () => {};\n'.repeat(20)), 'index.mjs', { mode: 0o10_0755 });
      zip.addBuffer(Buffer.from('react'), 'node_modules/.pnpm/react/index.js', { mode: 0o10_0755 });
      zip.addBuffer(Buffer.from('.pnpm/react'), 'node_modules/react', { mode: LINK_MODE });
      zip.end();
      real = await buffer(zip.outputStream);
    });

    test('is accepted', async () => {
      expect(await judge(real)).toBeUndefined();
    });

    test('with a few other bytes in it, or without some, is judged', async () => {
      const change = fc.record({ at: fc.nat(), value: fc.oneof(fc.nat(255), fc.constantFrom(0, 255)) });
      const cut = fc.oneof(fc.constant({ from: 0, bytes: 0 }), fc.record({ from: fc.nat(), bytes: fc.nat(60) }));
      await fc.assert(fc.asyncProperty(fc.array(change, { maxLength: 8 }), cut, async (changes, { bytes, from }) => {
        const zip = Buffer.from(real);
        for (const { at, value } of changes) zip[at % zip.length] = value;
        const begin = from % zip.length;
        await isJudged(Buffer.concat([zip.subarray(0, begin), zip.subarray(begin + bytes)]));
      }), inputs());
    });

    test('with other bytes in its directory is judged', async () => {
      const directory = real.indexOf('PK\x01\x02', 0, 'latin1');
      const change = fc.record({ at: fc.nat(real.length - directory - 1), value: fc.nat(255) });
      await fc.assert(fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 8 }), async (changes) => {
        const zip = Buffer.from(real);
        for (const { at, value } of changes) zip[directory + at] = value;
        await isJudged(zip);
      }), inputs());
    });
  });
});
