import type { Build } from '@aws-sdk/client-codebuild';
import { decideRepair, Found, isWaitingDuly, Repair, repairLost, Rules } from '../../../lambda/reconciler/decision';
import type { DeploymentRecord } from '../../../src/contract/deployment';
import { buildRequest } from '../../support/requests';

const NOW = new Date('2026-11-22T12:00:00.000Z');
const SECONDS = NOW.getTime() / 1000;
const RETENTION = 14 * 24 * 3600;
const VISIBILITY = 1800;
const RULES: Rules = { now: NOW, visibilityTimeoutSeconds: VISIBILITY, retentionSeconds: RETENTION, stopSupersededBuilds: false };
/** A message can be out of sight for its visibility timeout and the longest delay; what is younger than ten minutes is left alone. */
const HIDDEN = VISIBILITY + 900 + 600;

const ago = (seconds: number) => new Date(NOW.getTime() - seconds * 1000);
const OPEN = { deploymentId: 'deployment-1', projectId: 'project-1', createdAt: '2026-11-22T11:00:00.000Z', seenAt: SECONDS };
const record = (change: Partial<DeploymentRecord>): DeploymentRecord => ({ ...buildRequest(), status: 'queued', version: 1, createdAt: OPEN.createdAt, ...change });
const building = (change: Partial<DeploymentRecord> = {}) => record({ status: 'building', buildId: 'builds:1', buildStartedAt: ago(300).toISOString(), ...change });
const build = (change: Partial<Build> = {}): Build => ({
  id: 'builds:1', buildStatus: 'IN_PROGRESS', startTime: ago(300), timeoutInMinutes: 30, phases: [{ phaseType: 'QUEUED', endTime: ago(290) }], ...change,
});
const ENDED = build({ buildStatus: 'SUCCEEDED', endTime: ago(10) });
const FORGOTTEN = build({ startTime: ago(9000), phases: [{ phaseType: 'QUEUED', endTime: ago(8990) }] });

const decide = (found: Partial<Found>, rules: Partial<Rules> = {}) => decideRepair({
  open: OPEN, record: undefined, build: undefined, newerDeploymentId: undefined, ...found,
}, { ...RULES, ...rules });

describe('a record that was deleted', () => {
  test.each<[string, Build | undefined, Repair]>([
    ['without a build', undefined, { action: 'close' }],
    ['whose build has ended', ENDED, { action: 'close' }],
    ['whose build runs, for nobody', build(), { action: 'stop-build', buildId: 'builds:1' }],
  ])('%s', (_, found, repair) => {
    expect(decide({ build: found })).toEqual(repair);
  });
});

describe('a record that is not there yet: its producer has only written where to look', () => {
  test.each<[string, number, Repair]>([
    ['just now', 1, { action: 'nothing' }],
    ['as long ago as no call takes', 600, { action: 'nothing' }],
    ['and has died', 601, { action: 'close' }],
  ])('%s', (_, seconds, repair) => {
    expect(decide({ open: { ...OPEN, seenAt: SECONDS - seconds, unsent: true } })).toEqual(repair);
  });
});

describe('a deployment that is queued, and whose request may not have been sent', () => {
  const unsent = (seconds: number) => ({ ...OPEN, seenAt: SECONDS - seconds, unsent: true });
  const recorded = (change: Partial<DeploymentRecord> = {}) => record({ version: undefined, ...change });
  test.each<[string, Partial<Found>, Repair]>([
    ['its producer is still at it', { open: unsent(120) }, { action: 'nothing' }],
    ['its producer has died', { open: unsent(121) }, { action: 'send' }],
    ['its producer died longer ago than messages are kept: there was none', { open: unsent(RETENTION + 1) }, { action: 'send' }],
    ['it was overtaken', { open: unsent(121), newerDeploymentId: 'newer' }, { action: 'supersede', newerDeploymentId: 'newer' }],
    ['it was sent after all, and is being started', { open: unsent(121), record: record({ startAttemptedAt: SECONDS - 5, claimExpiresAt: SECONDS + 55 }) }, { action: 'nothing' }],
    ['it was sent after all, and was to be started', { open: unsent(121), record: record({ startAttemptedAt: SECONDS - 100, claimExpiresAt: SECONDS - 40 }) },
      { action: 'look-for-build', since: SECONDS - 100 }],
    ['it has ended', { open: unsent(121), record: record({ status: 'failed' }) }, { action: 'close' }],
  ])('%s', (_, found, repair) => {
    expect(decide({ record: recorded(), ...found })).toEqual(repair);
  });

  test('it was to be started and has no build: its message was there, and comes back', () => {
    expect(repairLost(unsent(121), record({ startAttemptedAt: SECONDS - 100 }), RULES)).toEqual({ action: 'nothing' });
  });
});

describe.each(['success', 'failed', 'superseded'] as const)('a deployment that has ended (%s) and is still open', (status) => {
  test.each<[string, Build | undefined, Repair]>([
    ['without a build, or with one that CodeBuild has forgotten', undefined, { action: 'close' }],
    ['whose build has ended: the finalizer cleans up', ENDED, { action: 'finalize', build: ENDED }],
    ['whose build runs all the same', build(), { action: 'stop-build', buildId: 'builds:1' }],
  ])('%s', (_, found, repair) => {
    expect(decide({ record: building({ status }), build: found })).toEqual(repair);
  });
});

describe('a deployment that is building', () => {
  const dayOld = build({ buildStatus: 'SUCCEEDED', endTime: ago(24 * 3600 + 1) });
  test.each<[string, Partial<Found>, Partial<Rules>, Repair]>([
    ['and so is its build', { build: build() }, {}, { action: 'nothing' }],
    ['while its build has ended', { build: ENDED }, {}, { action: 'finalize', build: ENDED }],
    ['while its build failed', { build: build({ buildStatus: 'FAILED', endTime: ago(5) }) }, {}, { action: 'finalize', build: expect.objectContaining({ buildStatus: 'FAILED' }) }],
    ['while its build has ended, and nobody says when', { build: build({ buildStatus: 'STOPPED' }) }, {}, { action: 'finalize', build: expect.anything() }],
    ['a day after its build has ended', { build: dayOld }, {}, { action: 'fail-build', failureCode: 'PROMOTION_FAILED' }],
    ['past its deadline', { build: FORGOTTEN }, {}, { action: 'stop-build', buildId: 'builds:1' }],
    ['and CodeBuild does not know its young build yet', {}, {}, { action: 'nothing' }],
    ['and CodeBuild does not know its build any more', { record: building({ buildStartedAt: ago(601).toISOString() }) }, {}, { action: 'fail-build', failureCode: 'CODEBUILD_FAULT' }],
    ['and was overtaken without being told', { build: build(), newerDeploymentId: 'newer' }, {}, { action: 'supersede', newerDeploymentId: 'newer' }],
    ['and knows that it was overtaken', { record: building({ supersededBy: 'newer' }), build: build(), newerDeploymentId: 'newer' }, {}, { action: 'nothing' }],
    ['and knows it, and builds of overtaken ones are to be stopped', { record: building({ supersededBy: 'newer' }), build: build() }, { stopSupersededBuilds: true },
      { action: 'stop-build', buildId: 'builds:1' }],
  ])('%s', (_, found, rules, repair) => {
    expect(decide({ record: building(), ...found }, rules)).toEqual(repair);
  });
});

describe('a deployment that is queued', () => {
  test.each<[string, Partial<DeploymentRecord>, Partial<Found>, Repair]>([
    ['and seen lately', {}, {}, { action: 'nothing' }],
    ['and is being started', { startAttemptedAt: SECONDS - 5, claimExpiresAt: SECONDS + 55 }, { newerDeploymentId: 'newer' }, { action: 'nothing' }],
    ['and is being ended', { claimExpiresAt: SECONDS + 1, claimedBy: 'x' }, {}, { action: 'nothing' }],
    ['and was to be started', { startAttemptedAt: SECONDS - 100, claimExpiresAt: SECONDS - 40 }, {}, { action: 'look-for-build', since: SECONDS - 100 }],
    ['and was to be started, and was overtaken', { startAttemptedAt: SECONDS - 100, claimExpiresAt: SECONDS }, { newerDeploymentId: 'newer' }, { action: 'look-for-build', since: SECONDS - 100 }],
    ['and was overtaken', {}, { newerDeploymentId: 'newer' }, { action: 'supersede', newerDeploymentId: 'newer' }],
    ['and knows that it was overtaken', { supersededBy: 'newer' }, {}, { action: 'supersede', newerDeploymentId: 'newer' }],
  ])('%s', (_, change, found, repair) => {
    expect(decide({ record: record(change), ...found })).toEqual(repair);
  });

  test.each<[string, number, Partial<typeof OPEN & { resentAt: number }>, Partial<DeploymentRecord>, Repair]>([
    ['is left alone', HIDDEN, {}, {}, { action: 'nothing' }],
    ['is sent again', HIDDEN + 1, {}, {}, { action: 'send-again' }],
    ['is sent again only once', HIDDEN + 1, { resentAt: SECONDS - HIDDEN }, {}, { action: 'nothing' }],
    ['is not sent a third time', RETENTION, { resentAt: SECONDS - HIDDEN - 1 }, {}, { action: 'nothing' }],
    ['has failed', RETENTION + 1, {}, {}, { action: 'fail-unstarted', failureCode: 'START_FAILED' }],
    ['has failed for want of capacity', RETENTION + 1, {}, { waitingReason: 'ACCOUNT_CAPACITY' }, { action: 'fail-unstarted', failureCode: 'NO_CAPACITY' }],
    ['has failed, counted from when it was sent again', 2 * RETENTION, { resentAt: SECONDS - RETENTION }, {}, { action: 'nothing' }],
  ])('%s when its message was not seen for %d seconds', (_, unseen, change, recordChange, repair) => {
    const open = { ...OPEN, seenAt: SECONDS - unseen, ...change };
    expect(decide({ open, record: record(recordChange) })).toEqual(repair);
    expect(repairLost(open, record(recordChange), RULES)).toEqual(repair);
  });
});

test.each<[string, object, boolean]>([
  ['waits, and was seen lately', { waits: true }, true],
  ['waits, and should have been seen since', { waits: true, seenAt: SECONDS - 1500 }, false],
  ['does not wait', {}, false],
  ['waited, and has a build now', { waits: true, buildId: 'builds:1' }, false],
])('an entry that %s needs no look: %3$s', (_, change, duly) => {
  expect(isWaitingDuly({ ...OPEN, ...change }, NOW)).toBe(duly);
});
