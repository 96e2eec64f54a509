import { BatchGetProjectsCommand, EnvironmentVariable, StartBuildCommand } from '@aws-sdk/client-codebuild';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { BUCKET, orchestrator } from './orchestrator-support';
import { packedSteps } from '../../src/buildspec';
import type { BuildRequest } from '../../src/contract/build-request';
import { CACHE_LAYERS } from '../../src/contract/cache';
import { HANDOVER_ENV, PROJECT_ENV } from '../../src/contract/environment';
import type { Handover } from '../../src/contract/handover';
import { cacheKey, handoverKey, HANDOVER_ROOT } from '../../src/contract/keys';
import { STATE_KINDS } from '../../src/contract/state-table';

const pipeline = orchestrator();
const { codeBuild, s3 } = pipeline;

function environment(): Record<string, string | undefined> {
  const variables = codeBuild.mock.commandCalls(StartBuildCommand).at(-1)!.args[0].input.environmentVariablesOverride as EnvironmentVariable[];
  return Object.fromEntries(variables.map(({ name, value }) => [name, value]));
}

function handover(): Handover {
  return JSON.parse(s3.commandCalls(PutObjectCommand).at(-1)!.args[0].input.Body as string) as Handover;
}

/** What a presigned URL is good for. */
function object(url: string): string {
  const { hostname, pathname, searchParams } = new URL(url);
  expect(searchParams.get('X-Amz-Signature')).toMatch(/^[0-9a-f]{64}$/);
  expect(Number(searchParams.get('X-Amz-Expires'))).toBe(3600);
  return `${hostname.includes(BUCKET) ? '' : '(path style) '}${decodeURIComponent(pathname)}`.replace(`(path style) /${BUCKET}`, '');
}

const start = (change: Partial<BuildRequest> = {}) => pipeline.receive(pipeline.message({ ...pipeline.request, ...change }));

test('a build is told where its handover lies, by a URL for this object alone', async () => {
  await start();
  const [{ args: [{ input }] }] = s3.commandCalls(PutObjectCommand);
  expect(input).toMatchObject({ Bucket: BUCKET, Key: handoverKey(pipeline.request.deploymentId) });
  expect(object(environment()[HANDOVER_ENV.url]!)).toBe(`/${input.Key}`);
  expect(handoverKey('x')).toBe(`${HANDOVER_ROOT}x.json`);
});

/** Until 2021 CodeBuild's guide warned of some 5,500 characters for the names and values of all variables together. */
test('the URL leaves a build\'s variables below what CodeBuild may refuse', async () => {
  await start();
  const projects = { [PROJECT_ENV.packedSteps]: packedSteps().variable, [PROJECT_ENV.artifactsBucket]: 'b'.repeat(63), [PROJECT_ENV.nodeVersion]: '22' };
  const characters = Object.entries({ ...projects, ...environment() }).reduce((sum, [name, value]) => sum + name.length + value!.length, 0);
  // Of a function's role, in a URL; the role of this test has none.
  const sessionToken = 1_500;
  expect(characters + sessionToken).toBeLessThan(5_500);
});

test('the handover holds a URL for each layer of the branch\'s own cache', async () => {
  await start({ branch: 'feature/#1' });
  const { cache, version } = handover();
  expect(version).toBe(1);
  expect(Object.keys(cache)).toEqual([...CACHE_LAYERS]);
  for (const layer of CACHE_LAYERS) expect(cache[layer]!.urls.map(object)).toEqual([`/${cacheKey(pipeline.request.projectId, 'feature/#1', layer)}`]);
});

test('then of the default branch\'s, if there is one to begin with', async () => {
  const { projectId } = pipeline.request;
  await start({ branch: 'feature', defaultBranch: 'main' });
  expect(handover().cache.next!.urls.map(object)).toEqual([`/${cacheKey(projectId, 'feature', 'next')}`, `/${cacheKey(projectId, 'main', 'next')}`]);
});

test('but the default branch has only its own', async () => {
  await start({ branch: 'main', defaultBranch: 'main' });
  expect(handover().cache.next!.urls).toHaveLength(1);
});

test('no two projects or branches share a key, whatever their names are', () => {
  const keys = [['a', 'b'], ['a', 'b/next'], ['a/b', 'c'], ['a', 'B'], ['ab', '']].map(([project, branch]) => cacheKey(project, branch, 'next'));
  expect(new Set(keys).size).toBe(keys.length);
  expect(keys[0]).toMatch(/^cache\/a\/[0-9a-f]{32}\/next$/);
});

test('a request without cache gets no URL of one, and says since when the work has taken how long', async () => {
  await pipeline.tables.putState(STATE_KINDS.cache, pipeline.request.projectId, { accounts: { dependencies: { without: 33, saved: [] } } });
  await start({ withoutCache: true });
  expect(handover().cache).toEqual({ dependencies: { urls: [], withoutSeconds: 33 }, store: { urls: [] }, next: { urls: [] }, tools: { urls: [] } });
});

test('a layer that does not pay is switched off, with the reason', async () => {
  await pipeline.tables.putState(STATE_KINDS.cache, pipeline.request.projectId, { accounts: { next: { without: 5, saved: [], pausedFor: 7 } } });
  await start();
  expect(handover().cache.next).toEqual({ urls: [], off: 'it cost more than it saved in the last builds; tried again in 7 builds', withoutSeconds: 5 });
  expect(handover().cache.dependencies!.urls).toHaveLength(1);
});

test('without S3 there is no cache, and a build all the same', async () => {
  s3.on(PutObjectCommand).rejects(Object.assign(new Error('Access Denied'), { name: 'AccessDenied', $fault: 'client', $metadata: { httpStatusCode: 403 } }));
  expect(await start()).toEqual([]);
  expect(environment()).not.toHaveProperty(HANDOVER_ENV.url);
  expect(await pipeline.status()).toBe('building');
});

describe('what a build is made from', () => {
  let count = 100;
  const inputs = async (change: Partial<BuildRequest> = {}) => {
    // Ever newer ones: an older one would be superseded.
    count += 1;
    await start({ ...pipeline.another(String(count)), ...change });
    return environment()[HANDOVER_ENV.inputs];
  };

  test('is the same for the same, in whichever order CodeBuild tells of it', async () => {
    const variables = [{ name: 'A', value: 'a' }, { name: 'B', value: 'b' }];
    codeBuild.project = { ...codeBuild.project, environment: { ...codeBuild.project.environment!, environmentVariables: variables } };
    const before = await inputs();
    codeBuild.project = { ...codeBuild.project, environment: { ...codeBuild.project.environment!, environmentVariables: [...variables].reverse(), computeType: 'BUILD_GENERAL1_LARGE' } };
    expect(await inputs()).toBe(before);
    expect(before).toMatch(/^[0-9a-f]{64}$/);
  });

  test.each<[string, (project: typeof codeBuild.project) => typeof codeBuild.project]>([
    ['the buildspec', (project) => ({ ...project, source: { type: 'NO_SOURCE', buildspec: 'version: 0.2 # newer' } })],
    ['the image', (project) => ({ ...project, environment: { ...project.environment!, image: 'aws/codebuild/standard:8.0' } })],
    ['the environment', (project) => ({ ...project, environment: { ...project.environment!, environmentVariables: [{ name: 'A', value: 'b' }] } })],
  ])('changes with %s', async (_, change) => {
    const before = await inputs();
    codeBuild.project = change(codeBuild.project);
    expect(await inputs()).not.toBe(before);
  });

  test('changes with branch, repository and root directory', async () => {
    const all = [await inputs(), await inputs({ branch: 'other' }), await inputs({ rootDirectory: 'apps/web' }), await inputs({ repoUrl: 'https://github.com/a/b' })];
    expect(new Set(all).size).toBe(4);
  });

  test('is not known if CodeBuild does not say, and the build is started all the same', async () => {
    codeBuild.mock.on(BatchGetProjectsCommand).rejects(new Error('throttled'));
    expect(await inputs()).toBeUndefined();
    expect(codeBuild.startCalls).toBe(1);
  });
});

test('an answer that says "same token, other parameters" is no refusal: there is a build', async () => {
  codeBuild.failNext('before', Object.assign(new Error('Parameter mismatch for given idempotency token'), { name: 'InvalidInputException', $metadata: { httpStatusCode: 400 } }));
  expect(await start()).toEqual(['message-1']);
  expect(await pipeline.record()).toMatchObject({ status: 'queued', startAttemptedAt: expect.any(Number) });
});
