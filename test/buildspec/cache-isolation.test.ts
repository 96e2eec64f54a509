/**
 * 100 builds of 10 projects, on two branches and with two lockfiles each, some of them at the same time and in no order: by the steps, the
 * handover and the promotion as they are. All projects have the same files, so that nothing but the cache's own keys keeps them apart.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { APP, CachedBuild } from './cached-builds';
import { planPromotion } from '../../lambda/finalizer/promotion-plan';
import { StagingArea } from '../../lambda/finalizer/staging-area';
import { Handovers } from '../../lambda/orchestrator/handovers';
import { S3Service, startS3 } from '../../local/services/s3';
import type { BuildRequest } from '../../src/contract/build-request';
import type { Handover } from '../../src/contract/handover';
import { handoverKey, stagingPrefix } from '../../src/contract/keys';
import { Random } from '../simulation/random';
import { buildArn } from '../support/codebuild';
import { buildRequest } from '../support/requests';

const BUCKET = 'artifacts-bucket';
const BUILDS = 100;
const PROJECTS = 10;
const AT_A_TIME = 4;

let directory: string;
let service: S3Service;
let s3: S3Client;

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'cache-isolation-'));
  service = await startS3({ directory });
  await service.createBucket(BUCKET);
  s3 = new S3Client({ endpoint: service.endpoint, forcePathStyle: true, region: 'eu-central-1', credentials: { accessKeyId: 'test', secretAccessKey: 'test' } });
});

afterAll(async () => {
  await service.close();
  await rm(directory, { recursive: true, force: true });
});

interface Seen {
  readonly request: BuildRequest;
  /** Of the lockfile. */
  readonly version: number;
  /** Where the handover's URLs point to. */
  readonly keys: readonly string[];
  readonly nodeModules: string;
  /** What the install found in its cache. */
  readonly download: string;
  /** Who wrote to .next/cache so far. */
  readonly compiledBy: readonly string[];
  readonly hits: readonly string[];
}

async function runBuild(request: BuildRequest, version: number): Promise<Seen> {
  const { deploymentId, projectId } = request;
  const handoverUrl = await new Handovers(s3, BUCKET).write(request, {});
  const { Body } = await s3.send(new GetObjectCommand({ Bucket: BUCKET, Key: handoverKey(deploymentId) }));
  const handover = JSON.parse(await Body!.transformToString()) as Handover;
  const build = await CachedBuild.start({ handoverUrl }, { ...APP, 'package-lock.json': JSON.stringify({ lockfileVersion: 3, version }) }, `${projectId} ${version}`);
  try {
    const output = await build.run(`echo "FOUND <$(cat "$STATE/store/download" 2> /dev/null)>"; mkdir -p .next/cache; echo ${projectId} >> .next/cache/owners`);
    await promote(build, request);
    const cache = await build.cache();
    return {
      request,
      version,
      keys: Object.values(handover.cache).flatMap(({ urls }) => urls).map((url) => new URL(url).pathname),
      nodeModules: (await readFile(path.join(build.checkout, 'node_modules', 'installed'), 'utf8')).trim(),
      download: /FOUND <(.*)>/.exec(output)![1],
      compiledBy: (await readFile(path.join(build.checkout, '.next', 'cache', 'owners'), 'utf8')).trim().split('\n'),
      hits: Object.entries(cache).filter(([, use]) => use.result === 'hit').map(([layer]) => layer),
    };
  } finally {
    await build.stop();
  }
}

/** As the finalizer does. */
async function promote(build: CachedBuild, request: BuildRequest): Promise<void> {
  const prefix = stagingPrefix(buildArn(request.deploymentId));
  for (const [layer, archive] of await build.staged()) await s3.send(new PutObjectCommand({ Bucket: BUCKET, Key: `${prefix}cache/${layer}`, Body: archive }));
  for (const name of ['lambda.zip', 'open-next.output.json', 'manifest.json']) await s3.send(new PutObjectCommand({ Bucket: BUCKET, Key: `${prefix}artifacts/${name}`, Body: name }));
  const staging = new StagingArea(s3, BUCKET, prefix);
  const plan = planPromotion(await staging.list(), request);
  if (!plan.acceptable) throw new Error(plan.problem);
  await staging.promote(plan.cache, async () => {});
  await staging.remove();
}

test('no build meets another project\'s cache, nor dependencies of another lockfile', async () => {
  const random = new Random(20261122);
  const plans = Array.from({ length: BUILDS }, (_, index) => {
    const branch = random.chance(0.7) ? 'main' : 'feature';
    const request = buildRequest({ deploymentId: `deployment-${index}`, projectId: `project-${Math.floor(random.between(0, PROJECTS))}`, branch, defaultBranch: 'main' });
    return { request, version: random.chance(0.5) ? 1 : 2 };
  });
  const seen: Seen[] = [];
  const remaining = plans.values();
  await Promise.all(Array.from({ length: AT_A_TIME }, async () => {
    for (const { request, version } of remaining) seen.push(await runBuild(request, version));
  }));

  expect(seen).toHaveLength(BUILDS);
  for (const { request: { projectId }, version, ...found } of seen) {
    expect(found.nodeModules).toBe(`${projectId} ${version}`);
    expect(found.download === '' ? projectId : found.download.split(' ')[0]).toBe(projectId);
    expect(new Set(found.compiledBy)).toEqual(new Set([projectId]));
    for (const key of found.keys) expect(key.startsWith(`/${BUCKET}/cache/${projectId}/`)).toBe(true);
  }
  // It was put to the test: most builds found something.
  const hits = (layer: string) => seen.filter((one) => one.hits.includes(layer)).length;
  expect(hits('next')).toBeGreaterThan(BUILDS / 2);
  expect(hits('dependencies')).toBeGreaterThan(BUILDS / 5);
  expect(seen.filter(({ download, version, request }) => download === `${request.projectId} ${version}`).length).toBeGreaterThan(BUILDS / 5);
}, 600_000);
