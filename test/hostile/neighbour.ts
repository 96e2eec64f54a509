/** Another tenant of the same pipeline, who has everything that a tenant can have: what no attack may change. */
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { PutCommand } from '@aws-sdk/lib-dynamodb';
import { ACCOUNT_ID, REGION } from '../../local/template/resolver';
import { CACHE_LAYERS } from '../../src/contract/cache';
import { artifactsPrefix, cacheKey, handoverKey, LAMBDA_ZIP, MANIFEST, stagingPrefix, staticPrefix } from '../../src/contract/keys';
import { STATE_KINDS } from '../../src/contract/state-table';
import type { LocalPipeline } from '../support/local-pipeline';

const COMMIT = 'b'.repeat(40);
const PROJECT = 'neighbour';

export interface Neighbour {
  readonly projectId: string;
  readonly deploymentId: string;
  readonly buildArn: string;
  /** By key. */
  readonly objects: Readonly<Record<string, string>>;
}

export const INSTALL_SECRETS_PREFIX = 'builds/install/';
export const NEIGHBOURS_SECRET = 'npm_of_the_neighbour';

export async function moveIn(local: LocalPipeline, stateTable: string): Promise<Neighbour> {
  const { deadLetterQueueUrl, pipeline, projectName, stack } = local;
  const neighbour: Neighbour = {
    projectId: PROJECT,
    deploymentId: 'neighbour-1',
    buildArn: `arn:aws:codebuild:${REGION}:${ACCOUNT_ID}:build/${projectName}:11111111-1111-1111-1111-111111111111`,
    objects: {},
  };
  const built = { projectId: PROJECT, commitSha: COMMIT, deploymentId: 'neighbour-0' };
  const keys = [
    artifactsPrefix(built) + LAMBDA_ZIP,
    artifactsPrefix(built) + MANIFEST,
    `${staticPrefix(built)}_next/static/main.js`,
    ...CACHE_LAYERS.map((layer) => cacheKey(PROJECT, 'main', layer)),
    `${stagingPrefix(neighbour.buildArn)}artifacts/${LAMBDA_ZIP}`,
    handoverKey(neighbour.deploymentId),
  ];
  const objects = Object.fromEntries(keys.map((key) => [key, `the neighbour's ${key}`]));
  for (const [key, Body] of Object.entries(objects)) await pipeline.s3.send(new PutObjectCommand({ Bucket: pipeline.artifactsBucket, Key: key, Body, ContentType: 'text/plain' }));

  const record = { projectId: PROJECT, commitSha: COMMIT, branch: 'main', repoUrl: 'https://git.example/neighbour.git', createdAt: '2026-11-22T12:00:00.000Z' };
  await local.putRecord({ ...record, deploymentId: neighbour.deploymentId, status: 'building', buildId: neighbour.buildArn.split(':build/')[1] });
  await local.putRecord({ ...record, deploymentId: 'neighbour-2', status: 'queued' });
  const state = [
    { kind: STATE_KINDS.artifacts, id: `${PROJECT}#${COMMIT}#main`, deploymentId: 'neighbour-0', inputs: 'inputs', artifacts: {} },
    { kind: STATE_KINDS.cache, id: PROJECT, next: { without: 60 } },
    { kind: STATE_KINDS.branch, id: `${PROJECT}#main`, deploymentId: 'neighbour-2', createdAt: record.createdAt },
  ];
  for (const Item of state) await stack.dynamodb.client.send(new PutCommand({ TableName: stateTable, Item }));
  stack.sqs.queue(deadLetterQueueUrl).send({ body: '{"of":"the neighbour"}', senderId: ACCOUNT_ID });
  stack.secretsManager.putSecret(INSTALL_SECRETS_PREFIX + PROJECT, JSON.stringify({ NPM_TOKEN: NEIGHBOURS_SECRET }));
  return { ...neighbour, objects };
}
