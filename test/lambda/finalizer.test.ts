/** What the finalizer does when a service does not do its part, and with builds that are not its own. */
import { BatchGetBuildsCommand } from '@aws-sdk/client-codebuild';
import { PutEventsCommand } from '@aws-sdk/client-eventbridge';
import { S3Client } from '@aws-sdk/client-s3';
import { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';
import { mockClient } from 'aws-sdk-client-mock';
import { finalizer, STAGED, STARTED } from './finalizer-support';
import { DeploymentStore } from '../../lambda/shared/deployment-store';
import { AccessDeniedError } from '../../local/services/service';
import { BUILD_ENV } from '../../src/contract/environment';
import { failureMessage } from '../../src/contract/failure-codes';

const pipeline = finalizer();
const { codeBuild, eventBridge } = pipeline;

const error = (name: string, text = '') => Object.assign(new Error(text), { name });

test('when every service does its part', async () => {
  await pipeline.deliver();
  await pipeline.expectSuccess();
  expect(pipeline.announced).toEqual([await pipeline.record()]);
});

describe.each([
  ['refuses the call', () => eventBridge.on(PutEventsCommand).rejectsOnce(error('InternalException'))],
  ['does not take the entry', () => eventBridge.on(PutEventsCommand).resolvesOnce({ FailedEntryCount: 1, Entries: [{ ErrorCode: 'ThrottlingException' }] })],
])('EventBridge %s', (_, fail) => {
  test('it is thrown, so that the event is delivered again, and the second delivery announces what the first one wrote', async () => {
    fail().resolves({ FailedEntryCount: 0, Entries: [{ EventId: '1' }] });
    await expect(pipeline.deliver()).rejects.toThrow();
    const written = await pipeline.record();
    expect(written).toMatchObject({ status: 'success' });

    await pipeline.deliver();
    await pipeline.expectSuccess();
    expect(await pipeline.record()).toEqual(written);
    expect(pipeline.announced).toEqual([written, written]);
  });
});

describe('S3 fails', () => {
  /** Refuses what matches from the nth call on. */
  const refuse = (action: string, fromCall = 1, key = '') => {
    let calls = 0;
    pipeline.onS3Call = (call) => {
      if (call.action === action && call.resource.includes(key) && ++calls >= fromCall) throw new AccessDeniedError(`${action} is refused`);
    };
  };

  test('midway through the copies: no success is recorded, nothing is announced, and the second delivery completes', async () => {
    refuse('s3:PutObject', 3);
    await expect(pipeline.deliver()).rejects.toThrow('s3:PutObject is refused');
    expect(await pipeline.record()).toEqual(pipeline.recordBefore());
    expect((await pipeline.promoted()).length).toBeLessThan(STAGED.length);
    expect(await pipeline.promoted()).not.toContainEqual(expect.stringContaining('manifest.json'));
    expect(await pipeline.staged()).toBe(STAGED.length);
    expect(pipeline.announced).toEqual([]);

    pipeline.onS3Call = undefined;
    await pipeline.deliver();
    await pipeline.expectSuccess();
    expect(pipeline.announced).toHaveLength(1);
  });

  test('at the manifest: no success is recorded', async () => {
    refuse('s3:PutObject', 1, 'manifest.json');
    await expect(pipeline.deliver()).rejects.toThrow();
    expect(await pipeline.record()).toEqual(pipeline.recordBefore());
    expect(await pipeline.promoted()).toHaveLength(STAGED.length - 1);

    pipeline.onS3Call = undefined;
    await pipeline.deliver();
    await pipeline.expectSuccess();
  });

  test('at the list: an empty answer and a refused one are not the same', async () => {
    refuse('s3:ListBucket');
    await expect(pipeline.deliver()).rejects.toThrow();
    pipeline.onS3Call = undefined;
    await pipeline.expectUntouched();
  });

  test('at the removal: the deployment has ended all the same, the second delivery removes', async () => {
    refuse('s3:DeleteObject');
    await expect(pipeline.deliver()).rejects.toThrow('s3:DeleteObject is refused');
    expect(await pipeline.record()).toMatchObject({ status: 'success' });
    expect(await pipeline.staged()).toBe(STAGED.length);

    pipeline.onS3Call = undefined;
    await pipeline.deliver();
    await pipeline.expectSuccess();
  });
});

describe('DynamoDB is unavailable', () => {
  test('when the record is read: nothing is promoted, nothing is removed, the second delivery completes', async () => {
    const dynamoDb = mockClient(DynamoDBDocumentClient);
    try {
      dynamoDb.rejects(error('InternalServerError', 'DynamoDB is down'));
      await expect(pipeline.deliver()).rejects.toThrow('DynamoDB is down');
    } finally {
      dynamoDb.restore();
    }
    await pipeline.expectUntouched();
    expect(await pipeline.staged()).toBe(STAGED.length);

    await pipeline.deliver();
    await pipeline.expectSuccess();
  });

  test('when the success is written: the output is kept for the second delivery', async () => {
    jest.spyOn(DeploymentStore.prototype, 'markSuccess').mockRejectedValueOnce(error('InternalServerError', 'DynamoDB is down'));
    await expect(pipeline.deliver()).rejects.toThrow('DynamoDB is down');
    expect(await pipeline.staged()).toBe(STAGED.length);
    expect(pipeline.announced).toEqual([]);

    await pipeline.deliver();
    await pipeline.expectSuccess();
    expect(pipeline.announced).toHaveLength(1);
  });
});

test('CodeBuild is unavailable: thrown, nothing is decided', async () => {
  codeBuild.mock.on(BatchGetBuildsCommand).rejects(error('ThrottlingException', 'Rate exceeded'));
  await expect(pipeline.deliver()).rejects.toThrow('Rate exceeded');
  await pipeline.expectUntouched();
  expect(await pipeline.staged()).toBe(STAGED.length);
});

test('a build of another project: nothing is touched, its objects included', async () => {
  pipeline.answer({ projectName: 'somebody-elses' });
  await pipeline.deliver();
  await pipeline.expectUntouched();
  expect(await pipeline.staged()).toBe(STAGED.length);
});

describe('CodeBuild answers with less than the event says: thrown, so that the event is delivered again, and nothing is touched', () => {
  test.each<[string, () => unknown]>([
    ['it does not know the build', () => codeBuild.mock.on(BatchGetBuildsCommand).resolves({ builds: [], buildsNotFound: [pipeline.arn] })],
    ['it says nothing', () => codeBuild.mock.on(BatchGetBuildsCommand).resolves({})],
    ['the build still runs', () => pipeline.answer({ buildStatus: 'IN_PROGRESS' })],
  ])('%s', async (_, prepare) => {
    prepare();
    await expect(pipeline.deliver()).rejects.toThrow(/does not know build|still says that build/);
    await pipeline.expectUntouched();
    expect(await pipeline.staged()).toBe(STAGED.length);

    codeBuild.reset();
    pipeline.answer({});
    await pipeline.deliver();
    await pipeline.expectSuccess();
  });
});

describe('a build that its deployment does not count with', () => {
  test.each<[string, () => unknown, object]>([
    ['the record belongs to another build', () => pipeline.putRecord({ buildId: 'builds:another' }), { buildId: 'builds:another' }],
    ['it names no deployment', () => pipeline.answer({}, {}), {}],
    ['it names a deployment id that cannot be one', () => pipeline.answer({}, { [BUILD_ENV.deploymentId]: '../x' }), {}],
    ['it names a deployment that has no record', () => pipeline.answer({}, { [BUILD_ENV.deploymentId]: 'gone' }), {}],
  ])('%s: only what it stored is removed', async (_, prepare, change) => {
    await prepare();
    await pipeline.deliver();
    await pipeline.expectUntouched(pipeline.recordBefore(change));
    expect(await pipeline.staged()).toBe(0);
  });
});

test('a success whose answer got lost on the way is announced all the same', async () => {
  const markSuccess = DeploymentStore.prototype.markSuccess;
  jest.spyOn(DeploymentStore.prototype, 'markSuccess').mockImplementationOnce(async function (this: DeploymentStore, ...args) {
    await markSuccess.apply(this, args); // written; the SDK repeats the call, and its condition does not hold any more
    return markSuccess.apply(this, args);
  });
  await pipeline.deliver();
  await pipeline.expectSuccess();
  expect(pipeline.announced).toEqual([expect.objectContaining({ status: 'success' })]);
});

describe('what S3 refuses to copy is the build\'s doing: ARTIFACTS_INVALID, and not tried again', () => {
  test('an object that was exchanged after it was checked', async () => {
    let exchanged = false;
    pipeline.onS3Call = async ({ action, resource }) => {
      if (exchanged || action !== 's3:GetObject' || !resource.endsWith('static/b.txt')) return;
      exchanged = true;
      await pipeline.exchange('static/b.txt');
    };
    await pipeline.deliver();
    expect(await pipeline.record()).toMatchObject({
      status: 'failed', failureCode: 'ARTIFACTS_INVALID', failureMessage: expect.stringContaining('"static/b.txt" cannot be copied: PreconditionFailed'),
    });
    expect(await pipeline.staged()).toBe(0);
  });
});

test('keys that XML cannot carry are removed too, without XML', async () => {
  await pipeline.stage(['static/a\u0001b', 'static/\ufffe']);
  const send = jest.spyOn(S3Client.prototype, 'send');
  await pipeline.deliver();
  const inXml = send.mock.calls.flatMap(([{ input }]) => ('Delete' in input ? input.Delete!.Objects! : [])).map(({ Key }) => Key!);
  expect(inXml).toHaveLength(STAGED.length);
  expect(inXml.filter((key) => /[\u0001\ufffe]/.test(key))).toEqual([]);
  expect(await pipeline.record()).toMatchObject({ status: 'failed', failureCode: 'ARTIFACTS_INVALID' });
  expect(await pipeline.staged()).toBe(0);
});

test.each([{ projectId: '../other' }, { projectId: 'a/b' }, { commitSha: 'main' }])('a record whose ids were changed to %j is no place to write to', async (change) => {
  await pipeline.putRecord(change);
  await expect(pipeline.deliver()).rejects.toThrow('cannot be part of an object key');
  await pipeline.expectUntouched(pipeline.recordBefore(change));
});

test('the deployment had ended before: what stands in the record is announced if it was not, and the output of the build does not count', async () => {
  const before = pipeline.recordBefore({ status: 'failed', version: 3, failureCode: 'STOPPED', failureMessage: failureMessage('STOPPED'), completedAt: '2026-11-22T12:02:00.000Z' });
  await pipeline.putRecord({ ...before, announcedVersion: 2 });
  await pipeline.deliver();
  expect(await pipeline.record()).toEqual(before);
  expect(await pipeline.promoted()).toEqual([]);
  expect(await pipeline.staged()).toBe(0);
  expect(pipeline.announced).toEqual([before]);
});

test('the build ended before the orchestrator had written its start: the end carries the build\'s id as well', async () => {
  await pipeline.putQueued({ version: 2, startAttemptedAt: 1000, claimExpiresAt: 1060 });
  await pipeline.deliver();
  await pipeline.expectSuccess();
  expect(await pipeline.record()).toMatchObject({ buildId: pipeline.buildId, buildStartedAt: STARTED, logsUrl: expect.stringContaining(pipeline.id) });
  for (const field of ['claimExpiresAt', 'claimedBy', 'startAttemptedAt']) expect(await pipeline.fullRecord()).not.toHaveProperty(field);
});

test('two deliveries at the same time: one end, told twice at most', async () => {
  await Promise.allSettled([pipeline.deliver('SUCCEEDED', 'one'), pipeline.deliver('SUCCEEDED', 'two')]);
  await pipeline.deliver();
  await pipeline.expectSuccess();
  for (const detail of pipeline.announced) expect(detail).toEqual(await pipeline.record());
});
