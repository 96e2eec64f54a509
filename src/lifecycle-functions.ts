/**
 * The three functions that lead a deployment from its request to its end, with what calls them, what they are told in their
 * environment, and what they may do: every action and resource is listed here.
 */
import { ArnFormat, Duration, Names, Stack, Tokenization } from 'aws-cdk-lib';
import * as codebuild from 'aws-cdk-lib/aws-codebuild';
import * as dynamodb from 'aws-cdk-lib/aws-dynamodb';
import * as events from 'aws-cdk-lib/aws-events';
import * as targets from 'aws-cdk-lib/aws-events-targets';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as logs from 'aws-cdk-lib/aws-logs';
import * as s3 from 'aws-cdk-lib/aws-s3';
import * as sqs from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { buildImageOf } from './build-project';
import { HANDLER_ENV } from './contract/environment';
import { EVENT_SOURCE, STATUS_CHANGED } from './contract/events';
import { ARTIFACTS_ROOT, CACHE_ROOT, HANDOVER_ROOT, STAGING_ROOT, STATIC_ROOT } from './contract/keys';
import { useOfKey } from './encryption';
import { denyOverrides } from './fixed-by-project';
import { handlerFunction, HandlerFunctionProps } from './handler-function';
import { NextjsBuildPipelineProps } from './nextjs-build-pipeline-props';
import { maxReceiveCount, messageRetention, visibilityTimeout } from './queues';
import { checkBatchSize, checkInstallSecretsPrefix, checkMaxConcurrency, checkReconcileInterval } from './validation';

/** The pipeline, as far as it must exist before its functions. */
export interface PipelineParts extends Construct {
  readonly queue: sqs.Queue;
  readonly deadLetterQueue: sqs.Queue;
  readonly eventDeadLetterQueue: sqs.Queue;
  readonly stateTable: dynamodb.Table;
  readonly project: codebuild.Project;
}

/** A StartBuild, a few writes and their retries: seconds. The rest is for a service that answers slowly. */
export const ORCHESTRATOR_TIMEOUT = Duration.seconds(60);

/** Promotion of the largest output accepted (100,000 objects) takes minutes; 15 is the longest that Lambda runs. */
const FINALIZER_TIMEOUT = Duration.minutes(15);

/** CodeBuild's own words for a build that runs, and for every way in which it can end. `onBuildFailed` of the CDK knows one of four bad ones. */
const BUILD_STATUSES = ['IN_PROGRESS', 'SUCCEEDED', 'FAILED', 'FAULT', 'STOPPED', 'TIMED_OUT'];

/** EventBridge's shortest period: what a period that is known only at deployment may turn out to be. */
const SHORTEST_INTERVAL = Duration.minutes(1);

export function createOrchestrator(pipeline: PipelineParts, props: NextjsBuildPipelineProps, logGroup: logs.ILogGroup): lambda.Function {
  const batchSize = props.batchSize ?? 1;
  checkBatchSize(batchSize);
  const maxConcurrency = props.maxConcurrency ?? 5;
  checkMaxConcurrency(maxConcurrency);
  const { installSecretsPrefix } = props;
  const orchestrator = lifecycleFunction(pipeline, props, 'Orchestrator', {
    handler: 'orchestrator',
    description: 'Turns build requests from the queue into CodeBuild builds',
    timeout: ORCHESTRATOR_TIMEOUT,
    memorySize: 256,
    environment: {
      [HANDLER_ENV.artifactsBucket]: props.artifactsBucket.bucketName,
      [HANDLER_ENV.maxReceiveCount]: Tokenization.stringifyNumber(maxReceiveCount(props)),
      [HANDLER_ENV.messageRetentionSeconds]: seconds(messageRetention(props)),
      ...stopSupersededBuilds(props),
      ...(installSecretsPrefix === undefined ? {} : { [HANDLER_ENV.installSecretsPrefix]: installSecretsPrefix }),
    },
    logGroup,
    stateActions: ['dynamodb:GetItem', 'dynamodb:UpdateItem', 'dynamodb:DeleteItem', 'dynamodb:Query'],
    buildActions: [
      'codebuild:StartBuild', 'codebuild:StopBuild', 'codebuild:BatchGetBuilds', 'codebuild:ListBuildsForProject', 'codebuild:BatchGetProjects',
    ],
  });
  denyOverrides(pipeline.project, buildImageOf(props)).forEach((denial) => orchestrator.addToRolePolicy(denial));
  grantHandover(props.artifactsBucket, orchestrator);
  if (installSecretsPrefix !== undefined) {
    checkInstallSecretsPrefix(installSecretsPrefix);
    const secrets = { service: 'secretsmanager', resource: 'secret', resourceName: `${installSecretsPrefix}*`, arnFormat: ArnFormat.COLON_RESOURCE_NAME };
    allow(orchestrator, Stack.of(pipeline).formatArn(secrets), 'secretsmanager:GetSecretValue');
  }
  // Lambda takes the messages with the function's role, which needs the first three; the function puts some back.
  allow(orchestrator, pipeline.queue.queueArn, 'sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sqs:GetQueueAttributes', 'sqs:ChangeMessageVisibility');
  // What SqsEventSource does, less the rights that it gives: it also allows to look for the queue, and to use its key other than through SQS.
  orchestrator.addEventSourceMapping(`SqsEventSource:${Names.nodeUniqueId(pipeline.queue.node)}`, {
    eventSourceArn: pipeline.queue.queueArn, batchSize, maxConcurrency, reportBatchItemFailures: true,
  });
  return orchestrator;
}

export function createFinalizer(pipeline: PipelineParts, props: NextjsBuildPipelineProps, logGroup: logs.ILogGroup): lambda.Function {
  const finalizer = lifecycleFunction(pipeline, props, 'Finalizer', {
    handler: 'finalizer',
    description: 'Promotes the artifacts of ended builds and ends their deployments',
    timeout: FINALIZER_TIMEOUT,
    // Memory is also processor and network share; 50 copies at a time keep 1 GB's share busy.
    memorySize: 1024,
    environment: { [HANDLER_ENV.artifactsBucket]: props.artifactsBucket.bucketName },
    logGroup,
    // CDK grants a function to send to its dead-letter queue, but not to use the queue's key (aws/aws-cdk#33153); here all functions may.
    deadLetterQueue: pipeline.eventDeadLetterQueue,
    stateActions: ['dynamodb:GetItem', 'dynamodb:UpdateItem', 'dynamodb:DeleteItem', 'dynamodb:Query'],
    buildActions: ['codebuild:BatchGetBuilds'],
  });
  grantPromotion(props.artifactsBucket, finalizer);

  new events.Rule(pipeline, 'BuildStateChanged', {
    description: 'The start and every end of a build, good or bad, reach the finalizer',
    eventPattern: {
      source: ['aws.codebuild'],
      detailType: ['CodeBuild Build State Change'],
      detail: { 'project-name': [pipeline.project.projectName], 'build-status': BUILD_STATUSES },
    },
    targets: [new targets.LambdaFunction(finalizer, {
      deadLetterQueue: pipeline.eventDeadLetterQueue,
      // The longest and most that EventBridge offers. It is about handing the event over to Lambda; what the finalizer throws
      // is tried again by Lambda itself, twice.
      maxEventAge: Duration.hours(24),
      retryAttempts: 185,
    })],
  });
  return finalizer;
}

export function createReconciler(
  pipeline: PipelineParts, props: NextjsBuildPipelineProps, logGroup: logs.ILogGroup, finalizer: lambda.IFunction,
): lambda.Function {
  const interval = props.reconcileInterval ?? Duration.minutes(5);
  checkReconcileInterval(interval);
  const period = interval.isUnresolved() ? SHORTEST_INTERVAL : interval;
  const reconciler = lifecycleFunction(pipeline, props, 'Reconciler', {
    handler: 'reconciler',
    description: 'Repairs what lost events, crashes and dead letters left behind',
    // Over before the next period begins, so that no two run at once; what is left, the next one goes on with. 4.5 minutes are plenty.
    timeout: Duration.seconds(Math.min(270, period.toSeconds() - 30)),
    memorySize: 512,
    // The next period is the retry: of a run that failed, and of one that Lambda could not begin.
    retryAttempts: 0,
    maxEventAge: SHORTEST_INTERVAL,
    environment: {
      [HANDLER_ENV.deadLetterQueueUrl]: pipeline.deadLetterQueue.queueUrl,
      [HANDLER_ENV.finalizerFunction]: finalizer.functionName,
      [HANDLER_ENV.messageRetentionSeconds]: seconds(messageRetention(props)),
      [HANDLER_ENV.visibilityTimeoutSeconds]: seconds(visibilityTimeout(props)),
      ...stopSupersededBuilds(props),
    },
    logGroup,
    stateActions: ['dynamodb:GetItem', 'dynamodb:UpdateItem', 'dynamodb:DeleteItem', 'dynamodb:Query'],
    buildActions: ['codebuild:BatchGetBuilds', 'codebuild:ListBuildsForProject', 'codebuild:StopBuild'],
  });
  // It looks at dead letters and cannot remove them.
  allow(reconciler, pipeline.deadLetterQueue.queueArn, 'sqs:ReceiveMessage');
  // Not grantInvoke, which also covers every version and alias.
  allow(reconciler, finalizer.functionArn, 'lambda:InvokeFunction');

  new events.Rule(pipeline, 'ReconcilerSchedule', {
    description: 'Calls the reconciler',
    schedule: events.Schedule.rate(interval),
    targets: [new targets.LambdaFunction(reconciler, { retryAttempts: 0 })],
  });
  return reconciler;
}

interface LifecycleFunctionProps extends Omit<HandlerFunctionProps, 'permissionsBoundary'> {
  /** On the pipeline's own table. No PutItem: every write is a conditional update, which also creates. */
  readonly stateActions: string[];
  /** On the CodeBuild project. */
  readonly buildActions: string[];
}

/** What all three have in common: they write records, announce them, look at builds, and put requests back or wake them. */
function lifecycleFunction(pipeline: PipelineParts, props: NextjsBuildPipelineProps, id: string, options: LifecycleFunctionProps): lambda.Function {
  const { deploymentsTable, encryptionKey, maxConcurrentBuildsPerProject, permissionsBoundary } = props;
  const fn = handlerFunction(pipeline, id, {
    ...options,
    environment: {
      [HANDLER_ENV.deploymentsTable]: deploymentsTable.tableName,
      [HANDLER_ENV.stateTable]: pipeline.stateTable.tableName,
      [HANDLER_ENV.buildProject]: pipeline.project.projectName,
      [HANDLER_ENV.buildProjectArn]: pipeline.project.projectArn,
      [HANDLER_ENV.buildQueueUrl]: pipeline.queue.queueUrl,
      ...(maxConcurrentBuildsPerProject === undefined ? {}
        : { [HANDLER_ENV.maxConcurrentBuildsPerProject]: Tokenization.stringifyNumber(maxConcurrentBuildsPerProject) }),
      ...options.environment,
    },
    permissionsBoundary,
  });

  deploymentsTable.grant(fn, 'dynamodb:GetItem', 'dynamodb:UpdateItem');
  allow(fn, pipeline.stateTable.tableArn, ...options.stateActions);
  allow(fn, pipeline.project.projectArn, ...options.buildActions);
  allow(fn, pipeline.queue.queueArn, 'sqs:SendMessage');
  fn.addToRolePolicy(new iam.PolicyStatement({
    actions: ['events:PutEvents'],
    resources: [Stack.of(pipeline).formatArn({ service: 'events', resource: 'event-bus', resourceName: 'default' })],
    conditions: { StringEquals: { 'events:source': EVENT_SOURCE, 'events:detail-type': STATUS_CHANGED } },
  }));
  [...useOfKey(deploymentsTable.encryptionKey, 'dynamodb'), ...useOfKey(encryptionKey, 'dynamodb'), ...useOfKey(encryptionKey, 'sqs')].forEach((right) => fn.addToRolePolicy(right));
  return fn;
}

/** To write handovers; to sign URLs of them and of the caches, which are worth what the signer may do; to see whether artifacts are complete. */
function grantHandover(bucket: s3.IBucket, fn: lambda.Function): void {
  const handovers = bucket.arnForObjects(`${HANDOVER_ROOT}*`);
  allow(fn, handovers, 's3:PutObject');
  fn.addToRolePolicy(new iam.PolicyStatement({ actions: ['s3:GetObject'], resources: [handovers, bucket.arnForObjects(`${CACHE_ROOT}*`)] }));
  allowToList(fn, bucket, ARTIFACTS_ROOT, STATIC_ROOT);
  useOfKey(bucket.encryptionKey, 's3').forEach((right) => fn.addToRolePolicy(right));
}

function grantPromotion(bucket: s3.IBucket, fn: lambda.Function): void {
  allow(fn, bucket.arnForObjects(`${STAGING_ROOT}*`), 's3:GetObject', 's3:DeleteObject');
  fn.addToRolePolicy(new iam.PolicyStatement({
    actions: ['s3:PutObject'],
    resources: [ARTIFACTS_ROOT, STATIC_ROOT, CACHE_ROOT].map((root) => bucket.arnForObjects(`${root}*`)),
  }));
  allowToList(fn, bucket, STAGING_ROOT);
  useOfKey(bucket.encryptionKey, 's3').forEach((right) => fn.addToRolePolicy(right));
}

function allow(fn: lambda.Function, resource: string, ...actions: string[]): void {
  fn.addToRolePolicy(new iam.PolicyStatement({ actions, resources: [resource] }));
}

function allowToList(fn: lambda.Function, bucket: s3.IBucket, ...roots: string[]): void {
  const prefixes = roots.map((root) => `${root}*`);
  fn.addToRolePolicy(new iam.PolicyStatement({
    actions: ['s3:ListBucket'],
    resources: [bucket.bucketArn],
    conditions: { StringLike: { 's3:prefix': prefixes.length === 1 ? prefixes[0] : prefixes } },
  }));
}

function stopSupersededBuilds(props: NextjsBuildPipelineProps): Record<string, string> {
  return props.stopSupersededBuilds ? { [HANDLER_ENV.stopSupersededBuilds]: 'true' } : {};
}

/** A number may be known only at deployment; JavaScript alone would write its placeholder. */
function seconds(duration: Duration): string {
  return Tokenization.stringifyNumber(duration.toSeconds());
}
