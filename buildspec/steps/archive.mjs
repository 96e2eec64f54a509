// Packs and unpacks archives of the build cache, by zstd where there is one: gzip takes five times as long. What is not compressed goes
// from program to program and not through this process; what is, goes through it, so that the programs end when it does.
import { spawn, spawnSync } from 'node:child_process';
import { createWriteStream, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import zlib from 'node:zlib';
import { ARCHIVES, stat } from './cache.mjs';

const ZSTD = 0x28b52ffd;
const { ZSTD_c_compressionLevel: LEVEL, ZSTD_c_checksumFlag: CHECKSUM } = zlib.constants;
const has = (command) => spawnSync(command, ['--version'], { stdio: 'ignore' }).status === 0;

/** A command of bash, and a promise of its end, which comes when all of its programs have ended: they do when their pipes are closed. */
function bash(command, ...args) {
  const child = spawn('bash', ['-c', `set -o pipefail; ${command}`, '-', ...args], { stdio: 'pipe' });
  let says = '';
  child.stderr.on('data', (text) => { says = `${says}${text}`.slice(0, 500); });
  const ended = new Promise((resolve, reject) => {
    child.on('error', reject).on('close', (status) => (status === 0 ? resolve() : reject(new Error(says.trim() || `tar ended with ${status}`))));
  });
  return { stdin: child.stdin, stdout: child.stdout, ended };
}
/** Work in parallel: if one part fails, the others are ended. */
async function together(signal, start) {
  const failed = new AbortController();
  const parts = start(AbortSignal.any([signal, failed.signal]));
  try {
    await Promise.all(parts);
  } catch (error) {
    failed.abort(error);
    const reasons = await Promise.allSettled(parts);
    // What a program says is better than that its pipe broke.
    throw signal.aborted ? signal.reason : reasons.at(-1).reason?.name === 'Error' ? reasons.at(-1).reason : error;
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
  const isZstd = head.length >= 4 && head.readUInt32BE() === ZSTD;
  const own = isZstd && !has('zstd') && zlib.createZstdDecompress?.();
  await together(signal, (some) => {
    // tar stops reading where its archive ends; the checksum comes after that.
    const tar = 'tar -xf - -C "$1" --no-same-owner --no-same-permissions; status=$?; cat > /dev/null; exit $status';
    const { stdin, stdout, ended } = bash(`${own ? '' : isZstd ? 'zstd -dqc |' : 'gzip -dc |'} ( ${tar} )`, directory);
    stdout.resume();
    return [pipeline([whole, ...own ? [own] : [], stdin], { signal: some }), ended];
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
  const own = !has('zstd') && zlib.createZstdCompress?.({ params: { [LEVEL]: 1, [CHECKSUM]: 1 } });
  const compressor = own ? '' : `| ${has('zstd') ? 'zstd -1 -T0 -qc' : has('pigz') ? 'pigz -1c' : 'gzip -1c'}`;
  try {
    await together(signal, (some) => {
      // macOS would add files of its own.
      const { stdout, ended } = bash(`COPYFILE_DISABLE=1 tar -cf - "$@" ${compressor}`, '-C', marks, '.key', '-C', directory, ...paths, '-C', marks, '.end');
      return [pipeline([stdout, ...own ? [own] : [], createWriteStream(part)], { signal: some }), ended];
    });
    renameSync(part, join(ARCHIVES, layer));
  } finally {
    rmSync(part, { force: true });
    rmSync(marks, { recursive: true, force: true });
  }
  return stat(ARCHIVES, layer).size;
}
