import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LambdaFunction, type LambdaFunctionOptions } from '../../../local/services/lambda/lambda-function';

const HANDLERS = `
let invocations = 0;
let running = 0;
exports.echo = async (event, context) => ({
  event, context, invocations: ++invocations, remaining: context.getRemainingTimeInMillis(), env: { ...process.env },
});
exports.log = async (event) => { console.log('one\\ntwo'); console.error('three'); return event; };
exports.overlap = async () => {
  running += 1;
  await new Promise((resolve) => setTimeout(resolve, 100));
  return running--;
};
exports.fail = async () => { throw new RangeError('too far'); };
exports.failOnce = async () => { if (invocations++ === 0) throw new Error('not yet'); return 'now'; };
exports.hang = () => new Promise(() => {});
exports.spin = async () => { for (;;); };
exports.exit = async (code) => { process.exit(code); };
exports.reject = async () => { Promise.reject(new Error('forgotten')); await new Promise(() => {}); };
exports.crash = async () => { setTimeout(() => { throw new Error('later'); }, 1); await new Promise(() => {}); };
exports.eat = async () => { const food = []; for (;;) food.push(new Array(100000).fill(food.length)); };
exports.nothing = async () => {};
exports.circular = async () => { const a = {}; a.a = a; return a; };
exports.plain = () => 'not a promise';
exports.callback = (event, context, callback) => callback(null, 'old');
exports.notAFunction = 1;
`;

let directory: string;
const functions: LambdaFunction[] = [];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lambda-function-'));
  await writeFile(join(directory, 'index.js'), HANDLERS);
  await writeFile(join(directory, 'module.mjs'), 'export const handler = async () => import.meta.url.endsWith("module.mjs");');
  await writeFile(join(directory, 'broken.js'), 'exports.handler = async () => {');
  await writeFile(join(directory, 'throws.js'), 'throw new TypeError("no table name");');
  await writeFile(join(directory, 'missing.js'), 'require("not-bundled");');
});

afterEach(async () => {
  await Promise.all(functions.splice(0).map(async (fn) => fn.close()));
});

afterAll(async () => {
  await rm(directory, { recursive: true });
});

function lambda(handler: string, options: Partial<LambdaFunctionOptions> = {}): LambdaFunction {
  const fn = new LambdaFunction({
    name: 'worker',
    codeDirectory: directory,
    handler: handler.includes('.') ? handler : `index.${handler}`,
    environment: {},
    timeoutSeconds: 10,
    memoryMb: 128,
    onLog: () => undefined,
    ...options,
  });
  functions.push(fn);
  return fn;
}

interface Echo {
  event: unknown;
  context: Record<string, string>;
  invocations: number;
  remaining: number;
  env: Record<string, string>;
}

describe('a handler', () => {
  it('gets the event, and its result comes back, both by way of JSON', async () => {
    const { event } = await lambda('echo').invoke({ when: new Date(0), gone: undefined, list: [1] }) as Echo;
    expect(event).toEqual({ when: '1970-01-01T00:00:00.000Z', list: [1] });
    expect(await lambda('nothing').invoke({})).toBeNull();
    expect(await lambda('plain').invoke({})).toBe('not a promise');
  });

  it('may be an ES module', async () => {
    expect(await lambda('module.handler').invoke({})).toBe(true);
  });

  it('sees its own environment variables and Lambda\'s, and none of this process', async () => {
    const { env } = await lambda('echo', { environment: { TABLE: 'deployments', AWS_ENDPOINT_URL_SQS: 'http://127.0.0.1:1' }, region: 'eu-central-1' }).invoke({}) as Echo;
    expect(env).toEqual({
      TABLE: 'deployments',
      AWS_ENDPOINT_URL_SQS: 'http://127.0.0.1:1',
      _HANDLER: 'index.echo',
      AWS_EXECUTION_ENV: expect.stringMatching(/^AWS_Lambda_nodejs\d+\.x$/),
      AWS_LAMBDA_FUNCTION_MEMORY_SIZE: '128',
      AWS_LAMBDA_FUNCTION_NAME: 'worker',
      AWS_LAMBDA_FUNCTION_VERSION: '$LATEST',
      AWS_LAMBDA_LOG_GROUP_NAME: '/aws/lambda/worker',
      AWS_LAMBDA_LOG_STREAM_NAME: expect.stringMatching(/^\d{4}\/\d\d\/\d\d\/\[\$LATEST\][0-9a-f]{32}$/),
      AWS_REGION: 'eu-central-1',
      LAMBDA_TASK_ROOT: directory,
    });
  });

  it('gets Lambda\'s context', async () => {
    const { context, remaining, env } = await lambda('echo', { timeoutSeconds: 7 }).invoke({}) as Echo;
    expect(context).toMatchObject({
      functionName: 'worker',
      functionVersion: '$LATEST',
      invokedFunctionArn: 'arn:aws:lambda:us-east-1:000000000000:function:worker',
      memoryLimitInMB: '128',
      awsRequestId: expect.stringMatching(/^[0-9a-f-]{36}$/),
      logGroupName: env.AWS_LAMBDA_LOG_GROUP_NAME,
      logStreamName: env.AWS_LAMBDA_LOG_STREAM_NAME,
      callbackWaitsForEmptyEventLoop: true,
    });
    expect(remaining).toBeLessThanOrEqual(7000);
    expect(remaining).toBeGreaterThan(6000);
  });

  it('has its output reported by lines, before its result', async () => {
    const lines: string[] = [];
    const fn = lambda('log', { onLog: (line) => lines.push(line) });
    await fn.invoke({});
    expect([...lines].sort()).toEqual(['one', 'three', 'two']);
    await fn.invoke({});
    expect(lines).toHaveLength(6);
  });
});

describe('execution environments', () => {
  it('are reused while idle', async () => {
    const fn = lambda('echo');
    const first = await fn.invoke({}) as Echo;
    const second = await fn.invoke({}) as Echo;
    expect(second.invocations).toBe(2);
    expect(second.context.logStreamName).toBe(first.context.logStreamName);
    expect(second.context.awsRequestId).not.toBe(first.context.awsRequestId);
  });

  it('run one invocation at a time; concurrency starts more of them', async () => {
    const fn = lambda('overlap');
    expect(await Promise.all([fn.invoke({}), fn.invoke({}), fn.invoke({})])).toEqual([1, 1, 1]);
  });

  it('survive an error of the handler', async () => {
    const fn = lambda('failOnce');
    await expect(fn.invoke({})).rejects.toMatchObject({ errorMessage: 'not yet' });
    expect(await fn.invoke({})).toBe('now');
  });
});

describe('settled()', () => {
  it('waits for what runs, and for what is to be tried again', async () => {
    const events: string[] = [];
    const fn = lambda('failOnce', { asyncInvocation: { retryDelaysMs: [50] } });
    void fn.invokeAsync({}).then(() => events.push('handled'));
    await fn.settled();
    expect(events).toEqual(['handled']);
    expect(await fn.settled()).toBeUndefined();
  });

  it('does not mind an error', async () => {
    const fn = lambda('fail');
    const invocation = fn.invoke({});
    invocation.catch(() => undefined);
    await fn.settled();
    await expect(invocation).rejects.toThrow('too far');
  });
});

describe('errors', () => {
  it('of the handler carry type, message and trace, and are logged', async () => {
    const lines: string[] = [];
    await expect(lambda('fail', { onLog: (line) => lines.push(line) }).invoke({})).rejects.toMatchObject({
      name: 'LambdaInvocationError',
      errorType: 'RangeError',
      errorMessage: 'too far',
      trace: expect.arrayContaining([expect.stringContaining('index.js')]),
    });
    expect(lines.join()).toContain('"errorType":"RangeError"');
  });

  it('a timeout ends the environment, even one that never yields', async () => {
    for (const handler of ['hang', 'spin']) {
      await expect(lambda(handler, { timeoutSeconds: 1 }).invoke({})).rejects.toMatchObject({
        errorType: 'Sandbox.Timedout',
        errorMessage: expect.stringMatching(/^RequestId: [0-9a-f-]{36} Error: Task timed out after 1\.00 seconds$/),
      });
    }
  });

  it.each<[string, unknown, string, string]>([
    ['exit', 0, 'Runtime.ExitError', 'Error: Runtime exited without providing a reason'],
    ['exit', 3, 'Runtime.ExitError', 'Error: Runtime exited with error: exit status 3'],
    ['reject', {}, 'Runtime.UnhandledPromiseRejection', 'Error: forgotten'],
    ['crash', {}, 'Error', 'later'],
    ['eat', {}, 'Runtime.OutOfMemory', 'Error: Runtime exited with error: signal: killed'],
    ['circular', {}, 'Runtime.MarshalError', expect.stringContaining('Unable to stringify response body') as unknown as string],
    ['callback', {}, 'Runtime.CallbackHandlerDeprecated', expect.stringContaining('Return a promise') as unknown as string],
    ['absent', {}, 'Runtime.HandlerNotFound', 'index.absent is undefined or not exported'],
    ['notAFunction', {}, 'Runtime.HandlerNotFound', 'index.notAFunction is undefined or not exported'],
    ['nowhere.handler', {}, 'Runtime.ImportModuleError', expect.stringContaining('Cannot find module \'nowhere\'') as unknown as string],
    ['missing.handler', {}, 'Runtime.ImportModuleError', expect.stringContaining('not-bundled') as unknown as string],
    ['broken.handler', {}, 'Runtime.UserCodeSyntaxError', expect.stringContaining('SyntaxError') as unknown as string],
    ['throws.handler', {}, 'TypeError', 'no table name'],
  ])('%s(%j) rejects with %s', async (handler, event, errorType, errorMessage) => {
    await expect(lambda(handler).invoke(event)).rejects.toMatchObject({ errorType, errorMessage });
  });

  it('a dead environment is replaced', async () => {
    const fn = lambda('exit');
    await expect(fn.invoke(1)).rejects.toThrow('exit status 1');
    await expect(fn.invoke(2)).rejects.toThrow('exit status 2');
  });
});

describe('closing', () => {
  it('rejects what is running and what comes after', async () => {
    const fn = lambda('hang');
    const running = fn.invoke({});
    const outcome = expect(running).rejects.toThrow('Function worker has been closed');
    await new Promise((resolve) => setTimeout(resolve, 200));
    await fn.close();
    await outcome;
    await expect(fn.invoke({})).rejects.toThrow('Function worker has been closed');
  });
});

describe('asynchronous invocation', () => {
  it('is tried again after an error', async () => {
    const onFailure = jest.fn();
    await lambda('failOnce', { asyncInvocation: { retryDelaysMs: [1], onFailure } }).invokeAsync({});
    expect(onFailure).not.toHaveBeenCalled();
  });

  it('gives the event to onFailure after two retries', async () => {
    const lines: string[] = [];
    const onFailure = jest.fn();
    await lambda('fail', { onLog: (line) => lines.push(line), asyncInvocation: { retryDelaysMs: [1], onFailure } }).invokeAsync({ id: 1 });
    expect(lines).toHaveLength(3);
    expect(onFailure.mock.calls).toEqual([[{ id: 1 }, expect.objectContaining({ errorType: 'RangeError' })]]);
  });

  it('makes as few retries as it is told', async () => {
    const lines: string[] = [];
    await lambda('fail', { onLog: (line) => lines.push(line), asyncInvocation: { maximumRetryAttempts: 0 } }).invokeAsync({});
    expect(lines).toHaveLength(1);
  });

  it('does not outlive close()', async () => {
    const onFailure = jest.fn();
    const fn = lambda('fail', { asyncInvocation: { retryDelaysMs: [60_000], onFailure } });
    const pending = fn.invokeAsync({});
    await new Promise((resolve) => setTimeout(resolve, 300));
    await fn.close();
    await pending;
    expect(onFailure).not.toHaveBeenCalled();
  });
});
