/** What the end of a build does to its deployment, to the newer ones of its branch, and to those that wait. */
import { SendMessageCommand } from '@aws-sdk/client-sqs';
import { finalizer, STAGED, STARTED } from './finalizer-support';
import { DeploymentStore } from '../../lambda/shared/deployment-store';
import { AccessDeniedError } from '../../local/services/service';
import { failureMessage } from '../../src/contract/failure-codes';
import { branchKey, openDeploymentKey, STATE_KINDS } from '../../src/contract/state-table';
import { advanceClock, setClock } from '../support/clock';
import { unanswered } from '../support/codebuild';
import { buildRequest } from '../support/requests';

const pipeline = finalizer({ maxConcurrentBuildsPerProject: '1' });

const CLAIM_SECONDS = 300;

async function newerOfBranch(): Promise<void> {
  await pipeline.tables.putState(STATE_KINDS.branch, branchKey({ projectId: pipeline.id, branch: 'main' }), { deploymentId: 'newer', createdAt: '2026-11-22T12:00:01.000Z' });
}

const places = async () => [...((await pipeline.tables.state(STATE_KINDS.project, pipeline.id))?.building as Set<string> | undefined) ?? []];

/** A second deployment of the project waits for the place of the first. */
async function anotherWaits(): Promise<void> {
  const request = buildRequest({ deploymentId: `${pipeline.id}-waits`, projectId: pipeline.id });
  const createdAt = '2026-11-22T12:00:30.000Z';
  await pipeline.tables.putRecord({ ...request, status: 'queued', version: 1, createdAt, waitingReason: 'PROJECT_LIMIT' });
  const { deploymentId, projectId } = request;
  const key = { deploymentId, projectId, createdAt };
  await pipeline.tables.putState(STATE_KINDS.open, openDeploymentKey(key), { ...key, seenAt: 1 });
  await pipeline.tables.putState(STATE_KINDS.project, pipeline.id, { building: new Set([pipeline.id]), waitingSince: 1, waits: 1 });
}

describe('a build has begun', () => {
  beforeEach(() => pipeline.answer({ buildStatus: 'IN_PROGRESS' }));

  test('and its deployment does not know it: it is told, and the world', async () => {
    await pipeline.putQueued({ startAttemptedAt: 1000, claimExpiresAt: 1060 });
    await pipeline.deliver('IN_PROGRESS');
    expect(await pipeline.fullRecord()).toMatchObject({ status: 'building', version: 2, announcedVersion: 2, buildId: pipeline.buildId, buildStartedAt: STARTED });
    expect(await pipeline.fullRecord()).not.toHaveProperty('startAttemptedAt');
    expect(pipeline.announced).toEqual([await pipeline.record()]);
    expect(await pipeline.tables.state(STATE_KINDS.open, openDeploymentKey({ deploymentId: pipeline.id, projectId: pipeline.id, createdAt: '2026-11-22T12:00:00.000Z' })))
      .toMatchObject({ buildId: pipeline.buildId });
  });

  test.each(['building', 'success', 'failed', 'superseded'] as const)('and its deployment is %s: nothing happens', async (status) => {
    await pipeline.putRecord({ status });
    await pipeline.deliver('IN_PROGRESS');
    await pipeline.expectUntouched(pipeline.recordBefore({ status }));
    expect([await pipeline.staged(), await pipeline.isOpen()]).toEqual([STAGED.length, true]);
  });

  test('and its deployment was deleted: it does not come back', async () => {
    await pipeline.tables.clear();
    await pipeline.deliver('IN_PROGRESS');
    expect(await pipeline.fullRecord()).toBeUndefined();
  });

  test('and has ended when the late event comes: that is dealt with', async () => {
    await pipeline.putQueued();
    pipeline.answer({});
    await pipeline.deliver('IN_PROGRESS');
    expect(await pipeline.fullRecord()).toMatchObject({ status: 'success', buildId: pipeline.buildId });
  });
});

describe('one invocation promotes', () => {
  beforeEach(async () => {
    setClock('2026-11-22T12:10:00.000Z');
    pipeline.onS3Call = ({ resource }) => {
      if (resource.endsWith('manifest.json')) throw new AccessDeniedError('refused');
    };
    await expect(pipeline.deliver('SUCCEEDED', 'first')).rejects.toThrow();
    pipeline.onS3Call = undefined;
  });

  test('another one leaves it alone, and what the build stored as well', async () => {
    const before = await pipeline.promoted();
    await pipeline.deliver('SUCCEEDED', 'second');
    expect(await pipeline.fullRecord()).toMatchObject({ status: 'building', claimedBy: 'first' });
    expect(await pipeline.promoted()).toEqual(before);
    expect([await pipeline.staged(), await pipeline.isOpen(), pipeline.announced]).toEqual([STAGED.length, true, []]);
  });

  test('its own next try, which Lambda gives the same id, need not wait', async () => {
    await pipeline.deliver('SUCCEEDED', 'first');
    await pipeline.expectSuccess();
  });

  test('another one goes on when it has been silent for long', async () => {
    advanceClock(CLAIM_SECONDS);
    await pipeline.deliver('SUCCEEDED', 'second');
    await pipeline.expectSuccess();
  });
});

describe('while it promotes for long', () => {
  /** Before the last object but the manifest is in its place. */
  const beforeTheManifest = (happens: () => Promise<void>) => {
    pipeline.onS3Call = async ({ action, resource }) => {
      if (action === 's3:PutObject' && resource.endsWith('/c.txt')) await happens();
    };
  };
  beforeEach(() => setClock('2026-11-22T12:10:00.000Z'));

  test('its claim is prolonged', async () => {
    const claimEnd = jest.spyOn(DeploymentStore.prototype, 'claimEnd');
    beforeTheManifest(async () => advanceClock(100));
    await pipeline.deliver();
    const expiries = claimEnd.mock.calls.map(([, , { claimExpiresAt }]) => claimExpiresAt);
    expect(expiries).toEqual([Date.now() / 1000 - 100 + CLAIM_SECONDS, Date.now() / 1000 + CLAIM_SECONDS]);
    await pipeline.expectSuccess();
  });

  test('and another one has taken over: it goes no further', async () => {
    beforeTheManifest(async () => {
      advanceClock(CLAIM_SECONDS);
      await pipeline.tables.putRecord({ ...await pipeline.fullRecord(), claimedBy: 'another', claimExpiresAt: Date.now() / 1000 + CLAIM_SECONDS });
    });
    await expect(pipeline.deliver()).rejects.toThrow('another invocation has taken it over');
    expect(await pipeline.record()).toMatchObject({ status: 'building' });
    expect(await pipeline.promoted()).not.toContainEqual(expect.stringContaining('manifest.json'));
  });
});

describe('a newer deployment of the branch was queued', () => {
  test('a success says so, even if nobody has told the record', async () => {
    await newerOfBranch();
    await pipeline.deliver();
    await pipeline.expectSuccess();
    expect(await pipeline.record()).toMatchObject({ supersededBy: 'newer' });
    expect(pipeline.announced).toEqual([expect.objectContaining({ status: 'success', supersededBy: 'newer' })]);
  });

  test('a build that was stopped for it ends as superseded, which is no failure', async () => {
    await pipeline.putRecord({ supersededBy: 'newer' });
    pipeline.answer({ buildStatus: 'STOPPED', endTime: new Date('2026-11-22T12:02:00.000Z') });
    await pipeline.deliver('STOPPED');
    expect(await pipeline.record()).toEqual({ ...pipeline.recordBefore({ supersededBy: 'newer' }), status: 'superseded', version: 3, completedAt: expect.any(String) });
    expect([await pipeline.promoted(), await pipeline.staged(), await pipeline.isOpen()]).toEqual([[], 0, false]);
  });

  test('a build that failed by itself has failed', async () => {
    await pipeline.putRecord({ supersededBy: 'newer' });
    pipeline.answer({ buildStatus: 'FAILED', phases: [{ phaseType: 'BUILD', phaseStatus: 'FAILED' }] });
    await pipeline.deliver('FAILED');
    expect(await pipeline.record()).toMatchObject({ status: 'failed', failureCode: 'BUILD_FAILED', supersededBy: 'newer' });
  });

  test('a build that somebody else stopped, before, was stopped', async () => {
    pipeline.answer({ buildStatus: 'STOPPED', endTime: new Date('2026-11-22T12:02:00.000Z') });
    await pipeline.deliver('STOPPED');
    expect(await pipeline.record()).toMatchObject({ status: 'failed', failureCode: 'STOPPED' });
  });
});

test.each(STAGED.slice(0, 3))('a success without %s is none: ARTIFACTS_MISSING, with the reason', async (missing) => {
  await pipeline.unstage(missing);
  await pipeline.deliver();
  expect(await pipeline.record()).toMatchObject({
    status: 'failed', failureCode: 'ARTIFACTS_MISSING', failureMessage: `${failureMessage('ARTIFACTS_MISSING')} Reason: ${missing.split('/')[1]} missing.`,
  });
  expect([await pipeline.promoted(), await pipeline.staged(), await pipeline.isOpen()]).toEqual([[], 0, false]);
});

describe('the place of the build', () => {
  test.each(['SUCCEEDED', 'FAILED', 'STOPPED', 'TIMED_OUT', 'FAULT'] as const)('is free after its end (%s), and the next one is called', async (buildStatus) => {
    await anotherWaits();
    pipeline.answer({ buildStatus });
    await pipeline.deliver(buildStatus);
    expect(await places()).toEqual([]);
    expect(pipeline.sent.map(({ MessageBody, MessageAttributes }) => [JSON.parse(MessageBody!).deploymentId, Object.keys(MessageAttributes!)])).toEqual([[`${pipeline.id}-waits`, ['wake']]]);
  });

  test('is free before its artifacts are promoted', async () => {
    await anotherWaits();
    pipeline.onS3Call = () => { throw new AccessDeniedError('refused'); };
    await expect(pipeline.deliver()).rejects.toThrow();
    expect([await places(), pipeline.sent.length]).toEqual([[], 1]);
  });

  test('is not given away by a second build of the same deployment', async () => {
    await anotherWaits();
    await pipeline.putRecord({ buildId: 'builds:the-other' });
    await pipeline.deliver();
    expect([await places(), pipeline.sent]).toEqual([[pipeline.id], []]);
    expect(await pipeline.staged()).toBe(0);
  });

  test('is free when the deployment was deleted', async () => {
    await pipeline.tables.clear();
    await anotherWaits();
    await pipeline.deliver();
    expect([await places(), await pipeline.staged()]).toEqual([[], 0]);
  });

  test('a call that SQS does not take keeps nobody from ending', async () => {
    await anotherWaits();
    pipeline.sqs.on(SendMessageCommand).rejects(unanswered());
    await pipeline.deliver();
    await pipeline.expectSuccess();
  });
});

test('what the record said before and nobody was told, is told before its end', async () => {
  await pipeline.putRecord({ announcedVersion: 1 });
  await pipeline.deliver();
  expect(pipeline.announced.map(({ status, version }) => [status, version])).toEqual([['building', 2], ['success', 3]]);
});

test('the entry among the open deployments goes last: as long as staging is not empty, the reconciler comes back', async () => {
  pipeline.onS3Call = ({ action }) => {
    if (action === 's3:DeleteObject') throw new AccessDeniedError('refused');
  };
  await expect(pipeline.deliver()).rejects.toThrow();
  expect(await pipeline.isOpen()).toBe(true);
  jest.spyOn(DeploymentStore.prototype, 'markSuccess');
  pipeline.onS3Call = undefined;
  await pipeline.deliver();
  expect(DeploymentStore.prototype.markSuccess).not.toHaveBeenCalled();
  await pipeline.expectSuccess();
});
