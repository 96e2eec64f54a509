import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { BatchGetCommand, GetCommand, PutCommand, QueryCommand, UpdateCommand } from '@aws-sdk/lib-dynamodb';
import { startDynamoDb, type DynamoDbService } from '../../../local/services/dynamodb';
import { AccessDeniedError, type ApiCall } from '../../../local/services/service';

const TABLE = { TableName: 'deployments', AttributeDefinitions: [{ AttributeName: 'id', AttributeType: 'S' as const }], KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' as const }] };

let directory: string;
let running: DynamoDbService[] = [];
const start = async () => {
  const service = await startDynamoDb({ directory, region: 'us-east-1' });
  running.push(service);
  return service;
};

beforeEach(async () => { directory = await mkdtemp(path.join(tmpdir(), 'dynamodb-')); });
afterEach(async () => {
  await Promise.all(running.map((service) => service.close()));
  running = [];
  await rm(directory, { recursive: true, force: true });
});

test('listens on 127.0.0.1 only', async () => {
  expect((await start()).endpoint).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
});

test('items are plain JSON between runs, and there again in the next one', async () => {
  const first = await start();
  await first.createTable(TABLE);
  const item = { id: 'a', count: 1.5, nested: { list: ['x', { y: true }] }, nothing: null };
  await first.client.send(new PutCommand({ TableName: 'deployments', Item: item }));
  await first.save();
  expect(JSON.parse(await readFile(path.join(directory, 'deployments.json'), 'utf8'))).toEqual([item]);

  const second = await start();
  await second.createTable(TABLE);
  expect((await second.client.send(new GetCommand({ TableName: 'deployments', Key: { id: 'a' } }))).Item).toEqual(item);
});

test('sets stay sets from run to run', async () => {
  const first = await start();
  await first.createTable(TABLE);
  const item = { id: 'a', running: new Set(['one', 'two']), counts: { of: new Set([1, 2]) } };
  await first.client.send(new PutCommand({ TableName: 'deployments', Item: item }));
  await first.save();
  expect(JSON.parse(await readFile(path.join(directory, 'deployments.json'), 'utf8'))).toMatchObject([{ running: { SS: ['one', 'two'] }, counts: { of: { NS: [1, 2] } } }]);

  const second = await start();
  await second.createTable(TABLE);
  expect((await second.client.send(new GetCommand({ TableName: 'deployments', Key: { id: 'a' } }))).Item).toEqual(item);
});

test('items of a table with a sort key are all kept, but for those whose time to live is over', async () => {
  const table = {
    TableName: 'state',
    AttributeDefinitions: ['kind', 'id'].map((AttributeName) => ({ AttributeName, AttributeType: 'S' as const })),
    KeySchema: [{ AttributeName: 'kind', KeyType: 'HASH' as const }, { AttributeName: 'id', KeyType: 'RANGE' as const }],
    timeToLiveAttribute: 'expiresAt',
  };
  const inAnHour = Math.floor(Date.now() / 1000) + 3600;
  const items = [{ kind: 'OPEN', id: 'a' }, { kind: 'OPEN', id: 'b', expiresAt: inAnHour }, { kind: 'OPEN', id: 'c', expiresAt: inAnHour - 3601 }, { kind: 'PROJECT', id: 'a' }];
  const first = await start();
  await first.createTable(table);
  for (const item of items) await first.client.send(new PutCommand({ TableName: 'state', Item: item }));
  await first.save();

  const second = await start();
  await second.createTable(table);
  const open = { TableName: 'state', KeyConditionExpression: 'kind = :kind', ExpressionAttributeValues: { ':kind': 'OPEN' } };
  expect((await second.client.send(new QueryCommand(open))).Items).toEqual(items.slice(0, 2));
  expect((await second.client.send(new GetCommand({ TableName: 'state', Key: { kind: 'PROJECT', id: 'a' } }))).Item).toEqual(items[3]);
});

test('a file that somebody broke is named', async () => {
  await writeFile(path.join(directory, 'deployments.json'), '{');
  const service = await start();
  await expect(service.createTable(TABLE)).rejects.toThrow(/deployments\.json holds the items of an earlier local run, but is not valid JSON/);
});

test('of many conditional updates at the same time one wins', async () => {
  const service = await start();
  await service.createTable(TABLE);
  const claims = await Promise.allSettled(Array.from({ length: 100 }, (_, index) => service.client.send(new UpdateCommand({
    TableName: 'deployments', Key: { id: 'a' }, UpdateExpression: 'SET winner = :w', ConditionExpression: 'attribute_not_exists(id)', ExpressionAttributeValues: { ':w': index },
  }))));
  expect(claims.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  expect(claims.filter((claim) => claim.status === 'rejected').every(({ reason }) => (reason as Error).name === 'ConditionalCheckFailedException')).toBe(true);
});

describe('authorisation', () => {
  const ARN = 'arn:aws:dynamodb:us-east-1:000000000000:table';

  /** With every call that was reported; what `refuses` says is refused. */
  const authorised = async (refuses: (call: ApiCall) => boolean = () => false) => {
    const calls: ApiCall[] = [];
    const service = await startDynamoDb({
      directory,
      region: 'us-east-1',
      credentials: { accessKeyId: 'AKIDOPERATOR', secretAccessKey: 'x' },
      onCall: (call) => {
        calls.push(call);
        if (refuses(call)) throw new AccessDeniedError('not allowed');
      },
    });
    running.push(service);
    await service.createTable(TABLE);
    return { ...service, calls: () => calls.splice(0).map(({ accessKeyId, action, resource }) => `${accessKeyId} ${action} on ${resource.replace(ARN, '')}`) };
  };

  test('every request is reported with its tables, before anything is done', async () => {
    const { client, calls } = await authorised();
    await client.send(new PutCommand({ TableName: 'deployments', Item: { id: 'a' } }));
    await client.send(new BatchGetCommand({ RequestItems: { deployments: { Keys: [{ id: 'a' }] } } }));
    await client.send(new QueryCommand({ TableName: 'deployments', IndexName: 'by-project', KeyConditionExpression: 'id = :id', ExpressionAttributeValues: { ':id': 'a' } })).catch(() => undefined);
    expect(calls()).toEqual([
      'AKIDOPERATOR dynamodb:CreateTable on /deployments',
      'AKIDOPERATOR dynamodb:PutItem on /deployments',
      'AKIDOPERATOR dynamodb:BatchGetItem on /deployments',
      'AKIDOPERATOR dynamodb:Query on /deployments/index/by-project',
    ]);
  });

  test('a refused request is an AccessDeniedException, and nothing is done', async () => {
    const { client } = await authorised(({ action }) => action === 'dynamodb:PutItem');
    await expect(client.send(new PutCommand({ TableName: 'deployments', Item: { id: 'a' } }))).rejects.toMatchObject({ name: 'AccessDeniedException', message: 'not allowed' });
    expect((await client.send(new GetCommand({ TableName: 'deployments', Key: { id: 'a' } }))).Item).toBeUndefined();
  });
});
