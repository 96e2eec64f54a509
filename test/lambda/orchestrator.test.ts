/** What the orchestrator does when a service does not do its part: no emulator fails on demand. */
import { setTimeout as sleep } from 'node:timers/promises';
import { StartBuildCommand } from '@aws-sdk/client-codebuild';
import { PutEventsCommand } from '@aws-sdk/client-eventbridge';
import { ChangeMessageVisibilityCommand } from '@aws-sdk/client-sqs';
import { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';
import { mockClient } from 'aws-sdk-client-mock';
import { LAST_RECEIVE, orchestrator, QUEUE_URL, waitForClaim } from './orchestrator-support';
import { DeploymentStore } from '../../lambda/shared/deployment-store';
import { failureMessage } from '../../src/contract/failure-codes';
import { advanceClock } from '../support/clock';
import { answered, BUILD_PROJECT_ARN, buildOf } from '../support/codebuild';
import { REMAINING_SECONDS } from '../support/handlers';
import { buildRequest } from '../support/requests';

const pipeline = orchestrator();
const { codeBuild, sqs, eventBridge } = pipeline;
const createdAt = () => new Date(pipeline.sentAt).toISOString();

const error = (name: string) => Object.assign(new Error('unavailable'), { name });

const MAY_PASS = ['AccessDeniedException', 'OAuthProviderException'];
const WILL_NOT_PASS = ['InvalidInputException', 'ResourceNotFoundException'];

test('when every service does its part: the build runs, the record and an event say so, the reconciler knows where to look', async () => {
  const { request } = pipeline;
  expect(await pipeline.receive(pipeline.message(request))).toEqual([]);
  const [build] = codeBuild.builds;
  expect(await pipeline.record()).toEqual({
    ...request,
    status: 'building',
    version: 2,
    announcedVersion: 2,
    createdAt: createdAt(),
    buildId: build.id,
    buildStartedAt: build.startTime!.toISOString(),
    logsUrl: expect.stringContaining('https://eu-central-1.console.aws.amazon.com/'),
  });
  expect(await pipeline.open()).toEqual({
    deploymentId: request.deploymentId, projectId: request.projectId, createdAt: createdAt(), seenAt: pipeline.sentAt / 1000, buildId: build.id,
  });
  expect(await pipeline.places()).toEqual([request.deploymentId]);
  expect(pipeline.announced.map(({ status, version }) => [status, version])).toEqual([['queued', 1], ['building', 2]]);
  expect(eventBridge.commandCalls(PutEventsCommand).map(({ args }) => args[0].input.Entries![0].Resources)).toEqual([[BUILD_PROJECT_ARN], [BUILD_PROJECT_ARN]]);
  expect(codeBuild.listCalls).toBe(0);
});

describe.each([...MAY_PASS, ...WILL_NOT_PASS])('StartBuild is refused with %s', (name) => {
  beforeEach(() => codeBuild.failAlways(answered(name)));

  test('on the first receive: the message stays, claim and place are given back, the deployment is still queued', async () => {
    expect(await pipeline.receive(pipeline.message(pipeline.request))).toEqual(['message-1']);
    expect(await pipeline.record()).toEqual({ ...pipeline.request, status: 'queued', version: 1, announcedVersion: 1, createdAt: createdAt() });
    expect(await pipeline.places()).toEqual([]);
    expect(pipeline.announcedStatuses).toEqual(['queued']);
  });

  test('on the last receive: START_FAILED with the error\'s name but not its text, which may hold account and role, and the message goes to the dead-letter queue at once', async () => {
    expect(await pipeline.receive(pipeline.message(pipeline.request, LAST_RECEIVE))).toEqual(['message-1']);
    expect(await pipeline.record()).toEqual({
      ...pipeline.request,
      status: 'failed',
      version: 2,
      announcedVersion: 2,
      failureCode: 'START_FAILED',
      failureMessage: `${failureMessage('START_FAILED')} CodeBuild answered ${name}.`,
      createdAt: createdAt(),
      completedAt: expect.any(String),
    });
    expect(pipeline.visibilities).toEqual([1]);
    expect(pipeline.announcedStatuses).toEqual(['queued', 'failed']);
    expect([await pipeline.open(), await pipeline.places()]).toEqual([undefined, []]);
  });
});

test.each(MAY_PASS)('%s: the next try waits about a minute, and the one after it longer', async (name) => {
  codeBuild.failAlways(answered(name));
  await pipeline.receive(pipeline.message(pipeline.request));
  await pipeline.receive(pipeline.message(pipeline.request, 2));
  const [first, second] = pipeline.visibilities;
  expect([first >= 30, first <= 60, second >= 60, second <= 120]).toEqual([true, true, true, true]);
});

test.each(WILL_NOT_PASS)('%s: waiting would only delay the news', async (name) => {
  codeBuild.failAlways(answered(name));
  await pipeline.receive(pipeline.message(pipeline.request));
  expect(pipeline.visibilities).toEqual([1]);
});

test('the visibility is changed of the message that failed', async () => {
  codeBuild.failAlways(answered('AccessDeniedException'));
  await pipeline.receive(pipeline.message(pipeline.request));
  expect(sqs.commandCalls(ChangeMessageVisibilityCommand)[0].args[0].input).toMatchObject({ QueueUrl: QUEUE_URL, ReceiptHandle: 'handle of message-1' });
});

describe('DynamoDB', () => {
  test('unavailable: nothing is started, the message comes back when no claim of this invocation can stand any more', async () => {
    const dynamoDb = mockClient(DynamoDBDocumentClient);
    try {
      dynamoDb.rejects(error('InternalServerError'));
      expect(await pipeline.receive(pipeline.message(pipeline.request))).toEqual(['message-1']);
    } finally {
      dynamoDb.restore();
    }
    expect(codeBuild.startCalls).toBe(0);
    expect(pipeline.visibilities).toEqual([REMAINING_SECONDS + 1]);
    expect(await pipeline.receive(pipeline.message(pipeline.request, 2))).toEqual([]);
    expect(await pipeline.status()).toBe('building');
  });

  test('unavailable while an invalid request is refused: it is refused at its next receive', async () => {
    const invalid = pipeline.message({ ...pipeline.request, branch: '..' });
    jest.spyOn(DeploymentStore.prototype, 'failUnseen').mockRejectedValueOnce(error('InternalServerError'));
    expect(await pipeline.receive(invalid)).toEqual(['message-1']);
    expect(await pipeline.record()).toBeUndefined();
    expect(await pipeline.receive(invalid)).toEqual(['message-1']);
    expect(await pipeline.record()).toMatchObject({ status: 'failed', failureCode: 'INVALID_REQUEST' });
  });

  test('unavailable after the start: the message stays; a copy looks when this invocation is over, and the build is found', async () => {
    jest.spyOn(DeploymentStore.prototype, 'markBuilding').mockRejectedValueOnce(error('InternalServerError'));
    expect(await pipeline.receive(pipeline.message(pipeline.request))).toEqual(['message-1']);
    expect(await pipeline.record()).toMatchObject({ status: 'queued', claimExpiresAt: pipeline.sentAt / 1000 + REMAINING_SECONDS });
    expect(pipeline.visibilities).toEqual([REMAINING_SECONDS + 1]);

    // Delivered too early, all the same.
    expect(await pipeline.receive(pipeline.message(pipeline.request, 2))).toEqual([]);
    expect(pipeline.copies).toEqual([expect.objectContaining({ DelaySeconds: REMAINING_SECONDS + 1 })]);

    waitForClaim();
    expect(await pipeline.receive(pipeline.delivered(pipeline.copies[0]))).toEqual([]);
    expect(codeBuild.startCalls).toBe(1);
    expect(await pipeline.record()).toMatchObject({ status: 'building', buildId: codeBuild.builds[0].id });
  });

  test('unavailable when the claim is to be given back: the message stays, and may start the build when the claim has expired', async () => {
    codeBuild.failAlways(answered('ThrottlingException'));
    jest.spyOn(DeploymentStore.prototype, 'releaseClaim').mockRejectedValueOnce(error('InternalServerError'));
    expect(await pipeline.receive(pipeline.message(pipeline.request))).toEqual(['message-1']);
    expect(pipeline.visibilities).toHaveLength(1);
    expect(await pipeline.record()).toMatchObject({ status: 'queued', claimExpiresAt: expect.any(Number) });

    codeBuild.failAlways(undefined);
    waitForClaim();
    expect(await pipeline.receive(pipeline.message(pipeline.request, 2))).toEqual([]);
    expect(await pipeline.status()).toBe('building');
    // The copy that was put back comes too late.
    advanceClock(10);
    expect(await pipeline.receive(pipeline.delivered(pipeline.copies[0]))).toEqual([]);
    expect(codeBuild.builds).toHaveLength(1);
  });
});

test('ChangeMessageVisibility fails: the message stays, the queue\'s own timeout decides when it comes back', async () => {
  codeBuild.failAlways(answered('AccessDeniedException'));
  sqs.on(ChangeMessageVisibilityCommand).rejects(error('InternalError'));
  expect(await pipeline.receive(pipeline.message(pipeline.request))).toEqual(['message-1']);
  expect(await pipeline.record()).toMatchObject({ status: 'queued' });
  expect(await pipeline.record()).not.toHaveProperty('claimExpiresAt');

  expect(await pipeline.receive(pipeline.message(pipeline.request, LAST_RECEIVE))).toEqual(['message-1']);
  expect(await pipeline.record()).toMatchObject({ status: 'failed', failureCode: 'START_FAILED' });
});

describe.each([
  ['refuses the call', () => eventBridge.on(PutEventsCommand).rejects(error('InternalException'))],
  ['does not take the entry', () => eventBridge.on(PutEventsCommand).resolves({ FailedEntryCount: 1, Entries: [{ ErrorCode: 'ThrottlingException' }] })],
])('EventBridge %s', (_, fail) => {
  beforeEach(() => {
    fail();
  });

  test('the build stays started and the message is done: a second build would be worse than a lost event', async () => {
    expect(await pipeline.receive(pipeline.message(pipeline.request))).toEqual([]);
    expect(await pipeline.record()).toMatchObject({ status: 'building', buildId: codeBuild.builds[0].id });
    expect(await pipeline.record()).not.toHaveProperty('announcedVersion');
    expect(pipeline.visibilities).toEqual([]);
  });

  test('a deployment that failed stays failed, and among the open ones, so that the reconciler sends the event', async () => {
    codeBuild.failAlways(answered('AccessDeniedException'));
    expect(await pipeline.receive(pipeline.message(pipeline.request, LAST_RECEIVE))).toEqual(['message-1']);
    expect(await pipeline.record()).toMatchObject({ status: 'failed', failureCode: 'START_FAILED', version: 2 });
    expect(await pipeline.open()).toMatchObject({ deploymentId: pipeline.request.deploymentId });
  });
});

describe('a batch', () => {
  test('only what failed stays in the queue', async () => {
    const [good, unlucky] = ['good', 'unlucky'].map((name) => pipeline.another(name, { branch: name }));
    codeBuild.mock.on(StartBuildCommand, { idempotencyToken: unlucky.deploymentId }).rejects(answered('AccessDeniedException'));
    expect((await pipeline.receive(pipeline.message(good, 1, 'good'), pipeline.message({}, 1, 'invalid'), pipeline.message(unlucky, 1, 'unlucky'))).sort()).toEqual(['invalid', 'unlucky']);
    expect(await pipeline.status(good)).toBe('building');
  });

  test('is handled one message after the other: the log lines in between carry the id of the message in hand', async () => {
    let [running, most] = [0, 0];
    codeBuild.mock.on(StartBuildCommand).callsFake(async ({ idempotencyToken }) => {
      most = Math.max(most, ++running);
      await sleep(20);
      running -= 1;
      return { build: buildOf(idempotencyToken) };
    });
    const requests = ['a', 'b', 'c'].map((name) => pipeline.another(name, { branch: name }));
    expect(await pipeline.receive(...requests.map((each) => pipeline.message(each, 1, each.deploymentId)))).toEqual([]);
    expect([codeBuild.startCalls, most]).toEqual([3, 1]);
  });

  test('that failed as a whole is an answer, not an error of the function', async () => {
    expect(await pipeline.receive(pipeline.message({}, 1, 'one'), pipeline.message('text', 1, 'two'))).toEqual(['one', 'two']);
  });

  test('with the same request twice starts one build', async () => {
    await pipeline.receive(pipeline.message(pipeline.request, 1, 'one'), pipeline.message(pipeline.request, 1, 'two'));
    expect(codeBuild.startCalls).toBe(1);
    expect(await pipeline.status()).toBe('building');
  });
});

describe('a message whose deployment is not its own to start', () => {
  test.each(['building', 'success', 'superseded'] as const)('is done with when that is %s; what its event should have said is said', async (status) => {
    await pipeline.produce(pipeline.request, 60, { status, buildId: 'builds:1', version: 2, announcedVersion: 1 });
    expect(await pipeline.receive(pipeline.message(pipeline.request))).toEqual([]);
    expect(codeBuild.startCalls).toBe(0);
    expect(pipeline.announcedStatuses).toEqual([status]);
    await pipeline.receive(pipeline.message(pipeline.request));
    expect(pipeline.announcedStatuses).toEqual([status]);
  });

  test('is done with when its build failed', async () => {
    await pipeline.produce(pipeline.request, 60, { status: 'failed', buildId: 'builds:1', failureCode: 'BUILD_FAILED', completedAt: new Date(pipeline.sentAt - 1).toISOString() });
    expect(await pipeline.receive(pipeline.message(pipeline.request))).toEqual([]);
    expect(await pipeline.status()).toBe('failed');
  });

  test.each([{ projectId: 'somebody-else' }, { commitSha: 'f'.repeat(40) }])('goes to the dead-letter queue when the id belongs to another (%j), which is left alone', async (other) => {
    await pipeline.produce({ ...pipeline.request, ...other }, 60);
    const before = await pipeline.record();
    expect(await pipeline.receive(pipeline.message(pipeline.request))).toEqual(['message-1']);
    expect(await pipeline.record()).toEqual(before);
    expect(pipeline.visibilities).toEqual([1]);
  });

  test('stays when the record has a status that nobody knows', async () => {
    await pipeline.produce(pipeline.request, 60, { status: 'QUEUED' as never });
    expect(await pipeline.receive(pipeline.message(pipeline.request))).toEqual(['message-1']);
    expect(codeBuild.startCalls).toBe(0);
  });

  test('a record that is deleted while the build starts: nobody wants the build, it is stopped', async () => {
    const startBuild = jest.spyOn(DeploymentStore.prototype, 'markBuilding').mockResolvedValueOnce(undefined);
    jest.spyOn(DeploymentStore.prototype, 'get').mockResolvedValueOnce(undefined);
    expect(await pipeline.receive(pipeline.message(pipeline.request))).toEqual([]);
    expect(startBuild).toHaveBeenCalledTimes(1);
    expect(codeBuild.stopped).toEqual([codeBuild.builds[0].id]);
  });
});

test('an invalid request does not end the deployment of a good one under the same id', async () => {
  await pipeline.receive(pipeline.message(pipeline.request));
  expect(await pipeline.receive(pipeline.message({ ...pipeline.request, branch: '..' }, 1, 'invalid'))).toEqual(['invalid']);
  expect(await pipeline.status()).toBe('building');
  expect(await pipeline.receive(pipeline.message({ ...buildRequest(), deploymentId: undefined }, 1, 'nameless'))).toEqual(['nameless']);
});
