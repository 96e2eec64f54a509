import type { Context } from 'aws-lambda';
import { deliveryOf, HttpEvent } from './delivery';
import { FrontDoor } from './front-door';
import { countFailedDelivery } from './metric';
import { Projects } from './projects';
import { Answer, asAnswer } from './results';
import { SkippedPushes } from './skipped-pushes';
import { WebhookSecrets } from './webhook-secrets';
import { PROJECTS_TABLE, WEBHOOK_ENV } from '../../src/contract/webhook';
import { dynamoDbClient, secretsManagerClient, sqsClient } from '../shared/aws-clients';
import { producerOfEnvironment } from '../shared/enqueue';
import { requiredEnv } from '../shared/environment';
import { logger } from '../shared/logger';

/**
 * The pipeline's front door: a push that a forge tells of becomes a deployment. Behind a function URL, or behind an API of the user's own:
 * `…/projects/<projectId>` is the URL of a project, every other path that of a GitHub App for all repositories.
 */

/** GitHub waits for 10 seconds; an answer that comes too late is none, and nobody learns why. */
const ANSWER_WITHIN_MS = 8_000;

const frontDoor = new FrontDoor(
  new WebhookSecrets(secretsManagerClient(), requiredEnv(WEBHOOK_ENV.webhookSecret)),
  new Projects(dynamoDbClient(), {
    name: requiredEnv(WEBHOOK_ENV.projectsTable),
    partitionKey: process.env[WEBHOOK_ENV.projectsPartitionKey] ?? PROJECTS_TABLE.partitionKey,
    sortKey: process.env[WEBHOOK_ENV.projectsSortKey] ?? PROJECTS_TABLE.sortKey,
    repositoryIndex: process.env[WEBHOOK_ENV.repositoryIndex],
    repositoryIdIndex: process.env[WEBHOOK_ENV.repositoryIdIndex],
  }),
  producerOfEnvironment(),
  new SkippedPushes(sqsClient(), process.env[WEBHOOK_ENV.statusQueueUrl]),
);

/** As all three kinds of endpoint take it. */
export interface HttpAnswer {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export async function handler(event: HttpEvent, context: Context): Promise<HttpAnswer> {
  logger.addContext(context);
  logger.resetKeys();
  const delivery = deliveryOf(event);
  // Only names for the log: anybody can send them.
  logger.appendKeys({ delivery: delivery.headers['x-github-delivery'], event: delivery.headers['x-github-event'], path: delivery.path });
  const { body, status } = await inTime(answerTo(delivery));
  logger.info(body.reason, { status, outcome: body.outcome });
  if (status >= 500) countFailedDelivery(context.functionName, status, body.reason);
  return { statusCode: status, headers: { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store' }, body: JSON.stringify(body) };
}

async function answerTo(delivery: ReturnType<typeof deliveryOf>): Promise<Answer> {
  try {
    return await frontDoor.receive(delivery);
  } catch (error) {
    logger.error('A delivery could not be processed', error as Error);
    return asAnswer(503, 'failed', 'A service of the platform did not answer. Deliver it again: what was done is not done a second time.');
  }
}

async function inTime(answer: Promise<Answer>): Promise<Answer> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Answer>((resolve) => {
    timer = setTimeout(() => resolve(asAnswer(503, 'failed', 'The platform\'s services took too long. Deliver it again: what was done is not done a second time.')), ANSWER_WITHIN_MS);
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}
