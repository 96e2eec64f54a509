// Has a function's handler load and answer: in a process of its own, without this build's environment, out of reach of the app's node_modules.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fail, load, warn } from './common.mjs';
import { ARCHITECTURE, HERE } from './native-code.mjs';

const SECONDS = 20; // twice what Lambda gives a function to load: this machine has other work, too
const MEGABYTES = 1024; // of heap; most functions get as much

/** For the manifest. */
export async function tryOut({ key, directory, handler, packages, wrapper }) {
  // Others are not for Lambda, and may be anything: a server that listens, a worker at the edge.
  if (!/^aws-/.test(wrapper)) return `not tried: its wrapper is ${wrapper}`;
  if (process.platform !== 'linux' || HERE !== ARCHITECTURE) return `not tried: it is for Linux on ${ARCHITECTURE}`;
  const child = fork(new URL('trial-process.mjs', import.meta.url), [directory, handler, ...packages], {
    cwd: directory,
    env: { PATH: process.env.PATH, LAMBDA_TASK_ROOT: directory, AWS_REGION: 'us-east-1', AWS_EC2_METADATA_DISABLED: 'true' },
    execPath: join(load('node-path'), 'node'), // the app's own, if it asks for another than the machine's
    execArgv: [`--max-old-space-size=${MEGABYTES}`],
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    timeout: SECONDS * 1000,
    killSignal: 'SIGKILL',
  });
  const [answer, signal] = await Promise.race([once(child, 'message'), once(child, 'exit')]);
  child.kill('SIGKILL');
  const ended = signal === 'SIGKILL' ? `no answer within ${SECONDS} s` : `its process ended with ${signal ?? answer}`;
  const { broken, error, tried = error ?? 'answered' } = Object(answer) === answer ? answer : { error: ended };
  if (broken) fail('FUNCTION_BROKEN', `${key}: ${error}`);
  if (error) warn('FUNCTION_UNPROVEN', `${key}: ${error}`);
  return tried;
}
