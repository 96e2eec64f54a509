import { DynamoDBDocumentClient, UpdateCommand } from '@aws-sdk/lib-dynamodb';
import { DEPLOYMENTS_PARTITION_KEY, DeploymentStatus } from '../../src/contract/deployment';
import { HANDLER_ENV } from '../../src/contract/environment';

export async function setStatus(client: DynamoDBDocumentClient, deploymentId: string, status: DeploymentStatus): Promise<void> {
  await client.send(new UpdateCommand({
    TableName: process.env[HANDLER_ENV.deploymentsTable],
    Key: { [DEPLOYMENTS_PARTITION_KEY]: deploymentId },
    UpdateExpression: 'SET #status = :status',
    ExpressionAttributeNames: { '#status': 'status' },
    ExpressionAttributeValues: { ':status': status },
  }));
}
