/** Proves a function's zip file: unpacks it, starts it as Lambda's Node.js runtime would, and sends it function URL requests. */
import { fork, type ChildProcess } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { devNull, tmpdir } from 'node:os';
import * as path from 'node:path';
import { unpack } from './invoke/unpack';
import { functionUrlAnswer, functionUrlEvent, type FunctionUrlRequest } from './services/lambda/function-url-payload';

export type { FunctionUrlRequest } from './services/lambda/function-url-payload';

export interface FunctionUrlResponse {
  readonly status: number;
  /** Names in lower case; several cookies are joined with `, `. */
  readonly headers: Record<string, string>;
  readonly body: string;
}

export interface InvokeOptions {
  readonly zipFile: string;
  /** Sent one after the other to one process, as Lambda does with a warm function. */
  readonly requests: readonly FunctionUrlRequest[];
  /** The function's environment variables, on top of those that Lambda sets. */
  readonly environment?: Record<string, string>;
  /** The Node.js to run it with; by default the one that runs this. */
  readonly nodePath?: string;
  /** For all the requests together, the start of the function included. */
  readonly timeoutSeconds?: number;
}

/** What CloudFront allows an origin, and so the longest a visitor would wait. */
const DEFAULT_TIMEOUT_SECONDS = 30;

/** The end of the function's output is where its error is. */
const LOG_CHARACTERS = 4_000;

export async function invokeFunctionUrl(options: InvokeOptions): Promise<FunctionUrlResponse[]> {
  const directory = await mkdtemp(path.join(tmpdir(), 'local-run-function-'));
  try {
    const taskRoot = path.join(directory, 'task');
    await mkdir(taskRoot);
    await unpack(options.zipFile, taskRoot);
    return await runFunction(taskRoot, options);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function runFunction(taskRoot: string, options: InvokeOptions): Promise<FunctionUrlResponse[]> {
  const timeoutSeconds = options.timeoutSeconds ?? DEFAULT_TIMEOUT_SECONDS;
  const deadline = Date.now() + timeoutSeconds * 1000;
  const child = fork(path.join(__dirname, 'invoke', 'function-process.mjs'), [], {
    cwd: taskRoot,
    env: { ...lambdaEnvironment(taskRoot, deadline), ...options.environment },
    execPath: options.nodePath ?? process.execPath,
    execArgv: [],
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  let log = '';
  for (const output of [child.stdout, child.stderr]) output?.on('data', (chunk) => { log = (log + chunk).slice(-LOG_CHARACTERS); });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()).once('error', () => resolve()));

  let timer: NodeJS.Timeout | undefined;
  const failure = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`the function did not answer within ${timeoutSeconds} seconds`)), deadline - Date.now());
    child.once('error', reject);
    child.once('close', (code, signal) => reject(new Error(`the function's process ended with ${signal ?? `status ${code}`}`)));
  });
  failure.catch(() => undefined); // also rejected by the end that this function itself brings about
  try {
    const responses: FunctionUrlResponse[] = [];
    for (const request of options.requests) {
      const answer = Promise.race([send(child, functionUrlEvent(request)), failure]);
      responses.push(functionUrlResponse(await answer.catch((error: Error) => {
        throw new Error(`${request.method} ${request.path}: ${error.message}.${log && `\nThe function's log ends with:\n${log}`}`);
      })));
    }
    return responses;
  } finally {
    clearTimeout(timer);
    child.kill('SIGKILL');
    await ended;
  }
}

/** Nothing of this machine's environment, and no way to AWS: endpoints lead to a closed port unless the caller names others. */
function lambdaEnvironment(taskRoot: string, deadline: number): Record<string, string> {
  return {
    PATH: process.env.PATH ?? '',
    LANG: 'en_US.UTF-8',
    TZ: ':UTC',
    LAMBDA_TASK_ROOT: taskRoot,
    AWS_LAMBDA_FUNCTION_NAME: 'function',
    AWS_LAMBDA_FUNCTION_VERSION: '$LATEST',
    AWS_LAMBDA_FUNCTION_MEMORY_SIZE: '1024',
    AWS_REGION: 'us-east-1',
    AWS_DEFAULT_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
    AWS_CONFIG_FILE: devNull,
    AWS_SHARED_CREDENTIALS_FILE: devNull,
    AWS_EC2_METADATA_DISABLED: 'true',
    AWS_ENDPOINT_URL: 'http://127.0.0.1:9',
    AWS_MAX_ATTEMPTS: '1',
    INVOKE_DEADLINE: String(deadline),
  };
}

async function send(child: ChildProcess, event: object): Promise<unknown> {
  const answer = new Promise<{ result?: unknown; error?: string }>((resolve) => child.once('message', (message: object) => resolve(message)));
  child.send(event, () => undefined); // it cannot be sent to a process that has ended; that is reported already
  const { result, error } = await answer;
  if (error !== undefined) throw new Error(`the function failed: ${error}`);
  return result;
}

function functionUrlResponse(result: unknown): FunctionUrlResponse {
  const { body, cookies, headers, status } = functionUrlAnswer(result);
  return { status, headers: { ...headers, ...(cookies.length > 0 ? { 'set-cookie': cookies.join(', ') } : {}) }, body: body.toString() };
}
