/**
 * A Lambda function that runs on this machine as it would be deployed: the bundled handler, the environment variables that the
 * template gives it and no others, one invocation at a time per execution environment, Lambda's errors and retries.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { ExecutionEnvironment, type FunctionNetwork, LambdaInvocationError } from './execution-environment';

export { type FunctionNetwork, LambdaInvocationError } from './execution-environment';

/** As in AWS::Lambda::EventInvokeConfig; applies to invokeAsync only. */
export interface AsyncInvocation {
  /** 0 to 2, by default 2. */
  readonly maximumRetryAttempts?: number;
  /** Gets what the last attempt could not do: a dead-letter queue or an on-failure destination. */
  readonly onFailure?: (event: unknown, error: unknown) => void | Promise<void>;
  /** Before each retry. Lambda waits one and then two minutes; nobody wants to wait so long for a laptop. */
  readonly retryDelaysMs?: readonly number[];
}

export interface LambdaFunctionOptions {
  readonly name: string;
  /** What the deployment package would unpack to. */
  readonly codeDirectory: string;
  /** `<file without extension>.<export>`, e.g. `index.handler` */
  readonly handler: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly timeoutSeconds: number;
  readonly memoryMb: number;
  /** Each line that the function writes to stdout or stderr. */
  readonly onLog: (line: string) => void;
  readonly region?: string;
  readonly accountId?: string;
  readonly asyncInvocation?: AsyncInvocation;
  readonly network?: FunctionNetwork;
}

const DEFAULT_RETRY_DELAYS_MS = [1000, 2000];

export class LambdaFunction {
  readonly name: string;
  readonly arn: string;
  readonly region: string;
  private readonly environments = new Set<ExecutionEnvironment>();
  private readonly idle: ExecutionEnvironment[] = [];
  private readonly inFlight = new Set<Promise<unknown>>();
  private readonly closing = new AbortController();

  constructor(private readonly options: LambdaFunctionOptions) {
    this.name = options.name;
    this.region = options.region ?? 'us-east-1';
    this.arn = `arn:aws:lambda:${this.region}:${options.accountId ?? '000000000000'}:function:${options.name}`;
  }

  /** Resolves with the handler's result; rejects with LambdaInvocationError. Event and result pass through JSON, as in Lambda. */
  async invoke(event: unknown): Promise<unknown> {
    return this.tracked(this.invokeOnce(event));
  }

  /**
   * Asynchronous invocation, as event sources like EventBridge use it. Resolves when the event is dealt with: handled, or given
   * to onFailure after the last retry, or dropped because the function closes. Rejects only with an error of onFailure.
   */
  async invokeAsync(event: unknown): Promise<void> {
    return this.tracked(this.invokeWithRetries(event));
  }

  /** Resolves when no invocation runs, and none waits to be tried again. */
  async settled(): Promise<void> {
    while (this.inFlight.size > 0) await Promise.allSettled(this.inFlight);
  }

  /** Ends every execution environment; running invocations are rejected. */
  async close(): Promise<void> {
    this.closing.abort();
    await Promise.all([...this.environments].map(async (environment) => environment.terminate(this.closedError())));
  }

  private async invokeOnce(event: unknown): Promise<unknown> {
    this.checkOpen();
    const environment = this.takeIdle() ?? this.start();
    try {
      const result = await environment.invoke({ event: JSON.stringify(event ?? null), context: this.context(environment) });
      return JSON.parse(result) as unknown;
    } finally {
      if (environment.alive) {
        this.idle.push(environment);
      }
    }
  }

  private async tracked<T>(invocation: Promise<T>): Promise<T> {
    this.inFlight.add(invocation);
    try {
      return await invocation;
    } finally {
      this.inFlight.delete(invocation);
    }
  }

  private async invokeWithRetries(event: unknown): Promise<void> {
    const { maximumRetryAttempts = 2, onFailure, retryDelaysMs = DEFAULT_RETRY_DELAYS_MS } = this.options.asyncInvocation ?? {};
    for (let retries = 0; ; retries += 1) {
      try {
        await this.invokeOnce(event);
        return;
      } catch (error) {
        if (this.closing.signal.aborted) {
          return;
        }
        if (retries >= maximumRetryAttempts) {
          await onFailure?.(event, error);
          return;
        }
        await delay(retryDelaysMs[retries] ?? retryDelaysMs.at(-1) ?? 0, undefined, { signal: this.closing.signal }).catch(() => undefined);
      }
    }
  }

  private takeIdle(): ExecutionEnvironment | undefined {
    for (let environment = this.idle.pop(); environment !== undefined; environment = this.idle.pop()) {
      if (environment.alive) {
        return environment;
      }
    }
    return undefined;
  }

  private start(): ExecutionEnvironment {
    const { timeoutSeconds, memoryMb, network, onLog } = this.options;
    const environment = new ExecutionEnvironment({ variables: this.environmentVariables(), timeoutSeconds, memoryMb, network, onLog });
    this.environments.add(environment);
    void environment.ended.then(() => this.environments.delete(environment), () => this.environments.delete(environment));
    return environment;
  }

  private environmentVariables(): Record<string, string> {
    const { codeDirectory, environment, handler, memoryMb, name } = this.options;
    return {
      ...environment,
      _HANDLER: handler,
      AWS_EXECUTION_ENV: `AWS_Lambda_nodejs${process.versions.node.split('.')[0]}.x`,
      AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(memoryMb),
      AWS_LAMBDA_FUNCTION_NAME: name,
      AWS_LAMBDA_FUNCTION_VERSION: '$LATEST',
      AWS_LAMBDA_LOG_GROUP_NAME: `/aws/lambda/${name}`,
      AWS_LAMBDA_LOG_STREAM_NAME: `${new Date().toISOString().slice(0, 10).replaceAll('-', '/')}/[$LATEST]${randomUUID().replaceAll('-', '')}`,
      AWS_REGION: this.region,
      LAMBDA_TASK_ROOT: codeDirectory,
    };
  }

  private context(environment: ExecutionEnvironment) {
    return {
      awsRequestId: randomUUID(),
      functionName: this.name,
      functionVersion: '$LATEST',
      invokedFunctionArn: this.arn,
      logGroupName: environment.variables.AWS_LAMBDA_LOG_GROUP_NAME,
      logStreamName: environment.variables.AWS_LAMBDA_LOG_STREAM_NAME,
      memoryLimitInMB: String(this.options.memoryMb),
    };
  }

  private checkOpen(): void {
    if (this.closing.signal.aborted) {
      throw this.closedError();
    }
  }

  private closedError(): Error {
    return new LambdaInvocationError({ errorType: 'ResourceNotFoundException', errorMessage: `Function ${this.name} has been closed.`, trace: [] });
  }
}
