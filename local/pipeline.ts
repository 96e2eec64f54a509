/** Finds the one pipeline in a stack that runs locally, by the contract, and speaks with it as a producer and as an operator would. */
import { setTimeout as delay } from 'node:timers/promises';
import { paginateListObjectsV2, S3Client } from '@aws-sdk/client-s3';
import { SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { GetCommand } from '@aws-sdk/lib-dynamodb';
import { LocalStack, REGION } from './stack';
import { functionsOf } from './template/functions';
import type { BuildRequest } from '../src/contract/build-request';
import { DEPLOYMENTS_PARTITION_KEY, DeploymentRecord, TERMINAL_STATUSES } from '../src/contract/deployment';
import { HANDLER_ENV } from '../src/contract/environment';
import { ISR_CACHE_DIRECTORY } from '../src/contract/keys';

export interface StoredObject {
  readonly key: string;
  readonly bytes: number;
}

export interface Pipeline {
  readonly artifactsBucket: string;
  readonly orchestratorName: string;
  readonly finalizerName: string;
  readonly reconcilerName: string;
  readonly buildTimeoutMinutes: number;
  readonly s3: S3Client;
  send(request: BuildRequest): Promise<void>;
  deployment(deploymentId: string): Promise<DeploymentRecord | undefined>;
  /** Resolves when the deployment has ended; rejects after the bound. Tells of every status on the way, and of reasons to wait. */
  ended(deploymentId: string, options: { timeoutMs: number; signal: AbortSignal; onStatus: (record: DeploymentRecord) => void }): Promise<DeploymentRecord>;
  objects(prefix: string): Promise<StoredObject[]>;
  close(): void;
}

const POLL_MS = 100;

/**
 * Environment of a deployed app's server function: OpenNext reads prerendered pages from its incremental cache, which a platform seeds from
 * the isr-cache of the artifacts. It is the tenant's code, and gets the right to that cache.
 */
export function serverFunctionEnvironment(stack: LocalStack, bucket: string, artifactsPrefix: string): Record<string, string> {
  const prefix = artifactsPrefix + ISR_CACHE_DIRECTORY.replace(/\/$/, '');
  const { accessKeyId, secretAccessKey } = stack.addRole('server-function', [
    { Effect: 'Allow', Action: ['s3:GetObject', 's3:PutObject', 's3:DeleteObject'], Resource: `arn:aws:s3:::${bucket}/${prefix}/*` },
    { Effect: 'Allow', Action: 's3:ListBucket', Resource: `arn:aws:s3:::${bucket}`, Condition: { StringLike: { 's3:prefix': `${prefix}/*` } } },
  ]);
  return {
    AWS_ENDPOINT_URL_S3: stack.endpoints.AWS_ENDPOINT_URL_S3,
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    AWS_REGION: REGION,
    CACHE_BUCKET_NAME: bucket,
    CACHE_BUCKET_REGION: REGION,
    CACHE_BUCKET_KEY_PREFIX: prefix,
  };
}

export async function findPipeline(stack: LocalStack): Promise<Pipeline> {
  const functions = functionsOf(stack.resolvers);
  const only = (what: string, ...names: string[]) => {
    const found = functions.filter(({ variables }) => names.every((name) => variables[name]));
    if (found.length !== 1) throw new Error(`Expected one pipeline in the stacks of the cdk.out (nested stacks are not read), found ${found.length} functions that look like ${what}.`);
    return found[0];
  };
  const orchestrator = only('an orchestrator', HANDLER_ENV.buildQueueUrl, HANDLER_ENV.deploymentsTable, HANDLER_ENV.maxReceiveCount);
  const reconciler = only('a reconciler', HANDLER_ENV.finalizerFunction, HANDLER_ENV.deploymentsTable, HANDLER_ENV.buildProject);
  const [queueUrl, table] = [orchestrator.variables[HANDLER_ENV.buildQueueUrl], orchestrator.variables[HANDLER_ENV.deploymentsTable]];
  const artifactsBucket = orchestrator.variables[HANDLER_ENV.artifactsBucket];
  await createImported(stack, artifactsBucket, table);

  const client = { region: REGION, credentials: stack.operator };
  const sqs = new SQSClient({ ...client, endpoint: stack.sqs.endpoint });
  const s3 = new S3Client({ ...client, endpoint: stack.s3.endpoint, forcePathStyle: true });
  const pipeline: Pipeline = {
    artifactsBucket,
    orchestratorName: orchestrator.name,
    finalizerName: reconciler.variables[HANDLER_ENV.finalizerFunction],
    reconcilerName: reconciler.name,
    buildTimeoutMinutes: buildTimeoutOf(stack, orchestrator.variables[HANDLER_ENV.buildProject]),
    s3,
    async send(request) {
      await sqs.send(new SendMessageCommand({ QueueUrl: queueUrl, MessageBody: JSON.stringify(request), MessageGroupId: request.projectId }));
    },
    async deployment(deploymentId) {
      const { Item } = await stack.dynamodb.client.send(new GetCommand({ TableName: table, Key: { [DEPLOYMENTS_PARTITION_KEY]: deploymentId } }));
      return Item as DeploymentRecord | undefined;
    },
    async ended(deploymentId, { timeoutMs, signal, onStatus }) {
      const deadline = Date.now() + timeoutMs;
      for (let last: string | undefined; Date.now() < deadline; await delay(POLL_MS, undefined, { signal })) {
        const record = await pipeline.deployment(deploymentId);
        if (!record) continue;
        const current = `${record.status} ${record.waitingReason ?? ''}`;
        if (current !== last) onStatus(record);
        last = current;
        if (TERMINAL_STATUSES.includes(record.status)) return record;
      }
      throw new Error(`Deployment ${deploymentId} has not ended within ${Math.round(timeoutMs / 60_000)} minutes.`);
    },
    async objects(prefix) {
      const objects: StoredObject[] = [];
      for await (const page of paginateListObjectsV2({ client: s3 }, { Bucket: artifactsBucket, Prefix: prefix })) {
        objects.push(...(page.Contents ?? []).map(({ Key, Size }) => ({ key: Key!, bytes: Size ?? 0 })));
      }
      return objects;
    },
    close() {
      sqs.destroy();
      s3.destroy();
    },
  };
  return pipeline;
}

/** A bucket and a table that the template only imports are not among its resources. */
async function createImported(stack: LocalStack, bucket: string, table: string): Promise<void> {
  await stack.s3.createBucket(bucket);
  const created = stack.resolvers.flatMap((resolver) => resolver.resourcesOfType('AWS::DynamoDB::Table', 'AWS::DynamoDB::GlobalTable')
    .map(({ logicalId }) => resolver.physicalName(logicalId)));
  if (created.includes(table)) return;
  await stack.dynamodb.createTable({
    TableName: table,
    AttributeDefinitions: [{ AttributeName: DEPLOYMENTS_PARTITION_KEY, AttributeType: 'S' }],
    KeySchema: [{ AttributeName: DEPLOYMENTS_PARTITION_KEY, KeyType: 'HASH' }],
  });
}

function buildTimeoutOf(stack: LocalStack, projectName: string): number {
  for (const resolver of stack.resolvers) {
    for (const { logicalId, properties } of resolver.resourcesOfType('AWS::CodeBuild::Project')) {
      if (resolver.physicalName(logicalId) === projectName) return Number(properties.TimeoutInMinutes ?? 60);
    }
  }
  return 60;
}
