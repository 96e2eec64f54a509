/** The example app through everything that is real on this machine: buildspec, npm registry, OpenNext, handlers, report. Takes minutes. */
import { createWriteStream } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline as pipe } from 'node:stream/promises';
import { GetObjectCommand, HeadObjectCommand } from '@aws-sdk/client-s3';
import { runBuilds, RunningPipeline } from '../../local/build-command';
import { FunctionUrlResponse, invokeFunctionUrl } from '../../local/invoke';
import { serverFunctionEnvironment } from '../../local/pipeline';
import type { DeploymentReport } from '../../local/report';
import type { DeploymentRecord } from '../../src/contract/deployment';
import { STAGING_ROOT } from '../../src/contract/keys';
import { STATE_KINDS } from '../../src/contract/state-table';

const APP = path.join(__dirname, '..', '..', 'examples', 'nextjs-app');

/** One to three minutes on a quiet machine, of which a slow registry or busy processors can make a multiple. */
const TIMEOUT_MS = 15 * 60_000;

const SHA = /^[0-9a-f]{40}$/;
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

let directory: string;
const output: string[] = [];
let answers: FunctionUrlResponse[];
let heads: Record<string, { type?: string; cache?: string }>;
let report: DeploymentReport;
let bucketDirectory: string;
let record: DeploymentRecord;
/** Of both tables: the deployments', and the pipeline's own. */
let items: (Partial<DeploymentRecord> & { readonly kind?: string })[];

/** What can only be seen while the services run. */
async function look({ stack, pipeline, records }: RunningPipeline): Promise<void> {
  const { artifacts } = records[0];
  if (!artifacts) return;
  const { s3, artifactsBucket } = pipeline;
  const objects = [...await pipeline.objects(artifacts.artifactsPrefix), ...await pipeline.objects(artifacts.staticPrefix)];
  heads = Object.fromEntries(await Promise.all(objects.map(async ({ key }) => {
    const { ContentType: type, CacheControl: cache } = await s3.send(new HeadObjectCommand({ Bucket: artifactsBucket, Key: key }));
    return [key, { type, cache }] as const;
  })));
  expect(await pipeline.objects(STAGING_ROOT)).toEqual([]);

  const zipFile = path.join(directory, 'lambda.zip');
  const { Body } = await s3.send(new GetObjectCommand({ Bucket: artifactsBucket, Key: artifacts.lambdaKey }));
  await pipe(Body as Readable, createWriteStream(zipFile));
  answers = await invokeFunctionUrl({
    zipFile,
    requests: ['/', '/api/hello/world', '/isr', '/no-such-page'].map((to) => ({ method: 'GET', path: to })),
    environment: serverFunctionEnvironment(stack, artifactsBucket, artifacts.artifactsPrefix),
  });
}

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'whole-run-'));
  const [state, json] = [path.join(directory, 'state'), path.join(directory, 'report.json')];
  await runBuilds({ source: APP, repeat: 1, environment: {}, state, json }, (line) => output.push(line), new AbortController().signal, look);

  const written = JSON.parse(await readFile(json, 'utf8')) as { deployments: DeploymentReport[] };
  expect(Object.keys(written)).toEqual(['deployments']);
  expect(written.deployments).toHaveLength(1);
  [report] = written.deployments;
  if (report.status !== 'success') throw new Error(output.join('\n'));
  const [bucket] = (await readdir(path.join(state, 's3'))).filter((name) => !name.startsWith('.'));
  bucketDirectory = path.join(state, 's3', bucket);
  const tables = await readdir(path.join(state, 'dynamodb'));
  items = (await Promise.all(tables.map(async (table) => JSON.parse(await readFile(path.join(state, 'dynamodb', table), 'utf8')) as typeof items))).flat();
  record = items.find(({ deploymentId, status }) => status && deploymentId === report.deploymentId) as DeploymentRecord;
}, TIMEOUT_MS);

afterAll(() => rm(directory, { recursive: true, force: true }));

test('the report has its documented shape, and tells of a success', () => {
  expect(report).toEqual({
    deploymentId: expect.stringMatching(/^local-\d{14}-[0-9a-f]{6}$/),
    projectId: 'nextjs-app',
    commitSha: expect.stringMatching(SHA),
    status: 'success',
    statusHistory: [
      { status: 'queued', at: expect.stringMatching(TIME) },
      { status: 'building', at: expect.stringMatching(TIME) },
      { status: 'success', at: expect.stringMatching(TIME) },
    ],
    timings: expect.objectContaining({ total: expect.any(Number) }),
    build: {
      timings: expect.objectContaining({ install: expect.any(Number), build: expect.any(Number), openNext: expect.any(Number) }),
      cache: expect.objectContaining({ dependencies: expect.objectContaining({ result: 'miss', reason: 'not there' }), next: expect.objectContaining({ result: 'miss' }) }),
    },
    artifacts: expect.any(Array),
    logFile: path.join(directory, 'state', 'logs', `${report.deploymentId}.log`),
  });
});

test('time goes forward, and the parts of the total are its parts', () => {
  const times = report.statusHistory.map(({ at }) => at);
  expect([...times].sort()).toEqual(times);
  const { total, ...parts } = report.timings;
  for (const name of ['install', 'pre_build', 'build', 'post_build', 'promotion']) expect(parts[name]).toBeGreaterThan(0);
  const sum = Object.values(parts).reduce((all, seconds) => all + seconds, 0);
  expect(Math.abs(sum - total)).toBeLessThan(0.1 * total);
});

test('artifacts: the server function, OpenNext\'s description, the manifest, static files, the seed of the ISR cache', () => {
  const { projectId, commitSha, deploymentId, artifacts } = report;
  const keys = artifacts.map(({ key }) => key);
  for (const name of ['lambda.zip', 'open-next.output.json', 'manifest.json']) expect(keys).toContain(`artifacts/${projectId}/${commitSha}/${deploymentId}/${name}`);
  expect(keys).toContain(`static/${projectId}/${commitSha}/${deploymentId}/robots.txt`);
  expect(keys).toContainEqual(expect.stringMatching(/\/_next\/static\/chunks\/.*\.js$/));
  expect(keys).toContainEqual(expect.stringMatching(/\/isr-cache\/.*isr/));
  for (const { bytes } of artifacts) expect(bytes).toEqual(expect.any(Number));
  expect(artifacts.find(({ key }) => key.endsWith('/lambda.zip'))!.bytes).toBeGreaterThan(1e6);
});

test('the state folder holds objects and records as plain files', async () => {
  expect(record).toMatchObject({ deploymentId: report.deploymentId, status: 'success', artifacts: { objectCount: report.artifacts.length } });
  expect(await readFile(path.join(bucketDirectory, record.artifacts!.staticPrefix, 'robots.txt'), 'utf8'))
    .toBe(await readFile(path.join(APP, 'public', 'robots.txt'), 'utf8'));
  expect(JSON.parse(await readFile(path.join(bucketDirectory, record.artifacts!.manifestKey), 'utf8'))).toMatchObject({
    version: 1,
    deploymentId: report.deploymentId,
    commitSha: report.commitSha,
    nextVersion: expect.stringMatching(/^16\./),
    openNextVersion: expect.stringMatching(/^\d+\.\d+\.\d+/),
    functions: expect.arrayContaining([expect.objectContaining({ name: 'default', key: 'lambda.zip', sha256: expect.stringMatching(/^[0-9a-f]{64}$/) })]),
  });
  expect(await readFile(report.logFile!, 'utf8')).toContain('Phase complete: POST_BUILD State: SUCCEEDED');
});

test('when the run is over, nothing is half done: no deployment is open, no project has a build', () => {
  expect(items.filter(({ kind }) => [STATE_KINDS.open, STATE_KINDS.project].some((unwanted) => unwanted === kind))).toEqual([]);
});

test('every object has a content type, and static files say how long they may be kept', () => {
  expect(Object.keys(heads).sort()).toEqual(report.artifacts.map(({ key }) => key).sort());
  for (const [key, { type, cache }] of Object.entries(heads)) {
    expect(type).toMatch(/^[a-z]+\/[\w.+-]+/);
    const kept = key.includes('/_next/static/') ? 'public, max-age=31536000, immutable' : 'public, max-age=0, must-revalidate';
    expect([key, cache]).toEqual([key, key.startsWith('static/') ? kept : undefined]);
  }
  expect(heads[`${record.artifacts!.staticPrefix}robots.txt`].type).toBe('text/plain; charset=utf-8');
  expect(heads[record.artifacts!.lambdaKey].type).toBe('application/zip');
});

describe('lambda.zip, unpacked elsewhere and called with function URL events', () => {
  test('renders a page', () => {
    expect(answers[0]).toMatchObject({ status: 200, headers: { 'content-type': expect.stringContaining('text/html') }, body: expect.stringContaining('<html') });
  });

  test('answers an API route', () => {
    expect(answers[1].status).toBe(200);
    expect(JSON.parse(answers[1].body)).toHaveProperty('message');
  });

  test('runs the middleware', () => {
    expect(answers[1].headers['x-example-proxy']).toBe('ran');
  });

  test('serves the prerendered page from the promoted seed of the ISR cache', () => {
    // Stale, if more than its minute has passed since next build.
    expect(answers[2]).toMatchObject({ status: 200, headers: { 'x-nextjs-cache': expect.stringMatching(/^(HIT|STALE)$/) } });
  });

  test('knows what it does not have', () => {
    expect(answers[3].status).toBe(404);
  });
});

test('the terminal shows each step', () => {
  const text = output.join('\n');
  for (const step of ['Building ', 'orchestrator', 'PRE_BUILD succeeded', 'POST_BUILD succeeded', 'finalizer', 'success', 'Artifacts', 'Timings']) expect(text).toContain(step);
});
