/** What the finalizer does when a service does not do its part, and with builds that are not its own. Records and objects are real. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { BatchGetBuildsCommand, Build, CodeBuildClient } from '@aws-sdk/client-codebuild';
import { EventBridgeClient, PutEventsCommand } from '@aws-sdk/client-eventbridge';
import { paginateListObjectsV2, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { DynamoDBDocumentClient, GetCommand, PutCommand } from '@aws-sdk/lib-dynamodb';
import { mockClient } from 'aws-sdk-client-mock';
import { DeploymentStore } from '../../lambda/shared/deployment-store';
import { S3Service, startS3 } from '../../local/services/s3';
import { AccessDeniedError, ApiCall } from '../../local/services/service';
import { BUILD_ENV } from '../../src/contract/environment';
import { failureMessage } from '../../src/contract/failure-codes';
import { stagingPrefix } from '../../src/contract/keys';
import { startDeploymentsTable, TestTable } from '../support/dynamodb';
import { CONTEXT, setHandlerEnvironment } from '../support/handlers';
import { buildRequest, COMMIT_SHA } from '../support/requests';

const BUCKET = 'artifacts-bucket';
const STAGED = ['artifacts/lambda.zip', 'artifacts/open-next.output.json', 'artifacts/manifest.json', 'static/a.txt', 'static/b.txt', 'static/c.txt'];

const codeBuild = mockClient(CodeBuildClient);
const eventBridge = mockClient(EventBridgeClient);

let table: TestTable;
let directory: string;
let s3Service: S3Service;
let s3: S3Client;
/** Asked before each call of S3; throws to refuse it. */
let onS3Call: (call: ApiCall) => void | Promise<void>;
let handler: typeof import('../../lambda/finalizer').handler;

let id: string;
let count = 0;

beforeAll(async () => {
  table = await startDeploymentsTable();
  directory = await mkdtemp(path.join(tmpdir(), 'finalizer-'));
  s3Service = await startS3({ directory, onCall: (call) => onS3Call(call) });
  await s3Service.createBucket(BUCKET);
  s3 = new S3Client({ endpoint: s3Service.endpoint, forcePathStyle: true, region: 'eu-central-1', credentials: { accessKeyId: 'test', secretAccessKey: 'test' } });
  setHandlerEnvironment({ AWS_ENDPOINT_URL_DYNAMODB: table.endpoint, AWS_ENDPOINT_URL_S3: s3Service.endpoint }, {
    deploymentsTable: table.tableName, buildProject: 'builds', artifactsBucket: BUCKET,
  });
  ({ handler } = jest.requireActual<typeof import('../../lambda/finalizer')>('../../lambda/finalizer'));
});

afterAll(async () => {
  s3.destroy();
  await s3Service.close();
  await table.close();
  await rm(directory, { recursive: true, force: true });
});

beforeEach(async () => {
  id = `deployment-${++count}`;
  onS3Call = () => undefined;
  eventBridge.reset();
  eventBridge.on(PutEventsCommand).resolves({ FailedEntryCount: 0, Entries: [{ EventId: '1' }] });
  answer({});
  await putRecord({});
  await stage();
});
afterEach(() => jest.restoreAllMocks());

const arn = () => `arn:aws:codebuild:eu-central-1:123456789012:build/builds:${id}`;

/** What CodeBuild says of the build. */
function answer(change: Partial<Build>, environment: Record<string, string> = { [BUILD_ENV.deploymentId]: id }): void {
  const environmentVariables = Object.entries(environment).map(([name, value]) => ({ name, value }));
  const build = { id: `builds:${id}`, arn: arn(), projectName: 'builds', buildStatus: 'SUCCEEDED', startTime: new Date('2026-11-22T12:01:00.000Z') } as const;
  codeBuild.reset();
  codeBuild.on(BatchGetBuildsCommand, { ids: [`builds:${id}`] })
    .resolves({ builds: [{ ...build, environment: { environmentVariables, type: undefined, image: undefined, computeType: undefined }, ...change }] });
}

const recordBefore = (change: object = {}) => ({
  ...buildRequest({ deploymentId: id, projectId: id }), status: 'building', createdAt: '2026-11-22T12:00:00.000Z', buildId: `builds:${id}`, ...change,
});

async function putRecord(change: object): Promise<void> {
  await table.client.send(new PutCommand({ TableName: table.tableName, Item: recordBefore(change) }));
}

async function record(): Promise<Record<string, unknown>> {
  return (await table.client.send(new GetCommand({ TableName: table.tableName, Key: { deploymentId: id } }))).Item!;
}

async function stage(names: string[] = STAGED): Promise<void> {
  for (const name of names) await s3.send(new PutObjectCommand({ Bucket: BUCKET, Key: stagingPrefix(arn()) + name, Body: name }));
}

async function keys(prefix: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { Contents = [] } of paginateListObjectsV2({ client: s3 }, { Bucket: BUCKET, Prefix: prefix })) {
    found.push(...Contents.map(({ Key }) => Key!));
  }
  return found;
}

const staged = async () => (await keys(stagingPrefix(arn()))).length;
const promoted = async () => [...await keys(`artifacts/${id}/`), ...await keys(`static/${id}/`)];
const complete = () => STAGED.map((name) => name.replace('/', `/${id}/${COMMIT_SHA}/`)).sort();

/** One delivery of the event; what the handler throws, EventBridge's target tries again. */
async function deliver(): Promise<void> {
  await handler({ 'detail-type': 'CodeBuild Build State Change', 'detail': { 'build-id': arn() } } as Parameters<typeof handler>[0], CONTEXT);
}

const announced = () => eventBridge.commandCalls(PutEventsCommand)
  .flatMap(({ args }) => args[0].input.Entries!.map(({ Detail }) => JSON.parse(Detail!) as object));

const error = (name: string, text = '') => Object.assign(new Error(text), { name });

async function expectSuccess(): Promise<void> {
  expect(await record()).toMatchObject({ status: 'success', artifacts: { objectCount: STAGED.length } });
  expect((await promoted()).sort()).toEqual(complete());
  expect(await staged()).toBe(0);
}

async function expectUntouched(before: object = recordBefore()): Promise<void> {
  expect(await record()).toEqual(before);
  expect(await promoted()).toEqual([]);
  expect(announced()).toEqual([]);
}

test('when every service does its part', async () => {
  await deliver();
  await expectSuccess();
  expect(announced()).toEqual([await record()]);
});

describe.each([
  ['refuses the call', () => eventBridge.on(PutEventsCommand).rejectsOnce(error('InternalException'))],
  ['does not take the entry', () => eventBridge.on(PutEventsCommand).resolvesOnce({ FailedEntryCount: 1, Entries: [{ ErrorCode: 'ThrottlingException' }] })],
])('EventBridge %s', (_, fail) => {
  test('it is thrown, so that the event is delivered again, and the second delivery announces what the first one wrote', async () => {
    fail().resolves({ FailedEntryCount: 0, Entries: [{ EventId: '1' }] });
    await expect(deliver()).rejects.toThrow();
    const written = await record();
    expect(written).toMatchObject({ status: 'success' });

    await deliver();
    await expectSuccess();
    expect(await record()).toEqual(written);
    expect(announced()).toEqual([written, written]);
  });
});

describe('S3 fails', () => {
  /** Refuses what matches from the nth call on. */
  const refuse = (action: string, fromCall = 1, key = '') => {
    let calls = 0;
    onS3Call = (call) => {
      if (call.action === action && call.resource.includes(key) && ++calls >= fromCall) throw new AccessDeniedError(`${action} is refused`);
    };
  };

  test('midway through the copies: no success is recorded, nothing is announced, and the second delivery completes', async () => {
    refuse('s3:PutObject', 3);
    await expect(deliver()).rejects.toThrow('s3:PutObject is refused');
    expect(await record()).toEqual(recordBefore());
    expect((await promoted()).length).toBeLessThan(STAGED.length);
    expect(await promoted()).not.toContainEqual(expect.stringContaining('manifest.json'));
    expect(await staged()).toBe(STAGED.length);
    expect(announced()).toEqual([]);

    onS3Call = () => undefined;
    await deliver();
    await expectSuccess();
    expect(announced()).toHaveLength(1);
  });

  test('at the manifest: no success is recorded', async () => {
    refuse('s3:PutObject', 1, 'manifest.json');
    await expect(deliver()).rejects.toThrow();
    expect(await record()).toEqual(recordBefore());
    expect(await promoted()).toHaveLength(STAGED.length - 1);

    onS3Call = () => undefined;
    await deliver();
    await expectSuccess();
  });

  test('at the list: an empty answer and a refused one are not the same', async () => {
    refuse('s3:ListBucket');
    await expect(deliver()).rejects.toThrow();
    onS3Call = () => undefined;
    await expectUntouched();
  });

  test('at the removal: the deployment has ended all the same, the second delivery removes', async () => {
    refuse('s3:DeleteObject');
    await expect(deliver()).rejects.toThrow('s3:DeleteObject is refused');
    expect(await record()).toMatchObject({ status: 'success' });
    expect(await staged()).toBe(STAGED.length);

    onS3Call = () => undefined;
    await deliver();
    await expectSuccess();
  });
});

describe('DynamoDB is unavailable', () => {
  test('when the record is read: nothing is promoted, nothing is removed, the second delivery completes', async () => {
    const dynamoDb = mockClient(DynamoDBDocumentClient);
    try {
      dynamoDb.rejects(error('InternalServerError', 'DynamoDB is down'));
      await expect(deliver()).rejects.toThrow('DynamoDB is down');
    } finally {
      dynamoDb.restore();
    }
    await expectUntouched();
    expect(await staged()).toBe(STAGED.length);

    await deliver();
    await expectSuccess();
  });

  test('when the success is written: the output is kept for the second delivery', async () => {
    jest.spyOn(DeploymentStore.prototype, 'markSuccess').mockRejectedValueOnce(error('InternalServerError', 'DynamoDB is down'));
    await expect(deliver()).rejects.toThrow('DynamoDB is down');
    expect(await staged()).toBe(STAGED.length);
    expect(announced()).toEqual([]);

    await deliver();
    await expectSuccess();
    expect(announced()).toHaveLength(1);
  });
});

test('CodeBuild is unavailable: thrown, nothing is decided', async () => {
  codeBuild.reset();
  codeBuild.on(BatchGetBuildsCommand).rejects(error('ThrottlingException', 'Rate exceeded'));
  await expect(deliver()).rejects.toThrow('Rate exceeded');
  await expectUntouched();
  expect(await staged()).toBe(STAGED.length);
});

test('a build of another project: nothing is touched, its objects included', async () => {
  answer({ projectName: 'somebody-elses' });
  await deliver();
  await expectUntouched();
  expect(await staged()).toBe(STAGED.length);
});

describe('CodeBuild answers with less than the event says: thrown, so that the event is delivered again, and nothing is touched', () => {
  test.each<[string, () => unknown]>([
    ['it does not know the build', () => codeBuild.on(BatchGetBuildsCommand).resolves({ builds: [], buildsNotFound: [arn()] })],
    ['it says nothing', () => codeBuild.on(BatchGetBuildsCommand).resolves({})],
    ['the build still runs', () => answer({ buildStatus: 'IN_PROGRESS' })],
  ])('%s', async (_, prepare) => {
    codeBuild.reset();
    prepare();
    await expect(deliver()).rejects.toThrow(/does not know build|still says that build/);
    await expectUntouched();
    expect(await staged()).toBe(STAGED.length);

    answer({});
    await deliver();
    await expectSuccess();
  });
});

describe('a build that its deployment does not count with', () => {
  test.each<[string, () => unknown, object]>([
    ['the record belongs to another build', () => putRecord({ buildId: 'builds:another' }), { buildId: 'builds:another' }],
    ['it names no deployment', () => answer({}, {}), {}],
    ['it names a deployment id that cannot be one', () => answer({}, { [BUILD_ENV.deploymentId]: '../x' }), {}],
    ['it names a deployment that has no record', () => answer({}, { [BUILD_ENV.deploymentId]: 'gone' }), {}],
  ])('%s: only what it stored is removed', async (_, prepare, change) => {
    await prepare();
    await deliver();
    await expectUntouched(recordBefore(change));
    expect(await staged()).toBe(0);
  });
});

test('a success whose answer got lost on the way is announced all the same', async () => {
  const markSuccess = DeploymentStore.prototype.markSuccess;
  jest.spyOn(DeploymentStore.prototype, 'markSuccess').mockImplementationOnce(async function (this: DeploymentStore, ...args) {
    await markSuccess.apply(this, args); // written; the SDK repeats the call, and its condition does not hold any more
    return markSuccess.apply(this, args);
  });
  await deliver();
  await expectSuccess();
  expect(announced()).toEqual([expect.objectContaining({ status: 'success' })]);
});

describe('what S3 refuses to copy is the build\'s doing: ARTIFACTS_INVALID, and not tried again', () => {
  test('an object that was exchanged after it was checked', async () => {
    let exchanged = false;
    onS3Call = async ({ action, resource }) => {
      if (exchanged || action !== 's3:GetObject' || !resource.endsWith('static/b.txt')) return;
      exchanged = true;
      await s3.send(new PutObjectCommand({ Bucket: BUCKET, Key: `${stagingPrefix(arn())}static/b.txt`, Body: 'something else' }));
    };
    await deliver();
    expect(await record()).toMatchObject({
      status: 'failed', failureCode: 'ARTIFACTS_INVALID', failureMessage: expect.stringContaining('"static/b.txt" cannot be copied: PreconditionFailed'),
    });
    expect(await staged()).toBe(0);
  });
});

test('keys that XML cannot carry are removed too, without XML', async () => {
  await stage(['static/a\u0001b', 'static/\ufffe']);
  const send = jest.spyOn(S3Client.prototype, 'send');
  await deliver();
  const inXml = send.mock.calls.flatMap(([{ input }]) => ('Delete' in input ? input.Delete!.Objects! : [])).map(({ Key }) => Key!);
  expect(inXml).toHaveLength(STAGED.length);
  expect(inXml.filter((key) => /[\u0001\ufffe]/.test(key))).toEqual([]);
  expect(await record()).toMatchObject({ status: 'failed', failureCode: 'ARTIFACTS_INVALID' });
  expect(await staged()).toBe(0);
});

test.each([{ projectId: '../other' }, { projectId: 'a/b' }, { commitSha: 'main' }])('a record whose ids were changed to %j is no place to write to', async (change) => {
  await putRecord(change);
  await expect(deliver()).rejects.toThrow('cannot be part of an object key');
  await expectUntouched(recordBefore(change));
});

test('the deployment had ended before: what stands in the record is announced again, and the output of the build does not count', async () => {
  const before = recordBefore({ status: 'failed', failureCode: 'STOPPED', failureMessage: failureMessage('STOPPED'), completedAt: '2026-11-22T12:02:00.000Z' });
  await putRecord(before);
  await deliver();
  expect(await record()).toEqual(before);
  expect(await promoted()).toEqual([]);
  expect(await staged()).toBe(0);
  expect(announced()).toEqual([before]);
});

test('the build ended before the orchestrator had written its start: the end carries the build\'s id as well', async () => {
  const { buildId: _, ...queued } = recordBefore({ status: 'queued', claimExpiresAt: 1_795_348_860 });
  await table.client.send(new PutCommand({ TableName: table.tableName, Item: queued }));
  await deliver();
  await expectSuccess();
  expect(await record()).toMatchObject({ buildId: `builds:${id}`, buildStartedAt: '2026-11-22T12:01:00.000Z', logsUrl: expect.stringContaining(id) });
  expect(await record()).not.toHaveProperty('claimExpiresAt');
});

test('two deliveries at the same time: one end, told twice at most', async () => {
  await Promise.allSettled([deliver(), deliver()]);
  await deliver();
  await expectSuccess();
  for (const detail of announced()) expect(detail).toEqual(await record());
});
