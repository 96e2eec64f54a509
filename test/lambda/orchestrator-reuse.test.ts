import { BatchGetProjectsCommand } from '@aws-sdk/client-codebuild';
import { ListObjectsV2Command } from '@aws-sdk/client-s3';
import { orchestrator, waitForClaim } from './orchestrator-support';
import { buildInputs } from '../../lambda/shared/build-inputs';
import type { BuildRequest } from '../../src/contract/build-request';
import { artifactsKey, branchKey, STATE_KINDS } from '../../src/contract/state-table';
import { PROJECT } from '../support/codebuild';

const pipeline = orchestrator();
const { codeBuild, s3 } = pipeline;
let artifacts: Record<string, string | number>;

/** The commit was built for an earlier deployment, and all of it is there. */
beforeEach(async () => {
  const { commitSha, projectId } = pipeline.request;
  const [artifactsPrefix, staticPrefix] = [`artifacts/${projectId}/${commitSha}/earlier/`, `static/${projectId}/${commitSha}/earlier/`];
  artifacts = { artifactsPrefix, staticPrefix, lambdaKey: `${artifactsPrefix}lambda.zip`, manifestKey: `${artifactsPrefix}manifest.json`, objectCount: 3, totalBytes: 60 };
  await promoted({});
  s3.on(ListObjectsV2Command, { Prefix: artifactsPrefix }).resolves({ Contents: [{ Key: 'a', Size: 10 }, { Key: 'b', Size: 20 }] });
  s3.on(ListObjectsV2Command, { Prefix: staticPrefix }).resolves({ Contents: [{ Key: 'c', Size: 30 }] });
});

async function promoted(change: Record<string, unknown>): Promise<void> {
  const item = { deploymentId: 'earlier', inputs: buildInputs(PROJECT, pipeline.request), artifacts, ...change };
  const known = Object.fromEntries(Object.entries(item).filter(([, value]) => value !== undefined));
  await pipeline.tables.putState(STATE_KINDS.artifacts, artifactsKey(pipeline.request), known);
}

const receive = (change: Partial<BuildRequest> = {}) => pipeline.receive(pipeline.message({ ...pipeline.request, ...change }));

test('what was built before with the same settings is used again, without a build', async () => {
  expect(await receive()).toEqual([]);
  expect(codeBuild.startCalls).toBe(0);
  expect(await pipeline.record()).toMatchObject({ status: 'success', reusedFrom: 'earlier', artifacts, version: 2, completedAt: expect.any(String) });
  expect(await pipeline.record()).not.toHaveProperty('claimExpiresAt');
  expect(await pipeline.record()).not.toHaveProperty('buildId');
  expect(pipeline.announcedStatuses).toEqual(['queued', 'success']);
  expect(await pipeline.open()).toBeUndefined();
});

test('also when CodeBuild has no room: nobody has to wait for what needs no build', async () => {
  codeBuild.failAlways(Object.assign(new Error('full'), { name: 'AccountLimitExceededException', $metadata: { httpStatusCode: 400 } }));
  await pipeline.receive(pipeline.message(pipeline.another('other', { commitSha: 'f'.repeat(40), branch: 'other' })));
  await receive();
  expect(await pipeline.status()).toBe('success');
});

test.each<[string, Partial<BuildRequest>]>([
  ['the request forces a build', { forceBuild: true }],
  ['the request wants a build without cache', { withoutCache: true }],
  ['the build must do without secrets, which the earlier one had', { withoutSecrets: true }],
  ['the branch is another one, which the app may look at', { branch: 'other' }],
  ['the app lies in another directory', { rootDirectory: 'apps/web' }],
  ['the app\'s build gets another environment', { buildEnvironment: { NEXT_PUBLIC_URL: 'https://b' } }],
  ['the commit is another one', { commitSha: 'e'.repeat(40) }],
])('it is built if %s', async (_, change) => {
  await receive(change);
  expect(await pipeline.record()).toMatchObject({ status: 'building' });
});

test.each<[string, () => unknown]>([
  ['the project has changed since', () => { codeBuild.project = { ...PROJECT, environment: { ...PROJECT.environment!, image: 'another' } }; }],
  ['an object is gone', () => s3.on(ListObjectsV2Command).resolves({ Contents: [{ Key: 'a', Size: 60 }] })],
  ['everything is gone', () => s3.on(ListObjectsV2Command).resolves({})],
  ['it has more objects than can be counted while others wait', () => {
    s3.on(ListObjectsV2Command).resolves({ Contents: Array.from({ length: 20_001 }, (_, index) => ({ Key: `${index}`, Size: 1 })) });
    return promoted({ artifacts: { ...artifacts, objectCount: 20_001 } });
  }],
  ['S3 does not answer', () => s3.on(ListObjectsV2Command).rejects(new Error('timeout'))],
  ['CodeBuild does not say what it would build from', () => codeBuild.mock.on(BatchGetProjectsCommand).rejects(new Error('throttled'))],
])('it is built if %s', async (_, change) => {
  await change();
  expect(await receive()).toEqual([]);
  expect(await pipeline.record()).toMatchObject({ status: 'building' });
});

test('a second delivery of the message changes nothing', async () => {
  await receive();
  const before = await pipeline.record();
  expect(await receive()).toEqual([]);
  expect(await pipeline.record()).toEqual(before);
});

test('a build that was started before, unknown to the record, is not forgotten over it', async () => {
  await promoted({ inputs: 'different' });
  codeBuild.failNext('after', new Error('lost'));
  await receive();
  await promoted({});
  waitForClaim();
  await receive();
  expect(await pipeline.record()).toMatchObject({ status: 'building', buildId: codeBuild.builds[0].id });
});

describe('while this is being found out', () => {
  /** The listing of the artifacts is the last thing before the end is written. */
  const meanwhile = (act: () => Promise<unknown>) => s3.on(ListObjectsV2Command, { Prefix: String(artifacts.staticPrefix) }).callsFake(async () => {
    await act();
    return { Contents: [{ Key: 'c', Size: 30 }] };
  });

  test('a newer deployment of the branch is queued: record and event name it', async () => {
    const { branch, projectId } = pipeline.request;
    meanwhile(() => pipeline.tables.putState(STATE_KINDS.branch, branchKey({ projectId, branch }), { deploymentId: 'newer', createdAt: '2999-01-01T00:00:00.000Z' }));
    await receive();
    expect(await pipeline.record()).toMatchObject({ status: 'success', reusedFrom: 'earlier', supersededBy: 'newer' });
    expect(pipeline.announced.at(-1)).toMatchObject({ status: 'success', supersededBy: 'newer' });
  });

  test('the claim passes on to another invocation: this one changes nothing, and the message comes back', async () => {
    meanwhile(async () => pipeline.tables.putRecord({ ...await pipeline.record(), claimExpiresAt: Math.floor(Date.now() / 1000) + 3600 }));
    expect(await receive()).toEqual(['message-1']);
    expect(await pipeline.record()).toMatchObject({ status: 'queued' });
  });
});

test('a place that an earlier attempt at a build had taken is given back', async () => {
  await promoted({ inputs: 'different' });
  codeBuild.failNext('before', new Error('lost'));
  await receive();
  expect(await pipeline.places()).toEqual([pipeline.request.deploymentId]);
  await promoted({});
  waitForClaim();
  await receive();
  expect(await pipeline.status()).toBe('success');
  expect(await pipeline.places()).toEqual([]);
});
