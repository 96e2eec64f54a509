/** A producer as GithubWebhook has one, and nothing of a webhook around it but the time that it takes a deployment to be of. */
import { createdAtOf } from '../../lambda/github-webhook/deployment-request';
import { producerOfEnvironment } from '../../lambda/shared/enqueue';
import type { RecordedRequest } from '../../src/contract/build-request';

export interface Push {
  readonly request: RecordedRequest;
  /** ISO 8601. */
  readonly pushedAt: string;
}

const producer = producerOfEnvironment();

export async function handler({ request, pushedAt }: Push): Promise<string> {
  return producer.produce(request, createdAtOf({ pushedAt: new Date(pushedAt) }, new Date()));
}
