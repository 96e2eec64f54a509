/** Dead letters come back: a request that was sent again after its deployment had failed without a build begins it anew. */
import { LAST_RECEIVE, orchestrator, RETENTION_SECONDS } from './orchestrator-support';
import { advanceClock } from '../support/clock';
import { answered } from '../support/codebuild';

const pipeline = orchestrator();
const { codeBuild } = pipeline;

const history = () => pipeline.announced.map(({ status, version }) => `${status} ${version}`);
/** As StartMessageMoveTask does: the same message, with a time of its own. */
const redriven = (receives = 1) => pipeline.message(pipeline.request, receives, 'redriven', Date.now());

async function failToStart(): Promise<void> {
  codeBuild.failNext('before', answered('AccessDeniedException'));
  await pipeline.receive(pipeline.message(pipeline.request, LAST_RECEIVE));
  expect(await pipeline.record()).toMatchObject({ status: 'failed', failureCode: 'START_FAILED' });
}

test('it is built, with a version for each step and nothing left of the failure', async () => {
  await failToStart();
  advanceClock(600);
  expect(await pipeline.receive(redriven())).toEqual([]);
  const record = await pipeline.record();
  expect(record).toMatchObject({ status: 'building', version: 4, createdAt: new Date(pipeline.sentAt).toISOString() });
  for (const field of ['failureCode', 'failureMessage', 'completedAt']) expect(record).not.toHaveProperty(field);
  expect(history()).toEqual(['queued 1', 'failed 2', 'queued 3', 'building 4']);
  expect(await pipeline.open()).toMatchObject({ buildId: codeBuild.builds[0].id });
});

test('it may fail again, and be redriven again', async () => {
  await failToStart();
  for (const version of [4, 6]) {
    advanceClock(600);
    codeBuild.failNext('before', answered('AccessDeniedException'));
    expect(await pipeline.receive(redriven(LAST_RECEIVE))).toEqual(['redriven']);
    expect(await pipeline.record()).toMatchObject({ status: 'failed', version });
  }
  advanceClock(600);
  await pipeline.receive(redriven());
  expect(await pipeline.record()).toMatchObject({ status: 'building', version: 8 });
});

test('the last receives of the message that failed, or of a copy that is older than the failure, lead to the dead-letter queue', async () => {
  advanceClock(10);
  await failToStart();
  const before = await pipeline.record();
  expect(await pipeline.receive(pipeline.message(pipeline.request, LAST_RECEIVE + 1))).toEqual(['message-1']);
  expect(await pipeline.record()).toEqual(before);
  expect(pipeline.visibilities).toEqual([1, 1]);
});

test('a request that had waited for two weeks may wait as long again', async () => {
  codeBuild.failAlways(answered('AccountLimitExceededException'));
  await pipeline.receive(pipeline.message(pipeline.request));
  const copy = pipeline.delivered(pipeline.copies[0]);
  advanceClock(RETENTION_SECONDS);
  await pipeline.receive(copy);
  expect(await pipeline.record()).toMatchObject({ status: 'failed', failureCode: 'NO_CAPACITY' });

  advanceClock(3600);
  copy.attributes.SentTimestamp = String(Date.now());
  expect(await pipeline.receive(copy)).toEqual([]);
  expect(await pipeline.record()).toMatchObject({ status: 'queued', waitingReason: 'ACCOUNT_CAPACITY' });
  advanceClock(61);
  codeBuild.failAlways(undefined);
  expect(await pipeline.receive(pipeline.delivered(pipeline.copies[1]))).toEqual([]);
  expect(await pipeline.status()).toBe('building');
});

test('two of the same request: one build', async () => {
  await failToStart();
  advanceClock(600);
  await Promise.all([1, 2, 3].map((index) => pipeline.receive(pipeline.message(pipeline.request, 1, `redriven-${index}`, Date.now()))));
  expect([codeBuild.builds.length, await pipeline.status()]).toEqual([1, 'building']);
});

test('a deployment whose build has failed is not built again', async () => {
  await pipeline.produce(pipeline.request, 60, {
    status: 'failed', failureCode: 'BUILD_FAILED', buildId: 'builds:1', version: 3, announcedVersion: 3, completedAt: new Date(pipeline.sentAt - 1000).toISOString(),
  });
  expect(await pipeline.receive(redriven())).toEqual([]);
  expect([await pipeline.status(), codeBuild.startCalls]).toEqual(['failed', 0]);
});

test('a deployment that a newer one of its branch has overtaken ends as superseded', async () => {
  await failToStart();
  const newer = pipeline.another('newer');
  await pipeline.produce(newer, -60);
  await pipeline.receive(pipeline.message(newer));
  advanceClock(600);
  expect(await pipeline.receive(redriven())).toEqual([]);
  expect(await pipeline.record()).toMatchObject({ status: 'superseded', supersededBy: newer.deploymentId, version: 4 });
  expect(codeBuild.builds).toHaveLength(1);
});

test('an invalid request stays what it is', async () => {
  const invalid = { ...pipeline.request, branch: '..' };
  await pipeline.receive(pipeline.message(invalid));
  advanceClock(600);
  expect(await pipeline.receive(pipeline.message(invalid, 1, 'redriven', Date.now()))).toEqual(['redriven']);
  expect(await pipeline.record()).toMatchObject({ status: 'failed', failureCode: 'INVALID_REQUEST', version: 1 });
  expect(history()).toEqual(['failed 1']);
});
