/** A signed push becomes a message, with an id that is made up, as it is mostly written. What is delivered twice is two deployments. */
import { createHmac, randomUUID, timingSafeEqual } from 'node:crypto';
import { SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import type { BuildRequest } from '../../src/contract/build-request';
import { HANDLER_ENV } from '../../src/contract/environment';

interface Push {
  readonly ref: string;
  readonly after: string;
  readonly repository: { readonly name: string; readonly clone_url: string };
}

const sqs = new SQSClient();

export async function handler({ body, headers }: { body: string; headers: Record<string, string> }) {
  const expected = Buffer.from(`sha256=${createHmac('sha256', process.env.WEBHOOK_SECRET!).update(body).digest('hex')}`);
  const given = Buffer.from(headers['x-hub-signature-256'] ?? '');
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return { statusCode: 401 };
  const { after, ref, repository } = JSON.parse(body) as Push;
  const request: BuildRequest = {
    deploymentId: randomUUID(), projectId: repository.name, commitSha: after, repoUrl: repository.clone_url, branch: ref.replace('refs/heads/', ''),
  };
  await sqs.send(new SendMessageCommand({ QueueUrl: process.env[HANDLER_ENV.buildQueueUrl], MessageBody: JSON.stringify(request) }));
  return { statusCode: 202 };
}
