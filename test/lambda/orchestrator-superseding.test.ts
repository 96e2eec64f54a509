/** The newest commit of a branch wins, in whatever order its requests arrive. A running build is left to finish here. */
import { StartBuildCommand } from '@aws-sdk/client-codebuild';
import { orchestrator } from './orchestrator-support';
import type { BuildRequest } from '../../src/contract/build-request';
import { branchKey, STATE_KINDS } from '../../src/contract/state-table';
import { advanceClock } from '../support/clock';
import { answered, buildOf } from '../support/codebuild';

const pipeline = orchestrator();
const { codeBuild } = pipeline;

let older: BuildRequest;
let newer: BuildRequest;

beforeEach(async () => {
  [older, newer] = [pipeline.another('b-older'), pipeline.another('a-newer')];
  await pipeline.produce(older, 120);
  await pipeline.produce(newer, 60);
});

const receive = async (request: BuildRequest) => pipeline.receive(pipeline.message(request));
const statuses = async () => [await pipeline.status(older), await pipeline.status(newer)];
const announcedOf = ({ deploymentId }: BuildRequest) => pipeline.announced.filter((record) => record.deploymentId === deploymentId)
  .map(({ status, supersededBy }) => [status, supersededBy]);

async function expectSupersededUnbuilt(): Promise<void> {
  expect(await pipeline.record(older)).toMatchObject({ status: 'superseded', supersededBy: newer.deploymentId, completedAt: expect.any(String) });
  expect(await pipeline.record(older)).not.toHaveProperty('failureCode');
  expect(await pipeline.open(older)).toBeUndefined();
  expect(await pipeline.places(older.projectId)).not.toContain(older.deploymentId);
  expect(announcedOf(older).slice(-1)).toEqual([['superseded', newer.deploymentId]]);
}

describe('the newer one comes first', () => {
  test('the older one ends as superseded, without a build', async () => {
    await receive(newer);
    expect(await receive(older)).toEqual([]);
    await expectSupersededUnbuilt();
    expect([await pipeline.status(newer), codeBuild.startCalls]).toEqual(['building', 1]);
  });

  test('also when the newer one has ended meanwhile, however it ended', async () => {
    await receive(newer);
    await pipeline.produce(newer, 60, { status: 'failed', failureCode: 'BUILD_FAILED' });
    await receive(older);
    await expectSupersededUnbuilt();
  });

  test('the older one\'s message delivered again changes nothing', async () => {
    await receive(newer);
    await receive(older);
    const before = await pipeline.record(older);
    expect(await receive(older)).toEqual([]);
    expect(await pipeline.record(older)).toEqual(before);
    expect(announcedOf(older)).toEqual([['queued', undefined], ['superseded', newer.deploymentId]]);
  });

  test('a request whose record its producer did not write is as old as its message', async () => {
    const unwritten = pipeline.another('unwritten');
    await receive(newer);
    expect(await pipeline.receive(pipeline.message(unwritten, 1, 'unwritten', pipeline.sentAt - 61_000))).toEqual([]);
    expect(await pipeline.record(unwritten)).toMatchObject({ status: 'superseded', supersededBy: newer.deploymentId });
  });
});

describe('the older one comes first', () => {
  test('and waits: it ends as superseded; its copy is done with', async () => {
    codeBuild.failNext('before', answered('AccountLimitExceededException'));
    await receive(older);
    advanceClock(61);
    await receive(newer);
    await expectSupersededUnbuilt();
    expect(await pipeline.receive(pipeline.delivered(pipeline.copies[0]))).toEqual([]);
    expect([await statuses(), codeBuild.builds.length]).toEqual([['superseded', 'building'], 1]);
  });

  test('and runs: it is left to finish, and its record says that a newer one exists', async () => {
    await receive(older);
    await receive(newer);
    expect(await statuses()).toEqual(['building', 'building']);
    expect(await pipeline.record(older)).toMatchObject({ supersededBy: newer.deploymentId, version: 2 });
    expect(await pipeline.record(newer)).not.toHaveProperty('supersededBy');
    expect(codeBuild.stopped).toEqual([]);
  });

  test.each(['success', 'failed', 'superseded'] as const)('and has ended (%s): its record stays as it is', async (status) => {
    await receive(older);
    await pipeline.produce(older, 120, { status, version: 3, announcedVersion: 3 });
    const before = await pipeline.record(older);
    await receive(newer);
    expect(await pipeline.record(older)).toEqual(before);
  });

  test('and was deleted: it does not come back', async () => {
    await pipeline.tables.clear();
    const head = { deploymentId: older.deploymentId, createdAt: new Date(pipeline.sentAt - 120_000).toISOString() };
    await pipeline.tables.putState(STATE_KINDS.branch, branchKey(older), head);
    await pipeline.produce(newer, 60);
    await receive(newer);
    expect([await pipeline.record(older), await pipeline.status(newer)]).toEqual([undefined, 'building']);
  });

  describe('and is being started at this very moment', () => {
    /** The newer one is received while StartBuild of the older one is under way. */
    const meanwhile = (answer: () => object) => codeBuild.mock.on(StartBuildCommand).callsFakeOnce(async () => {
      codeBuild.mock.on(StartBuildCommand).resolves({ build: buildOf(newer.deploymentId) });
      await receive(newer);
      expect(await pipeline.record(older)).toMatchObject({ status: 'queued', supersededBy: newer.deploymentId });
      return answer();
    });

    test('it is left to finish', async () => {
      meanwhile(() => ({ build: buildOf(older.deploymentId) }));
      expect(await receive(older)).toEqual([]);
      expect(await pipeline.record(older)).toMatchObject({ status: 'building', supersededBy: newer.deploymentId });
      expect([await pipeline.status(newer), codeBuild.stopped]).toEqual(['building', []]);
    });

    test('and finds no capacity: it ends as superseded', async () => {
      meanwhile(() => { throw answered('AccountLimitExceededException'); });
      expect(await receive(older)).toEqual([]);
      await expectSupersededUnbuilt();
    });

    test('and is refused: its next receive ends it as superseded', async () => {
      meanwhile(() => { throw answered('AccessDeniedException'); });
      expect(await receive(older)).toEqual(['message-1']);
      expect(await pipeline.receive(pipeline.message(older, 2))).toEqual([]);
      await expectSupersededUnbuilt();
    });
  });
});

test('of two of the same moment, the greater id is the newer', async () => {
  const [a, b] = [pipeline.another('tie-a'), pipeline.another('tie-b')];
  for (const request of [a, b]) await pipeline.produce(request, 30);
  await receive(b);
  await receive(a);
  expect([await pipeline.status(a), await pipeline.status(b)]).toEqual(['superseded', 'building']);
});

test.each([{ branch: 'other' }, { projectId: 'somebody-elses' }, { branch: 'MAIN' }])('a deployment of another branch or project is none of its business: %j', async (change) => {
  const other = pipeline.another('other', change);
  await pipeline.produce(other, 3600);
  await receive(newer);
  await receive(other);
  expect(await pipeline.status(other)).toBe('building');
});

test('five pushes that wait, in any order: the newest is built, the others end', async () => {
  codeBuild.failNext('before', answered('AccountLimitExceededException'));
  const pushes = [3, 1, 4, 0, 2].map((age) => ({ age, request: pipeline.another(`push-${age}`, { branch: 'feature' }) }));
  for (const { age, request } of pushes) {
    await pipeline.produce(request, age);
    await receive(request);
  }
  advanceClock(61);
  for (const copy of [...pipeline.copies]) await pipeline.receive(pipeline.delivered(copy));
  expect(await Promise.all(pushes.map(async ({ request }) => pipeline.status(request)))).toEqual(['superseded', 'superseded', 'superseded', 'building', 'superseded']);
  expect(codeBuild.builds).toHaveLength(1);
});

test('the newest delivered twice does not supersede itself', async () => {
  await receive(newer);
  await receive(newer);
  expect(await pipeline.record(newer)).not.toHaveProperty('supersededBy');
});
