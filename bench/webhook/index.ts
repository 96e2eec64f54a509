/**
 * A burst of signed pushes to the webhook's bundled handler behind a function URL, with the DynamoDB, the SQS and the Secrets Manager of the local run:
 * how long GitHub waits for its answers, and whether each push is one deployment, though some are delivered twice and some cannot be put into
 * the queue; beside the naive handler (bench/naive), in the same run. Times are those of this machine, whose cores all environments share.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreateTableCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { paginateScan, PutCommand } from '@aws-sdk/lib-dynamodb';
import { build } from 'esbuild';
import { Delivery, deliveriesOf, projectIdOf, PROJECTS, repositoryUrlOf, SECRET } from './deliveries';
import { concurrently } from '../../lambda/finalizer/concurrently';
import { startFunctionUrl } from '../../local/services/lambda/function-url';
import { LambdaFunction } from '../../local/services/lambda/lambda-function';
import { startSecretsManager } from '../../local/services/secrets-manager';
import { AccessDeniedError } from '../../local/services/service';
import { startSqs, type SqsService } from '../../local/services/sqs/sqs-service';
import type { BuildRequest } from '../../src/contract/build-request';
import { HANDLER_ENV } from '../../src/contract/environment';
import { ProjectItem, projectKey, PROJECTS_TABLE, WEBHOOK_ENV } from '../../src/contract/webhook';
import { startTables, type TestTables } from '../../test/support/dynamodb';
import { percentile } from '../percentile';

export interface WebhookOptions {
  readonly pushes: number;
  readonly json?: string;
}

interface Figures {
  /** Pushes that nothing in the queue is of, when what was answered with 5xx has been delivered again. */
  readonly lost: number;
  /** Pushes that several deployments in the queue are of. */
  readonly doubled: number;
  /** Of deployments; the naive handler writes none. */
  readonly records: number;
  /** Answers of 500 and above: GitHub shows such a delivery as failed. */
  readonly failed: number;
  readonly otherAnswers: number;
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
  readonly slowestMs: number | null;
  readonly seconds: number;
}

const REGION = 'eu-central-1';
const SECRET_ID = 'platform/webhook';
const PROJECTS_TABLE_NAME = 'projects';
const REPOSITORY_INDEX = 'byRepoUrl';

/**
 * Execution environments: threads of this machine, each of which answers one delivery at a time, as Lambda's do. Two for each core of a small
 * machine: Lambda starts one for every delivery of a burst if need be, but more of them here would only show how they wait for the cores.
 */
const AT_A_TIME = 4;

/** Calls of SendMessage, of which so many one is refused, in a way that the SDK does not try again. */
const EVERY_REFUSED = 50;

/** What a function URL's own answers to a function that did not take it, or an answer that says so. */
const isFailed = (status: number) => status >= 500;

export async function webhook({ json, pushes }: WebhookOptions): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'bench-webhook-'));
  try {
    console.log(`${pushes} pushes to ${PROJECTS} projects, one in ten delivered twice, ${AT_A_TIME} at a time; SQS refuses one message in ${EVERY_REFUSED}. GitHub waits 10,000 ms.`);
    const ours = await run(join(__dirname, '..', '..', 'assets', 'github-webhook'), pushes);
    const naive = await run(await bundleNaive(directory), pushes);
    print({ ours, naive });
    if (json) await writeFile(json, `${JSON.stringify({ pushes, ours, naive }, undefined, 2)}\n`);
    if (ours.lost + ours.doubled + ours.otherAnswers > 0 || ours.records !== pushes) {
      throw new Error(`Expected every push to be one deployment, and no delivery to be refused, got ${JSON.stringify(ours)}.`);
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function run(codeDirectory: string, pushes: number): Promise<Figures> {
  const tables = await startTables();
  const secrets = await startSecretsManager({ accountId: '111122223333', region: REGION });
  let sends = 0;
  const sqs = await startSqs({
    region: REGION,
    onCall: ({ action }) => {
      if (action === 'sqs:SendMessage' && ++sends % EVERY_REFUSED === 0) throw new AccessDeniedError('refused by the benchmark');
    },
  });
  const queueUrl = sqs.createQueue('builds');
  secrets.putSecret(SECRET_ID, SECRET);
  await createProjects(tables);
  const fn = new LambdaFunction({
    name: 'webhook',
    codeDirectory,
    handler: 'index.handler',
    environment: { ...environmentOf(tables, queueUrl), AWS_ENDPOINT_URL_SECRETS_MANAGER: secrets.endpoint, AWS_ENDPOINT_URL_SQS: sqs.endpoint },
    timeoutSeconds: 15,
    memoryMb: 512,
    region: REGION,
    onLog: () => undefined,
  });
  const url = await startFunctionUrl({ function: fn, authType: 'NONE', region: REGION });
  try {
    const began = performance.now();
    const answers = await deliver(url.endpoint, deliveriesOf(pushes));
    const seconds = (performance.now() - began) / 1000;
    const failed = answers.filter(({ status }) => isFailed(status));
    const again = await deliver(url.endpoint, failed.map(({ delivery }) => delivery));
    const built = await deploymentsByCommit(sqs, queueUrl);
    const milliseconds = answers.map((answer) => answer.milliseconds).sort((a, b) => a - b);
    return {
      lost: new Set(answers.map(({ delivery }) => delivery.commitSha).filter((commitSha) => !built.has(commitSha))).size,
      doubled: [...built.values()].filter(({ size }) => size > 1).length,
      records: await countRecords(tables),
      failed: failed.length,
      otherAnswers: [...answers, ...again].filter(({ status }) => status >= 300 && !isFailed(status)).length,
      p50Ms: percentile(milliseconds, 0.5),
      p99Ms: percentile(milliseconds, 0.99),
      slowestMs: percentile(milliseconds, 1),
      seconds,
    };
  } finally {
    await url.close();
    await fn.close();
    await Promise.all([sqs.close(), secrets.close(), tables.close()]);
  }
}

interface Answered {
  readonly delivery: Delivery;
  readonly status: number;
  readonly milliseconds: number;
}

async function deliver(endpoint: string, deliveries: readonly Delivery[]): Promise<Answered[]> {
  const answers: Answered[] = [];
  await concurrently(deliveries, AT_A_TIME, async (delivery) => {
    const began = performance.now();
    const response = await fetch(endpoint + delivery.path, { method: 'POST', headers: delivery.headers, body: delivery.body });
    await response.arrayBuffer();
    answers.push({ delivery, status: response.status, milliseconds: performance.now() - began });
  });
  return answers;
}

/** Ids of the deployments in the queue, by their commits. */
async function deploymentsByCommit(sqs: SqsService, queueUrl: string): Promise<Map<string, Set<string>>> {
  const found = new Map<string, Set<string>>();
  for (;;) {
    const messages = await sqs.queue(queueUrl).receive({ maxMessages: 10, waitSeconds: 0, visibilityTimeout: 43_200 });
    if (messages.length === 0) return found;
    for (const { body } of messages) {
      const { commitSha, deploymentId } = JSON.parse(body) as BuildRequest;
      found.set(commitSha, (found.get(commitSha) ?? new Set()).add(deploymentId));
    }
  }
}

async function countRecords({ client, tableName }: TestTables): Promise<number> {
  let records = 0;
  for await (const { Count = 0 } of paginateScan({ client }, { TableName: tableName, Select: 'COUNT' })) records += Count;
  return records;
}

async function createProjects({ client, endpoint }: TestTables): Promise<void> {
  const plain = new DynamoDBClient({ endpoint, region: REGION, credentials: { accessKeyId: 'bench', secretAccessKey: 'bench' } });
  const { partitionKey, sortKey } = PROJECTS_TABLE;
  await plain.send(new CreateTableCommand({
    TableName: PROJECTS_TABLE_NAME,
    AttributeDefinitions: [partitionKey, sortKey, 'repoUrl'].map((name) => ({ AttributeName: name, AttributeType: 'S' })),
    KeySchema: [{ AttributeName: partitionKey, KeyType: 'HASH' }, { AttributeName: sortKey, KeyType: 'RANGE' }],
    GlobalSecondaryIndexes: [{ IndexName: REPOSITORY_INDEX, KeySchema: [{ AttributeName: 'repoUrl', KeyType: 'HASH' }], Projection: { ProjectionType: 'ALL' } }],
    BillingMode: 'PAY_PER_REQUEST',
  }));
  plain.destroy();
  await concurrently(Array.from({ length: PROJECTS }, (_, index) => projectIdOf(index)), AT_A_TIME, async (projectId) => {
    const item: ProjectItem = { projectId, repoUrl: repositoryUrlOf(projectId), branch: 'main', userId: 'ada' };
    await client.send(new PutCommand({ TableName: PROJECTS_TABLE_NAME, Item: { ...projectKey(projectId), ...item } }));
  });
}

function environmentOf({ endpoint, stateTableName, tableName }: TestTables, queueUrl: string): Record<string, string> {
  return {
    AWS_ACCESS_KEY_ID: 'bench',
    AWS_SECRET_ACCESS_KEY: 'bench',
    AWS_ENDPOINT_URL_DYNAMODB: endpoint,
    AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true',
    POWERTOOLS_LOG_LEVEL: 'SILENT',
    [HANDLER_ENV.deploymentsTable]: tableName,
    [HANDLER_ENV.stateTable]: stateTableName,
    [HANDLER_ENV.buildQueueUrl]: queueUrl,
    [WEBHOOK_ENV.projectsTable]: PROJECTS_TABLE_NAME,
    [WEBHOOK_ENV.repositoryIndex]: REPOSITORY_INDEX,
    [WEBHOOK_ENV.webhookSecret]: SECRET_ID,
    // The naive handler's.
    WEBHOOK_SECRET: SECRET,
  };
}

async function bundleNaive(directory: string): Promise<string> {
  await build({
    entryPoints: { index: join(__dirname, '..', 'naive', 'webhook.ts') }, outdir: directory, bundle: true, minify: true, platform: 'node', target: 'node20', format: 'cjs',
  });
  return directory;
}

function print(results: Record<'ours' | 'naive', Figures>): void {
  const milliseconds = (value: number | null) => (value === null ? 'none' : `${value.toFixed(0)} ms`);
  const rows: [string, (figures: Figures) => string][] = [
    ['pushes lost', ({ lost }) => String(lost)],
    ['pushes deployed twice', ({ doubled }) => String(doubled)],
    ['records', ({ records }) => String(records)],
    ['deliveries that failed', ({ failed }) => String(failed)],
    ['answer, p50', ({ p50Ms }) => milliseconds(p50Ms)],
    ['answer, p99', ({ p99Ms }) => milliseconds(p99Ms)],
    ['answer, the slowest', ({ slowestMs }) => milliseconds(slowestMs)],
    ['all deliveries', ({ seconds }) => `${seconds.toFixed(1)} s`],
  ];
  console.log(`\n${''.padEnd(26)}${'ours'.padStart(12)}${'naive'.padStart(12)}`);
  for (const [label, show] of rows) console.log(`${label.padEnd(26)}${show(results.ours).padStart(12)}${show(results.naive).padStart(12)}`);
}
