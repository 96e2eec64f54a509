import type { SQSClient } from '@aws-sdk/client-sqs';
import { attempt } from './attempt';
import { dynamoDbClient, sqsClient } from './aws-clients';
import { DeploymentStore } from './deployment-store';
import { requiredEnv } from './environment';
import { requestMessage } from './request-message';
import { OpenDeployments } from './state/open-deployments';
import { StateTable } from './state/state-table';
import { COMMIT_SHA_PATTERN, ID_PATTERN, RecordedRequest } from '../../src/contract/build-request';
import type { DeploymentRecord } from '../../src/contract/deployment';
import { HANDLER_ENV } from '../../src/contract/environment';

/**
 * - enqueued: its request is in the queue
 * - already: it was before, or the deployment has ended
 * - taken: the id belongs to another project or commit
 */
export type Produced = 'enqueued' | 'already' | 'taken';

export interface ProducerDeps {
  readonly store: DeploymentStore;
  readonly openDeployments: OpenDeployments;
  readonly sqs: SQSClient;
  readonly queueUrl: string;
}

/**
 * Steps 1 and 2 of a build's way: a deployment is recorded as queued, then its request is sent. It may die after any of its calls, and be
 * called again with the same request, also at the same time: nothing is lost and nothing is built twice.
 *
 * First comes the entry among the open deployments, marked `unsent`: from then on the reconciler knows where to look. Then the record, which
 * only one of several can create. Then the message, and the mark goes. Two messages are harmless, because a deployment is claimed before it
 * is started; so whoever is in doubt sends.
 */
export class DeploymentProducer {
  constructor(private readonly deps: ProducerDeps) {}

  /**
   * Throws if the deployment could not be recorded, or if its request could not be sent: then the record says `queued`, and the next try,
   * or the reconciler, sends it.
   *
   * `createdAt` is the time of the push, not of its delivery: it orders the deployments of a branch, and deliveries come in any order. An
   * older push that is delivered after a newer one, or again a day later, then ends as superseded, as it must. A retry need not name
   * the same time: that of the record stays.
   */
  public async produce(request: RecordedRequest, createdAt: Date): Promise<Produced> {
    checkRequest(request);
    const { store } = this.deps;
    const known = await store.get(request.deploymentId);
    if (known) return this.sendUnlessSent(request, known);
    // A clock that is ahead of ours would make every later push of the branch an older one.
    const time = new Date(Math.min(createdAt.getTime(), Date.now())).toISOString();
    await this.deps.openDeployments.expect({ ...request, createdAt: time }, nowInSeconds());
    const created = await store.create(request, time);
    if (created) return this.send(created);
    // Somebody else was faster; or it was this very write, whose answer got lost and which the SDK repeated.
    const other = await store.get(request.deploymentId);
    if (!other) throw new Error(`The record of deployment ${request.deploymentId} has just been removed`);
    return this.sendUnlessSent(request, other);
  }

  private async sendUnlessSent(request: RecordedRequest, record: DeploymentRecord): Promise<Produced> {
    if (record.projectId !== request.projectId || record.commitSha !== request.commitSha) return 'taken';
    // It has a version as soon as somebody has received the request.
    if (record.status !== 'queued' || record.version !== undefined) return 'already';
    const open = await this.deps.openDeployments.get(record);
    if (open && !open.unsent) return 'already';
    // An entry that got lost is written anew. For the others this try is a sign of life.
    await this.deps.openDeployments.expect(record, nowInSeconds());
    return this.send(record);
  }

  private async send(record: DeploymentRecord): Promise<Produced> {
    const { openDeployments, queueUrl, sqs } = this.deps;
    await sqs.send(requestMessage(queueUrl, record));
    await attempt('The request was sent, but not marked as sent: the reconciler may send it a second time, which does no harm', undefined, () => (
      openDeployments.sent(record, nowInSeconds())
    ));
    return 'enqueued';
  }
}

/** With the function's own environment, as the construct sets it. */
export function producerOfEnvironment(): DeploymentProducer {
  const dynamoDb = dynamoDbClient();
  return new DeploymentProducer({
    store: new DeploymentStore(dynamoDb, requiredEnv(HANDLER_ENV.deploymentsTable)),
    openDeployments: new OpenDeployments(new StateTable(dynamoDb, requiredEnv(HANDLER_ENV.stateTable))),
    sqs: sqsClient(),
    queueUrl: requiredEnv(HANDLER_ENV.buildQueueUrl),
  });
}

/** Without these there is no record, and no message. What else is wrong with a request, the orchestrator says in its record. */
const NEEDED = { deploymentId: ID_PATTERN, projectId: ID_PATTERN, commitSha: COMMIT_SHA_PATTERN } as const;

function checkRequest(request: RecordedRequest): void {
  for (const name of Object.keys(NEEDED) as (keyof typeof NEEDED)[]) {
    if (NEEDED[name].test(request[name])) continue;
    throw new Error(`Expected a ${name} that matches ${String(NEEDED[name])}, got ${JSON.stringify(request[name])}. Nothing was recorded.`);
  }
  if (request.buildEnvironment) throw new Error('Expected a request without buildEnvironment: no record holds it, so that nobody could send it again. Nothing was recorded.');
}

const nowInSeconds = () => Math.floor(Date.now() / 1000);
