import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as logs from 'aws-cdk-lib/aws-logs';
import * as sqs from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { projectPath, WEBHOOK_METRIC } from './contract/webhook';
import { GithubStatus } from './github-status';
import { acknowledgeStatusFindings, acknowledgeWebhookFindings } from './github-webhook-nag';
import { GithubWebhookProps } from './github-webhook-props';
import { createLogGroup } from './log-group';
import { createPublicUrl } from './public-url';
import { createWebhookFunction, letTellOfSkippedPushes } from './webhook-function';

/**
 * The front door of a `NextjsBuildPipeline`: a push at GitHub becomes a deployment, and GitHub shows how it went.
 *
 * Its endpoint is a Lambda function URL that anybody can call. The signature of a delivery is its authentication: IAM could not check it, for
 * GitHub has no AWS credentials. A function URL rather than an HTTP API, because there is nothing to add to what Lambda does: the body
 * may have 6 MB either way, and a URL costs nothing, has no stage and no log of its own. Who needs a domain, a firewall or a throttle puts
 * the function behind an API of his own (`functionUrl: false`); it understands payload formats 1.0 and 2.0.
 */
export class GithubWebhook extends Construct {
  /** Answers the deliveries. */
  public readonly function: lambda.Function;
  /** Logs of the function: JSON, a line for each delivery and what became of it. */
  public readonly logGroup: logs.LogGroup;
  /** Tells GitHub and the outgoing webhook what became of deployments; only with one of them. */
  public readonly statusFunction?: lambda.Function;
  /** Logs of the status function: JSON, a line for each thing that was told. */
  public readonly statusLogGroup?: logs.LogGroup;
  /** Holds status events until the status function has told of them. */
  public readonly statusQueue?: sqs.Queue;
  /** Holds status events that could not be told. A redrive tells what is not out of date by then. */
  public readonly statusDeadLetterQueue?: sqs.Queue;

  private readonly ownUrl?: string;

  /**
   * Adds the function, its URL and its role to the scope's stack; with `githubApp` or `outgoingWebhookUrl` also a rule, two queues and a
   * second function.
   *
   * @param scope a stack, or a construct in one; it need not be the pipeline's stack
   * @param id an address below the scope; changing it changes the URL
   * @param props pipeline, projects table and secret are needed, everything else has a default
   * @throws if the projects table is known to have other keys than it should, or if a property is outside what it says.
   */
  constructor(scope: Construct, id: string, props: GithubWebhookProps) {
    super(scope, id);
    this.logGroup = createLogGroup(this, 'FunctionLogs', props.pipeline._props);
    this.function = createWebhookFunction(this, props, this.logGroup);
    if (props.functionUrl ?? true) this.ownUrl = createPublicUrl(this, this.function);
    acknowledgeWebhookFindings(this, props);

    const { githubApp, outgoingWebhookUrl, outgoingWebhookSecret } = props;
    if (githubApp || outgoingWebhookUrl !== undefined || outgoingWebhookSecret) {
      const status = new GithubStatus(this, 'Status', props);
      this.statusFunction = status.function;
      this.statusLogGroup = status.logGroup;
      this.statusQueue = status.queue;
      this.statusDeadLetterQueue = status.deadLetterQueue;
      acknowledgeStatusFindings(status, props);
      // Of a push that makes no deployment there is no status event: the webhook tells of it by itself.
      if (githubApp) letTellOfSkippedPushes(this.function, status.queue);
    }
  }

  /**
   * The endpoint, with `/` at its end. With `repositoryIndexName` it serves all repositories.
   *
   * @throws if there is none, because `functionUrl` is false.
   */
  public get url(): string {
    if (this.ownUrl === undefined) {
      throw new Error(`${this.node.path} has no URL of its own, because functionUrl is false. Use the URL of what you have put in front of its function.`);
    }
    return this.ownUrl;
  }

  /**
   * The endpoint of one project: what a hook of its repository is given as payload URL.
   *
   * @param projectId as in the projects table
   */
  public projectUrl(projectId: string): string {
    return `${this.url}${projectPath(projectId)}`;
  }

  /**
   * Lets the grantee hand deliveries over to the function: a gateway or a function of yours.
   *
   * @param grantee whoever calls: a role, a function
   */
  public grantInvoke(grantee: iam.IGrantable): iam.Grant {
    return this.function.grantInvoke(grantee);
  }

  /**
   * How many deliveries were answered with 500 or more, through no fault of whoever pushed: the webhook secret is missing or cannot be read, or
   * a service of AWS did not answer. Each is to be redelivered, so more than 0 is worth an alarm:
   *
   * ```ts
   * webhook.metricFailedDeliveries().createAlarm(this, 'FailedDeliveries', { threshold: 1, evaluationPeriods: 1 });
   * ```
   *
   * Without deliveries there is no data. What ends the function as a whole is in `function.metricErrors()`.
   *
   * @param props period, label and the like
   * @default - sum over 5 minutes
   */
  public metricFailedDeliveries(props?: cloudwatch.MetricOptions): cloudwatch.Metric {
    const { dimension, name, namespace } = WEBHOOK_METRIC;
    return new cloudwatch.Metric({
      namespace, metricName: name, dimensionsMap: { [dimension]: this.function.functionName }, statistic: cloudwatch.Stats.SUM, ...props,
    }).attachTo(this.function);
  }
}
