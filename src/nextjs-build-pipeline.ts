import * as codebuild from 'aws-cdk-lib/aws-codebuild';
import * as dynamodb from 'aws-cdk-lib/aws-dynamodb';
import * as events from 'aws-cdk-lib/aws-events';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as logs from 'aws-cdk-lib/aws-logs';
import * as sqs from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { expireStagingAndCache } from './bucket-lifecycle';
import { buildProject } from './build-project';
import { PRODUCER_ENV } from './contract/environment';
import { statusChangedRule } from './deployment-events';
import { allowServicesToUse } from './encryption';
import { createFinalizer, createOrchestrator, createReconciler, ORCHESTRATOR_TIMEOUT } from './lifecycle-functions';
import { createLogGroup } from './log-group';
import { acknowledgeFindings } from './nag-acknowledgements';
import { NextjsBuildPipelineProps } from './nextjs-build-pipeline-props';
import { buildQueues, eventDeadLetterQueue } from './queues';
import { allowToHaveSourcesFetched, createSourceFetcher } from './source-fetcher';
import { createStateTable } from './state-table';
import { checkDeploymentsTable, checkMaxConcurrentBuildsPerProject } from './validation';

/**
 * Builds Next.js apps: a message on the queue becomes a build in an isolated CodeBuild container, packaged with OpenNext, its
 * artifacts in the bucket, its deployment record in the table always true.
 *
 * The build runs code that you do not trust. Its role may write below its own staging prefix (and use the bucket's key for that, if
 * it has one) and write to the builds' log group, and nothing else; `vpc` and an image in ECR add what CodeBuild needs for them.
 * Therefore this construct is not an `IGrantable`. Whoever wants to give the builds a right must write it out on `pipeline.project`,
 * and gives it to everyone whose code is built.
 */
export class NextjsBuildPipeline extends Construct {
  /** Takes build requests (see `grantEnqueue`). A request that waits, for capacity or for its project's turn, waits in here. */
  public readonly queue: sqs.Queue;
  /**
   * Holds requests that could not become a build: invalid ones, and those whose build CodeBuild would not start. The reconciler looks
   * at them, nothing removes them. When the cause is mended, SQS's own redrive (`StartMessageMoveTask`, "Start DLQ redrive" in the
   * console) puts them back into the queue; their deployments, failed until then, are queued again and can still succeed.
   */
  public readonly deadLetterQueue: sqs.Queue;
  /** Holds build events that the finalizer could not be told of, or failed on. */
  public readonly eventDeadLetterQueue: sqs.Queue;
  /**
   * Where the pipeline keeps what it must find quickly: the deployments that have not ended, the newest of each branch, which projects
   * build and wait. Nothing in it is the only copy: the truth about a deployment is its record.
   *
   * It is paid per request, about a dozen writes and as many reads a deployment: at the prices of us-east-1 (0.625 and 0.125 USD a
   * million) about one US cent per thousand deployments, and about another one a month for the reconciler. Waiting costs a write each
   * time a request comes round.
   */
  public readonly stateTable: dynamodb.Table;
  /** Runs the builds. Every right given to it is given to the code being built. */
  public readonly project: codebuild.Project;
  /** Turns messages into builds. */
  public readonly orchestrator: lambda.Function;
  /** Promotes the artifacts of an ended build and ends its deployment. */
  public readonly finalizer: lambda.Function;
  /** Repairs on a schedule what lost events, crashes and dead letters left behind (see `reconcileInterval`). */
  public readonly reconciler: lambda.Function;
  /** Fetches the source of private repositories; only with `sourceProviders`. */
  public readonly sourceFetcher?: lambda.Function;
  /** Logs of the builds, a stream each. Builds share it: what a build logs, the next build cannot read, but it is untrusted text. */
  public readonly buildLogGroup: logs.LogGroup;
  /** Logs of the orchestrator: JSON, a line for each message and what became of it. */
  public readonly orchestratorLogGroup: logs.LogGroup;
  /** Logs of the finalizer: JSON, a line for each ended build; where artifacts were refused, the object and the reason. */
  public readonly finalizerLogGroup: logs.LogGroup;
  /** Logs of the reconciler: JSON, a line for each thing that it repaired. */
  public readonly reconcilerLogGroup: logs.LogGroup;
  /** Logs of the source fetcher: JSON, a line for each source and what became of it; only with `sourceProviders`. */
  public readonly sourceFetcherLogGroup?: logs.LogGroup;

  /**
   * For what joins the pipeline: its tables, its key, and how it keeps its logs.
   * @internal
   */
  public readonly _props: NextjsBuildPipelineProps;

  /**
   * Adds the queues, the state table, the CodeBuild project, the functions and their roles to the scope's stack. Nothing is built or
   * looked up at synth.
   *
   * @param scope a stack, or a construct in one
   * @param id an address below the scope; changing it replaces the queues, and messages in them are lost
   * @param props bucket and table are needed, everything else has a default
   * @throws if deploymentsTable is known to have another key than `deploymentId` (string), or if a number or name is outside the
   *   limits that its property names.
   */
  constructor(scope: Construct, id: string, props: NextjsBuildPipelineProps) {
    super(scope, id);
    this._props = props;
    checkDeploymentsTable(props.deploymentsTable);
    if (props.maxConcurrentBuildsPerProject !== undefined) checkMaxConcurrentBuildsPerProject(props.maxConcurrentBuildsPerProject);

    const logGroup = (logGroupId: string, logGroupName?: string) => createLogGroup(this, logGroupId, props, logGroupName);

    this.eventDeadLetterQueue = eventDeadLetterQueue(this, props);
    [this.queue, this.deadLetterQueue] = buildQueues(this, props, ORCHESTRATOR_TIMEOUT);
    this.stateTable = createStateTable(this, props);

    this.project = buildProject(this, props);
    // CodeBuild's default group for the project, which is also the only one that its role may write to; ours, so that logs expire.
    this.buildLogGroup = logGroup('BuildLogs', `/aws/codebuild/${this.project.projectName}`);

    this.orchestratorLogGroup = logGroup('OrchestratorLogs');
    this.orchestrator = createOrchestrator(this, props, this.orchestratorLogGroup);
    this.finalizerLogGroup = logGroup('FinalizerLogs');
    this.finalizer = createFinalizer(this, props, this.finalizerLogGroup);
    this.reconcilerLogGroup = logGroup('ReconcilerLogs');
    this.reconciler = createReconciler(this, props, this.reconcilerLogGroup, this.finalizer);
    const { sourceProviders = [] } = props;
    if (sourceProviders.length > 0) {
      this.sourceFetcherLogGroup = logGroup('SourceFetcherLogs');
      this.sourceFetcher = createSourceFetcher(this, props, sourceProviders, this.sourceFetcherLogGroup);
      allowToHaveSourcesFetched(this.orchestrator, this.sourceFetcher, props.artifactsBucket, sourceProviders);
    }

    if (props.encryptionKey) allowServicesToUse(props.encryptionKey, this);
    expireStagingAndCache(this, props.artifactsBucket);
    acknowledgeFindings(this, props);
  }

  /**
   * Lets the grantee send build requests: `sqs:SendMessage`, the queue's URL and attributes, and the use of the queue's key if it has one.
   * A request is JSON: deploymentId, projectId, commitSha, repoUrl, branch and optionally
   *
   * - rootDirectory: where the app is in a monorepo,
   * - defaultBranch: a branch without a build cache of its own begins with that one's,
   * - forceBuild: true builds even what has been built before with the same settings,
   * - withoutCache: true restores no build cache,
   * - withoutSecrets: true builds code of strangers: without install secrets, and with a cache of its own; not with buildEnvironment,
   * - buildEnvironment: variables for the app's own build script, at most 200 and 64 KiB; they are in no record, event or log.
   *
   * Send it with MessageGroupId = projectId, so that one busy project does not delay the others.
   *
   * @param grantee whoever sends: a function, a role
   */
  public grantEnqueue(grantee: iam.IGrantable): iam.Grant {
    return this.queue.grantSendMessages(grantee);
  }

  /**
   * Makes a function a producer of build requests: grants it to enqueue, and tells it the queue in its environment as `BUILD_QUEUE_URL`.
   *
   * @param producer a function that sends build requests
   */
  public addProducer(producer: lambda.Function): iam.Grant {
    producer.addEnvironment(PRODUCER_ENV.buildQueueUrl, this.queue.queueUrl);
    return this.grantEnqueue(producer);
  }

  /**
   * Calls a target after each change of a deployment's status in this pipeline: queued, building, success, failed, superseded. The
   * event's `detail` holds the public fields of the deployment's record as they were after the change.
   *
   * An event comes at least once, and events come in no certain order: of two events of one deployment the one with the greater
   * `detail.version` is the newer; what is not newer than what you have seen, ignore. To follow one status only, add a pattern:
   * `{ eventPattern: { detail: { status: ['superseded'] } } }`.
   *
   * @param id of the rule, below the pipeline
   * @param options the target, and what else a rule can have; their pattern is added to that of the status events
   */
  public onDeploymentStatusChanged(id: string, options?: events.OnEventOptions): events.Rule {
    return statusChangedRule(this, id, this.project, options);
  }

  /**
   * Calls a target after a deployment has succeeded: its artifacts are in place, `detail.artifacts` says where.
   *
   * A consumer that goes live on this event must never go back to an older commit, for an older deployment may be done after a newer
   * one: skip events with `detail.supersededBy` (a newer deployment of the branch was queued before this one was done), and remember
   * `detail.createdAt` of what is live, so as to skip what was created before it. The event comes at least once, in no certain order
   * with those of other deployments.
   *
   * @param id of the rule, below the pipeline
   * @param options the target, and what else a rule can have; their pattern is added to that of the status events
   */
  public onDeploymentSucceeded(id: string, options?: events.OnEventOptions): events.Rule {
    return statusChangedRule(this, id, this.project, options, ['success']);
  }

  /**
   * Calls a target after a deployment has failed, in whichever way: `detail.failureCode` is one of a closed list, and
   * `detail.failureMessage` says what to do. Superseded deployments have not failed.
   *
   * The event comes at least once. A deployment that failed before it had a build is queued again when its request is redriven: compare
   * `detail.version` with what you have seen.
   *
   * @param id of the rule, below the pipeline
   * @param options the target, and what else a rule can have; their pattern is added to that of the status events
   */
  public onDeploymentFailed(id: string, options?: events.OnEventOptions): events.Rule {
    return statusChangedRule(this, id, this.project, options, ['failed']);
  }
}
