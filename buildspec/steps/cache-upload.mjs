// Stores the archives that are whole, for the finalizer to put in place if the deployment succeeds. In bounded time; nothing depends on it.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { ARCHIVES, note, stat } from './cache.mjs';
import { load } from './common.mjs';

const SECONDS = 120;
const { ARTIFACTS_BUCKET_NAME, CODEBUILD_BUILD_ARN } = process.env;

const packed = load('cache/facts').split('\n').map((line) => line.split(' ')).filter(([layer, fact]) => fact === 'packed' && stat(ARCHIVES, layer));
const all = packed.reduce((sum, [, , bytes]) => sum + Number(bytes), 0);
if (all) {
  const began = Date.now();
  // Interrupted, it takes back the parts of what it has not stored whole.
  await promisify(execFile)('aws', [
    's3', 'cp', '--only-show-errors', `${ARCHIVES}/`, `s3://${ARTIFACTS_BUCKET_NAME}/staging/${CODEBUILD_BUILD_ARN}/cache/`, '--recursive', '--exclude', '*.*',
  ], { timeout: SECONDS * 1000, killSignal: 'SIGINT' });
  for (const [layer, , bytes] of packed) {
    note(layer, 'savedBytes', bytes);
    note(layer, 'saveSeconds', ((Date.now() - began) / 1000 * bytes / all).toFixed(1));
  }
}
