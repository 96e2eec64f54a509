/** A deployment that its producer has recorded, as GithubWebhook does, before its request is received. */
import { LAST_RECEIVE, orchestrator } from './orchestrator-support';
import { openDeploymentKey, STATE_KINDS } from '../../src/contract/state-table';
import { advanceClock } from '../support/clock';
import { answered } from '../support/codebuild';

const pipeline = orchestrator();
const { codeBuild } = pipeline;

const PUSHED_SECONDS_AGO = 90;
const pushedAt = () => new Date(pipeline.sentAt - PUSHED_SECONDS_AGO * 1000).toISOString();
const history = () => pipeline.announced.map(({ createdAt, status, version }) => [status, version, createdAt]);

/** Its producer has died before it could mark the request as sent. */
beforeEach(async () => {
  const { deploymentId, projectId } = pipeline.request;
  await pipeline.produce(pipeline.request, PUSHED_SECONDS_AGO);
  const entry = { deploymentId, projectId, createdAt: pushedAt(), seenAt: pipeline.sentAt / 1000 - PUSHED_SECONDS_AGO, unsent: true };
  await pipeline.tables.putState(STATE_KINDS.open, openDeploymentKey(entry), entry);
});

test('the first event says queued, in version 1, and is as old as the push', async () => {
  expect(await pipeline.receive(pipeline.message(pipeline.request))).toEqual([]);
  expect(history()).toEqual([['queued', 1, pushedAt()], ['building', 2, pushedAt()]]);
  expect(await pipeline.tables.stateIds(STATE_KINDS.open)).toEqual([expect.stringContaining(pushedAt())]);
});

test('the request was received, so it was sent: the mark of its entry goes', async () => {
  codeBuild.failNext('before', answered('AccountLimitExceededException'));
  await pipeline.receive(pipeline.message(pipeline.request));
  expect(await pipeline.open()).toMatchObject({ waits: true, seenAt: pipeline.sentAt / 1000 });
  expect(await pipeline.open()).not.toHaveProperty('unsent');
});

test('it fails without a build, is redriven, and begins anew as old as it was', async () => {
  codeBuild.failNext('before', answered('AccessDeniedException'));
  await pipeline.receive(pipeline.message(pipeline.request, LAST_RECEIVE));
  expect(await pipeline.open()).toBeUndefined();
  advanceClock(600);
  await pipeline.receive(pipeline.message(pipeline.request, 1, 'redriven', Date.now()));
  expect(history().map(([status, version]) => `${String(status)} ${version}`)).toEqual(['queued 1', 'failed 2', 'queued 3', 'building 4']);
  expect(await pipeline.record()).toMatchObject({ status: 'building', createdAt: pushedAt() });
});

test('what the producer could not know to be wrong, the record says', async () => {
  expect(await pipeline.receive(pipeline.message({ ...pipeline.request, branch: 'a..b' }))).toEqual(['message-1']);
  expect(await pipeline.record()).toMatchObject({ status: 'failed', failureCode: 'INVALID_REQUEST', version: 1, createdAt: pushedAt() });
});
