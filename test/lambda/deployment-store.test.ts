import { PutCommand } from '@aws-sdk/lib-dynamodb';
import { DeploymentStore } from '../../lambda/shared/deployment-store';
import { startTables, TestTables } from '../support/dynamodb';
import { buildRequest } from '../support/requests';

let table: TestTables;
let store: DeploymentStore;
let request: ReturnType<typeof buildRequest>;
let count = 0;

const CREATED = '2026-11-22T12:00:00.000Z';
const COMPLETED = '2026-11-22T12:05:00.000Z';
const BUILD = { buildId: 'project:1', buildStartedAt: '2026-11-22T12:01:00.000Z', logsUrl: 'https://console/log' };
const OTHER_BUILD = { ...BUILD, buildId: 'project:2' };
const ARTIFACTS = { artifactsPrefix: 'a/', staticPrefix: 's/', lambdaKey: 'a/lambda.zip', manifestKey: 'a/manifest.json', objectCount: 3, totalBytes: 9 };
const SUCCESS = { artifacts: ARTIFACTS, completedAt: COMPLETED };
const FAILURE = { failureCode: 'BUILD_FAILED', failureMessage: 'It failed.' } as const;

const claim = (now: number, seconds = 60) => store.claim(request, { now, claimExpiresAt: now + seconds, createdAt: CREATED });

beforeAll(async () => {
  table = await startTables();
  store = new DeploymentStore(table.client, table.tableName);
});
afterAll(() => table.close());
beforeEach(() => {
  request = buildRequest({ deploymentId: `deployment-${++count}` });
});

describe('recording a deployment before its request is sent', () => {
  const create = (change: object = {}) => store.create({ ...request, buildEnvironment: undefined, ...change }, CREATED);

  test('writes down the request, and leaves the version to whoever receives it', async () => {
    expect(await create({ rootDirectory: 'apps/web' })).toEqual({ ...request, rootDirectory: 'apps/web', status: 'queued', createdAt: CREATED });
  });

  test('one of many at the same time does it, and nobody changes what is there', async () => {
    const created = await Promise.all(Array.from({ length: 50 }, (_, index) => create({ branch: `branch-${index}` })));
    const [first] = created.filter((record) => record !== undefined);
    expect(created.filter((record) => record !== undefined)).toHaveLength(1);
    expect(await store.get(request.deploymentId)).toEqual(first);
  });

  test('whoever receives the request makes it version 1, as old as it was', async () => {
    await create();
    expect(await store.claim(request, { now: 1000, claimExpiresAt: 1060, createdAt: COMPLETED })).toMatchObject({ version: 1, createdAt: CREATED });
  });
});

describe('claiming a deployment', () => {
  test('creates the record when the producer did not', async () => {
    await claim(1000);
    expect(await store.get(request.deploymentId)).toEqual({ ...request, status: 'queued', createdAt: CREATED, claimExpiresAt: 1060, startAttemptedAt: 1000, version: 1 });
  });

  test('keeps what the producer wrote, including fields of its own', async () => {
    await table.client.send(new PutCommand({
      TableName: table.tableName, Item: { ...request, status: 'queued', createdAt: '2026-11-22T11:00:00.000Z', userId: 'u-1' },
    }));
    expect(await claim(1000)).toMatchObject({ status: 'queued', createdAt: '2026-11-22T11:00:00.000Z', userId: 'u-1' });
  });

  test.each([{}, { status: 'queued' }, { projectId: 'project-1' }])('completes a record that the producer only began: %j', async (begun) => {
    await table.client.send(new PutCommand({ TableName: table.tableName, Item: { deploymentId: request.deploymentId, userId: 'u-1', ...begun } }));
    expect(await claim(1000)).toMatchObject({ ...request, status: 'queued', userId: 'u-1', createdAt: CREATED });
  });

  test('leaves a record alone whose status it does not know', async () => {
    const item = { ...request, status: 'QUEUED' };
    await table.client.send(new PutCommand({ TableName: table.tableName, Item: item }));
    expect(await claim(1000)).toBeUndefined();
    expect(await store.get(request.deploymentId)).toEqual(item);
  });

  test('one of many at the same time gets it', async () => {
    const claims = await Promise.all(Array.from({ length: 50 }, () => claim(1000)));
    expect(claims.filter((record) => record !== undefined)).toHaveLength(1);
  });

  test('is possible again when the claim has expired or was given back, and not before', async () => {
    await claim(1000);
    expect(await claim(1059)).toBeUndefined();
    expect(await claim(1060)).toBeDefined();
    await store.releaseClaim(request.deploymentId, 1060);
    expect(await claim(1061)).toBeUndefined();
    await store.releaseClaim(request.deploymentId, 1120);
    expect(await claim(1062)).toBeDefined();
  });

  test.each([{ projectId: 'somebody-else' }, { commitSha: 'f'.repeat(40) }])('is refused for another deployment under the same id: %j', async (other) => {
    await claim(1000);
    await store.releaseClaim(request.deploymentId, 1060);
    expect(await store.claim({ ...request, ...other }, { now: 2000, claimExpiresAt: 2060, createdAt: CREATED })).toBeUndefined();
    expect(await store.get(request.deploymentId)).toMatchObject({ projectId: request.projectId, commitSha: request.commitSha });
  });

  test('is refused once the build was started or the deployment has ended', async () => {
    await claim(1000);
    await store.markBuilding(request.deploymentId, BUILD);
    expect(await claim(9000)).toBeUndefined();
    await store.markFailed(request.deploymentId, BUILD, FAILURE, COMPLETED);
    expect(await claim(9000)).toBeUndefined();
  });
});

describe('status moves only forward', () => {
  test('queued, building, success', async () => {
    await claim(1000);
    expect(await store.markBuilding(request.deploymentId, BUILD)).toMatchObject({ status: 'building', ...BUILD });
    expect(await store.markSuccess(request.deploymentId, BUILD, SUCCESS)).toEqual({
      ...request, ...BUILD, status: 'success', version: 3, createdAt: CREATED, completedAt: COMPLETED, artifacts: ARTIFACTS,
    });
  });

  test('the first terminal status wins', async () => {
    await claim(1000);
    await store.markBuilding(request.deploymentId, BUILD);
    await store.markFailed(request.deploymentId, BUILD, FAILURE, COMPLETED);
    const ended = await store.get(request.deploymentId);
    expect(await store.markSuccess(request.deploymentId, BUILD, SUCCESS)).toBeUndefined();
    expect(await store.failUnseen(request.deploymentId, FAILURE, request, { createdAt: CREATED, completedAt: COMPLETED })).toBeUndefined();
    expect(await store.markBuilding(request.deploymentId, BUILD)).toBeUndefined();
    expect(await store.get(request.deploymentId)).toEqual(ended);
  });

  test('the end may come before the start was written, and stays', async () => {
    await claim(1000);
    expect(await store.markSuccess(request.deploymentId, BUILD, SUCCESS)).toMatchObject({ status: 'success', ...BUILD });
    expect(await store.markBuilding(request.deploymentId, BUILD)).toBeUndefined();
  });

  test('another build cannot end it', async () => {
    await claim(1000);
    await store.markBuilding(request.deploymentId, BUILD);
    expect(await store.markFailed(request.deploymentId, OTHER_BUILD, FAILURE, COMPLETED)).toBeUndefined();
    expect(await store.get(request.deploymentId)).toMatchObject({ status: 'building' });
  });

  test('a deployment that has no record is not brought to life by its build', async () => {
    expect(await store.markSuccess(request.deploymentId, BUILD, SUCCESS)).toBeUndefined();
    expect(await store.get(request.deploymentId)).toBeUndefined();
  });

  test.each([{ projectId: 'somebody-else' }, { commitSha: 'f'.repeat(40) }])('a bad request for %j does not end another deployment', async (other) => {
    await claim(1000);
    const before = await store.get(request.deploymentId);
    const bad = { ...request, ...other };
    expect(await store.failUnseen(request.deploymentId, FAILURE, bad, { createdAt: CREATED, completedAt: COMPLETED })).toBeUndefined();
    expect(await store.get(request.deploymentId)).toEqual(before);
  });

  test('a request that never became a build ends as failed, with what could be read of it', async () => {
    await store.failUnseen(request.deploymentId, FAILURE, { projectId: 'project-1' }, { createdAt: CREATED, completedAt: COMPLETED });
    expect(await store.get(request.deploymentId)).toEqual({
      deploymentId: request.deploymentId, projectId: 'project-1', status: 'failed', version: 1, createdAt: CREATED, completedAt: COMPLETED, ...FAILURE,
    });
  });
});
