/** What the orchestrator does when a service does not do its part: no emulator fails on demand. The records are real. */
import { setTimeout as sleep } from 'node:timers/promises';
import { CodeBuildClient, StartBuildCommand } from '@aws-sdk/client-codebuild';
import { EventBridgeClient, PutEventsCommand } from '@aws-sdk/client-eventbridge';
import { ChangeMessageVisibilityCommand, SendMessageCommand, SendMessageCommandInput, SQSClient } from '@aws-sdk/client-sqs';
import { DynamoDBDocumentClient, GetCommand } from '@aws-sdk/lib-dynamodb';
import type { SQSRecord } from 'aws-lambda';
import { mockClient } from 'aws-sdk-client-mock';
import { DeploymentStore } from '../../lambda/shared/deployment-store';
import type { BuildRequest } from '../../src/contract/build-request';
import type { DeploymentRecord } from '../../src/contract/deployment';
import { failureMessage } from '../../src/contract/failure-codes';
import { startDeploymentsTable, TestTable } from '../support/dynamodb';
import { CONTEXT, REMAINING_SECONDS, setHandlerEnvironment } from '../support/handlers';
import { buildRequest } from '../support/requests';

const LAST_RECEIVE = 3;
const BUILD = { id: 'builds:1', arn: 'arn:aws:codebuild:eu-central-1:123456789012:build/builds:1', startTime: new Date('2026-11-22T12:01:00.000Z') };

const codeBuild = mockClient(CodeBuildClient);
const sqs = mockClient(SQSClient);
const eventBridge = mockClient(EventBridgeClient);

const RETENTION_SECONDS = 14 * 24 * 3600;
/** When every message here was sent. */
const SENT_AT = Date.parse('2026-11-22T12:00:00.000Z');

let table: TestTable;
let handler: typeof import('../../lambda/orchestrator').handler;
let request: BuildRequest;
let count = 0;

beforeAll(async () => {
  table = await startDeploymentsTable();
  setHandlerEnvironment({ AWS_ENDPOINT_URL_DYNAMODB: table.endpoint }, {
    deploymentsTable: table.tableName, buildProject: 'builds', buildQueueUrl: 'https://queue', maxReceiveCount: String(LAST_RECEIVE), messageRetentionSeconds: String(RETENTION_SECONDS),
  });
  ({ handler } = jest.requireActual<typeof import('../../lambda/orchestrator')>('../../lambda/orchestrator'));
});
afterAll(() => table.close());

beforeEach(() => {
  request = buildRequest({ deploymentId: `deployment-${++count}` });
  codeBuild.reset();
  codeBuild.on(StartBuildCommand).resolves({ build: BUILD });
  sqs.reset();
  sqs.on(ChangeMessageVisibilityCommand).resolves({});
  eventBridge.reset();
  eventBridge.on(PutEventsCommand).resolves({ FailedEntryCount: 0, Entries: [{ EventId: '1' }] });
});
afterEach(() => jest.restoreAllMocks());

function message(body: unknown, receives = 1, messageId = 'message-1'): SQSRecord {
  const attributes = { ApproximateReceiveCount: String(receives), SentTimestamp: '1795348800000', SenderId: 'producer', ApproximateFirstReceiveTimestamp: '1795348800000' };
  return {
    messageId, attributes, body: JSON.stringify(body), receiptHandle: `handle of ${messageId}`, messageAttributes: {}, md5OfBody: '', eventSource: 'aws:sqs', eventSourceARN: '', awsRegion: '',
  };
}

/** Ids of the messages that stay in the queue. */
async function receive(...messages: SQSRecord[]): Promise<string[]> {
  const { batchItemFailures } = await handler({ Records: messages }, CONTEXT);
  return batchItemFailures.map(({ itemIdentifier }) => itemIdentifier);
}

async function record(): Promise<DeploymentRecord | undefined> {
  const { Item } = await table.client.send(new GetCommand({ TableName: table.tableName, Key: { deploymentId: request.deploymentId } }));
  return Item as DeploymentRecord | undefined;
}

/** Seconds until the next delivery, as they were asked for, in order. */
const visibilities = () => sqs.commandCalls(ChangeMessageVisibilityCommand).map(({ args }) => args[0].input.VisibilityTimeout!);

const announcedStatuses = () => eventBridge.commandCalls(PutEventsCommand)
  .flatMap(({ args }) => args[0].input.Entries!.map(({ Detail }) => (JSON.parse(Detail!) as DeploymentRecord).status));

const error = (name: string, text = 'CodeBuild\'s own words') => Object.assign(new Error(text), { name });

const NO_CAPACITY = ['ThrottlingException', 'AccountLimitExceededException'];
const MAY_PASS = ['TimeoutError', 'InternalFailure', 'AccessDeniedException'];
const WILL_NOT_PASS = ['InvalidInputException', 'ResourceNotFoundException'];

describe.each([...MAY_PASS, ...WILL_NOT_PASS])('StartBuild fails with %s', (name) => {
  beforeEach(() => {
    codeBuild.on(StartBuildCommand).rejects(error(name));
  });

  test('on the first receive: the message stays, the claim is given back, the deployment is still queued', async () => {
    expect(await receive(message(request))).toEqual(['message-1']);
    expect(await record()).toEqual({ ...request, status: 'queued', createdAt: '2026-11-22T12:00:00.000Z' });
    expect(announcedStatuses()).toEqual([]);
  });

  test('on the last receive: START_FAILED with the error\'s name but not its text, which may hold account and role, and the message goes to the dead-letter queue at once', async () => {
    expect(await receive(message(request, LAST_RECEIVE))).toEqual(['message-1']);
    expect(await record()).toEqual({
      ...request,
      status: 'failed',
      failureCode: 'START_FAILED',
      failureMessage: `${failureMessage('START_FAILED')} CodeBuild answered ${name}.`,
      createdAt: '2026-11-22T12:00:00.000Z',
      completedAt: expect.any(String),
    });
    expect(visibilities()).toEqual([1]);
    expect(announcedStatuses()).toEqual(['failed']);
  });
});

describe.each(NO_CAPACITY)('%s: there is no capacity', (name) => {
  const copies = () => sqs.commandCalls(SendMessageCommand).map(({ args }) => args[0].input);
  const asReceived = ({ MessageBody, MessageAttributes }: SendMessageCommandInput): SQSRecord => ({
    ...message({}),
    body: MessageBody!,
    messageAttributes: Object.fromEntries(Object.entries(MessageAttributes!).map(([key, { StringValue, DataType }]) => [key, { stringValue: StringValue, dataType: DataType as 'Number' }])),
  });

  beforeEach(() => {
    codeBuild.on(StartBuildCommand).rejects(error(name));
    sqs.on(SendMessageCommand).resolves({ MessageId: 'copy' });
    jest.spyOn(Date, 'now').mockReturnValue(SENT_AT + 1000);
  });

  test.each([1, LAST_RECEIVE])('on receive %d: a copy waits, the message is done with, the deployment is still queued and free to be claimed', async (receives) => {
    const original = message(request, receives);
    original.attributes.MessageGroupId = request.projectId;
    expect(await receive(original)).toEqual([]);
    expect(copies()).toEqual([expect.objectContaining({ QueueUrl: 'https://queue', MessageBody: original.body, MessageGroupId: request.projectId })]);
    expect(await record()).toEqual({ ...request, status: 'queued', createdAt: '2026-11-22T12:00:00.000Z' });
    expect([visibilities(), announcedStatuses()]).toEqual([[], []]);
  });

  test('copies wait longer and longer, and start the build when there is room', async () => {
    await receive(message(request));
    await receive(asReceived(copies()[0]));
    const [first, second] = copies().map(({ DelaySeconds }) => DelaySeconds!);
    expect([first >= 15, first <= 30, second >= 30, second <= 60]).toEqual([true, true, true, true]);

    codeBuild.on(StartBuildCommand).resolves({ build: BUILD });
    expect(await receive(asReceived(copies()[1]))).toEqual([]);
    expect(await record()).toMatchObject({ status: 'building' });
  });

  test('a request that has waited as long as SQS keeps messages has failed, and goes to the dead-letter queue', async () => {
    await receive(message(request));
    jest.spyOn(Date, 'now').mockReturnValue(SENT_AT + RETENTION_SECONDS * 1000);
    expect(await receive(asReceived(copies()[0]))).toEqual(['message-1']);
    expect(await record()).toMatchObject({ status: 'failed', failureCode: 'START_FAILED' });
    // Its remaining receives lead there, instead of being taken for a duplicate that can go.
    expect(await receive(asReceived(copies()[0]))).toEqual(['message-1']);
    expect(visibilities()).toEqual([1, 1]);
    expect(announcedStatuses()).toEqual(['failed']);
  });

  test('a copy that SQS does not take: the message stays', async () => {
    sqs.on(SendMessageCommand).rejects(error('ServiceUnavailable'));
    expect(await receive(message(request))).toEqual(['message-1']);
    expect(await record()).toMatchObject({ status: 'queued' });
  });

  test('message and copy both delivered: one build', async () => {
    await receive(message(request));
    codeBuild.on(StartBuildCommand).resolves({ build: BUILD });
    expect(await receive(message(request, 2))).toEqual([]);
    expect(await receive(asReceived(copies()[0]))).toEqual([]);
    expect(codeBuild.commandCalls(StartBuildCommand)).toHaveLength(2); // the refused one and the one that started
  });
});

test.each(MAY_PASS)('%s: the next try waits about a minute, and the one after it longer', async (name) => {
  codeBuild.on(StartBuildCommand).rejects(error(name));
  await receive(message(request));
  await receive(message(request, 2));
  const [first, second] = visibilities();
  expect([first >= 30, first <= 60, second >= 60, second <= 120]).toEqual([true, true, true, true]);
});

test.each(WILL_NOT_PASS)('%s: waiting would only delay the news', async (name) => {
  codeBuild.on(StartBuildCommand).rejects(error(name));
  await receive(message(request));
  expect(visibilities()).toEqual([1]);
});

test('the visibility is changed of the message that failed', async () => {
  codeBuild.on(StartBuildCommand).rejects(error('InternalFailure'));
  await receive(message(request));
  expect(sqs.commandCalls(ChangeMessageVisibilityCommand)[0].args[0].input).toMatchObject({ QueueUrl: 'https://queue', ReceiptHandle: 'handle of message-1' });
});

test('a start that timed out and may have started a build is tried again with the same token, which gives the same build', async () => {
  codeBuild.on(StartBuildCommand).rejectsOnce(error('TimeoutError')).resolves({ build: BUILD });
  expect(await receive(message(request))).toEqual(['message-1']);
  expect(await receive(message(request, 2))).toEqual([]);
  const tokens = codeBuild.commandCalls(StartBuildCommand).map(({ args }) => args[0].input.idempotencyToken);
  expect(tokens).toEqual([request.deploymentId, request.deploymentId]);
  expect(await record()).toMatchObject({ status: 'building', buildId: BUILD.id, buildStartedAt: BUILD.startTime.toISOString() });
  expect(announcedStatuses()).toEqual(['building']);
});

describe('DynamoDB', () => {
  test('unavailable: nothing is started, the message comes back when no claim of this invocation can stand any more', async () => {
    const dynamoDb = mockClient(DynamoDBDocumentClient);
    try {
      dynamoDb.rejects(error('InternalServerError'));
      expect(await receive(message(request))).toEqual(['message-1']);
    } finally {
      dynamoDb.restore();
    }
    expect(codeBuild.commandCalls(StartBuildCommand)).toHaveLength(0);
    expect(visibilities()).toEqual([REMAINING_SECONDS + 1]);
    expect(await receive(message(request, 2))).toEqual([]);
    expect(await record()).toMatchObject({ status: 'building' });
  });

  test('unavailable while an invalid request is refused: it is refused at its next receive', async () => {
    const invalid = message({ ...request, branch: '..' });
    jest.spyOn(DeploymentStore.prototype, 'failBeforeStart').mockRejectedValueOnce(error('InternalServerError'));
    expect(await receive(invalid)).toEqual(['message-1']);
    expect(await record()).toBeUndefined();
    expect(await receive(invalid)).toEqual(['message-1']);
    expect(await record()).toMatchObject({ status: 'failed', failureCode: 'INVALID_REQUEST' });
  });

  test('unavailable after the start: the message stays; the claim holds until this invocation is over, then the token finds the build', async () => {
    jest.spyOn(DeploymentStore.prototype, 'markBuilding').mockRejectedValueOnce(error('InternalServerError'));
    const now = jest.spyOn(Date, 'now');
    const start = Date.now();
    expect(await receive(message(request))).toEqual(['message-1']);
    expect(await record()).toMatchObject({ status: 'queued', claimExpiresAt: expect.any(Number) });

    expect(await receive(message(request, 2))).toEqual(['message-1']);
    expect(codeBuild.commandCalls(StartBuildCommand)).toHaveLength(1);
    expect(visibilities()[1]).toBeGreaterThanOrEqual(REMAINING_SECONDS - 5);

    now.mockReturnValue(start + (REMAINING_SECONDS + 2) * 1000);
    expect(await receive(message(request, 3))).toEqual([]);
    expect(new Set(codeBuild.commandCalls(StartBuildCommand).map(({ args }) => args[0].input.idempotencyToken))).toEqual(new Set([request.deploymentId]));
    expect(await record()).toMatchObject({ status: 'building', buildId: BUILD.id });
  });

  test('unavailable when the claim is to be given back: the message stays all the same', async () => {
    codeBuild.on(StartBuildCommand).rejects(error('ThrottlingException'));
    jest.spyOn(DeploymentStore.prototype, 'releaseClaim').mockRejectedValueOnce(error('InternalServerError'));
    expect(await receive(message(request))).toEqual(['message-1']);
    expect(visibilities()).toHaveLength(1);
    expect(await record()).toMatchObject({ status: 'queued', claimExpiresAt: expect.any(Number) });
  });
});

test('ChangeMessageVisibility fails: the message stays, the queue\'s own timeout decides when it comes back', async () => {
  codeBuild.on(StartBuildCommand).rejects(error('InternalFailure'));
  sqs.on(ChangeMessageVisibilityCommand).rejects(error('InternalError'));
  expect(await receive(message(request))).toEqual(['message-1']);
  expect(await record()).toMatchObject({ status: 'queued' });
  expect(await record()).not.toHaveProperty('claimExpiresAt');

  expect(await receive(message(request, LAST_RECEIVE))).toEqual(['message-1']);
  expect(await record()).toMatchObject({ status: 'failed', failureCode: 'START_FAILED' });
});

describe.each([
  ['refuses the call', () => eventBridge.on(PutEventsCommand).rejects(error('InternalException'))],
  ['does not take the entry', () => eventBridge.on(PutEventsCommand).resolves({ FailedEntryCount: 1, Entries: [{ ErrorCode: 'ThrottlingException' }] })],
])('EventBridge %s', (_, fail) => {
  beforeEach(() => {
    fail();
  });

  test('the build stays started and the message is done: a second build would be worse than a lost event', async () => {
    expect(await receive(message(request))).toEqual([]);
    expect(await record()).toMatchObject({ status: 'building', buildId: BUILD.id });
    expect(visibilities()).toEqual([]);
  });

  test('a deployment that failed stays failed', async () => {
    codeBuild.on(StartBuildCommand).rejects(error('InternalFailure'));
    expect(await receive(message(request, LAST_RECEIVE))).toEqual(['message-1']);
    expect(await record()).toMatchObject({ status: 'failed', failureCode: 'START_FAILED' });
  });
});

describe('a batch', () => {
  test('only what failed stays in the queue', async () => {
    const [good, unlucky] = ['good', 'unlucky'].map((name) => buildRequest({ deploymentId: `${request.deploymentId}-${name}` }));
    codeBuild.on(StartBuildCommand, { idempotencyToken: unlucky.deploymentId }).rejects(error('InternalFailure'));
    expect((await receive(message(good, 1, 'good'), message({}, 1, 'invalid'), message(unlucky, 1, 'unlucky'))).sort()).toEqual(['invalid', 'unlucky']);
  });

  test('is handled one message after the other: the log lines in between carry the id of the message in hand', async () => {
    let [running, most] = [0, 0];
    codeBuild.on(StartBuildCommand).callsFake(async () => {
      most = Math.max(most, ++running);
      await sleep(20);
      running -= 1;
      return { build: BUILD };
    });
    const requests = ['a', 'b', 'c'].map((name) => buildRequest({ deploymentId: `${request.deploymentId}-${name}` }));
    expect(await receive(...requests.map((each) => message(each, 1, each.deploymentId)))).toEqual([]);
    expect([codeBuild.commandCalls(StartBuildCommand).length, most]).toEqual([3, 1]);
  });

  test('that failed as a whole is an answer, not an error of the function', async () => {
    expect(await receive(message({}, 1, 'one'), message('text', 1, 'two'))).toEqual(['one', 'two']);
  });

  test('with the same request twice starts one build', async () => {
    await receive(message(request, 1, 'one'), message(request, 1, 'two'));
    expect(codeBuild.commandCalls(StartBuildCommand)).toHaveLength(1);
    expect(await record()).toMatchObject({ status: 'building' });
  });
});
