import { execFile } from 'node:child_process';

/** A Python program that starts for the first time on a cold disk takes seconds; one that hangs must not stop the local run. */
const BOUND_MS = 30_000;

/** Standard output, trimmed; undefined if the program is missing, fails or takes too long. */
export async function tryRun(command: string, args: readonly string[], env: NodeJS.ProcessEnv, cwd?: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const child = execFile(command, args, { env, cwd, timeout: BOUND_MS, killSignal: 'SIGKILL' }, (error, stdout) => {
      resolve(error ? undefined : stdout.trim());
    });
    child.stdin?.end();
  });
}
