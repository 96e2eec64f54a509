/** Deployments behind messages of the dead-letter queue do not say "queued" for ever; the messages stay for the operator. */
import type { Message } from '@aws-sdk/client-sqs';
import { ReceiveMessageCommand } from '@aws-sdk/client-sqs';
import { NOW, NOW_SECONDS, reconciler } from './reconciler-support';
import type { DeploymentRecord } from '../../../src/contract/deployment';
import { failureMessage } from '../../../src/contract/failure-codes';
import { answered, buildArn, buildOf, unanswered } from '../../support/codebuild';
import { buildRequest } from '../../support/requests';

const pipeline = reconciler();
const { codeBuild } = pipeline;

const SENT = NOW - 7200_000;
const letter = (body: unknown, MessageId = 'dead-1'): Message => ({
  MessageId, Body: typeof body === 'string' ? body : JSON.stringify(body), Attributes: { SentTimestamp: String(SENT) }, ReceiptHandle: 'handle',
});
/** Behind the letter of this request there is a deployment. */
async function dead(record: Partial<DeploymentRecord> | null, change: object = {}): Promise<void> {
  const request = await pipeline.open('d', record);
  pipeline.deadLetters(letter({ ...request, ...change }));
}
const record = async () => pipeline.tables.record('d');

test('messages are only looked at: no other call than ReceiveMessage, with a short visibility, and no wait', async () => {
  await dead({});
  await pipeline.run();
  expect(new Set(pipeline.sqs.calls().map(({ args }) => args[0].constructor.name))).toEqual(new Set(['ReceiveMessageCommand']));
  for (const { args } of pipeline.sqs.commandCalls(ReceiveMessageCommand)) {
    expect(args[0].input).toEqual({ QueueUrl: 'https://dead-letters', MaxNumberOfMessages: 10, VisibilityTimeout: 30, MessageSystemAttributeNames: ['SentTimestamp'] });
  }
});

describe('the deployment', () => {
  test('is queued, and nobody works on it: START_FAILED', async () => {
    await dead({});
    await pipeline.run();
    expect(await record()).toMatchObject({ status: 'failed', failureCode: 'START_FAILED', failureMessage: failureMessage('START_FAILED'), version: 2 });
    expect([pipeline.announced, await pipeline.openIds()]).toEqual([['d failed 2'], []]);
  });

  test('was written by its producer, and nobody came as far as to claim it: START_FAILED', async () => {
    const request = buildRequest({ deploymentId: 'd' });
    await pipeline.tables.putRecord({ ...request, status: 'queued', createdAt: 'earlier' });
    pipeline.deadLetters(letter(request));
    await pipeline.run();
    expect(await record()).toMatchObject({ status: 'failed', failureCode: 'START_FAILED', createdAt: 'earlier', version: 1 });
    expect(pipeline.announced).toEqual(['d failed 1']);
  });

  test('has no record: it gets one, as old as its message', async () => {
    const request = buildRequest({ deploymentId: 'd' });
    pipeline.deadLetters(letter(request));
    await pipeline.run();
    expect(await record()).toMatchObject({ ...request, status: 'failed', failureCode: 'START_FAILED', createdAt: new Date(SENT).toISOString() });
  });

  test('was to be started, and has no build: START_FAILED, and its place is free', async () => {
    await dead({ startAttemptedAt: NOW_SECONDS - 3600, claimExpiresAt: NOW_SECONDS - 3540 });
    await pipeline.takePlace('project-of-d', 'd');
    await pipeline.run();
    expect(await record()).toMatchObject({ status: 'failed', failureCode: 'START_FAILED' });
    expect(await pipeline.places('project-of-d')).toEqual([]);
  });

  test('was to be started, and has a build that nobody knew: the finalizer makes it known', async () => {
    await dead({ startAttemptedAt: NOW_SECONDS - 3600, claimExpiresAt: NOW_SECONDS - 3540 });
    codeBuild.builds.push(buildOf('d', { startTime: new Date(NOW - 3600_000) }));
    await pipeline.run();
    expect(await record()).toMatchObject({ status: 'queued' });
    expect(pipeline.finalized).toContainEqual([buildArn('builds:d'), 'IN_PROGRESS']);
  });

  test('was to be started, and CodeBuild does not say whether it was: nothing is decided', async () => {
    await dead({ startAttemptedAt: NOW_SECONDS - 3600, claimExpiresAt: NOW_SECONDS - 3540 });
    codeBuild.mock.onAnyCommand().rejects(answered('ThrottlingException'));
    await expect(pipeline.run()).rejects.toThrow();
    expect(await record()).toMatchObject({ status: 'queued' });
  });

  test.each<[string, Partial<DeploymentRecord>]>([
    ['is being started by another message', { startAttemptedAt: NOW_SECONDS - 10, claimExpiresAt: NOW_SECONDS + 50 }],
    ['waits, so that a copy of its request is in the queue', { waitingReason: 'ACCOUNT_CAPACITY' }],
    ['is building', { status: 'building', version: 2, buildId: 'builds:d', buildStartedAt: new Date(NOW).toISOString() }],
  ])('%s: it is left alone', async (_, change) => {
    await dead(change);
    const before = await record();
    await pipeline.run();
    expect(await record()).toEqual(before);
  });

  test.each(['success', 'failed', 'superseded'] as const)('has ended (%s): nothing but an event that was not sent', async (status) => {
    await pipeline.open('d', { status, version: 2 });
    const before = await record();
    await pipeline.tables.putRecord({ ...before, announcedVersion: 1 });
    pipeline.deadLetters(letter(buildRequest({ deploymentId: 'd', projectId: 'project-of-d' })));
    await pipeline.run();
    expect(await record()).toEqual({ ...before, announcedVersion: 2 });
    expect(pipeline.announced).toEqual([`d ${status} 2`]);
  });

  test.each([{ projectId: 'other' }, { commitSha: 'f'.repeat(40) }])('is another one under the same id: %j', async (other) => {
    await dead({}, other);
    await pipeline.run();
    expect(await record()).toMatchObject({ status: 'queued' });
  });
});

describe('a request that is not valid', () => {
  test('ends its deployment with the reason', async () => {
    const { branch, ...request } = buildRequest({ deploymentId: 'd' });
    pipeline.deadLetters(letter({ ...request, branch: '..' }));
    await pipeline.run();
    expect(await record()).toMatchObject({ status: 'failed', failureCode: 'INVALID_REQUEST', failureMessage: expect.stringContaining('branch') });
  });

  test('does not end a deployment that a valid one began', async () => {
    await dead({ waitingReason: undefined }, { branch: '..' });
    await pipeline.run();
    expect(await record()).toMatchObject({ status: 'queued' });
  });

  test.each(['', 'text', '[]', '{}', '{"deploymentId":"../x"}'])('and names no deployment: %j', async (body) => {
    pipeline.deadLetters(letter(body));
    await pipeline.run();
    expect(await pipeline.openIds()).toEqual([]);
    expect(pipeline.announced).toEqual([]);
  });
});

describe('many messages', () => {
  const ids = (count: number) => Array.from({ length: count }, (_, index) => `d${index}`);

  test('are all looked at, once each, also when some come again', async () => {
    const letters = ids(25).map((id) => letter(buildRequest({ deploymentId: id }), id));
    const receive = pipeline.sqs.on(ReceiveMessageCommand);
    receive.resolvesOnce({ Messages: letters.slice(0, 10) }).resolvesOnce({}).resolvesOnce({ Messages: letters.slice(5, 15) })
      .resolvesOnce({ Messages: letters.slice(15) }).resolves({ Messages: letters.slice(0, 10) });
    await pipeline.run();
    for (const id of ids(25)) expect(await pipeline.tables.record(id)).toMatchObject({ status: 'failed' });
    expect(pipeline.announced).toHaveLength(25);
  });

  test('more than there is time for: the look ends', async () => {
    let count = 0;
    pipeline.sqs.on(ReceiveMessageCommand).callsFake(async () => {
      jest.setSystemTime(Date.now() + 10_000);
      return { Messages: [letter('text', `dead-${count++}`)] };
    });
    await pipeline.run();
    expect(count).toBeLessThan(20);
  });
});

test('SQS does not answer: the other reviews do their work', async () => {
  await pipeline.open('done', { status: 'superseded', version: 2, supersededBy: 'newer' });
  pipeline.sqs.on(ReceiveMessageCommand).rejects(unanswered());
  await expect(pipeline.run()).rejects.toThrow('no answer');
  expect(await pipeline.openIds()).toEqual([]);
});
