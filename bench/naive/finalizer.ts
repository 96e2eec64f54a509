/** Writes down how a build ended. */
import { BatchGetBuildsCommand, CodeBuildClient } from '@aws-sdk/client-codebuild';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';
import { setStatus } from './status';
import { BUILD_ENV } from '../../src/contract/environment';

const codeBuild = new CodeBuildClient();
const dynamoDb = DynamoDBDocumentClient.from(new DynamoDBClient());

export async function handler({ detail }: { detail: { 'build-id': string; 'build-status': string } }): Promise<void> {
  if (detail['build-status'] === 'IN_PROGRESS') return;
  const { builds } = await codeBuild.send(new BatchGetBuildsCommand({ ids: [detail['build-id']] }));
  const deploymentId = builds![0].environment!.environmentVariables!.find(({ name }) => name === BUILD_ENV.deploymentId)!.value!;
  await setStatus(dynamoDb, deploymentId, detail['build-status'] === 'SUCCEEDED' ? 'success' : 'failed');
}
