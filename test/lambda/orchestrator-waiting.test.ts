/** A request that finds no capacity waits in the queue, as a copy of its message, and uses up no receive. */
import { ChangeMessageVisibilityCommand, SendMessageCommand } from '@aws-sdk/client-sqs';
import { LAST_RECEIVE, orchestrator, QUEUE_URL, RETENTION_SECONDS, waitForClaim } from './orchestrator-support';
import { REQUEUE_ATTRIBUTES } from '../../src/contract/build-request';
import { STATE_KINDS } from '../../src/contract/state-table';
import { advanceClock } from '../support/clock';
import { answered, unanswered } from '../support/codebuild';
import { REMAINING_SECONDS } from '../support/handlers';

const pipeline = orchestrator();
const { codeBuild, sqs } = pipeline;
const createdAt = () => new Date(pipeline.sentAt).toISOString();

/** CodeBuild is asked again after a minute at the latest. */
const BREAKER_SECONDS = 60;

describe.each(['ThrottlingException', 'AccountLimitExceededException'])('%s: there is no capacity', (name) => {
  beforeEach(() => codeBuild.failAlways(answered(name)));

  test.each([1, LAST_RECEIVE])('on receive %d: a copy waits, the message is done with, the deployment is still queued and free to be claimed', async (receives) => {
    const original = pipeline.message(pipeline.request, receives);
    original.attributes.MessageGroupId = pipeline.request.projectId;
    expect(await pipeline.receive(original)).toEqual([]);
    expect(pipeline.copies).toEqual([expect.objectContaining({ QueueUrl: QUEUE_URL, MessageBody: original.body, MessageGroupId: pipeline.request.projectId })]);
    expect(await pipeline.record()).toEqual({
      ...pipeline.request, status: 'queued', waitingReason: 'ACCOUNT_CAPACITY', version: 1, announcedVersion: 1, createdAt: createdAt(),
    });
    expect([pipeline.visibilities, pipeline.announcedStatuses, await pipeline.places()]).toEqual([[], ['queued'], []]);
  });

  test('copies wait longer and longer, and start the build when there is room', async () => {
    await pipeline.receive(pipeline.message(pipeline.request));
    advanceClock(BREAKER_SECONDS);
    await pipeline.receive(pipeline.delivered(pipeline.copies[0]));
    const [first, second] = pipeline.copies.map(({ DelaySeconds }) => DelaySeconds!);
    expect([first >= 15, first <= 30, second >= 30, second <= 60]).toEqual([true, true, true, true]);

    codeBuild.failAlways(undefined);
    advanceClock(BREAKER_SECONDS);
    expect(await pipeline.receive(pipeline.delivered(pipeline.copies[1]))).toEqual([]);
    expect(await pipeline.status()).toBe('building');
    expect(await pipeline.record()).not.toHaveProperty('waitingReason');
  });

  test('a request that has waited as long as SQS keeps messages has failed, and goes to the dead-letter queue', async () => {
    await pipeline.receive(pipeline.message(pipeline.request));
    const copy = pipeline.delivered(pipeline.copies[0]);
    advanceClock(RETENTION_SECONDS);
    expect(await pipeline.receive(copy)).toEqual([copy.messageId]);
    expect(await pipeline.record()).toMatchObject({ status: 'failed', failureCode: 'NO_CAPACITY' });
    // Its remaining receives lead there, instead of being taken for a duplicate that can go.
    expect(await pipeline.receive(copy)).toEqual([copy.messageId]);
    expect(pipeline.visibilities).toEqual([1, 1]);
    expect(pipeline.announcedStatuses).toEqual(['queued', 'failed']);
    expect([await pipeline.open(), await pipeline.places()]).toEqual([undefined, []]);
  });

  test('a copy that SQS does not take: the message stays', async () => {
    sqs.on(SendMessageCommand).rejects(unanswered('ServiceUnavailable'));
    expect(await pipeline.receive(pipeline.message(pipeline.request))).toEqual(['message-1']);
    expect(await pipeline.status()).toBe('queued');
  });

  test('message and copy both delivered: one build', async () => {
    await pipeline.receive(pipeline.message(pipeline.request));
    codeBuild.failAlways(undefined);
    advanceClock(BREAKER_SECONDS);
    expect(await pipeline.receive(pipeline.message(pipeline.request, 2))).toEqual([]);
    expect(await pipeline.receive(pipeline.delivered(pipeline.copies[0]))).toEqual([]);
    expect([codeBuild.startCalls, codeBuild.builds.length]).toEqual([2, 1]);
  });
});

describe('CodeBuild has just said that it takes no more builds', () => {
  beforeEach(async () => {
    codeBuild.failNext('before', answered('AccountLimitExceededException'));
    await pipeline.receive(pipeline.message(pipeline.request));
  });

  test('copies only wait on: nobody calls StartBuild, the record is not touched, their entry says that they were seen', async () => {
    advanceClock(20);
    const before = await pipeline.record();
    const copy = pipeline.delivered(pipeline.copies[0]);
    expect(await pipeline.receive(copy)).toEqual([]);
    expect(pipeline.copies).toHaveLength(2);
    expect(pipeline.copies[1].MessageAttributes).toEqual({
      [REQUEUE_ATTRIBUTES.requeues]: { DataType: 'Number', StringValue: '2' },
      [REQUEUE_ATTRIBUTES.firstSentAt]: { DataType: 'Number', StringValue: String(pipeline.sentAt) },
      [REQUEUE_ATTRIBUTES.createdAt]: { DataType: 'String', StringValue: createdAt() },
    });
    expect(codeBuild.startCalls).toBe(1);
    expect(await pipeline.record()).toEqual(before);
    expect(await pipeline.open()).toMatchObject({ seenAt: pipeline.sentAt / 1000 + 20 });
  });

  test('requests of other projects wait too, without asking', async () => {
    const other = pipeline.another('other', { projectId: `${pipeline.request.projectId}-other` });
    expect(await pipeline.receive(pipeline.message(other))).toEqual([]);
    expect(await pipeline.record(other)).toMatchObject({ status: 'queued', waitingReason: 'ACCOUNT_CAPACITY' });
    expect(codeBuild.startCalls).toBe(1);
  });

  test('a copy whose deployment was started or has ended meanwhile is done with', async () => {
    const copy = pipeline.delivered(pipeline.copies[0]);
    await pipeline.receive(pipeline.hint(pipeline.request));
    await pipeline.receive(copy);
    expect(pipeline.copies).toHaveLength(1);
    expect([await pipeline.status(), codeBuild.builds.length]).toEqual(['building', 1]);
  });

  test('a copy that may not wait any longer is not put back, and not asked about either', async () => {
    advanceClock(RETENTION_SECONDS);
    const another = pipeline.another('z', { branch: 'other' });
    codeBuild.failNext('before', answered('AccountLimitExceededException'));
    await pipeline.receive(pipeline.message(another, 1, 'another', Date.now()));
    const copy = pipeline.delivered(pipeline.copies[0]);
    expect(await pipeline.receive(copy)).toEqual([copy.messageId]);
    expect(await pipeline.record()).toMatchObject({ status: 'failed', failureCode: 'NO_CAPACITY' });
    expect(codeBuild.startCalls).toBe(2);
  });

  test('after a minute at the latest somebody asks again', async () => {
    advanceClock(BREAKER_SECONDS);
    await pipeline.receive(pipeline.delivered(pipeline.copies[0]));
    expect(codeBuild.startCalls).toBe(2);
    expect(await pipeline.status()).toBe('building');
  });

  describe('a hint that it is this deployment\'s turn', () => {
    test('asks CodeBuild all the same, and starts the build', async () => {
      expect(await pipeline.receive(pipeline.hint(pipeline.request))).toEqual([]);
      expect(await pipeline.status()).toBe('building');
    });

    test('is dropped when there is no room after all: the copy still waits', async () => {
      codeBuild.failNext('before', answered('AccountLimitExceededException'));
      expect(await pipeline.receive(pipeline.hint(pipeline.request))).toEqual([]);
      expect(codeBuild.startCalls).toBe(2);
      expect(pipeline.copies).toHaveLength(1);
      expect(await pipeline.record()).toMatchObject({ status: 'queued', waitingReason: 'ACCOUNT_CAPACITY', version: 1 });
      expect(await pipeline.record()).not.toHaveProperty('claimExpiresAt');
      // And it is known for another while that there is none.
      expect(await pipeline.tables.state(STATE_KINDS.capacity, 'codebuild')).toMatchObject({ exhaustedUntil: expect.any(Number) });
      advanceClock(25);
      await pipeline.receive(pipeline.delivered(pipeline.copies[0]));
      expect(codeBuild.startCalls).toBe(2);
    });

    test.each(['building', 'success', 'failed', 'superseded'] as const)('is dropped when that is %s', async (status) => {
      const record = await pipeline.record();
      await pipeline.tables.putRecord({ ...record, status, completedAt: new Date(pipeline.sentAt).toISOString() });
      advanceClock(5);
      expect(await pipeline.receive(pipeline.hint(pipeline.request))).toEqual([]);
      expect([await pipeline.status(), codeBuild.startCalls]).toEqual([status, 1]);
    });
  });
});

test('a start that CodeBuild had not refused for a while calls the next deployment that waits, the oldest of its project, until nobody waits', async () => {
  const requests = ['a', 'b', 'c'].map((name) => pipeline.another(name, { branch: name }));
  codeBuild.failAlways(answered('AccountLimitExceededException'));
  for (const request of requests) {
    await pipeline.receive(pipeline.message(request));
    advanceClock(1);
  }
  codeBuild.failAlways(undefined);
  advanceClock(BREAKER_SECONDS);
  await pipeline.receive(pipeline.hint(requests[0]));
  for (let calls = 1; calls < 3; calls += 1) {
    expect(pipeline.hints).toHaveLength(calls);
    const [hint] = pipeline.hints.slice(-1);
    expect(hint).toMatchObject({ QueueUrl: QUEUE_URL, MessageBody: JSON.stringify(requests[calls]), MessageGroupId: pipeline.request.projectId });
    expect(hint.DelaySeconds).toBeUndefined();
    await pipeline.receive(pipeline.delivered(hint));
  }
  expect(await Promise.all(requests.map((request) => pipeline.status(request)))).toEqual(['building', 'building', 'building']);
  expect(pipeline.hints).toHaveLength(2);
  expect(await pipeline.tables.state(STATE_KINDS.project, pipeline.request.projectId)).not.toHaveProperty('waitingSince');
});

test('a start at a time when CodeBuild is known to be full calls nobody: one build has ended, and one has begun', async () => {
  const requests = ['a', 'b'].map((name) => pipeline.another(name, { branch: name }));
  codeBuild.failAlways(answered('AccountLimitExceededException'));
  for (const request of requests) await pipeline.receive(pipeline.message(request));
  codeBuild.failAlways(undefined);
  await pipeline.receive(pipeline.hint(requests[0]));
  expect(await pipeline.status(requests[0])).toBe('building');
  expect(pipeline.hints).toEqual([]);
});

test('a hint for a deployment that needs no build any more passes the turn on', async () => {
  const [older, newer] = ['1-older', '2-newer'].map((name) => pipeline.another(name));
  codeBuild.failAlways(answered('AccountLimitExceededException'));
  await pipeline.receive(pipeline.message(older));
  advanceClock(1);
  await pipeline.receive(pipeline.message(newer));
  expect(await pipeline.status(older)).toBe('superseded');
  await pipeline.receive(pipeline.hint(older));
  expect(pipeline.hints.map(({ MessageBody }) => MessageBody)).toEqual([JSON.stringify(newer)]);
});

test('a hint that SQS does not take harms nobody', async () => {
  codeBuild.failNext('before', answered('AccountLimitExceededException'));
  await pipeline.receive(pipeline.message(pipeline.another('waits', { branch: 'other' })));
  sqs.on(SendMessageCommand).rejects(unanswered('ServiceUnavailable'));
  advanceClock(BREAKER_SECONDS);
  expect(await pipeline.receive(pipeline.message(pipeline.request))).toEqual([]);
  expect(await pipeline.status()).toBe('building');
});

describe('another invocation is starting the build', () => {
  const claimedSeconds = 40;
  beforeEach(async () => {
    const now = pipeline.sentAt / 1000;
    await pipeline.produce(pipeline.request, 60, { version: 1, announcedVersion: 1, startAttemptedAt: now - 20, claimExpiresAt: now + claimedSeconds });
  });

  test.each([1, LAST_RECEIVE])('on receive %d: a copy looks what came of it, and no receive is used up', async (receives) => {
    expect(await pipeline.receive(pipeline.message(pipeline.request, receives))).toEqual([]);
    expect(pipeline.copies).toEqual([expect.objectContaining({ DelaySeconds: claimedSeconds + 1, MessageBody: JSON.stringify(pipeline.request) })]);
    expect([codeBuild.startCalls, pipeline.visibilities]).toEqual([0, []]);
  });

  test('a hint is dropped', async () => {
    expect(await pipeline.receive(pipeline.hint(pipeline.request))).toEqual([]);
    expect([pipeline.copies, codeBuild.startCalls]).toEqual([[], 0]);
  });

  test('the copy goes on when that invocation has died', async () => {
    await pipeline.receive(pipeline.message(pipeline.request));
    waitForClaim();
    expect(await pipeline.receive(pipeline.delivered(pipeline.copies[0]))).toEqual([]);
    expect([await pipeline.status(), codeBuild.builds.length]).toEqual(['building', 1]);
  });
});

test('two messages of one request at the same time: one build', async () => {
  await Promise.all([1, 2, 3].map((index) => pipeline.receive(pipeline.message(pipeline.request, 1, `message-${index}`))));
  expect([codeBuild.startCalls, await pipeline.status()]).toEqual([1, 'building']);
});

test('the claim lasts as long as the invocation, not longer', async () => {
  codeBuild.failNext('before', unanswered());
  await pipeline.receive(pipeline.message(pipeline.request));
  expect(await pipeline.record()).toMatchObject({ claimExpiresAt: pipeline.sentAt / 1000 + REMAINING_SECONDS });
  expect(sqs.commandCalls(ChangeMessageVisibilityCommand)).toHaveLength(1);
});
