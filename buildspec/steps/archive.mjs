// Packs and unpacks archives of the build cache, by zstd where there is one: gzip takes five times as long.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { join } from 'node:path';
import zlib from 'node:zlib';
import { ARCHIVES, stat } from './cache.mjs';

const ZSTD = 0x28b52ffd;
const { ZSTD_c_compressionLevel: LEVEL, ZSTD_c_checksumFlag: CHECKSUM } = zlib.constants;
const has = (command) => spawnSync(command, ['--version'], { stdio: 'ignore' }).status === 0;

/** A program, and a promise of its end. */
function program(signal, command, ...args) {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], signal });
  let says = '';
  child.stderr.on('data', (text) => { says = `${says}${text}`.slice(0, 500); });
  const ended = new Promise((resolve, reject) => {
    child.on('error', reject).on('close', (status) => (status === 0 ? resolve() : reject(new Error(`${command}: ${says.trim() || `ended with ${status}`}`))));
  });
  return { stdin: child.stdin, stdout: child.stdout, ended };
}
/** A program as a part of a pipeline; what runs in this process reports its end there. */
const filter = (...command) => {
  const { stdin, stdout, ended } = program(...command);
  return { stream: Duplex.from({ writable: stdin, readable: stdout }), ended };
};
/** Work in parallel: if one part fails, all others are ended. A program whose neighbours are gone may wait for them for ever. */
async function together(signal, start) {
  const failed = new AbortController();
  const parts = start(AbortSignal.any([signal, failed.signal]));
  try {
    await Promise.all(parts);
  } catch (error) {
    failed.abort(error);
    await Promise.allSettled(parts);
    throw signal.aborted ? signal.reason : error;
  }
}

function compressor(signal) {
  if (has('zstd')) return filter(signal, 'zstd', '-1', '-T0', '-qc');
  if (zlib.createZstdCompress) return { stream: zlib.createZstdCompress({ params: { [LEVEL]: 1, [CHECKSUM]: 1 } }) };
  return has('pigz') ? filter(signal, 'pigz', '-1c') : { stream: zlib.createGzip({ level: 1 }) };
}
function decompressor(signal, magic) {
  if (magic !== ZSTD) return { stream: zlib.createGunzip() };
  return has('zstd') || !zlib.createZstdDecompress ? filter(signal, 'zstd', '-dqc') : { stream: zlib.createZstdDecompress() };
}

/** tar stops reading where its archive ends. What checks the rest comes after that. */
async function feed(tar, plain) {
  try {
    for await (const chunk of plain) {
      if (tar.stdin.writable && !tar.stdin.write(chunk)) await Promise.race([once(tar.stdin, 'drain').catch(() => undefined), tar.ended]);
    }
  } finally {
    tar.stdin.end();
  }
}

/** Unpacks into an empty directory; tar lets nothing out of it. Throws for what is not whole. */
export async function unpack(body, directory, signal) {
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  const bytes = body[Symbol.asyncIterator]();
  let head = Buffer.alloc(0);
  for (let chunk; head.length < 4 && !(chunk = await bytes.next()).done;) head = Buffer.concat([head, chunk.value]);
  async function* whole() {
    yield head;
    yield* { [Symbol.asyncIterator]: () => bytes };
  }
  await together(signal, (some) => {
    const { stream, ended } = decompressor(some, head.length < 4 ? 0 : head.readUInt32BE());
    const tar = program(some, 'tar', '-xf', '-', '-C', directory, '--no-same-owner', '--no-same-permissions');
    tar.stdout.resume();
    tar.stdin.on('error', () => undefined);
    return [pipeline(whole, stream, (plain) => feed(tar, plain), { signal: some }), ended, tar.ended];
  });
  if (!stat(directory, '.end')?.isFile()) throw new Error('the end is missing');
}

/** An archive of `paths` below `directory`: written beside, put in place when it is whole. Returns its size. */
export async function pack(layer, key, directory, paths, signal) {
  const marks = join(ARCHIVES, `${layer}.marks`);
  mkdirSync(marks, { recursive: true });
  writeFileSync(join(marks, '.key'), key);
  writeFileSync(join(marks, '.end'), '');
  const part = join(ARCHIVES, `${layer}.part`);
  process.env.COPYFILE_DISABLE = '1'; // macOS would add files of its own
  try {
    await together(signal, (some) => {
      const tar = program(some, 'tar', '-cf', '-', '-C', marks, '.key', '-C', directory, ...paths, '-C', marks, '.end');
      tar.stdin.end();
      const { stream, ended } = compressor(some);
      return [pipeline(tar.stdout, stream, createWriteStream(part), { signal: some }), tar.ended, ended];
    });
    renameSync(part, join(ARCHIVES, layer));
  } finally {
    rmSync(part, { force: true });
    rmSync(marks, { recursive: true, force: true });
  }
  return stat(ARCHIVES, layer).size;
}
