/** `npm run demo`: the example app through the pipeline, again as a deployment that needs no build, then as a visitor would meet it. */
import './isolation';
import { createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline as pipe } from 'node:stream/promises';
import { GetObjectCommand } from '@aws-sdk/client-s3';
import { RunningPipeline, runBuilds } from './build-command';
import { exitStatusOf, runUntilInterrupted } from './interruption';
import { invokeFunctionUrl } from './invoke';
import { serverFunctionEnvironment } from './pipeline';
import { exitStatusFor } from './report';
import type { DeploymentRecord } from '../src/contract/deployment';

const APP = path.join(__dirname, '..', 'examples', 'nextjs-app');

async function visit({ stack, pipeline, records }: RunningPipeline): Promise<void> {
  const record = records[records.length - 1];
  if (!record.artifacts) return;
  console.log('\nWhat a visitor gets: lambda.zip of the bucket unpacked elsewhere, called with function URL events');
  const directory = await mkdtemp(path.join(tmpdir(), 'nextjs-demo-'));
  try {
    const zipFile = path.join(directory, 'lambda.zip');
    const { Body } = await pipeline.s3.send(new GetObjectCommand({ Bucket: pipeline.artifactsBucket, Key: record.artifacts.lambdaKey }));
    await pipe(Body as Readable, createWriteStream(zipFile));
    const [page, api, isr] = await invokeFunctionUrl({
      zipFile,
      requests: [{ method: 'GET', path: '/' }, { method: 'GET', path: '/api/hello/world' }, { method: 'GET', path: '/isr' }],
      environment: serverFunctionEnvironment(stack, pipeline.artifactsBucket, record.artifacts.artifactsPrefix),
    });
    show('page', '/', page.status === 200 && page.body.includes('<html'), `${page.status} ${page.headers['content-type']}, ${page.body.length} characters`);
    show('API route', '/api/hello/world', api.status === 200 && (JSON.parse(api.body) as { message?: string }).message !== undefined, `${api.status} ${api.body}`);
    show('middleware', 'its header', api.headers['x-example-proxy'] === 'ran', `x-example-proxy: ${api.headers['x-example-proxy']}`);
    // Stale, if more than the page's minute has passed since next build; a page that is not in the cache has no such header.
    show('ISR page', '/isr', isr.status === 200 && ['HIT', 'STALE'].includes(isr.headers['x-nextjs-cache']), `${isr.status}, x-nextjs-cache: ${isr.headers['x-nextjs-cache']}`);
    await showStaticFile(pipeline, record);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function showStaticFile({ s3, artifactsBucket }: RunningPipeline['pipeline'], record: DeploymentRecord): Promise<void> {
  const { Body, ContentType, CacheControl } = await s3.send(new GetObjectCommand({ Bucket: artifactsBucket, Key: `${record.artifacts!.staticPrefix}robots.txt` }));
  const text = await Body!.transformToString();
  show('static file', '/robots.txt', text.includes('User-agent') && ContentType === 'text/plain; charset=utf-8', `${ContentType}, ${CacheControl}: ${JSON.stringify(text)}`);
}

function show(what: string, where: string, right: boolean, answer: string): void {
  console.log(`  ${right ? 'ok    ' : 'WRONG '} ${what.padEnd(12)} ${where.padEnd(18)} ${answer}`);
  if (!right) throw new Error(`The ${what} ${where} of the example app did not answer as it should.`);
}

runUntilInterrupted((signal) => runBuilds({ source: APP, repeat: 2, environment: {} }, console.log, signal, visit)).then(
  ({ reports }) => {
    const exitStatus = exitStatusFor(reports);
    if (exitStatus === 0) console.log(`\n${reports.length} deployments, ${reports.map(({ timings }) => `${timings.total.toFixed(1)} s`).join(' and ')}. Nothing is left running, nothing is left behind.`);
    process.exit(exitStatus);
  },
  (error: Error) => {
    console.error(`\n${error.message}`);
    process.exit(exitStatusOf(error));
  },
);
