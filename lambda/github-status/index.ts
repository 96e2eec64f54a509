import https from 'node:https';
import type { Context, SQSBatchItemFailure, SQSBatchResponse, SQSEvent, SQSRecord } from 'aws-lambda';
import type { Channel } from './channel';
import { CheckRuns } from './check-runs';
import { comeBackAfter, waitSeconds } from './coming-back';
import { GitHub } from './github';
import { GitHubDeployments } from './github-deployments';
import { newsOf } from './news';
import { OutgoingWebhook } from './outgoing-webhook';
import { MAX_TELLING_MS, Teller } from './teller';
import { Tellings } from './tellings';
import { HANDLER_ENV } from '../../src/contract/environment';
import { STATUS_ENV } from '../../src/contract/github-status';
import { dynamoDbClient, secretsManagerClient, sqsClient } from '../shared/aws-clients';
import { requiredEnv } from '../shared/environment';
import { logger } from '../shared/logger';
import { StateTable } from '../shared/state/state-table';

/**
 * Tells the outside how deployments go: check runs and deployments at GitHub, and a webhook of the platform's own. Status events come at
 * least once and in any order; what is told in the end is the newest. No build waits for any of this: what cannot be told now comes back from
 * the queue, until it is given up to the dead-letter queue.
 */

const sqs = sqsClient();
const queueUrl = requiredEnv(STATUS_ENV.queueUrl);
const teller = new Teller(new Tellings(new StateTable(dynamoDbClient(), requiredEnv(HANDLER_ENV.stateTable))), channels());

/** To keep what was told, and to say when a message comes back, even if AWS has to be asked twice. */
const RESERVE_MS = 20_000;

export async function handler(event: SQSEvent, context: Context): Promise<SQSBatchResponse> {
  logger.addContext(context);
  const batchItemFailures: SQSBatchItemFailure[] = [];
  // One after the other: the logger's keys are those of the message in hand, and GitHub does not want to be asked many things at once.
  for (const message of event.Records) {
    if (!await dealWith(message, context)) batchItemFailures.push({ itemIdentifier: message.messageId });
  }
  // The function sleeps from here on, and hosts end connections meanwhile: the next request would find that out only by failing.
  for (const idle of Object.values(https.globalAgent.freeSockets)) idle?.forEach((socket) => socket.destroy());
  return { batchItemFailures };
}

/** False: the message comes back. */
async function dealWith(message: SQSRecord, context: Context): Promise<boolean> {
  logger.resetKeys();
  logger.appendKeys({ messageId: message.messageId });
  try {
    const news = newsOf(message);
    logger.appendKeys({ subject: news.subject, projectId: news.detail.projectId, version: news.version });
    if (context.getRemainingTimeInMillis() < MAX_TELLING_MS + RESERVE_MS) {
      logger.info('There is no time left for this message; it comes back at once');
      await comeBackAfter(sqs, queueUrl, message, 1);
      return false;
    }
    await teller.tell(news);
    return true;
  } catch (error) {
    const seconds = waitSeconds(error, Number(message.attributes.ApproximateReceiveCount), Date.now());
    logger.warn('Not everybody could be told of this; the message comes back', { afterSeconds: seconds, error: error as Error });
    await comeBackAfter(sqs, queueUrl, message, seconds);
    return false;
  }
}

function channels(): Channel[] {
  const secretsManager = secretsManagerClient();
  const { [STATUS_ENV.appId]: appId, [STATUS_ENV.host]: host = 'github.com', [STATUS_ENV.outgoingUrl]: url } = process.env;
  const github = appId && new GitHub(secretsManager, { appId, host, secretId: requiredEnv(STATUS_ENV.privateKeySecret) });
  return [
    ...(url ? [new OutgoingWebhook(secretsManager, url, requiredEnv(STATUS_ENV.outgoingSecret))] : []),
    ...(github ? [new CheckRuns(github), new GitHubDeployments(github)] : []),
  ];
}
