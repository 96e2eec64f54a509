import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InvokeCommand, LambdaClient, type InvokeCommandInput } from '@aws-sdk/client-lambda';
import { startLambdaApi } from '../../../local/services/lambda/lambda-api';
import { LambdaFunction } from '../../../local/services/lambda/lambda-function';
import { AccessDeniedError, type ApiCall, type Listener } from '../../../local/services/service';

const ARN = 'arn:aws:lambda:us-east-1:000000000000:function:worker';

/** What the functions were given, in the order in which they began. */
let received: unknown[];
let deadLetters: unknown[];
let lost: string[];
let authorize: (call: ApiCall) => void;
let directory: string;
let functions: Map<string, LambdaFunction>;
let api: Listener;
let client: LambdaClient;

const HANDLERS = `
exports.worker = async (event) => { console.log(JSON.stringify(event)); return event.answer; };
exports.broken = async (event) => { console.log(JSON.stringify(event)); throw new RangeError('too far'); };
exports.slow = () => new Promise(() => {});
`;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lambda-api-'));
  await writeFile(join(directory, 'index.js'), HANDLERS);
  functions = new Map(['worker', 'broken', 'slow'].map((name) => {
    const fn = new LambdaFunction({
      name,
      codeDirectory: directory,
      handler: `index.${name}`,
      environment: {},
      timeoutSeconds: name === 'slow' ? 1 : 10,
      memoryMb: 128,
      onLog: (line) => { if (line.startsWith('{')) received.push(JSON.parse(line)); },
      asyncInvocation: {
        retryDelaysMs: [1],
        onFailure: (event) => {
          deadLetters.push(event);
          if ((event as { reason?: string }).reason === 'full') throw new Error('the queue is gone');
        },
      },
    });
    return [fn.arn, fn];
  }));
  api = await startLambdaApi({
    accountId: '000000000000', region: 'us-east-1', functions, onCall: (call) => authorize(call), onLog: (line) => lost.push(line),
  });
  client = new LambdaClient({ endpoint: api.endpoint, region: 'us-east-1', credentials: { accessKeyId: 'AKIDTEST', secretAccessKey: 'secret' }, maxAttempts: 1 });
});

beforeEach(() => {
  [received, deadLetters, lost] = [[], [], []];
  authorize = () => undefined;
});

afterAll(async () => {
  client.destroy();
  await Promise.all([...functions.values()].map(async (fn) => fn.close()));
  await api.close();
  await rm(directory, { recursive: true });
});

async function invoke(input: Partial<InvokeCommandInput>) {
  const { Payload, ...answer } = await client.send(new InvokeCommand({ FunctionName: 'worker', ...input }));
  return { ...answer, payload: Payload?.transformToString() };
}

const json = (value: unknown) => Buffer.from(JSON.stringify(value));

async function until(condition: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 10_000; !condition(); await new Promise((resolve) => setTimeout(resolve, 10))) {
    if (Date.now() > deadline) throw new Error('It did not happen within 10 s.');
  }
}

describe('RequestResponse', () => {
  it('is the default, and answers with what the function returns', async () => {
    const answer = await invoke({ Payload: json({ answer: { text: 'hällo' } }) });
    expect(answer).toMatchObject({ StatusCode: 200, ExecutedVersion: '$LATEST', payload: '{"text":"hällo"}' });
    expect(answer.FunctionError).toBeUndefined();
  });

  it('without a payload gives the function an empty object, and nothing returned is null', async () => {
    expect(await invoke({ InvocationType: 'RequestResponse' })).toMatchObject({ StatusCode: 200, payload: 'null' });
    expect(received).toEqual([{}]);
  });

  it('tells of an error of the function with status 200, and tries once', async () => {
    const { payload, ...answer } = await invoke({ FunctionName: 'broken', Payload: json({}) });
    expect(answer).toMatchObject({ StatusCode: 200, FunctionError: 'Unhandled' });
    expect(JSON.parse(payload!)).toEqual({ errorType: 'RangeError', errorMessage: 'too far', trace: expect.arrayContaining(['RangeError: too far']) });
    expect(received).toHaveLength(1);
  });

  it('tells of a timeout', async () => {
    const { payload, FunctionError } = await invoke({ FunctionName: 'slow' });
    expect(FunctionError).toBe('Unhandled');
    expect(JSON.parse(payload!)).toEqual({ errorType: 'Sandbox.Timedout', errorMessage: expect.stringContaining('Task timed out after 1.00 seconds') });
  });
});

describe('Event', () => {
  it('is accepted with 202 and no payload, and carried out', async () => {
    expect(await invoke({ InvocationType: 'Event', Payload: json({ n: 1 }) })).toMatchObject({ StatusCode: 202, payload: undefined });
    await until(() => received.length === 1);
    expect(received).toEqual([{ n: 1 }]);
  });

  it('is tried three times, then it is a dead letter', async () => {
    expect(await invoke({ FunctionName: 'broken', InvocationType: 'Event', Payload: json({ n: 2 }) })).toMatchObject({ StatusCode: 202 });
    await until(() => deadLetters.length === 1);
    expect(deadLetters).toEqual([{ n: 2 }]);
    expect(received).toHaveLength(3);
  });

  it('is not lost silently when there is no place for the dead letter', async () => {
    await invoke({ FunctionName: 'broken', InvocationType: 'Event', Payload: json({ reason: 'full' }) });
    await until(() => lost.length === 1);
    expect(lost).toEqual(['Function broken: an event failed and could not be dead-lettered, and is lost: Error: the queue is gone']);
  });
});

it('DryRun answers 204 and invokes nothing', async () => {
  expect(await invoke({ InvocationType: 'DryRun', Payload: json({}) })).toMatchObject({ StatusCode: 204, payload: undefined });
  expect(received).toEqual([]);
});

describe('a function', () => {
  it.each([ARN, '000000000000:function:worker', `${ARN}:$LATEST`, 'worker:$LATEST'])('may be named %s', async (FunctionName) => {
    expect(await invoke({ FunctionName })).toMatchObject({ StatusCode: 200 });
  });

  it.each([
    [{ FunctionName: 'nobody' }, 'arn:aws:lambda:us-east-1:000000000000:function:nobody'],
    [{ FunctionName: ARN.replace('us-east-1', 'eu-west-1') }, ARN.replace('us-east-1', 'eu-west-1')],
    [{ FunctionName: 'worker:prod' }, `${ARN}:prod`],
    [{ Qualifier: '7' }, `${ARN}:7`],
  ])('that is not there is not found: %j', async (input, named) => {
    await expect(invoke({ ...input, InvocationType: 'DryRun' })).rejects.toMatchObject({
      name: 'ResourceNotFoundException', Type: 'User', message: `Function not found: ${named}`, $metadata: { httpStatusCode: 404 },
    });
  });

  it('has a name that could be one', async () => {
    await expect(invoke({ FunctionName: 'a b' })).rejects.toMatchObject({ name: 'ValidationException', message: expect.stringContaining('Value \'a b\' at \'functionName\'') });
  });
});

describe('who calls', () => {
  it('is asked for the permission to invoke this function', async () => {
    const calls: ApiCall[] = [];
    authorize = (call) => void calls.push(call);
    await invoke({});
    await invoke({ FunctionName: ARN, InvocationType: 'Event' });
    await invoke({ InvocationType: 'DryRun', Qualifier: '$LATEST' });
    const call = { service: 'lambda', action: 'lambda:InvokeFunction', accessKeyId: 'AKIDTEST' };
    expect(calls).toEqual([{ ...call, resource: ARN }, { ...call, resource: ARN }, { ...call, resource: `${ARN}:$LATEST` }]);
    await until(() => received.length === 2);
  });

  it('may be refused, and learns nothing about what is there', async () => {
    authorize = () => {
      throw new AccessDeniedError('not authorized to perform: lambda:InvokeFunction');
    };
    for (const FunctionName of ['worker', 'nobody']) {
      await expect(invoke({ FunctionName })).rejects.toMatchObject({ name: 'AccessDeniedException', message: 'not authorized to perform: lambda:InvokeFunction', $metadata: { httpStatusCode: 403 } });
    }
    expect(received).toEqual([]);
  });
});

describe('a request', () => {
  it.each([['Event', 1_048_576], ['RequestResponse', 6_291_456]] as const)('of type %s has at most %i bytes', async (InvocationType, limit) => {
    const payload = (bytes: number) => Buffer.from(`"${'a'.repeat(bytes - 2)}"`);
    await expect(invoke({ InvocationType, Payload: payload(limit + 1) })).rejects.toMatchObject({
      name: 'RequestTooLargeException', message: `Request must be smaller than ${limit} bytes for the InvokeFunction operation`,
    });
    expect(received).toEqual([]);
    const { StatusCode } = await invoke({ InvocationType, Payload: payload(limit) });
    expect(StatusCode).toBe(InvocationType === 'Event' ? 202 : 200);
  });

  it('that does not say its length is limited, too, and does not spoil its connection', async () => {
    let megabytes = 8;
    const body = new ReadableStream({ pull: (controller) => { if (megabytes-- > 0) controller.enqueue(Buffer.alloc(1_048_576, '1')); else controller.close(); } });
    const url = `${api.endpoint}/2015-03-31/functions/worker/invocations`;
    const { status } = await fetch(url, { method: 'POST', body, duplex: 'half' } as RequestInit);
    expect(status).toBe(413);
    expect(received).toEqual([]);
    expect(await (await fetch(url, { method: 'POST', body: '{"answer":1}' })).json()).toBe(1);
  });

  it('is JSON', async () => {
    await expect(invoke({ Payload: Buffer.from('{') })).rejects.toMatchObject({ name: 'InvalidRequestContentException', message: expect.stringContaining('Could not parse request body into json') });
  });

  it('has one of three types', async () => {
    await expect(invoke({ InvocationType: 'Later' as 'Event' })).rejects.toMatchObject({ name: 'ValidationException', message: expect.stringContaining('[RequestResponse, Event, DryRun]') });
  });

  it.each([['GET', '/2015-03-31/functions/worker'], ['POST', '/'], ['POST', '/2014-11-13/functions/worker/invoke-async']])('for anything else says what there is: %s %s', async (method, path) => {
    const response = await fetch(api.endpoint + path, { method });
    expect([response.status, response.headers.get('x-amzn-errortype')]).toEqual([404, 'UnknownOperationException']);
    expect(await response.json()).toMatchObject({ Message: expect.stringContaining('does not support') });
  });
});
