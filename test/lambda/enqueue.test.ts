/** A producer with real tables, and a queue that fails when it is told to. */
import { SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { mockClient } from 'aws-sdk-client-mock';
import { DeploymentStore } from '../../lambda/shared/deployment-store';
import { DeploymentProducer } from '../../lambda/shared/enqueue';
import { OpenDeployments } from '../../lambda/shared/state/open-deployments';
import { StateTable } from '../../lambda/shared/state/state-table';
import type { RecordedRequest } from '../../src/contract/build-request';
import { openDeploymentKey, STATE_KINDS } from '../../src/contract/state-table';
import { startTables, TestTables } from '../support/dynamodb';
import { buildRequest } from '../support/requests';

const PUSHED_AT = new Date('2026-11-22T12:00:00.000Z');
const CREATED_AT = PUSHED_AT.toISOString();

const sqs = mockClient(SQSClient);
let tables: TestTables;
let store: DeploymentStore;
let openDeployments: OpenDeployments;
let producer: DeploymentProducer;
let request: RecordedRequest;
let count = 0;

beforeAll(async () => {
  tables = await startTables();
  store = new DeploymentStore(tables.client, tables.tableName);
  openDeployments = new OpenDeployments(new StateTable(tables.client, tables.stateTableName));
  producer = new DeploymentProducer({ store, openDeployments, sqs: new SQSClient({ region: 'eu-central-1' }), queueUrl: 'https://queue' });
});
afterAll(() => tables.close());

beforeEach(() => {
  sqs.reset();
  sqs.on(SendMessageCommand).resolves({ MessageId: 'sent' });
  request = buildRequest({ deploymentId: `deployment-${++count}`, rootDirectory: 'apps/web', withoutSecrets: true }) as RecordedRequest;
});
afterEach(() => jest.restoreAllMocks());

const produce = (change: Partial<RecordedRequest> = {}, pushedAt = PUSHED_AT) => producer.produce({ ...request, ...change }, pushedAt);
const record = () => store.get(request.deploymentId);
const entry = (createdAt = CREATED_AT) => tables.state(STATE_KINDS.open, openDeploymentKey({ ...request, createdAt }));
const messages = () => sqs.commandCalls(SendMessageCommand).map(({ args }) => args[0].input);
const claim = () => store.claim(request, { now: 1000, claimExpiresAt: 1060, createdAt: 'the message\'s' });
const queueIsDown = () => sqs.on(SendMessageCommand).rejectsOnce(new Error('the queue is down')).resolves({ MessageId: 'sent' });

test('a push is recorded as queued, as old as it is, and its request is sent in its project\'s group', async () => {
  expect(await produce()).toBe('enqueued');
  expect(await record()).toEqual({ ...request, status: 'queued', createdAt: CREATED_AT });
  expect(messages()).toEqual([{ QueueUrl: 'https://queue', MessageBody: expect.any(String), MessageGroupId: request.projectId }]);
  expect(JSON.parse(messages()[0].MessageBody!)).toEqual(request);
});

test('whoever dies leaves a trace: the entry comes before the record, the record before the message, the mark goes after it', async () => {
  const seen: unknown[] = [];
  const { create } = store;
  jest.spyOn(store, 'create').mockImplementation(async (...args) => {
    seen.push(['record', await entry()]);
    return create.apply(store, args);
  });
  sqs.on(SendMessageCommand).callsFake(async () => {
    seen.push(['message', await entry(), (await record())?.status]);
    return {};
  });
  await produce();
  const unsent = expect.objectContaining({ unsent: true, seenAt: expect.any(Number), deploymentId: request.deploymentId });
  expect(seen).toEqual([['record', unsent], ['message', unsent, 'queued']]);
  expect(await entry()).not.toHaveProperty('unsent');
});

test('a request that cannot be sent is an error, and stays recorded as not sent; the next try sends it', async () => {
  queueIsDown();
  await expect(produce()).rejects.toThrow('the queue is down');
  expect(await record()).toMatchObject({ status: 'queued' });
  expect(await entry()).toMatchObject({ unsent: true });
  expect(await produce({}, new Date(PUSHED_AT.getTime() + 1000))).toBe('enqueued');
  expect(await record()).toMatchObject({ createdAt: CREATED_AT });
  expect(messages()).toHaveLength(2);
  expect(await entry()).not.toHaveProperty('unsent');
});

test('the same push again, with another time or with the same, sends nothing', async () => {
  await produce();
  expect(await produce()).toBe('already');
  expect(await produce({}, new Date(0))).toBe('already');
  expect(messages()).toHaveLength(1);
  expect(await tables.stateIds(STATE_KINDS.open)).toContain(openDeploymentKey({ ...request, createdAt: CREATED_AT }));
});

test('twenty times at once: one record, and nobody is told anything else than that it is on its way', async () => {
  const answers = await Promise.all(Array.from({ length: 20 }, () => produce()));
  expect(new Set([...answers, 'enqueued', 'already'])).toEqual(new Set(['enqueued', 'already']));
  expect(answers).toContain('enqueued');
  expect(await entry()).not.toHaveProperty('unsent');
  expect(new Set(messages().map(({ MessageBody }) => MessageBody)).size).toBe(1);
});

test.each([
  ['project', { projectId: 'another' }],
  ['commit', { commitSha: 'f'.repeat(40) }],
])('an id that belongs to another %s is taken: its record and its message stay as they are', async (_, change) => {
  await produce();
  const before = await record();
  expect(await produce(change)).toBe('taken');
  expect(await record()).toEqual(before);
  expect(messages()).toHaveLength(1);
});

test('so is one that another project takes in the same moment', async () => {
  const other = { ...request, projectId: 'another' };
  jest.spyOn(store, 'get').mockResolvedValueOnce(undefined);
  await store.create(other, CREATED_AT);
  expect(await produce()).toBe('taken');
  expect(messages()).toEqual([]);
});

test('whoever is overtaken between looking and writing sends what the other one has not sent yet', async () => {
  jest.spyOn(store, 'get').mockResolvedValueOnce(undefined);
  await openDeployments.expect({ ...request, createdAt: '2026-11-22T11:59:59.000Z' }, 1000);
  await store.create(request, '2026-11-22T11:59:59.000Z');
  expect(await produce()).toBe('enqueued');
  expect(await record()).toMatchObject({ createdAt: '2026-11-22T11:59:59.000Z' });
  expect(await entry('2026-11-22T11:59:59.000Z')).not.toHaveProperty('unsent');
});

test.each<[string, () => Promise<unknown>]>([
  ['is being started', claim],
  ['waits for capacity', async () => {
    await claim();
    await store.releaseClaim(request.deploymentId, 1060, 'ACCOUNT_CAPACITY');
  }],
  ['has failed without a build', async () => {
    await claim();
    await store.failUnstarted(request.deploymentId, { failureCode: 'START_FAILED', failureMessage: 'It failed.' }, { claimExpiresAt: 1060, completedAt: CREATED_AT });
  }],
  ['was superseded', () => store.supersedeUnstarted(request.deploymentId, 'newer', { completedAt: CREATED_AT })],
])('a deployment that %s is not sent again, whatever its entry says', async (_, happen) => {
  queueIsDown();
  await expect(produce()).rejects.toThrow();
  await happen();
  expect(await produce()).toBe('already');
  expect(messages()).toHaveLength(1);
});

test('a deployment that nobody has seen, and whose entry got lost, is sent and gets its entry back', async () => {
  await store.create(request, CREATED_AT);
  expect(await produce()).toBe('enqueued');
  expect(await entry()).toMatchObject({ projectId: request.projectId, createdAt: CREATED_AT });
});

test('a request that was sent is sent, even if that cannot be noted', async () => {
  jest.spyOn(openDeployments, 'sent').mockRejectedValue(new Error('throttled'));
  expect(await produce()).toBe('enqueued');
  expect(await entry()).toMatchObject({ unsent: true });
});

test('a push from the future is of now: it must not make the next one an old one', async () => {
  const before = new Date().toISOString();
  await produce({}, new Date('2099-01-01'));
  const { createdAt } = (await record())!;
  expect(createdAt >= before && createdAt <= new Date().toISOString()).toBe(true);
});

test('what must not be recorded is refused before anything is', async () => {
  const secret = { buildEnvironment: { CMS_TOKEN: 's3cret' } } as unknown as RecordedRequest;
  await expect(produce(secret)).rejects.toThrow('without buildEnvironment');
  expect([await record(), await entry(), messages()]).toEqual([undefined, undefined, []]);
});

test.each<[string, Partial<RecordedRequest>]>([
  ['deploymentId', { deploymentId: '' }],
  ['projectId', { projectId: 'a#b' }],
  ['projectId', { projectId: 'x'.repeat(129) }],
  ['commitSha', { commitSha: 'HEAD' }],
])('without a usable %s nothing is recorded: %j', async (name, change) => {
  const get = jest.spyOn(store, 'get');
  await expect(produce(change)).rejects.toThrow(`Expected a ${name} that matches`);
  expect(get).not.toHaveBeenCalled();
  expect(messages()).toEqual([]);
});
