/** The function that answers deliveries, with what it is told in its environment, and what it may do: every action and resource is listed here. */
import { Duration } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as logs from 'aws-cdk-lib/aws-logs';
import * as sqs from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { HANDLER_ENV } from './contract/environment';
import { ProjectItem, projectKey, PROJECTS_TABLE, WEBHOOK_ENV } from './contract/webhook';
import { useOfKey } from './encryption';
import { GithubWebhookProps } from './github-webhook-props';
import { handlerFunction } from './handler-function';
import { rightToRead, secretIdOf } from './secret-access';
import { checkProjectsIndexes, checkProjectsTable, checkReservedConcurrentExecutions } from './webhook-validation';

/** GitHub waits 10 s for the answer, which the handler gives within 8; the rest is for a cold start and a service's last word. */
const TIMEOUT = Duration.seconds(15);

/** It learns the id, as long as the URL is the one that it has read. IAM does not tell what an update sets from what its condition compares. */
const NAMED_IN_UPDATES: readonly (keyof ProjectItem)[] = ['repositoryId', 'repoUrl'];

export function createWebhookFunction(webhook: Construct, props: GithubWebhookProps, logGroup: logs.ILogGroup): lambda.Function {
  const { pipeline, projectsTable, repositoryIdIndexName, repositoryIndexName, reservedConcurrentExecutions, webhookSecret } = props;
  const keys = { partitionKey: props.projectsPartitionKey ?? PROJECTS_TABLE.partitionKey, sortKey: props.projectsSortKey ?? PROJECTS_TABLE.sortKey };
  checkProjectsTable(projectsTable, keys);
  checkProjectsIndexes(webhook, projectsTable, { repositoryIndexName, repositoryIdIndexName });
  if (reservedConcurrentExecutions !== undefined) checkReservedConcurrentExecutions(reservedConcurrentExecutions);

  const { deploymentsTable, encryptionKey, permissionsBoundary } = pipeline._props;
  const fn = handlerFunction(webhook, 'Function', {
    handler: 'github-webhook',
    description: 'Makes deployments of what is pushed to a git host',
    timeout: TIMEOUT,
    // A body of 5 MB, its text and what it is parsed to lie in the memory at the same time; and it is processor share, for a cold start.
    memorySize: 512,
    environment: {
      [HANDLER_ENV.deploymentsTable]: deploymentsTable.tableName,
      [HANDLER_ENV.stateTable]: pipeline.stateTable.tableName,
      [HANDLER_ENV.buildQueueUrl]: pipeline.queue.queueUrl,
      [WEBHOOK_ENV.projectsTable]: projectsTable.tableName,
      [WEBHOOK_ENV.projectsPartitionKey]: keys.partitionKey,
      [WEBHOOK_ENV.projectsSortKey]: keys.sortKey,
      ...(repositoryIndexName === undefined ? {} : { [WEBHOOK_ENV.repositoryIndex]: repositoryIndexName }),
      ...(repositoryIdIndexName === undefined ? {} : { [WEBHOOK_ENV.repositoryIdIndex]: repositoryIdIndexName }),
      [WEBHOOK_ENV.webhookSecret]: secretIdOf(webhookSecret),
    },
    logGroup,
    permissionsBoundary,
    reservedConcurrentExecutions,
  });

  const onlyProjects = { 'ForAllValues:StringLike': { 'dynamodb:LeadingKeys': [projectKey('*', keys)[keys.partitionKey]] } };
  const onlyNamed = { 'ForAllValues:StringEquals': { 'dynamodb:Attributes': [keys.partitionKey, keys.sortKey, ...NAMED_IN_UPDATES] } };
  const indexes = [repositoryIndexName, repositoryIdIndexName].filter((name): name is string => name !== undefined);
  const statements = [
    new iam.PolicyStatement({ actions: ['dynamodb:GetItem'], resources: [projectsTable.tableArn], conditions: onlyProjects }),
    new iam.PolicyStatement({ actions: ['dynamodb:UpdateItem'], resources: [projectsTable.tableArn], conditions: { ...onlyProjects, ...onlyNamed } }),
    ...(indexes.length === 0 ? [] : [new iam.PolicyStatement({ actions: ['dynamodb:Query'], resources: indexes.map((name) => `${projectsTable.tableArn}/index/${name}`) })]),
    // A record, and an entry among the open deployments. No PutItem: every write is a conditional update, which also creates.
    new iam.PolicyStatement({ actions: ['dynamodb:GetItem', 'dynamodb:UpdateItem'], resources: [deploymentsTable.tableArn] }),
    new iam.PolicyStatement({ actions: ['dynamodb:GetItem', 'dynamodb:UpdateItem'], resources: [pipeline.stateTable.tableArn] }),
    new iam.PolicyStatement({ actions: ['sqs:SendMessage'], resources: [pipeline.queue.queueArn] }),
    ...[projectsTable.encryptionKey, deploymentsTable.encryptionKey, encryptionKey].flatMap((key) => useOfKey(key, 'dynamodb')),
    ...useOfKey(encryptionKey, 'sqs'),
    ...rightToRead(webhookSecret),
  ];
  statements.forEach((statement) => fn.addToRolePolicy(statement));
  return fn;
}

/** The pipeline's key, if it has one, the function may use already: for the build queue. */
export function letTellOfSkippedPushes(webhook: lambda.Function, statusQueue: sqs.IQueue): void {
  webhook.addEnvironment(WEBHOOK_ENV.statusQueueUrl, statusQueue.queueUrl);
  webhook.addToRolePolicy(new iam.PolicyStatement({ actions: ['sqs:SendMessage'], resources: [statusQueue.queueArn] }));
}
