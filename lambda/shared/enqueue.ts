/** Stand-in with the interface of the producer, until that is here. */
import { SendMessageCommand, type SQSClient } from '@aws-sdk/client-sqs';
import type { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';
import { dynamoDbClient, sqsClient } from './aws-clients';
import { conditionalUpdate } from './conditional-update';
import { requiredEnv } from './environment';
import type { BuildRequest } from '../../src/contract/build-request';
import { HANDLER_ENV } from '../../src/contract/environment';

export class DeploymentProducer {
  constructor(
    private readonly deps: { readonly dynamoDb: DynamoDBDocumentClient; readonly tableName: string; readonly sqs: SQSClient; readonly queueUrl: string },
  ) {}

  public async produce({ deploymentId, ...fields }: BuildRequest, createdAt: Date): Promise<'enqueued' | 'already' | 'taken'> {
    const { dynamoDb, queueUrl, sqs, tableName } = this.deps;
    const item = { TableName: tableName, Key: { deploymentId } };
    await conditionalUpdate(dynamoDb, item, {
      set: { ...fields, status: 'queued', createdAt: createdAt.toISOString(), unsent: true }, condition: 'attribute_not_exists(#projectId)',
    });
    const sending = await conditionalUpdate(dynamoDb, item, { remove: ['unsent'], condition: '#unsent = :unsent', values: { unsent: true } });
    if (!sending) return 'already';
    try {
      const body = JSON.stringify({ deploymentId, ...fields });
      await sqs.send(new SendMessageCommand({ QueueUrl: queueUrl, MessageBody: body, MessageGroupId: fields.projectId }));
    } catch (error) {
      await conditionalUpdate(dynamoDb, item, { set: { unsent: true } });
      throw error;
    }
    return 'enqueued';
  }
}

export function producerOfEnvironment(): DeploymentProducer {
  return new DeploymentProducer({
    dynamoDb: dynamoDbClient(), tableName: requiredEnv(HANDLER_ENV.deploymentsTable), sqs: sqsClient(), queueUrl: requiredEnv(HANDLER_ENV.buildQueueUrl),
  });
}
