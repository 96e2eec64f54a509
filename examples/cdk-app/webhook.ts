/**
 * The pipeline with its front door: pushes to the repositories of a projects table become deployments, and GitHub shows how they went.
 * `npm run local -- webhook` runs it.
 */
import { App, CfnOutput, Stack } from 'aws-cdk-lib';
import * as dynamodb from 'aws-cdk-lib/aws-dynamodb';
import * as s3 from 'aws-cdk-lib/aws-s3';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { GithubWebhook, NextjsBuildPipeline } from '../../src';

const app = new App();
const stack = new Stack(app, 'NextjsBuilds');
const STRING = dynamodb.AttributeType.STRING;

const pipeline = new NextjsBuildPipeline(stack, 'Builds', {
  artifactsBucket: new s3.Bucket(stack, 'Artifacts', { blockPublicAccess: s3.BlockPublicAccess.BLOCK_ALL, enforceSSL: true }),
  deploymentsTable: new dynamodb.TableV2(stack, 'Deployments', { partitionKey: { name: 'deploymentId', type: STRING } }),
});

const projectsTable = new dynamodb.TableV2(stack, 'Projects', {
  partitionKey: { name: 'PK', type: STRING },
  sortKey: { name: 'SK', type: STRING },
  globalSecondaryIndexes: [
    { indexName: 'byRepository', partitionKey: { name: 'repoUrl', type: STRING } },
    { indexName: 'byRepositoryId', partitionKey: { name: 'repositoryId', type: STRING } },
  ],
});

const webhook = new GithubWebhook(stack, 'Webhook', {
  pipeline,
  projectsTable,
  webhookSecret: new Secret(stack, 'WebhookSecret', { generateSecretString: { excludePunctuation: true } }),
  repositoryIndexName: 'byRepository',
  repositoryIdIndexName: 'byRepositoryId',
  githubApp: { appId: '123456', privateKey: Secret.fromSecretNameV2(stack, 'AppKey', 'platform/github-app') },
});

new CfnOutput(stack, 'WebhookUrl', { value: webhook.url });
