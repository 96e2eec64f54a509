import { App, Stack, StackProps } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import * as dynamodb from 'aws-cdk-lib/aws-dynamodb';
import * as kms from 'aws-cdk-lib/aws-kms';
import * as s3 from 'aws-cdk-lib/aws-s3';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { GithubWebhook, GithubWebhookProps, NextjsBuildPipeline, NextjsBuildPipelineProps } from '../../src';

export function deploymentsTable(stack: Stack): dynamodb.TableV2 {
  return new dynamodb.TableV2(stack, 'Deployments', { partitionKey: { name: 'deploymentId', type: dynamodb.AttributeType.STRING } });
}

/** A stack with a pipeline, bucket and table of its own unless `props` brings others. */
export function pipelineStack(props: Partial<NextjsBuildPipelineProps> | ((stack: Stack) => Partial<NextjsBuildPipelineProps>) = {}, stackProps?: StackProps) {
  const stack = new Stack(new App(), 'Test', stackProps);
  const given = typeof props === 'function' ? props(stack) : props;
  const pipeline = new NextjsBuildPipeline(stack, 'Builds', {
    artifactsBucket: given.artifactsBucket ?? new s3.Bucket(stack, 'Artifacts'),
    deploymentsTable: given.deploymentsTable ?? deploymentsTable(stack),
    ...given,
  });
  return { stack, pipeline };
}

export function synthesize(...args: Parameters<typeof pipelineStack>) {
  const { stack, pipeline } = pipelineStack(...args);
  return { stack, pipeline, template: Template.fromStack(stack) };
}

/** With both indexes. */
export function projectsTable(stack: Stack, encryptionKey?: kms.IKey): dynamodb.Table {
  const STRING = dynamodb.AttributeType.STRING;
  const table = new dynamodb.Table(stack, 'Projects', { partitionKey: { name: 'PK', type: STRING }, sortKey: { name: 'SK', type: STRING }, encryptionKey });
  table.addGlobalSecondaryIndex({ indexName: 'byRepository', partitionKey: { name: 'repoUrl', type: STRING } });
  table.addGlobalSecondaryIndex({ indexName: 'byRepositoryId', partitionKey: { name: 'repositoryId', type: STRING } });
  return table;
}

/** A stack with a pipeline and a webhook, projects table and secret of its own unless `props` brings others. */
export function webhookStack(
  props: Partial<GithubWebhookProps> | ((stack: Stack) => Partial<GithubWebhookProps>) = {}, pipelineProps: Parameters<typeof pipelineStack>[0] = {},
) {
  const { pipeline, stack } = pipelineStack(pipelineProps);
  const given = typeof props === 'function' ? props(stack) : props;
  const webhook = new GithubWebhook(stack, 'Webhook', {
    ...given,
    pipeline,
    projectsTable: given.projectsTable ?? projectsTable(stack),
    webhookSecret: given.webhookSecret ?? new Secret(stack, 'WebhookSecret'),
  });
  return { stack, pipeline, webhook };
}

/** Everything that a webhook can be given. */
export function everythingOfWebhook(stack: Stack): Partial<GithubWebhookProps> {
  return {
    repositoryIndexName: 'byRepository',
    repositoryIdIndexName: 'byRepositoryId',
    githubApp: { appId: '123456', privateKey: Secret.fromSecretNameV2(stack, 'AppKey', 'platform/app'), host: 'github.example.com' },
    outgoingWebhookUrl: 'https://chat.example.com/hooks/builds',
    outgoingWebhookSecret: Secret.fromSecretNameV2(stack, 'OutgoingSecret', 'platform/outgoing'),
    reservedConcurrentExecutions: 20,
  };
}

/** Bucket and table that exist already, with keys of the customer's own. */
export function importedWithKeys(stack: Stack): Pick<NextjsBuildPipelineProps, 'artifactsBucket' | 'deploymentsTable'> {
  return {
    artifactsBucket: s3.Bucket.fromBucketAttributes(stack, 'ImportedBucket', {
      bucketName: 'company-artifacts',
      encryptionKey: kms.Key.fromKeyArn(stack, 'BucketKey', 'arn:aws:kms:eu-central-1:111122223333:key/bucket-key'),
    }),
    deploymentsTable: dynamodb.Table.fromTableAttributes(stack, 'ImportedTable', {
      tableName: 'company-deployments',
      encryptionKey: kms.Key.fromKeyArn(stack, 'TableKey', 'arn:aws:kms:eu-central-1:111122223333:key/table-key'),
    }),
  };
}

/** Bucket, table and the pipeline's own queues and table, each with a key of this app. */
export function ownedWithKeys(stack: Stack): Partial<NextjsBuildPipelineProps> {
  return {
    artifactsBucket: new s3.Bucket(stack, 'Artifacts', { encryptionKey: new kms.Key(stack, 'BucketKey') }),
    deploymentsTable: new dynamodb.Table(stack, 'Deployments', {
      partitionKey: { name: 'deploymentId', type: dynamodb.AttributeType.STRING }, encryptionKey: new kms.Key(stack, 'TableKey'),
    }),
    encryptionKey: new kms.Key(stack, 'PipelineKey'),
  };
}

/**
 * The template without the buildspec, which has tests of its own and would drown everything else, and without list entries that
 * CloudFormation drops: an older aws-cdk-lib writes an `AWS::NoValue` for the indexes that a table does not have.
 */
export function forSnapshot(template: Template): object {
  return JSON.parse(JSON.stringify(template.toJSON()), (key, value) => {
    if (key === 'BuildSpec') return '<buildspec>';
    return Array.isArray(value) ? value.filter((entry) => entry?.Ref !== 'AWS::NoValue') : value;
  });
}
