/**
 * The promotion of a large build by the bundled finalizer, with the S3 and the DynamoDB of the local run: how long, how much memory, and how much
 * is copied again after it was killed halfway, beside a finalizer that begins anew. Seconds are those of a local S3, which copies files one after the other.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { concurrently } from '../../lambda/finalizer/concurrently';
import { startS3 } from '../../local/services/s3';
import { listen, readBody, send } from '../../local/services/service';
import { BUILD_ENV, HANDLER_ENV } from '../../src/contract/environment';
import { stagingPrefix } from '../../src/contract/keys';
import { STATE_KINDS } from '../../src/contract/state-table';
import { BUILD_PROJECT, BUILD_PROJECT_ARN, buildArn } from '../../test/support/codebuild';
import { startTables, type TestTables } from '../../test/support/dynamodb';
import { buildRequest } from '../../test/support/requests';
import { ZIP } from '../../test/support/zip-file';

export interface PromotionOptions {
  readonly objects: number;
  readonly json?: string;
}

interface Figures {
  readonly seconds: number;
  readonly peakMegabytes: number;
  readonly copies: number;
}

const BUCKET = 'artifacts-bucket';
const CREDENTIALS = { accessKeyId: 'bench', secretAccessKey: 'bench' };
const REGION = 'eu-central-1';
const UPLOADS = 50;

/** Everything that the finalizer works with. */
interface Stage {
  readonly s3: S3Client;
  readonly tables: TestTables;
  readonly environment: Readonly<Record<string, string>>;
  /** Called for each copy, before it is made. */
  onCopy: () => void;
}

export async function promotion({ json, objects }: PromotionOptions): Promise<void> {
  const directory = await mkdtemp(path.join(tmpdir(), 'bench-promotion-'));
  const tables = await startTables();
  let stage: Stage | undefined;
  const service = await startS3({
    directory,
    onCall: ({ action, resource }) => {
      if (action === 's3:PutObject' && !resource.includes('/staging/')) stage?.onCopy();
    },
  });
  const others = await listen(answerForOthers);
  const s3 = new S3Client({ endpoint: service.endpoint, forcePathStyle: true, region: REGION, credentials: CREDENTIALS });
  try {
    await service.createBucket(BUCKET);
    stage = { s3, tables, environment: environmentOf(tables, service.endpoint, others.endpoint), onCopy: () => {} };
    const whole = await promote(stage, 'whole', objects);
    const resumed = await promoteAfterCrash(stage, 'resumed', objects);
    const anew = await promoteAfterCrash(stage, 'anew', objects, { forget: true });
    const figures = { whole, resumed, anew };
    for (const [name, { copies, peakMegabytes, seconds }] of Object.entries(figures)) {
      console.log(`${name.padEnd(8)} ${String(copies).padStart(7)} copies ${seconds.toFixed(1).padStart(7)} s ${peakMegabytes.toFixed(0).padStart(5)} MB at most`);
    }
    if (json) await writeFile(json, `${JSON.stringify({ objects, ...figures }, undefined, 2)}\n`);
  } finally {
    s3.destroy();
    await Promise.all([service.close(), tables.close(), others.close()]);
    await rm(directory, { recursive: true, force: true });
  }
}

async function promote(stage: Stage, name: string, objects: number): Promise<Figures> {
  await prepare(stage, name, objects);
  return finalize(stage, name);
}

/** Killed when half of the objects are copied; then the next try. `forget`: as if nobody had noted anything. */
async function promoteAfterCrash(stage: Stage, name: string, objects: number, { forget = false } = {}): Promise<Figures> {
  await prepare(stage, name, objects);
  await finalize(stage, name, objects / 2).catch(() => undefined);
  if (forget) await stage.tables.putState(STATE_KINDS.promotion, buildIdOf(name), {});
  return finalize(stage, name);
}

async function finalize(stage: Stage, name: string, killAfter = Infinity): Promise<Figures> {
  const child = fork(path.join(__dirname, 'finalizer-process.mjs'), { env: { ...stage.environment, PATH: process.env.PATH }, execArgv: [] });
  let copies = 0;
  stage.onCopy = () => {
    copies += 1;
    if (copies >= killAfter) child.kill('SIGKILL');
  };
  child.send({ event: { detail: { 'build-id': buildArn(buildIdOf(name)), 'build-status': 'SUCCEEDED' } }, requestId: name });
  const [answer] = await Promise.race([once(child, 'message'), once(child, 'exit')]);
  child.kill();
  if (typeof answer !== 'object' || answer === null || 'error' in answer) throw new Error(`The finalizer did not come to an end: ${JSON.stringify(answer)}`);
  return { ...answer as Omit<Figures, 'copies'>, copies };
}

const buildIdOf = (name: string) => `${BUILD_PROJECT}:${name}`;
const requestOf = (name: string) => buildRequest({ deploymentId: name, projectId: name });

/** A deployment that waits for its build, which has ended. */
async function prepare({ s3, tables }: Stage, name: string, objects: number): Promise<void> {
  await tables.putRecord({ ...requestOf(name), status: 'building', version: 2, announcedVersion: 2, createdAt: '2026-11-22T12:00:00.000Z', buildId: buildIdOf(name) });
  const prefix = stagingPrefix(buildArn(buildIdOf(name)));
  const known = ['artifacts/lambda.zip', 'artifacts/open-next.output.json', 'artifacts/manifest.json'];
  const others = Array.from({ length: objects - known.length }, (_, index) => `static/pages/${index % 100}/${index}.html`);
  await concurrently([...known, ...others], UPLOADS, async (key) => {
    await s3.send(new PutObjectCommand({ Bucket: BUCKET, Key: prefix + key, Body: key.endsWith('.zip') ? ZIP : '{}' }));
  });
}

function environmentOf({ endpoint, stateTableName, tableName }: TestTables, s3Endpoint: string, othersEndpoint: string): Record<string, string> {
  return {
    AWS_REGION: REGION,
    AWS_ACCESS_KEY_ID: CREDENTIALS.accessKeyId,
    AWS_SECRET_ACCESS_KEY: CREDENTIALS.secretAccessKey,
    AWS_ENDPOINT_URL: othersEndpoint,
    AWS_ENDPOINT_URL_DYNAMODB: endpoint,
    AWS_ENDPOINT_URL_S3: s3Endpoint,
    AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true',
    POWERTOOLS_LOG_LEVEL: 'SILENT',
    [HANDLER_ENV.deploymentsTable]: tableName,
    [HANDLER_ENV.stateTable]: stateTableName,
    [HANDLER_ENV.buildProject]: BUILD_PROJECT,
    [HANDLER_ENV.buildProjectArn]: BUILD_PROJECT_ARN,
    [HANDLER_ENV.buildQueueUrl]: `${othersEndpoint}/queue`,
    [HANDLER_ENV.artifactsBucket]: BUCKET,
  };
}

/** CodeBuild knows one build for each deployment, which has succeeded; EventBridge takes every event. */
async function answerForOthers(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = JSON.parse((await readBody(request, 1e6)).toString()) as { ids?: string[] };
  const answer = body.ids ? { builds: body.ids.map(buildOf) } : { FailedEntryCount: 0, Entries: [{ EventId: '1' }] };
  send(response, 200, { 'content-type': 'application/x-amz-json-1.1' }, JSON.stringify(answer));
}

function buildOf(id: string): object {
  const name = id.split(':')[1];
  const variables = { [BUILD_ENV.deploymentId]: name, [BUILD_ENV.projectId]: name };
  return {
    id,
    arn: buildArn(id),
    projectName: BUILD_PROJECT,
    buildStatus: 'SUCCEEDED',
    startTime: 1_795_348_860,
    environment: { environmentVariables: Object.entries(variables).map(([key, value]) => ({ name: key, value, type: 'PLAINTEXT' })) },
  };
}
