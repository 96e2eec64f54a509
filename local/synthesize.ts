/** Synthesizes an example stack, as `cdk synth` would, without the CDK CLI. */
import { execFile } from 'node:child_process';
import * as path from 'node:path';
import { promisify } from 'node:util';

const ROOT = path.join(__dirname, '..');

/** Apps in examples/cdk-app: the smallest useful stack, and the one with a webhook. */
export type Example = 'app' | 'webhook';

/** A cold start of aws-cdk-lib takes some seconds; a minute is for a slow disk. */
const TIMEOUT_MS = 60_000;

export async function synthesizeExample(example: Example, outputDirectory: string, signal?: AbortSignal): Promise<void> {
  await promisify(execFile)(process.execPath, ['--import', 'tsx', path.join(ROOT, 'examples', 'cdk-app', `${example}.ts`)], {
    cwd: ROOT,
    timeout: TIMEOUT_MS,
    signal,
    env: { ...process.env, CDK_OUTDIR: outputDirectory },
  });
}
