/** Synthesizes the example stack, as `cdk synth` would, without the CDK CLI. */
import { execFile } from 'node:child_process';
import * as path from 'node:path';
import { promisify } from 'node:util';

const ROOT = path.join(__dirname, '..');

/** A cold start of aws-cdk-lib takes some seconds; a minute is for a slow disk. */
const TIMEOUT_MS = 60_000;

export async function synthesizeExample(outputDirectory: string, signal?: AbortSignal): Promise<void> {
  await promisify(execFile)(process.execPath, ['--import', 'tsx', path.join(ROOT, 'examples', 'cdk-app', 'app.ts')], {
    cwd: ROOT,
    timeout: TIMEOUT_MS,
    signal,
    env: { ...process.env, CDK_OUTDIR: outputDirectory },
  });
}
