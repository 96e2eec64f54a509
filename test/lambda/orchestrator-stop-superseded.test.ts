/** With `stopSupersededBuilds`: a newer deployment of the branch stops the build of an older one, which ends as superseded by its own event. */
import { ResourceNotFoundException, StartBuildCommand, StopBuildCommand } from '@aws-sdk/client-codebuild';
import { orchestrator, waitForClaim } from './orchestrator-support';
import type { BuildRequest } from '../../src/contract/build-request';
import { answered, buildOf, unanswered } from '../support/codebuild';

const pipeline = orchestrator({ stopSupersededBuilds: 'true' });
const { codeBuild } = pipeline;

let older: BuildRequest;
let newer: BuildRequest;

beforeEach(async () => {
  [older, newer] = [pipeline.another('older'), pipeline.another('newer')];
  await pipeline.produce(older, 120);
  await pipeline.produce(newer, 60);
});

const receive = async (request: BuildRequest, receives = 1) => pipeline.receive(pipeline.message(request, receives));

test('the running build is stopped; until its event comes, the record says what is', async () => {
  await receive(older);
  await receive(newer);
  expect(codeBuild.stopped).toEqual([codeBuild.builds[0].id]);
  expect(await pipeline.record(older)).toMatchObject({ status: 'building', supersededBy: newer.deploymentId });
  expect(await pipeline.status(newer)).toBe('building');
});

test('a build that is being started is stopped as soon as it is known', async () => {
  codeBuild.mock.on(StartBuildCommand).callsFakeOnce(async () => {
    codeBuild.mock.on(StartBuildCommand).resolves({ build: buildOf(newer.deploymentId) });
    await receive(newer);
    return { build: buildOf(older.deploymentId) };
  });
  await receive(older);
  expect(codeBuild.stopped).toEqual([buildOf(older.deploymentId).id]);
});

test('a build of which nobody knew is stopped when it is found', async () => {
  codeBuild.failNext('after', unanswered());
  await receive(older);
  waitForClaim();
  await receive(newer);
  await receive(older, 2);
  expect(codeBuild.stopped).toEqual([codeBuild.builds[0].id]);
  expect(await pipeline.record(older)).toMatchObject({ status: 'building', supersededBy: newer.deploymentId });
});

test('an older one that comes too late is not started, and nothing is stopped', async () => {
  await receive(newer);
  await receive(older);
  expect([await pipeline.status(older), codeBuild.stopped, codeBuild.startCalls]).toEqual(['superseded', [], 1]);
});

test.each([
  ['gone already', () => new ResourceNotFoundException({ message: 'gone', $metadata: {} })],
  ['not stopped because CodeBuild does not do its part', () => answered('ThrottlingException')],
])('a build that is %s: the newer one is built all the same, and the reconciler sees the mark', async (_, failure) => {
  await receive(older);
  codeBuild.mock.on(StopBuildCommand).rejects(failure());
  expect(await receive(newer)).toEqual([]);
  expect(await pipeline.status(newer)).toBe('building');
  expect(await pipeline.record(older)).toMatchObject({ status: 'building', supersededBy: newer.deploymentId });
});
