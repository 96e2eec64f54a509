import { describe as describeRecord, describeStatus, exitStatusFor, reportOf, verdict, type DeploymentReport } from '../../local/report';
import type { DeploymentRecord, DeploymentStatus } from '../../src/contract/deployment';

function record(fields: Partial<DeploymentRecord>): DeploymentRecord {
  return {
    deploymentId: 'd-1', projectId: 'shop', commitSha: 'a'.repeat(40), branch: 'main', repoUrl: 'https://git.example/shop.git', status: 'queued', version: 1, createdAt: '2026-11-22T12:00:00.000Z', ...fields,
  };
}

test.each<[Partial<DeploymentRecord>, string]>([
  [{}, 'queued'],
  [{ waitingReason: 'ACCOUNT_CAPACITY' }, 'queued, waits for CodeBuild to take another build'],
  [{ waitingReason: 'PROJECT_LIMIT' }, 'queued, waits for a build of its project to end'],
  [{ status: 'building' }, 'building'],
  [{ status: 'building', supersededBy: 'd-2' }, 'building, but d-2 is newer'],
  [{ status: 'success' }, 'success'],
  [{ status: 'failed', failureCode: 'BUILD_FAILED' }, 'failed: BUILD_FAILED'],
  [{ status: 'superseded', supersededBy: 'd-2' }, 'superseded by d-2'],
])('the status of %j reads "%s"', (fields, line) => {
  expect(describeStatus(record(fields))).toBe(line);
});

test.each<[Partial<DeploymentRecord>, string | undefined]>([
  [{ status: 'success' }, undefined],
  [{ status: 'failed', failureCode: 'BUILD_FAILED', failureMessage: 'It failed.' }, 'FAILED BUILD_FAILED: It failed.'],
  [{ status: 'superseded', supersededBy: 'd-2' }, 'SUPERSEDED by deployment d-2, which is newer on branch main. Nothing failed, and nothing of this one is stored.'],
  [{ status: 'success', supersededBy: 'd-2' }, 'Do not go live with this one: there is deployment d-2, which is newer on branch main.'],
])('what follows from the end of %j', (fields, sentence) => {
  expect(verdict(record(fields))).toBe(sentence);
});

test.each<[DeploymentStatus[], number]>([
  [['success', 'success'], 0],
  [['success', 'failed'], 1],
  [['superseded', 'failed'], 1],
  [['success', 'superseded'], 3],
  [['building'], 1],
])('deployments that end as %j give the exit status %i', (statuses, exitStatus) => {
  expect(exitStatusFor(statuses.map((status) => ({ status }) as DeploymentReport))).toBe(exitStatus);
});

test('the report of a superseded deployment names the newer one, and no failure', () => {
  const ended = record({ status: 'superseded', supersededBy: 'd-2', completedAt: '2026-11-22T12:00:10.000Z' });
  expect(reportOf(ended, [], [])).toEqual({
    deploymentId: 'd-1',
    projectId: 'shop',
    commitSha: 'a'.repeat(40),
    status: 'superseded',
    statusHistory: [{ status: 'queued', at: '2026-11-22T12:00:00.000Z' }, { status: 'superseded', at: '2026-11-22T12:00:10.000Z' }],
    supersededBy: 'd-2',
    timings: { total: 10 },
    artifacts: [],
  });
});

test('warnings of the build have a line each, and are in the report', () => {
  const ended = record({ status: 'success', timings: { build: 1 }, warnings: [{ code: 'LINK_DANGLING', message: 'Links in lambda.zip lead nowhere' }] });
  const report = reportOf(ended, [], []);
  expect(report.build?.warnings).toEqual(ended.warnings);
  expect(describeRecord(ended, report).slice(-2)).toEqual(['Warnings', '  LINK_DANGLING: Links in lambda.zip lead nowhere']);
});

test('the record is shown without what the pipeline keeps in it for itself', () => {
  const ended = record({ status: 'superseded', supersededBy: 'd-2', claimExpiresAt: 1, startAttemptedAt: 2, announcedVersion: 3 });
  const lines = describeRecord(ended, reportOf(ended, [], [])).map((line) => line.trim().split(/ +/)[0]);
  expect(lines).toEqual(['Record', 'deploymentId', 'projectId', 'commitSha', 'branch', 'repoUrl', 'status', 'version', 'createdAt', 'supersededBy', 'Timings', '']);
});

test('the steps of the build and its cache are shown as tables', () => {
  const ended = record({
    status: 'success',
    timings: { restore: 1.24, build: 20 },
    cache: {
      next: { result: 'miss', reason: 'there is none yet', savedBytes: 25e6, saveSeconds: 0.3 },
      dependencies: { result: 'hit', restoredBytes: 106_400_000, restoreSeconds: 1.2, secondsSaved: 14 },
    },
  });
  const lines = describeRecord(ended, reportOf(ended, [], []));
  expect(lines.slice(lines.indexOf('Steps of the build'))).toEqual([
    'Steps of the build',
    '  restore            1.2 s',
    '  build             20.0 s',
    'Cache',
    '  layer          result     restored        in     stored        in     saved',
    '  dependencies   hit        106.4 MB     1.2 s                         14.0 s',
    '  next           miss                             25.0 MB     0.3 s            there is none yet',
  ]);
});

test('a deployment that used another one\'s build again says so, and has neither build nor steps', () => {
  const ended = record({ status: 'success', reusedFrom: 'd-0', completedAt: '2026-11-22T12:00:02.000Z' });
  expect(reportOf(ended, [], [])).toMatchObject({ reusedFrom: 'd-0', timings: { total: 2 } });
  expect(describeRecord(ended, reportOf(ended, [], [])).join('\n')).toMatch(/reusedFrom +d-0/);
});
