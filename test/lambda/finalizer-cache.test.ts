import { DeleteObjectCommand, GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { finalizer, STAGED } from './finalizer-support';
import { AccessDeniedError } from '../../local/services/service';
import type { CacheUse } from '../../src/contract/cache';
import { BUILD_ENV, HANDOVER_ENV } from '../../src/contract/environment';
import { buildEnvironmentKey, cacheKey, cacheOwner, handoverKey, HANDOVER_ROOT, SOURCE_ROOT, sourceKeys, stagingPrefix } from '../../src/contract/keys';
import { artifactsKey, STATE_KINDS } from '../../src/contract/state-table';
import { buildRequest, COMMIT_SHA } from '../support/requests';

const pipeline = finalizer();
const BUCKET = 'artifacts-bucket';
const { branch } = buildRequest({});

const put = (key: string, body: string) => pipeline.s3.send(new PutObjectCommand({ Bucket: BUCKET, Key: key, Body: body }));
const key = (layer: 'dependencies' | 'next') => cacheKey(pipeline.id, branch, layer);
const artifactsItem = () => pipeline.tables.state(STATE_KINDS.artifacts, artifactsKey({ projectId: pipeline.id, commitSha: COMMIT_SHA, branch: 'main' }));

async function stage(report: { cache?: Record<string, CacheUse>; timings?: Record<string, number> } = {}): Promise<void> {
  await pipeline.stage(['cache/dependencies', 'cache/next']);
  await put(`${stagingPrefix(pipeline.arn)}artifacts/manifest.json`, JSON.stringify({ version: 1, ...report }));
}

test('archives of a build that succeeded become the cache of its branch, and are no part of its artifacts', async () => {
  await stage();
  await pipeline.deliver();
  expect(await pipeline.keys('cache/')).toEqual(expect.arrayContaining([key('dependencies'), key('next')]));
  expect((await pipeline.record()).artifacts!.objectCount).toBe(STAGED.length);
  expect(await pipeline.staged()).toBe(0);
});

test('those of a build that failed do not', async () => {
  await stage();
  pipeline.answer({ buildStatus: 'FAILED' });
  await pipeline.deliver();
  expect(await pipeline.keys(`cache/${pipeline.id}/`)).toEqual([]);
  expect(await pipeline.staged()).toBe(0);
});

test('those of a build whose artifacts are refused do not either', async () => {
  await stage();
  await pipeline.stage(['artifacts/evil.sh']);
  await pipeline.deliver();
  expect(await pipeline.record()).toMatchObject({ status: 'failed', failureCode: 'ARTIFACTS_INVALID' });
  expect(await pipeline.keys(`cache/${pipeline.id}/`)).toEqual([]);
});

test('an archive of no known layer is an object that a build may not store', async () => {
  await pipeline.stage(['cache/other']);
  await pipeline.deliver();
  expect(await pipeline.record()).toMatchObject({ status: 'failed', failureCode: 'ARTIFACTS_INVALID' });
});

test('a cache that cannot be kept fails nothing', async () => {
  await stage();
  pipeline.onS3Call = ({ action, resource }) => {
    if (action === 's3:PutObject' && resource.includes('/cache/')) throw new AccessDeniedError('refused');
  };
  await pipeline.deliver();
  expect(await pipeline.record()).toMatchObject({ status: 'success' });
  expect(await pipeline.staged()).toBe(0);
});

test('record and event say how long the phases took, what became of the cache, and what it saved', async () => {
  await pipeline.tables.putState(STATE_KINDS.cache, pipeline.id, { accounts: { next: { without: 30, saved: [] } } });
  await stage({ timings: { install: 3.2, build: 12 }, cache: { next: { result: 'hit', workSeconds: 12, restoreSeconds: 0.5, saveSeconds: 0.5 } } });
  await pipeline.deliver();
  const told = { timings: { install: 3.2, build: 12 }, cache: { next: { result: 'hit', secondsSaved: 17 } } };
  expect(await pipeline.record()).toMatchObject(told);
  expect(pipeline.announced.at(-1)).toMatchObject(told);
  expect(await pipeline.tables.state(STATE_KINDS.cache, pipeline.id)).toMatchObject({ accounts: { next: { without: 30, saved: [17] } } });
});

test('what a build of another branch says of its cache decides nothing for the default branch', async () => {
  await pipeline.putRecord({ defaultBranch: 'production' });
  await stage({ cache: { next: { result: 'damaged', restoreSeconds: 100_000 } } });
  await pipeline.deliver();
  expect(await pipeline.record()).toMatchObject({ status: 'success', cache: { next: { result: 'damaged' } } });
  expect(await pipeline.tables.state(STATE_KINDS.cache, pipeline.id)).toBeUndefined();
});

test('what a build without secrets leaves becomes a cache of its own, and decides nothing for others: not for the branch of its name, not for the default branch', async () => {
  await pipeline.putRecord({ withoutSecrets: true });
  await put(key('next'), 'of those with secrets');
  await stage({ cache: { next: { result: 'damaged', restoreSeconds: 100_000 } } });
  await pipeline.deliver();
  const layers = ['dependencies', 'next'] as const;
  const own = layers.map((layer) => cacheKey(pipeline.id, cacheOwner({ branch, withoutSecrets: true }), layer));
  expect((await pipeline.keys(`cache/${pipeline.id}/`)).sort()).toEqual([...own, key('next')].sort());
  const { Body } = await pipeline.s3.send(new GetObjectCommand({ Bucket: BUCKET, Key: key('next') }));
  expect(await Body!.transformToString()).toBe('of those with secrets');
  expect(await pipeline.tables.state(STATE_KINDS.cache, pipeline.id)).toBeUndefined();
});

test('a manifest that is no JSON, or too large, says nothing and fails nothing', async () => {
  await put(`${stagingPrefix(pipeline.arn)}artifacts/manifest.json`, 'x'.repeat(1024 ** 2 + 1));
  await pipeline.deliver();
  expect(await pipeline.record()).toMatchObject({ status: 'success' });
  expect(await pipeline.record()).not.toHaveProperty('timings');
});

test('what was built from which inputs is noted when all of it is in place', async () => {
  pipeline.answer({}, { [BUILD_ENV.deploymentId]: pipeline.id, [BUILD_ENV.projectId]: pipeline.id, [HANDOVER_ENV.inputs]: 'inputs' });
  await pipeline.deliver();
  const { artifacts } = await pipeline.record();
  expect(await artifactsItem()).toMatchObject({ deploymentId: pipeline.id, inputs: 'inputs', artifacts });
});

test('if nobody knows the inputs, it will not be used again', async () => {
  await pipeline.deliver();
  expect(await pipeline.record()).toMatchObject({ status: 'success' });
  expect(await artifactsItem()).toBeUndefined();
});

test('until all of it is in place, an earlier build of the commit stays the one to use again', async () => {
  const earlier = { deploymentId: 'earlier', inputs: 'x', artifacts: {} };
  await pipeline.tables.putState(STATE_KINDS.artifacts, artifactsKey({ projectId: pipeline.id, commitSha: COMMIT_SHA, branch: 'main' }), earlier);
  pipeline.answer({}, { [BUILD_ENV.deploymentId]: pipeline.id, [BUILD_ENV.projectId]: pipeline.id, [HANDOVER_ENV.inputs]: 'inputs' });
  const seen: unknown[] = [];
  pipeline.onS3Call = async ({ action }) => {
    if (action === 's3:PutObject') seen.push(await artifactsItem());
  };
  await pipeline.deliver();
  expect(seen.length).toBeGreaterThan(1);
  for (const item of seen) expect(item).toMatchObject(earlier);
  expect(await artifactsItem()).toMatchObject({ deploymentId: pipeline.id });
});

test.each(['SUCCEEDED', 'FAILED'] as const)('what was handed over to a build that %s is removed', async (buildStatus) => {
  await put(handoverKey(pipeline.id), '{}');
  await put(buildEnvironmentKey(pipeline.id), '{}');
  pipeline.answer({ buildStatus });
  await pipeline.deliver();
  expect(await pipeline.keys(HANDOVER_ROOT)).toEqual([]);
});

test.each(['SUCCEEDED', 'FAILED'] as const)('the source that was fetched for a build that %s is removed, of every attempt, and no other\'s', async (buildStatus) => {
  const other = sourceKeys({ deploymentId: `${pipeline.id}0`, attempt: 'first' });
  for (const attempt of ['first', 'second']) {
    const { pack, status } = sourceKeys({ deploymentId: pipeline.id, attempt });
    await put(pack, 'PACK');
    await put(status, '{"status":"ready"}');
  }
  await put(other.pack, 'PACK');
  pipeline.answer({ buildStatus });
  await pipeline.deliver();
  expect(await pipeline.keys(SOURCE_ROOT)).toEqual([other.pack]);
  await pipeline.s3.send(new DeleteObjectCommand({ Bucket: BUCKET, Key: other.pack }));
});
