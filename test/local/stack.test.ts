/** What a template asks of the local run beside the pipeline's own resources: schedules, functions that invoke functions, tables. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { PutCommand, QueryCommand } from '@aws-sdk/lib-dynamodb';
import { App, CfnResource, Duration, Stack } from 'aws-cdk-lib';
import * as dynamodb from 'aws-cdk-lib/aws-dynamodb';
import * as events from 'aws-cdk-lib/aws-events';
import * as targets from 'aws-cdk-lib/aws-events-targets';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as sqs from 'aws-cdk-lib/aws-sqs';
import { startStack, type LocalStack } from '../../local/stack';
import { readAssembly } from '../../local/template/assembly';

const HANDLERS = `
const { InvokeCommand, LambdaClient } = require(${JSON.stringify(require.resolve('@aws-sdk/client-lambda'))});
exports.watcher = async (event) => {
  console.log(JSON.stringify(event));
  if (event['detail-type'] !== 'Scheduled Event') return event;
  await new LambdaClient().send(new InvokeCommand({ FunctionName: process.env.WORKER, InvocationType: 'Event', Payload: JSON.stringify({ from: 'watcher' }) }));
};
exports.worker = async (event) => { console.log(JSON.stringify(event)); if (event.fails) throw new Error('as asked'); };
`;

let directory: string;
let stack: LocalStack;
let notes: string[];
let invoked: string[];
let logs: { functionName: string; event: Record<string, unknown> }[];

/** Stack `Test`: a scheduled function that invokes another one, rules that do not run here, and a table with everything a table can have. */
async function synthesize(): Promise<string> {
  const code = path.join(directory, 'code');
  await mkdir(code);
  await writeFile(path.join(code, 'index.js'), HANDLERS);
  const app = new App({ outdir: path.join(directory, 'cdk.out'), analyticsReporting: false });
  const test = new Stack(app, 'Test');
  const fn = (name: string, options: Partial<lambda.FunctionProps> = {}) => new lambda.Function(test, name, {
    functionName: name, runtime: lambda.Runtime.NODEJS_20_X, handler: `index.${name}`, code: lambda.Code.fromAsset(code), ...options,
  });
  const worker = fn('worker', { retryAttempts: 0, deadLetterQueue: new sqs.Queue(test, 'Dead', { queueName: 'dead' }) });
  const watcher = fn('watcher', { environment: { WORKER: worker.functionName, WORKER_ARN: worker.functionArn } });
  worker.grantInvoke(watcher);
  const target = new targets.LambdaFunction(watcher, { retryAttempts: 0 });
  new events.Rule(test, 'Often', { ruleName: 'often', schedule: events.Schedule.rate(Duration.minutes(5)), targets: [target] });
  new events.Rule(test, 'Nightly', { ruleName: 'nightly', schedule: events.Schedule.cron({ hour: '3' }), targets: [target] });
  new events.Rule(test, 'Off', { ruleName: 'off', schedule: events.Schedule.rate(Duration.minutes(1)), enabled: false, targets: [target] });
  const keys = {
    partitionKey: { name: 'kind', type: dynamodb.AttributeType.STRING }, sortKey: { name: 'id', type: dynamodb.AttributeType.STRING }, timeToLiveAttribute: 'expiresAt',
  };
  new dynamodb.Table(test, 'State', { tableName: 'state', billingMode: dynamodb.BillingMode.PAY_PER_REQUEST, ...keys });
  new dynamodb.TableV2(test, 'StateV2', { tableName: 'state-v2', ...keys });
  new CfnResource(test, 'Unknown', { type: 'AWS::SNS::Topic' });
  return app.synth().directory;
}

async function start(): Promise<LocalStack> {
  return startStack({
    assembly: await readAssembly(path.join(directory, 'cdk.out')),
    stateDirectory: path.join(directory, 'state'),
    workDirectory: path.join(directory, 'work'),
    imageEnvironment: {},
    buildEnvironment: {},
    observer: {
      onNote: (note) => notes.push(note),
      onInvoke: (name) => invoked.push(name),
      onFunctionLog: (functionName, line) => { if (line.startsWith('{')) logs.push({ functionName, event: JSON.parse(line) as Record<string, unknown> }); },
    },
  });
}

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'local-stack-'));
  await synthesize();
});

afterAll(() => rm(directory, { recursive: true, force: true }));

beforeEach(() => { [notes, invoked, logs] = [[], [], []]; });

afterEach(async () => {
  jest.useRealTimers();
  await stack.close();
});

async function until(what: string, condition: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 20_000; !condition(); await new Promise((resolve) => setTimeout(resolve, 20))) {
    if (Date.now() > deadline) throw new Error(`It was expected that ${what}.`);
  }
}

test('a scheduled rule invokes its function, which can invoke another one by its name', async () => {
  // Only the timer of schedules: everything else takes its time.
  jest.useFakeTimers({ doNotFake: ['Date', 'hrtime', 'nextTick', 'performance', 'queueMicrotask', 'setImmediate', 'clearImmediate', 'setTimeout', 'clearTimeout'] });
  stack = await start();
  jest.advanceTimersByTime(299_999);
  expect(invoked).toEqual([]);
  jest.advanceTimersByTime(1);
  await until('the worker was invoked', () => logs.length === 2);
  expect(invoked).toEqual(['watcher', 'worker']);
  expect(logs).toEqual([
    {
      functionName: 'watcher',
      event: expect.objectContaining({ 'source': 'aws.events', 'detail-type': 'Scheduled Event', 'resources': ['arn:aws:events:us-east-1:000000000000:rule/often'], 'detail': {} }),
    },
    { functionName: 'worker', event: { from: 'watcher' } },
  ]);
  jest.useRealTimers();
});

test('what it leaves out is noted: cron expressions, and rules that are switched off', async () => {
  stack = await start();
  expect(notes.sort()).toEqual(['nightly', 'off'].map((name) => `Rule ${name} is left out: it is disabled, or has neither an event pattern nor a schedule like rate(5 minutes).`));
});

test('functions are invoked by name or ARN, asynchronously with the retries and the dead-letter queue of the template', async () => {
  stack = await start();
  const client = new LambdaClient({ endpoint: stack.endpoints.AWS_ENDPOINT_URL_LAMBDA, region: 'us-east-1', credentials: stack.operator });
  const { Payload } = await client.send(new InvokeCommand({ FunctionName: 'arn:aws:lambda:us-east-1:000000000000:function:watcher', Payload: '{"n":1}' }));
  expect(Payload!.transformToString()).toBe('{"n":1}');
  await client.send(new InvokeCommand({ FunctionName: 'worker', InvocationType: 'Event', Payload: '{"fails":true}' }));
  client.destroy();
  const [dead] = await stack.sqs.queue('dead').receive({ waitSeconds: 10 });
  expect(JSON.parse(dead.body)).toEqual({ fails: true });
  expect(logs.filter(({ functionName }) => functionName === 'worker')).toHaveLength(1);
});

test.each(['state', 'state-v2'])('table %s with a sort key keeps its items between runs, until their time to live is over', async (TableName) => {
  stack = await start();
  const now = Math.floor(Date.now() / 1000);
  const items = [{ kind: 'OPEN', id: '1', slots: new Set(['a', 'b']) }, { kind: 'OPEN', id: '2', expiresAt: now - 60 }, { kind: 'OPEN', id: '3', expiresAt: now + 3600 }];
  for (const Item of items) await stack.dynamodb.client.send(new PutCommand({ TableName, Item }));
  await stack.dynamodb.save();
  await stack.close();

  stack = await start();
  const { Items } = await stack.dynamodb.client.send(new QueryCommand({ TableName, KeyConditionExpression: 'kind = :kind', ExpressionAttributeValues: { ':kind': 'OPEN' } }));
  expect(Items).toEqual([items[0], items[2]]);
});
