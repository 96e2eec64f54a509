// Stores the archives that are whole, for the finalizer to put in place if the deployment succeeds. In bounded time; nothing depends on it. Who
// made them is not trusted: it looks at their names and sizes, and nowhere else.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { ARCHIVES, LAYERS, note, stat } from './cache.mjs';

const SECONDS = 120;
const GRACE = 10;
const { ARTIFACTS_BUCKET_NAME, CODEBUILD_BUILD_ARN } = process.env;

process.on('uncaughtException', (error) => {
  console.log(`The cache is not stored: ${error.message}. The next build does without.`);
  process.exit();
});
const packed = LAYERS.filter((layer) => stat(ARCHIVES, layer)?.isFile()).map((layer) => ({ layer, bytes: stat(ARCHIVES, layer).size }));
const all = packed.reduce((sum, { bytes }) => sum + bytes, 0);
if (all) {
  const began = Date.now();
  const aws = spawn('aws', [
    's3', 'cp', '--only-show-errors', '--no-follow-symlinks', `${ARCHIVES}/`, `s3://${ARTIFACTS_BUCKET_NAME}/staging/${CODEBUILD_BUILD_ARN}/cache/`,
    '--recursive', '--exclude', '*', ...packed.flatMap(({ layer }) => ['--include', layer]),
  ], { stdio: ['ignore', 'inherit', 'inherit'] });
  // Interrupted, it takes back the parts of what it has not stored whole.
  const timers = [[SECONDS, 'SIGINT'], [SECONDS + GRACE, 'SIGKILL']].map(([seconds, signal]) => setTimeout(() => aws.kill(signal), seconds * 1000));
  const [status, signal] = await once(aws, 'exit');
  timers.forEach(clearTimeout);
  if (status !== 0) throw new Error(`aws ended with ${status ?? signal}`);
  for (const { layer, bytes } of packed) {
    note(layer, 'savedBytes', bytes);
    note(layer, 'saveSeconds', ((Date.now() - began) / 1000 * bytes / all).toFixed(1));
  }
}
