/** With `stopSupersededBuilds`: a build that should have been stopped, and was not, is stopped by the reconciler. */
import { NOW, reconciler } from './reconciler-support';
import { branchKey, STATE_KINDS } from '../../../src/contract/state-table';
import { buildOf } from '../../support/codebuild';

const pipeline = reconciler({ stopSupersededBuilds: 'true' });

const building = { status: 'building' as const, version: 2, buildId: 'builds:d', buildStartedAt: new Date(NOW - 300_000).toISOString() };

test('one that knows of the newer deployment', async () => {
  await pipeline.open('d', { ...building, supersededBy: 'newer' });
  pipeline.codeBuild.builds.push(buildOf('d'));
  await pipeline.run();
  expect(pipeline.codeBuild.stopped).toEqual(['builds:d']);
  expect(await pipeline.tables.record('d')).toMatchObject({ status: 'building' });
});

test('one that did not know of it', async () => {
  const request = await pipeline.open('d', building);
  await pipeline.tables.putState(STATE_KINDS.branch, branchKey(request), { deploymentId: 'newer', createdAt: new Date(NOW).toISOString() });
  pipeline.codeBuild.builds.push(buildOf('d'));
  await pipeline.run();
  expect(pipeline.codeBuild.stopped).toEqual(['builds:d']);
  expect(await pipeline.tables.record('d')).toMatchObject({ status: 'building', supersededBy: 'newer' });
});

test('not the newest', async () => {
  await pipeline.open('d', building);
  pipeline.codeBuild.builds.push(buildOf('d'));
  await pipeline.run();
  expect(pipeline.codeBuild.stopped).toEqual([]);
});
