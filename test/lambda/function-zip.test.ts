/** Which zip files the finalizer lets through, as the functions of a deployment. */
import { crc32, deflateRawSync } from 'node:zlib';
import { refusalOfZip } from '../../lambda/finalizer/function-zip';
import { LINK_MODE, zipFile, ZIP, type ZipEntry, type ZipEnd } from '../support/zip-file';

const LAMBDA_LIMIT = 262_144_000;
const UTF8 = 0x800;

/** How much of it was read, and how often. */
interface Reads {
  count: number;
  bytes: number;
}

async function refusal(zip: Buffer, reads: Reads = { count: 0, bytes: 0 }, bytes = zip.length) {
  return refusalOfZip({ name: 'artifacts/lambda.zip', bytes }, async (start, end) => {
    reads.count += 1;
    reads.bytes += end - start;
    return zip.subarray(start, end);
  });
}

const problemOf = async (entries: readonly ZipEntry[], end?: ZipEnd) => (await refusal(zipFile(entries, end)))?.problem;
const link = (name: string, target: string): ZipEntry => ({ name, content: target, mode: LINK_MODE });
/** Info-ZIP's extra field, which goes before the name of the entry if its checksum fits that. */
function unicodePath(instead: string, name: string): Buffer {
  const header = Buffer.alloc(9);
  header.writeUInt16LE(0x7075, 0);
  header.writeUInt16LE(5 + name.length, 2);
  header.writeUInt8(1, 4);
  header.writeUInt32LE(crc32(instead), 5);
  return Buffer.concat([header, Buffer.from(name)]);
}

const file = (name: string): ZipEntry => ({ name, content: 'x', mode: 0o10_0755 });

describe('A function as the build makes it', () => {
  test('is accepted: files, directories, names of all kinds, links as pnpm makes them', async () => {
    const react = link('node_modules/react', '.pnpm/react@19/node_modules/react');
    const scheduler = link('node_modules/.pnpm/react@19/node_modules/scheduler', '../../scheduler@1/node_modules/scheduler');
    const toTheTop = link('packages/self', '..');
    const names = ['index.mjs', '-rf', '[[...slug]].js', 'new\nline', 'ümläut', 'a\\b', '...', '..hidden', 'with space', '$(id)'];
    expect(await problemOf([...names.map(file), react, scheduler, toTheTop, { name: 'wasm/', mode: 0o4_0755 }])).toBeUndefined();
  });

  test('is accepted in the smallest form that tests use', async () => {
    expect(await refusal(Buffer.from(ZIP))).toBeUndefined();
  });

  test('is judged by its directory, in a few reads, however large it is', async () => {
    const reads = { count: 0, bytes: 0 };
    const large = { name: 'large.node', content: Buffer.alloc(20_000_000) };
    expect(await refusal(zipFile([large, ...Array.from({ length: 1000 }, (_, index) => file(`node_modules/package/${index}.js`))]), reads)).toBeUndefined();
    expect(reads.count).toBeLessThanOrEqual(2);
    expect(reads.bytes).toBeLessThanOrEqual(2 * 256 * 1024);
  });

  test('may have its links deflated', async () => {
    const target = 'a'.repeat(300);
    expect(await problemOf([file(target), { name: 'link', content: deflateRawSync(target), method: 8, uncompressedSize: target.length, mode: LINK_MODE }])).toBeUndefined();
  });

  test('may be at Lambda\'s limit, and not one byte above it', async () => {
    // What Deflate could just make of them.
    const content = Buffer.alloc(254_016);
    const atLimit = { name: 'large', content, method: 8, uncompressedSize: LAMBDA_LIMIT };
    expect(await problemOf([atLimit])).toBeUndefined();
    expect(await refusal(zipFile([atLimit, file('one-more')]))).toEqual({
      acceptable: false, failureCode: 'ARTIFACT_TOO_LARGE', problem: `"artifacts/lambda.zip" unpacks to more than the ${LAMBDA_LIMIT} bytes that Lambda accepts`,
    });
  });
});

describe('A zip bomb is refused', () => {
  test('that is larger itself than any function: without reading any of it', async () => {
    const reads = { count: 0, bytes: 0 };
    expect(await refusal(Buffer.from(ZIP), reads, 300_000_001)).toMatchObject({ failureCode: 'ARTIFACT_TOO_LARGE' });
    expect(reads.count).toBe(0);
  });

  test('of many files that share the same bytes', async () => {
    const content = deflateRawSync(Buffer.alloc(1_000_000));
    const shared = { content, method: 8, uncompressedSize: 1_000_000 };
    expect(await problemOf([{ name: 'a', ...shared }, { name: 'b', ...shared, offset: 0 }])).toContain('overlap');
  });

  test('of a file whose bytes are said to begin within another one', async () => {
    expect(await problemOf([{ name: 'a', content: 'x'.repeat(100) }, { ...file('b'), offset: 50 }])).toContain('overlap');
  });

  test('that says it expands further than Deflate can', async () => {
    expect(await problemOf([{ name: 'bomb', content: 'tiny', method: 8, uncompressedSize: 5000 }])).toBe('"artifacts/lambda.zip" has "bomb", which cannot be: 4 bytes do not unpack to 5000');
  });

  test('of more entries than any function has', async () => {
    // As many as the 64-bit extension can say: 65,536 and more.
    const zip64 = Buffer.alloc(56 + 20);
    zip64.write('PK\x06\x06', 'latin1');
    zip64.writeBigUInt64LE(10_000_000n, 32);
    zip64.write('PK\x06\x07', 56, 'latin1');
    const zip = Buffer.concat([zip64, zipFile([], { entryCount: 0xffff })]);
    expect((await refusal(zip))?.problem).toBe('"artifacts/lambda.zip" has 10000000 entries; at most 65535 are accepted');
  });

  test('of a directory that would fill the memory', async () => {
    const extra = Buffer.alloc(65_535);
    // One field that fills it: the rest is of a kind that nobody knows.
    extra.writeUInt16LE(0xcafe, 0);
    extra.writeUInt16LE(65_531, 2);
    const entries = Array.from({ length: 300 }, (_, index) => ({ ...file(`${index}`), extra }));
    const reads = { count: 0, bytes: 0 };
    expect((await refusal(zipFile(entries), reads))?.problem).toContain('has a directory of more than 16777216 bytes');
    expect(reads.bytes).toBeLessThan(18 * 1024 ** 2);
  });
});

describe('A zip file that would be unpacked to other places is refused', () => {
  test.each<[string, readonly ZipEntry[]]>([
    ['an absolute name', [file('/etc/passwd')]],
    ['a name that goes up', [file('../../escape')]],
    ['a name that goes up with backslashes', [file('..\\..\\escape')]],
    ['a name of another drive', [file('C:\\windows')]],
    ['an empty part of a name', [file('a//b')]],
    ['a dot as a part of a name', [file('./a')]],
    ['no name', [file('')]],
    ['a second name, which only some unpackers know', [{ ...file('../../escape'), extra: unicodePath('../../escape', 'harmless') }]],
    ['a NUL in a name', [file('a\0b')]],
    ['a name that is longer than a path can be', [file('a/'.repeat(2100))]],
    ['the same name twice', [file('a'), link('a', 'b')]],
    ['the same name twice, as a directory', [link('a', 'b'), { name: 'a/', mode: 0o4_0755 }]],
    ['a file below a link', [link('a', 'b'), file('a/passwd')]],
    ['a file further below a link, and names that sort between them', [link('a', 'b'), file('a-b'), file('a.b'), file('a/x/y')]],
    ['a link to an absolute place', [link('a', '/proc/self/environ')]],
    ['a link that goes up too far', [link('a/b', '../../etc/passwd')]],
    ['a link that goes up only, too far', [link('a', '..')]],
    ['a link that goes down and up again, maybe through another link', [link('d/up', '../x'), link('y', 'd/up/../..')]],
    ['a link to nowhere', [link('a', '')]],
    ['a link with too much in it', [link('a', 'x'.repeat(5000))]],
    ['a deflated link that is no Deflate', [{ name: 'a', content: '\xff\xff\xff', method: 8, uncompressedSize: 3, mode: LINK_MODE }]],
    ['a deflated link that expands to more than it says', [{ name: 'a', content: deflateRawSync(Buffer.alloc(10_000)), method: 8, uncompressedSize: 10, mode: LINK_MODE }]],
    ['a device', [{ name: 'zero', mode: 0o2_0666 }]],
    ['a named pipe', [{ name: 'pipe', mode: 0o1_0666 }]],
  ])('%s', async (_, entries) => {
    const found = await refusal(zipFile(entries));
    expect(found).toMatchObject({ acceptable: false, failureCode: 'ARTIFACTS_INVALID', problem: expect.stringMatching(/^"artifacts\/lambda.zip" /) });
  });
});

describe('What is no zip file that everybody reads the same way is refused', () => {
  test.each<[string, Buffer]>([
    ['nothing', Buffer.alloc(0)],
    ['text', Buffer.from('zip')],
    ['a zip file without its end', zipFile([file('a')]).subarray(0, -1)],
    ['a zip file with something after its end', Buffer.concat([zipFile([file('a')]), Buffer.from('x')])],
    ['no files', zipFile([])],
    ['more entries than it says', zipFile([file('a'), link('hidden', '/etc/passwd')], { entryCount: 1 })],
    ['more entries than it says, and a comment', zipFile([file('a'), file('hidden')], { entryCount: 1, comment: 'x'.repeat(54) })],
    ['fewer entries than it says', zipFile([file('a')], { entryCount: 2 })],
    ['a directory that is elsewhere', zipFile([file('a')], { directoryOffset: 3 })],
    ['a directory outside of the file', zipFile([file('a')], { directoryOffset: 1_000_000 })],
    ['an encrypted file', zipFile([{ ...file('a'), flags: 1 }])],
    ['a method that Lambda does not know', zipFile([{ ...file('a'), method: 12 }])],
    ['a stored file of two sizes', zipFile([{ ...file('a'), uncompressedSize: 2 }])],
    ['a file that begins outside', zipFile([{ ...file('a'), offset: 1_000_000 }])],
    ['a link that begins outside', zipFile([{ ...link('a', 'b'), offset: 1_000_000 }])],
  ])('%s', async (_, zip) => {
    expect(await refusal(zip)).toMatchObject({ acceptable: false, failureCode: 'ARTIFACTS_INVALID' });
  });
});

test('names from it are shown without what they would do to a terminal, and cut', async () => {
  const problem = (await problemOf([{ ...file(`\u001b[2J\u202e/${'x'.repeat(1000)}//`), flags: UTF8 }]))!;
  expect(problem).toContain('"\\u001b[2J\\u{202e}/xxx');
  expect(problem.length).toBeLessThan(400);
});

test('what S3 answers instead of bytes is not the zip file\'s doing, and thrown', async () => {
  const failure = new Error('SlowDown');
  await expect(refusalOfZip({ name: 'artifacts/lambda.zip', bytes: 100 }, async () => { throw failure; })).rejects.toBe(failure);
  await expect(refusalOfZip({ name: 'artifacts/lambda.zip', bytes: 100 }, async () => Buffer.alloc(3))).rejects.toThrow('got 3 bytes');
});

test('the largest that is accepted takes seconds, and no more memory than Lambda has to spare', async () => {
  const entries = Array.from({ length: 65_000 }, (_, index) => file(`${'node_modules/package-of-a-long-name/'.repeat(5)}${index}.js`));
  const links = Array.from({ length: 500 }, (_, index) => link(`links/${index}`, '../node_modules'));
  const zip = zipFile([...entries, ...links]);
  const [began, before] = [performance.now(), process.memoryUsage.rss()];
  expect(await refusal(zip)).toBeUndefined();
  expect(performance.now() - began).toBeLessThan(15_000);
  expect((process.memoryUsage.rss() - before) / 1024 ** 2).toBeLessThan(250);
}, 60_000);
