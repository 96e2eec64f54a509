import { Duration } from 'aws-cdk-lib';
import * as events from 'aws-cdk-lib/aws-events';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as logs from 'aws-cdk-lib/aws-logs';
import * as sqs from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { HANDLER_ENV } from './contract/environment';
import { STATUS_ENV, STATUS_FUNCTION_SECONDS, STATUS_MAX_RECEIVES } from './contract/github-status';
import { statusChangedRule } from './deployment-events';
import { useOfKey } from './encryption';
import { GithubWebhookProps } from './github-webhook-props';
import { handlerFunction } from './handler-function';
import { createLogGroup } from './log-group';
import { queueWithDeadLetters } from './queues';
import { rightToRead, secretIdOf } from './secret-access';
import { checkGitHubAppId, checkSourceHost } from './validation';
import { checkOutgoingWebhook } from './webhook-validation';

const TIMEOUT = Duration.seconds(STATUS_FUNCTION_SECONDS);

/** Six times as long as the function may run, as Lambda recommends. */
const VISIBILITY_TIMEOUT = Duration.seconds(6 * STATUS_FUNCTION_SECONDS);

/**
 * The fewest that SQS knows. GitHub wants one request after the other:
 * https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api
 */
const MAX_CONCURRENCY = 2;

/**
 * Tells GitHub and the outgoing webhook what became of deployments. It hears of it from the pipeline's status events, over a queue of its own: a git
 * host that is slow or away holds up no build. It cannot send such events itself, so there is no loop.
 */
export class GithubStatus extends Construct {
  public readonly function: lambda.Function;
  public readonly logGroup: logs.LogGroup;
  public readonly queue: sqs.Queue;
  public readonly deadLetterQueue: sqs.Queue;

  constructor(webhook: Construct, id: string, props: GithubWebhookProps) {
    super(webhook, id);
    const pipelineProps = props.pipeline._props;
    this.logGroup = createLogGroup(this, 'FunctionLogs', pipelineProps);
    [this.queue, this.deadLetterQueue] = queueWithDeadLetters(this, pipelineProps, {
      visibilityTimeout: VISIBILITY_TIMEOUT, maxReceiveCount: STATUS_MAX_RECEIVES,
    });
    this.function = this.createFunction(props);
    this.function.addEventSourceMapping('Events', {
      eventSourceArn: this.queue.queueArn,
      batchSize: 10,
      maxConcurrency: MAX_CONCURRENCY,
      reportBatchItemFailures: true,
    });
    this.listenTo(props);
  }

  private createFunction({ githubApp, outgoingWebhookSecret, outgoingWebhookUrl, pipeline }: GithubWebhookProps): lambda.Function {
    checkOutgoingWebhook(outgoingWebhookUrl, outgoingWebhookSecret);
    const { host = 'github.com' } = githubApp ?? {};
    if (githubApp) {
      checkGitHubAppId(githubApp.appId);
      checkSourceHost(host);
    }
    const { encryptionKey, permissionsBoundary } = pipeline._props;
    const fn = handlerFunction(this, 'Function', {
      handler: 'github-status',
      description: 'Tells git hosts what became of deployments',
      timeout: TIMEOUT,
      memorySize: 256,
      environment: {
        [HANDLER_ENV.stateTable]: pipeline.stateTable.tableName,
        [STATUS_ENV.queueUrl]: this.queue.queueUrl,
        ...(githubApp ? { [STATUS_ENV.appId]: githubApp.appId, [STATUS_ENV.privateKeySecret]: secretIdOf(githubApp.privateKey), [STATUS_ENV.host]: host } : {}),
        ...(outgoingWebhookUrl === undefined ? {} : { [STATUS_ENV.outgoingUrl]: outgoingWebhookUrl }),
        ...(outgoingWebhookSecret ? { [STATUS_ENV.outgoingSecret]: secretIdOf(outgoingWebhookSecret) } : {}),
      },
      logGroup: this.logGroup,
      permissionsBoundary,
    });
    const statements = [
      // What was told of a deployment, and what GitHub calls its check run.
      new iam.PolicyStatement({ actions: ['dynamodb:GetItem', 'dynamodb:UpdateItem'], resources: [pipeline.stateTable.tableArn] }),
      // Lambda takes the messages with the function's role, which needs the first three; the function itself says when a message comes back.
      new iam.PolicyStatement({
        actions: ['sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sqs:GetQueueAttributes', 'sqs:ChangeMessageVisibility'], resources: [this.queue.queueArn],
      }),
      ...useOfKey(encryptionKey, 'dynamodb'),
      ...useOfKey(encryptionKey, 'sqsToReceive'),
      ...(githubApp ? rightToRead(githubApp.privateKey) : []),
      ...(outgoingWebhookSecret ? rightToRead(outgoingWebhookSecret) : []),
    ];
    statements.forEach((statement) => fn.addToRolePolicy(statement));
    return fn;
  }

  private listenTo({ pipeline }: GithubWebhookProps): void {
    const target: events.IRuleTarget = {
      bind: () => ({
        arn: this.queue.queueArn,
        deadLetterConfig: { arn: this.deadLetterQueue.queueArn },
        // The longest and most that EventBridge offers.
        retryPolicy: { maximumEventAgeInSeconds: Duration.hours(24).toSeconds(), maximumRetryAttempts: 185 },
      }),
    };
    const rule = statusChangedRule(this, 'Rule', pipeline.project, { description: 'Status events of the pipeline reach its status function', target });
    // `targets.SqsQueue` would let the rules of every account send to a queue that has a key.
    for (const queue of [this.queue, this.deadLetterQueue]) {
      queue.addToResourcePolicy(new iam.PolicyStatement({
        principals: [new iam.ServicePrincipal('events.amazonaws.com')],
        actions: ['sqs:SendMessage'],
        resources: [queue.queueArn],
        conditions: { ArnEquals: { 'aws:SourceArn': rule.ruleArn } },
      }));
    }
  }
}
