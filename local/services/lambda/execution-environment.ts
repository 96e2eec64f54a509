/**
 * One execution environment of a function: a worker thread that loads the handler once and runs one invocation at a time.
 * Whatever ends it (a timeout, a crash, process.exit) rejects the invocation that it was working on.
 */
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { Worker } from 'node:worker_threads';

export interface ErrorDescription {
  readonly errorType: string;
  readonly errorMessage: string;
  readonly trace: readonly string[];
}

/** What a failed invocation answers, in Lambda's words. */
export class LambdaInvocationError extends Error implements ErrorDescription {
  readonly name = 'LambdaInvocationError';
  readonly errorType: string;
  readonly errorMessage: string;
  readonly trace: readonly string[];

  constructor({ errorType, errorMessage, trace }: ErrorDescription) {
    super(`${errorType}: ${errorMessage}`);
    this.errorType = errorType;
    this.errorMessage = errorMessage;
    this.trace = trace;
  }
}

export interface ExecutionEnvironmentOptions {
  /** Everything that the handler sees in process.env. */
  readonly variables: Readonly<Record<string, string>>;
  readonly timeoutSeconds: number;
  readonly memoryMb: number;
  readonly onLog: (line: string) => void;
  readonly network?: FunctionNetwork;
}

/** Servers of this machine that a function reaches by a public name, as it would reach a server in the internet. */
export interface FunctionNetwork {
  /** IP address by name. */
  readonly addresses: Readonly<Record<string, string>>;
  /** Port by name, where it is not that of the URL. */
  readonly ports?: Readonly<Record<string, number>>;
  /** In PEM format; trusted beside those that Node.js trusts anyway. */
  readonly certificates: readonly string[];
}

export interface Invocation {
  /** JSON */
  readonly event: string;
  /** The context's plain values, with its awsRequestId. */
  readonly context: { readonly awsRequestId: string; readonly [name: string]: unknown };
}

type Message =
  | { readonly type: 'ready' }
  | { readonly type: 'result'; readonly result: string }
  | { readonly type: 'error' | 'fatal'; readonly error: ErrorDescription };

interface Settle {
  resolve(result: string): void;
  reject(error: Error): void;
}

/** Lambda allows 10 s for the code outside the handler; a laptop that is also building needs longer. */
const INIT_TIMEOUT_SECONDS = 30;

export class ExecutionEnvironment {
  /** Settles with the thread's end. */
  readonly ended: Promise<unknown>;
  private readonly worker: Worker;
  private readonly ready: Promise<void>;
  private current?: Settle;
  private end?: Error;

  constructor(private readonly options: ExecutionEnvironmentOptions) {
    this.worker = new Worker(join(__dirname, 'runtime.mjs'), {
      env: { ...options.variables },
      workerData: options.network,
      // Not the flags of this process (loaders, a debugger): a deployed function has none.
      execArgv: [],
      stdout: true,
      stderr: true,
      resourceLimits: { maxOldGenerationSizeMb: options.memoryMb },
    });
    this.log(this.worker.stdout);
    this.log(this.worker.stderr);
    this.ended = once(this.worker, 'exit');
    this.ready = new Promise((resolve, reject) => {
      this.current = { resolve: () => resolve(), reject };
    });
    // Without an invocation nobody waits for it; the next invocation sees the same error.
    this.ready.catch(() => undefined);
    this.worker.on('message', (message: Message) => this.receive(message));
    this.worker.on('error', (error: Error & { code?: string }) => this.stop(crash(error)));
    this.worker.on('exit', (code) => this.stop(exitError(code)));
  }

  get variables(): Readonly<Record<string, string>> {
    return this.options.variables;
  }

  get alive(): boolean {
    return this.end === undefined;
  }

  async invoke({ event, context }: Invocation): Promise<string> {
    const { timeoutSeconds } = this.options;
    await this.within(INIT_TIMEOUT_SECONDS, this.ready, () => timedOut(context.awsRequestId, INIT_TIMEOUT_SECONDS, ' in the init phase'));
    if (this.end !== undefined) {
      throw this.end;
    }
    const answer = new Promise<string>((resolve, reject) => {
      this.current = { resolve, reject };
    });
    this.worker.postMessage({ event, context, deadline: Date.now() + 1000 * timeoutSeconds });
    return this.within(timeoutSeconds, answer, () => timedOut(context.awsRequestId, timeoutSeconds));
  }

  /** Ends the thread; a running invocation is rejected with this reason. */
  async terminate(reason: Error): Promise<void> {
    this.stop(reason);
    await this.worker.terminate();
  }

  private async within<T>(seconds: number, work: Promise<T>, late: () => Error): Promise<T> {
    const timer = setTimeout(() => void this.terminate(late()), 1000 * seconds);
    try {
      return await work;
    } finally {
      clearTimeout(timer);
    }
  }

  private receive(message: Message): void {
    if (message.type === 'fatal') {
      void this.terminate(new LambdaInvocationError(message.error));
      return;
    }
    const settle = this.current;
    this.current = undefined;
    if (message.type === 'error') {
      settle?.reject(new LambdaInvocationError(message.error));
    } else {
      settle?.resolve(message.type === 'result' ? message.result : '');
    }
  }

  private stop(reason: Error): void {
    this.end ??= reason;
    this.current?.reject(this.end);
    this.current = undefined;
  }

  private log(stream: Readable): void {
    createInterface({ input: stream, crlfDelay: Infinity }).on('line', this.options.onLog);
  }
}

function timedOut(requestId: string, seconds: number, where = ''): Error {
  return new LambdaInvocationError({
    errorType: 'Sandbox.Timedout',
    errorMessage: `RequestId: ${requestId} Error: Task timed out after ${seconds.toFixed(2)} seconds${where}`,
    trace: [],
  });
}

function crash(error: Error & { code?: string }): Error {
  return error.code === 'ERR_WORKER_OUT_OF_MEMORY'
    ? new LambdaInvocationError({ errorType: 'Runtime.OutOfMemory', errorMessage: 'Error: Runtime exited with error: signal: killed', trace: [] })
    : new LambdaInvocationError({ errorType: error.name, errorMessage: error.message, trace: (error.stack ?? '').split('\n') });
}

function exitError(code: number): Error {
  return new LambdaInvocationError({
    errorType: 'Runtime.ExitError',
    errorMessage: code === 0 ? 'Error: Runtime exited without providing a reason' : `Error: Runtime exited with error: exit status ${code}`,
    trace: [],
  });
}
