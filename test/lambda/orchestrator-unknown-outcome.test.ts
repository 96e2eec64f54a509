/** StartBuild was called, and nobody knows what came of it: there may be a build, which must be found and never started a second time. */
import { StartBuildCommand } from '@aws-sdk/client-codebuild';
import { LAST_RECEIVE, orchestrator, waitForClaim } from './orchestrator-support';
import { Branches } from '../../lambda/shared/state/branches';
import { Capacity } from '../../lambda/shared/state/capacity';
import { answered, buildOf, unanswered } from '../support/codebuild';
import { REMAINING_SECONDS } from '../support/handlers';

const pipeline = orchestrator();
const { codeBuild } = pipeline;

const UNKNOWN: [string, () => Error][] = [
  ['no answer in time', () => unanswered()],
  ['a lost connection', () => unanswered('ECONNRESET')],
  ['a fault of CodeBuild', () => answered('InternalFailure', 500)],
  ['an unavailable CodeBuild', () => answered('ServiceUnavailableException', 503)],
];

describe.each(UNKNOWN)('%s', (_, unknown) => {
  describe.each([1, LAST_RECEIVE, LAST_RECEIVE + 1])('on receive %d', (receives) => {
    test.each(['before', 'after'] as const)('(%s the build was started) is no failure: claim and place stay, the message comes back after the claim', async (when) => {
      codeBuild.failNext(when, unknown());
      expect(await pipeline.receive(pipeline.message(pipeline.request, receives))).toEqual(['message-1']);
      const now = pipeline.sentAt / 1000;
      expect(await pipeline.record()).toMatchObject({ status: 'queued', version: 1, claimExpiresAt: now + REMAINING_SECONDS, startAttemptedAt: now });
      expect(await pipeline.places()).toEqual([pipeline.request.deploymentId]);
      expect(await pipeline.open()).toBeDefined();
      expect(pipeline.announcedStatuses).toEqual(['queued']);
      expect([pipeline.copies.length, pipeline.visibilities.length]).toEqual([0, 1]);
      expect(pipeline.visibilities[0]).toBeGreaterThan(REMAINING_SECONDS);
    });
  });
});

describe('the next delivery looks for the build before anything else', () => {
  test('and adopts it', async () => {
    codeBuild.failNext('after', unanswered());
    await pipeline.receive(pipeline.message(pipeline.request));
    waitForClaim();
    expect(await pipeline.receive(pipeline.message(pipeline.request, 2))).toEqual([]);
    expect([codeBuild.startCalls, codeBuild.listCalls]).toEqual([1, 1]);
    const [build] = codeBuild.builds;
    expect(await pipeline.record()).toMatchObject({ status: 'building', version: 2, buildId: build.id, buildStartedAt: build.startTime!.toISOString() });
    expect(await pipeline.open()).toMatchObject({ buildId: build.id });
    expect(await pipeline.places()).toEqual([pipeline.request.deploymentId]);
    expect(pipeline.announcedStatuses).toEqual(['queued', 'building']);
    expect(codeBuild.stopped).toEqual([]);
  });

  test('and starts it, with the same token, when there is none', async () => {
    codeBuild.failNext('before', unanswered());
    await pipeline.receive(pipeline.message(pipeline.request));
    waitForClaim();
    expect(await pipeline.receive(pipeline.message(pipeline.request, 2))).toEqual([]);
    expect([codeBuild.startCalls, codeBuild.listCalls, codeBuild.builds.length]).toEqual([2, 1, 1]);
    const tokens = codeBuild.mock.commandCalls(StartBuildCommand).map(({ args }) => args[0].input.idempotencyToken);
    expect(tokens).toEqual([pipeline.request.deploymentId, pipeline.request.deploymentId]);
    expect(await pipeline.status()).toBe('building');
    expect(await pipeline.places()).toEqual([pipeline.request.deploymentId]);
  });

  test('also behind hundreds of other builds', async () => {
    codeBuild.failNext('after', unanswered());
    await pipeline.receive(pipeline.message(pipeline.request));
    codeBuild.builds.push(...Array.from({ length: 250 }, (_, index) => buildOf(`other-${index}`)));
    waitForClaim();
    await pipeline.receive(pipeline.message(pipeline.request, 2));
    expect(codeBuild.startCalls).toBe(1);
    expect(await pipeline.record()).toMatchObject({ buildId: codeBuild.builds[0].id });
  });

  test('but not among builds that are older than the attempt', async () => {
    codeBuild.builds.push(...Array.from({ length: 250 }, (_, index) => buildOf(`old-${index}`, { startTime: new Date(pipeline.sentAt - 3600_000) })));
    codeBuild.failNext('before', unanswered());
    await pipeline.receive(pipeline.message(pipeline.request));
    waitForClaim();
    await pipeline.receive(pipeline.message(pipeline.request, 2));
    expect(codeBuild.listCalls).toBe(1);
    expect(await pipeline.status()).toBe('building');
  });

  test('in the dead-letter queue\'s redrive as well', async () => {
    codeBuild.failNext('after', unanswered());
    await pipeline.receive(pipeline.message(pipeline.request, LAST_RECEIVE));
    waitForClaim();
    expect(await pipeline.receive(pipeline.message(pipeline.request, 1, 'redriven', Date.now()))).toEqual([]);
    expect(codeBuild.startCalls).toBe(1);
    expect(await pipeline.record()).toMatchObject({ status: 'building', version: 2 });
  });

  test('although there is no capacity for another', async () => {
    codeBuild.failNext('after', unanswered());
    await pipeline.receive(pipeline.message(pipeline.request));
    waitForClaim();
    jest.spyOn(Capacity.prototype, 'isExhausted').mockResolvedValue(true);
    expect(await pipeline.receive(pipeline.message(pipeline.request, 2))).toEqual([]);
    expect(await pipeline.status()).toBe('building');
    expect(pipeline.copies).toEqual([]);
  });

  test('and if CodeBuild does not say, the message stays: nothing is started', async () => {
    codeBuild.failNext('before', unanswered());
    await pipeline.receive(pipeline.message(pipeline.request));
    waitForClaim();
    codeBuild.mock.onAnyCommand().rejects(answered('ThrottlingException'));
    expect(await pipeline.receive(pipeline.message(pipeline.request, 2))).toEqual(['message-1']);
    expect(codeBuild.startCalls).toBe(1);
    expect(await pipeline.record()).toMatchObject({ status: 'queued', startAttemptedAt: pipeline.sentAt / 1000 });
  });
});

describe('there was no build after all', () => {
  beforeEach(async () => {
    codeBuild.failNext('before', unanswered());
    await pipeline.receive(pipeline.message(pipeline.request));
    waitForClaim();
  });

  test('and there is no capacity now: the request waits, and its project\'s place is free meanwhile', async () => {
    jest.spyOn(Capacity.prototype, 'isExhausted').mockResolvedValue(true);
    expect(await pipeline.receive(pipeline.message(pipeline.request, 2))).toEqual([]);
    expect(await pipeline.record()).toMatchObject({ status: 'queued', waitingReason: 'ACCOUNT_CAPACITY' });
    expect(await pipeline.record()).not.toHaveProperty('startAttemptedAt');
    expect(await pipeline.places()).toEqual([]);
  });

  test('and CodeBuild refuses it on the last receive: now it is certain that it has failed', async () => {
    codeBuild.failAlways(answered('AccessDeniedException'));
    expect(await pipeline.receive(pipeline.message(pipeline.request, LAST_RECEIVE))).toEqual(['message-1']);
    expect(await pipeline.record()).toMatchObject({ status: 'failed', failureCode: 'START_FAILED' });
    expect(await pipeline.places()).toEqual([]);
  });

  test('and a newer deployment of the branch came: it ends as superseded', async () => {
    const newer = pipeline.another('z');
    await pipeline.produce(newer, -60);
    await pipeline.receive(pipeline.message(newer));
    expect(await pipeline.receive(pipeline.message(pipeline.request, 2))).toEqual([]);
    expect(await pipeline.record()).toMatchObject({ status: 'superseded', supersededBy: newer.deploymentId });
    expect(await pipeline.places()).toEqual([newer.deploymentId]);
    expect(await pipeline.status(newer)).toBe('building');
  });
});

test('there was a build, and a newer deployment of the branch came: it is built to its end, and says that it is not the newest', async () => {
  codeBuild.failNext('after', unanswered());
  await pipeline.receive(pipeline.message(pipeline.request));
  waitForClaim();
  const newer = pipeline.another('z');
  await pipeline.produce(newer, -60);
  await pipeline.receive(pipeline.message(newer));
  expect(await pipeline.receive(pipeline.message(pipeline.request, 2))).toEqual([]);
  expect(await pipeline.record()).toMatchObject({ status: 'building', buildId: codeBuild.builds[0].id, supersededBy: newer.deploymentId });
  expect([codeBuild.startCalls, codeBuild.stopped]).toEqual([2, []]);
});

test('an invocation that dies between claim and StartBuild is as good as an attempt of unknown outcome', async () => {
  jest.spyOn(Branches.prototype, 'register').mockRejectedValueOnce(unanswered());
  expect(await pipeline.receive(pipeline.message(pipeline.request))).toEqual(['message-1']);
  expect(codeBuild.startCalls).toBe(0);
  waitForClaim();
  expect(await pipeline.receive(pipeline.message(pipeline.request, 2))).toEqual([]);
  expect([codeBuild.startCalls, codeBuild.listCalls]).toEqual([1, 1]);
  expect(await pipeline.status()).toBe('building');
});

test('its own event told of the build before the answer came: the orchestrator agrees', async () => {
  const build = buildOf(pipeline.request.deploymentId, { startTime: new Date() });
  codeBuild.mock.on(StartBuildCommand).callsFake(async () => {
    const before = await pipeline.record();
    const { claimExpiresAt, startAttemptedAt, ...queued } = before!;
    await pipeline.tables.putRecord({ ...queued, status: 'building', version: 2, buildId: build.id, buildStartedAt: build.startTime!.toISOString() });
    return { build };
  });
  expect(await pipeline.receive(pipeline.message(pipeline.request))).toEqual([]);
  expect(await pipeline.record()).toMatchObject({ status: 'building', version: 2, buildId: build.id });
  expect(codeBuild.stopped).toEqual([]);
});
