import { SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { mockClient } from 'aws-sdk-client-mock';
import { all, stateTable } from './tables';
import { DeploymentStore } from '../../../lambda/shared/deployment-store';
import { OpenDeployments } from '../../../lambda/shared/state/open-deployments';
import { Projects } from '../../../lambda/shared/state/projects';
import { WaitingLine } from '../../../lambda/shared/state/waiting-line';
import type { BuildRequest } from '../../../src/contract/build-request';
import type { DeploymentRecord } from '../../../src/contract/deployment';
import { buildRequest } from '../../support/requests';

const { tables, state } = stateTable();
const sqs = mockClient(SQSClient);

let openDeployments: OpenDeployments;
let projects: Projects;
let line: WaitingLine;
let now: number;

beforeEach(() => {
  sqs.reset();
  sqs.on(SendMessageCommand).resolves({});
  openDeployments = new OpenDeployments(state());
  projects = new Projects(state(), 2);
  line = new WaitingLine(projects, openDeployments, new DeploymentStore(tables().client, tables().tableName), new SQSClient({ region: 'eu-central-1' }), 'https://queue');
  now = 10_000;
});

async function waits(projectId: string, name: string, second: number, change: Partial<DeploymentRecord> & { rootDirectory?: string } = {}): Promise<void> {
  const createdAt = `2026-11-22T12:00:${String(second).padStart(2, '0')}.000Z`;
  const record = { ...buildRequest({ deploymentId: `${projectId}-${name}`, projectId }), status: 'queued', version: 1, createdAt, ...change };
  await tables().putRecord(record);
  await openDeployments.see(record, 1);
  await projects.wait(projectId, second);
}

/** Calls the next, as often as asked. */
async function call(times = 1): Promise<string[]> {
  const before = sqs.commandCalls(SendMessageCommand).length;
  for (let count = 0; count < times; count += 1) await line.callNext(now++);
  return sqs.commandCalls(SendMessageCommand).slice(before).map(({ args }) => (JSON.parse(args[0].input.MessageBody!) as BuildRequest).deploymentId);
}

test('nobody waits: nobody is called', async () => {
  await projects.reserve('a', 'a-1');
  expect(await call()).toEqual([]);
});

test('the call carries the whole request, in its project\'s group, without delay, and is marked as a hint', async () => {
  await waits('a', '1', 1, { rootDirectory: 'apps/web', waitingReason: 'ACCOUNT_CAPACITY' });
  await call();
  expect(sqs.commandCalls(SendMessageCommand)[0].args[0].input).toEqual({
    QueueUrl: 'https://queue',
    MessageBody: JSON.stringify(buildRequest({ deploymentId: 'a-1', projectId: 'a', rootDirectory: 'apps/web' })),
    MessageGroupId: 'a',
    MessageAttributes: { wake: { DataType: 'Number', StringValue: '1' } },
  });
});

test('projects take turns, however many requests one of them has', async () => {
  for (let index = 0; index < 5; index += 1) await waits('noisy', String(index), index);
  await waits('quiet', '1', 30);
  await waits('calm', '1', 40);
  expect(await call(3)).toEqual(['noisy-0', 'quiet-1', 'calm-1']);
});

test('who has no build comes before who has one; who has as many as it may is not called', async () => {
  await waits('one', '1', 1);
  await projects.reserve('one', 'running');
  await waits('two', '1', 2);
  await projects.reserve('two', 'running');
  await projects.reserve('two', 'running too');
  await waits('none', '1', 30);
  expect(await call(1)).toEqual(['none-1']);
});

test('the oldest of a project comes first, in the order of creation, not of arrival', async () => {
  await waits('a', 'late', 30);
  await waits('a', 'early', 10);
  expect(await call()).toEqual(['a-early']);
});

describe('one that is not waiting any more, or is being started, is passed over', () => {
  test.each<[string, Partial<DeploymentRecord>]>([
    ['building', { status: 'building' }], ['success', { status: 'success' }], ['superseded', { status: 'superseded' }], ['being started', { startAttemptedAt: 1, claimExpiresAt: 2 }],
  ])('%s', async (_, change) => {
    await waits('a', 'first', 1, change);
    await waits('a', 'second', 2);
    expect(await call()).toEqual(['a-second']);
  });

  test('deleted', async () => {
    await openDeployments.see({ deploymentId: 'deleted', projectId: 'a', createdAt: '2026-11-22T11:00:00.000Z' }, 1);
    await waits('a', 'second', 2);
    expect(await call()).toEqual(['a-second']);
  });

  test('with a build', async () => {
    await waits('a', 'first', 1);
    await openDeployments.started({ deploymentId: 'a-first', projectId: 'a', createdAt: '2026-11-22T12:00:01.000Z' }, 'builds:1');
    await waits('a', 'second', 2);
    expect(await call()).toEqual(['a-second']);
  });
});

test('a project of which nothing waits any more gives its turn to the next', async () => {
  await waits('gone', '1', 1, { status: 'building' });
  await waits('a', '1', 2);
  expect(await call()).toEqual(['a-1']);
  expect((await projects.inTurn()).map(({ id }) => id)).toEqual(['a']);
});

test('many who call at the same moment call different projects', async () => {
  for (const [index, projectId] of ['a', 'b', 'c'].entries()) await waits(projectId, '1', index);
  await Promise.all([line.callNext(now), line.callNext(now), line.callNext(now)]);
  const called = sqs.commandCalls(SendMessageCommand).map(({ args }) => args[0].input.MessageGroupId);
  expect(new Set(called).size).toBe(called.length);
});

describe('open deployments', () => {
  const key = { deploymentId: 'd', projectId: 'a', createdAt: '2026-11-22T12:00:00.000Z' };

  test('only one that is open can be seen again, started or sent again', async () => {
    expect(await openDeployments.stillOpen(key, 5)).toBeUndefined();
    await openDeployments.started(key, 'builds:1');
    await openDeployments.resent(key, 5);
    expect(await all(openDeployments.waitingOf('a'))).toEqual([]);
    await openDeployments.see(key, 4);
    expect(await openDeployments.stillOpen(key, 5)).toMatchObject({ ...key, seenAt: 5 });
    await openDeployments.resent(key, 6);
    expect(await all(openDeployments.waitingOf('a'))).toMatchObject([{ ...key, seenAt: 5, resentAt: 6 }]);
    await openDeployments.close(key);
    await openDeployments.close(key);
    expect(await openDeployments.stillOpen(key, 7)).toBeUndefined();
  });

  test('hundreds that are built do not hide the one that waits behind them', async () => {
    for (let index = 0; index < 60; index += 1) {
      const built = { ...key, deploymentId: `d-${index}`, createdAt: `2026-11-22T11:00:${index}.000Z` };
      await openDeployments.see(built, 1);
      await openDeployments.started(built, `builds:${index}`);
    }
    await openDeployments.see(key, 1);
    await openDeployments.see({ ...key, projectId: 'a.b' }, 1);
    expect((await all(openDeployments.waitingOf('a'))).map(({ deploymentId }) => deploymentId)).toEqual(['d']);
  });
});
