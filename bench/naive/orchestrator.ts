/**
 * The pipeline as it is mostly built: start the build, write down that it runs; what fails is thrown, SQS brings it again, three times.
 * On the third error the deployment has failed. No claim, no waiting for capacity, no turns.
 */
import { CodeBuildClient, StartBuildCommand } from '@aws-sdk/client-codebuild';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';
import type { SQSEvent } from 'aws-lambda';
import { setStatus } from './status';
import type { BuildRequest } from '../../src/contract/build-request';
import { BUILD_ENV, HANDLER_ENV } from '../../src/contract/environment';

const codeBuild = new CodeBuildClient();
const dynamoDb = DynamoDBDocumentClient.from(new DynamoDBClient());

export async function handler({ Records: [message] }: SQSEvent): Promise<void> {
  const request = JSON.parse(message.body) as BuildRequest;
  try {
    await codeBuild.send(new StartBuildCommand({
      projectName: process.env[HANDLER_ENV.buildProject],
      environmentVariablesOverride: [{ name: BUILD_ENV.deploymentId, value: request.deploymentId }, { name: BUILD_ENV.projectId, value: request.projectId }],
    }));
    await setStatus(dynamoDb, request.deploymentId, 'building');
  } catch (error) {
    if (Number(message.attributes.ApproximateReceiveCount) >= 3) await setStatus(dynamoDb, request.deploymentId, 'failed');
    throw error;
  }
}
