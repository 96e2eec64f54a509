import { Aws, Duration, Fn, Names, RemovalPolicy, Stack } from 'aws-cdk-lib';
import * as codebuild from 'aws-cdk-lib/aws-codebuild';
import * as dynamodb from 'aws-cdk-lib/aws-dynamodb';
import * as events from 'aws-cdk-lib/aws-events';
import * as targets from 'aws-cdk-lib/aws-events-targets';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as kms from 'aws-cdk-lib/aws-kms';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import { SqsEventSource } from 'aws-cdk-lib/aws-lambda-event-sources';
import * as logs from 'aws-cdk-lib/aws-logs';
import * as s3 from 'aws-cdk-lib/aws-s3';
import * as sqs from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { NextjsBuildSpec } from './buildspec';
import { HANDLER_ENV, PRODUCER_ENV, PROJECT_ENV } from './contract/environment';
import { ARTIFACTS_ROOT, STAGING_ROOT, STATIC_ROOT } from './contract/keys';
import { handlerFunction } from './handler-function';
import { NextjsBuildPipelineProps } from './nextjs-build-pipeline-props';
import { expireStaging } from './staging-lifecycle';
import {
  checkBatchSize, checkBuildEnvironment, checkBuildImage, checkBuildTimeout, checkComputeType, checkDeploymentsTable, checkMaxConcurrency,
  checkMaxReceiveCount, checkNodeVersion,
  checkOpenNextVersion, checkVisibilityTimeout,
} from './validation';

/** 14 days is also the longest that SQS keeps a message. */
const messageRetention = (props: NextjsBuildPipelineProps) => props.messageRetention ?? Duration.days(14);

/** A StartBuild, three writes and their retries: seconds. The rest is for a service that answers slowly. */
const ORCHESTRATOR_TIMEOUT = Duration.seconds(60);

/** Promotion of the largest output accepted (100,000 objects) takes minutes; 15 is the longest that Lambda runs. */
const FINALIZER_TIMEOUT = Duration.minutes(15);

/** CodeBuild's own words for every way in which a build can end. `onBuildFailed` of the CDK knows only one of the four bad ones. */
const TERMINAL_BUILD_STATUSES = ['SUCCEEDED', 'FAILED', 'FAULT', 'STOPPED', 'TIMED_OUT'];

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
  /** Takes build requests (see `grantEnqueue`). */
  public readonly queue: sqs.Queue;
  /** Holds requests that could not become a build: invalid ones, and those whose build CodeBuild would not start. */
  public readonly deadLetterQueue: sqs.Queue;
  /** Holds build events that the finalizer could not be told of, or failed on. */
  public readonly eventDeadLetterQueue: sqs.Queue;
  /** Runs the builds. Every right given to it is given to the code being built. */
  public readonly project: codebuild.Project;
  /** Turns messages into builds. */
  public readonly orchestrator: lambda.Function;
  /** Promotes the artifacts of an ended build and ends its deployment. */
  public readonly finalizer: lambda.Function;
  /** Logs of the builds, a stream each. Builds share it: what a build logs, the next build cannot read, but it is untrusted text. */
  public readonly buildLogGroup: logs.LogGroup;
  /** Logs of the orchestrator: JSON, a line for each message and what became of it. */
  public readonly orchestratorLogGroup: logs.LogGroup;
  /** Logs of the finalizer: JSON, a line for each ended build; where artifacts were refused, the object and the reason. */
  public readonly finalizerLogGroup: logs.LogGroup;

  /**
   * Adds the queues, the CodeBuild project, the functions and their roles to the scope's stack. Nothing is built or looked up at synth.
   *
   * @param scope a stack, or a construct in one
   * @param id an address below the scope; changing it replaces the queues, and messages in them are lost
   * @param props bucket and table are needed, everything else has a default
   * @throws if deploymentsTable is known to have another key than `deploymentId` (string), or if a number or name is outside the
   *   limits that its property names.
   */
  constructor(scope: Construct, id: string, props: NextjsBuildPipelineProps) {
    super(scope, id);
    checkDeploymentsTable(props.deploymentsTable);

    const logGroup = (logGroupId: string, logGroupName?: string) => new logs.LogGroup(this, logGroupId, {
      logGroupName,
      retention: props.logRetention ?? logs.RetentionDays.ONE_MONTH,
      encryptionKey: props.encryptionKey,
      removalPolicy: props.removalPolicy ?? RemovalPolicy.RETAIN,
    });

    this.eventDeadLetterQueue = this.createQueue('EventDeadLetterQueue', props, {
      redriveAllowPolicy: { redrivePermission: sqs.RedrivePermission.DENY_ALL },
    });
    [this.queue, this.deadLetterQueue] = this.createBuildQueues(props);

    this.project = this.createProject(props);
    // CodeBuild's default group for the project, which is also the only one that its role may write to; ours, so that logs expire.
    this.buildLogGroup = logGroup('BuildLogs', `/aws/codebuild/${this.project.projectName}`);

    this.orchestratorLogGroup = logGroup('OrchestratorLogs');
    this.orchestrator = this.createOrchestrator(props);
    this.finalizerLogGroup = logGroup('FinalizerLogs');
    this.finalizer = this.createFinalizer(props);

    if (props.encryptionKey) this.allowServicesToUse(props.encryptionKey);
    expireStaging(this, props.artifactsBucket);
  }

  /**
   * Lets the grantee send build requests: `sqs:SendMessage`, the queue's URL and attributes, and the use of the queue's key if it has one.
   * A request is JSON: deploymentId, projectId, commitSha, repoUrl, branch and optionally rootDirectory; send it with
   * MessageGroupId = projectId, so that one busy project does not delay the others.
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

  private createQueue(id: string, props: NextjsBuildPipelineProps, options: sqs.QueueProps): sqs.Queue {
    return new sqs.Queue(this, id, {
      enforceSSL: true,
      encryption: props.encryptionKey ? sqs.QueueEncryption.KMS : sqs.QueueEncryption.SQS_MANAGED,
      encryptionMasterKey: props.encryptionKey,
      retentionPeriod: messageRetention(props),
      removalPolicy: props.removalPolicy ?? RemovalPolicy.DESTROY,
      ...options,
    });
  }

  private createBuildQueues(props: NextjsBuildPipelineProps): [sqs.Queue, sqs.Queue] {
    const visibilityTimeout = props.visibilityTimeout ?? Duration.seconds(1800);
    checkVisibilityTimeout(this, visibilityTimeout, ORCHESTRATOR_TIMEOUT);
    const maxReceiveCount = props.maxReceiveCount ?? 3;
    checkMaxReceiveCount(maxReceiveCount);

    // Each queue's policy names the other one, and CloudFormation accepts no circle. So this queue's name is put together here, from
    // the construct's address and the stack's UUID: as unique as a generated name, and known without asking the queue.
    const stackUuid = Fn.select(2, Fn.split('/', Aws.STACK_ID));
    const queueName = `${Names.uniqueResourceName(this, { maxLength: 40, separator: '-' })}-${stackUuid}`;
    const queueArn = Stack.of(this).formatArn({ service: 'sqs', resource: queueName });

    const deadLetterQueue = this.createQueue('DeadLetterQueue', props, {
      redriveAllowPolicy: { redrivePermission: sqs.RedrivePermission.BY_QUEUE, sourceQueues: [sqs.Queue.fromQueueArn(this, 'QueueByName', queueArn)] },
    });
    const queue = this.createQueue('Queue', props, { queueName, visibilityTimeout, deadLetterQueue: { queue: deadLetterQueue, maxReceiveCount } });
    return [queue, deadLetterQueue];
  }

  private createProject(props: NextjsBuildPipelineProps): codebuild.Project {
    const computeType = props.computeType ?? codebuild.ComputeType.SMALL;
    checkComputeType(computeType);
    const timeout = props.buildTimeout ?? Duration.minutes(30);
    checkBuildTimeout(timeout);
    const nodeVersion = props.nodeVersion ?? '22';
    checkNodeVersion(nodeVersion);
    if (props.openNextVersion !== undefined) checkOpenNextVersion(props.openNextVersion);
    checkBuildEnvironment(props.buildEnvironment ?? {});

    const buildImage = props.buildImage ?? codebuild.LinuxBuildImage.STANDARD_7_0;
    checkBuildImage(buildImage);
    const environment: Record<string, string> = {
      ...props.buildEnvironment,
      [PROJECT_ENV.artifactsBucket]: props.artifactsBucket.bucketName,
      [PROJECT_ENV.nodeVersion]: nodeVersion,
      ...(props.openNextVersion === undefined ? {} : { [PROJECT_ENV.openNextVersion]: props.openNextVersion }),
    };
    return new codebuild.Project(this, 'Project', {
      description: 'Builds Next.js apps. Runs code that is not trusted: every right of its role is a right of the code being built.',
      role: this.createBuildRole(props),
      // No source: CodeBuild never holds a credential for the repository; the buildspec fetches the commit.
      // CodeBuild installs a Node.js version only into its own images, and refuses the wish in others.
      buildSpec: new NextjsBuildSpec({ runtimeVersions: buildImage.imageId.startsWith('aws/codebuild/') }),
      environment: { buildImage, computeType, privileged: false },
      environmentVariables: Object.fromEntries(Object.entries(environment).map(([name, value]) => [name, { value }])),
      timeout,
      grantReportGroupPermissions: false,
      vpc: props.vpc,
      subnetSelection: props.vpcSubnets,
      securityGroups: props.securityGroups,
    });
  }

  private createBuildRole(props: NextjsBuildPipelineProps): iam.Role {
    // Single quotes: a variable that IAM fills in with the ARN of the build that is asking.
    const ownStaging = props.artifactsBucket.arnForObjects(STAGING_ROOT + '${codebuild:buildArn}/*');
    const rights = [
      new iam.PolicyStatement({ actions: ['s3:PutObject', 's3:AbortMultipartUpload'], resources: [ownStaging] }),
      ...this.useOfBucketKey(props.artifactsBucket),
    ];
    const role = new iam.Role(this, 'BuildRole', {
      description: 'Role of builds that run untrusted code',
      assumedBy: new iam.ServicePrincipal('codebuild.amazonaws.com', { conditions: { StringEquals: { 'aws:SourceAccount': Stack.of(this).account } } }),
      permissionsBoundary: props.permissionsBoundary ?? new codebuild.UntrustedCodeBoundaryPolicy(this, 'BuildBoundary', { additionalStatements: rights }),
    });
    rights.forEach((right) => role.addToPolicy(right));
    return role;
  }

  /** Only through S3: the same key may protect things that are none of the builds' business. */
  private useOfBucketKey({ encryptionKey }: s3.IBucket): iam.PolicyStatement[] {
    if (!encryptionKey) return [];
    return [new iam.PolicyStatement({
      // Decrypt: S3 asks for it when it puts the parts of a multipart upload together, and to copy.
      actions: ['kms:GenerateDataKey', 'kms:Decrypt'],
      resources: [encryptionKey.keyArn],
      // Any Region: an imported bucket may lie in another one than the stack.
      conditions: { StringLike: { 'kms:ViaService': `s3.*.${Aws.URL_SUFFIX}` } },
    })];
  }

  private createOrchestrator(props: NextjsBuildPipelineProps): lambda.Function {
    const batchSize = props.batchSize ?? 1;
    checkBatchSize(batchSize);
    const maxConcurrency = props.maxConcurrency ?? 5;
    checkMaxConcurrency(maxConcurrency);
    const orchestrator = handlerFunction(this, 'Orchestrator', {
      handler: 'orchestrator',
      description: 'Turns build requests from the queue into CodeBuild builds',
      timeout: ORCHESTRATOR_TIMEOUT,
      memorySize: 256,
      environment: {
        [HANDLER_ENV.deploymentsTable]: props.deploymentsTable.tableName,
        [HANDLER_ENV.buildProject]: this.project.projectName,
        [HANDLER_ENV.buildQueueUrl]: this.queue.queueUrl,
        [HANDLER_ENV.maxReceiveCount]: String(this.queue.deadLetterQueue!.maxReceiveCount),
        [HANDLER_ENV.messageRetentionSeconds]: String(messageRetention(props).toSeconds()),
      },
      logGroup: this.orchestratorLogGroup,
      permissionsBoundary: props.permissionsBoundary,
    });
    orchestrator.addEventSource(new SqsEventSource(this.queue, { batchSize, maxConcurrency, reportBatchItemFailures: true }));
    this.grantDeploymentRecords(props.deploymentsTable, orchestrator);
    this.grantStatusEvents(orchestrator);
    this.grantOnProject(orchestrator, 'codebuild:StartBuild');
    // A request that finds no capacity is put back as a copy.
    this.queue.grantSendMessages(orchestrator);
    return orchestrator;
  }

  private createFinalizer(props: NextjsBuildPipelineProps): lambda.Function {
    const finalizer = handlerFunction(this, 'Finalizer', {
      handler: 'finalizer',
      description: 'Promotes the artifacts of ended builds and ends their deployments',
      timeout: FINALIZER_TIMEOUT,
      // Memory is also processor and network share; 50 copies at a time keep 1 GB's share busy.
      memorySize: 1024,
      environment: {
        [HANDLER_ENV.deploymentsTable]: props.deploymentsTable.tableName,
        [HANDLER_ENV.artifactsBucket]: props.artifactsBucket.bucketName,
        [HANDLER_ENV.buildProject]: this.project.projectName,
      },
      logGroup: this.finalizerLogGroup,
      permissionsBoundary: props.permissionsBoundary,
      deadLetterQueue: this.eventDeadLetterQueue,
    });
    // CDK grants a function to send to its dead-letter queue, but not to use the queue's key (aws/aws-cdk#33153).
    props.encryptionKey?.grant(finalizer, 'kms:GenerateDataKey', 'kms:Decrypt');
    this.grantDeploymentRecords(props.deploymentsTable, finalizer);
    this.grantStatusEvents(finalizer);
    this.grantOnProject(finalizer, 'codebuild:BatchGetBuilds');
    this.grantPromotion(props.artifactsBucket, finalizer);

    new events.Rule(this, 'BuildEnded', {
      description: 'Every end of a build, good or bad, reaches the finalizer',
      eventPattern: {
        source: ['aws.codebuild'],
        detailType: ['CodeBuild Build State Change'],
        detail: { 'project-name': [this.project.projectName], 'build-status': TERMINAL_BUILD_STATUSES },
      },
      targets: [new targets.LambdaFunction(finalizer, {
        deadLetterQueue: this.eventDeadLetterQueue,
        // The longest and most that EventBridge offers. It is about handing the event over to Lambda; what the finalizer throws
        // is tried again by Lambda itself, twice.
        maxEventAge: Duration.hours(24),
        retryAttempts: 185,
      })],
    });
    return finalizer;
  }

  private grantDeploymentRecords(table: dynamodb.ITable, fn: lambda.Function): void {
    table.grant(fn, 'dynamodb:GetItem', 'dynamodb:UpdateItem');
    table.encryptionKey?.grantEncryptDecrypt(fn);
  }

  private grantStatusEvents(fn: lambda.Function): void {
    const defaultBus = Stack.of(this).formatArn({ service: 'events', resource: 'event-bus', resourceName: 'default' });
    iam.Grant.addToPrincipal({ grantee: fn, actions: ['events:PutEvents'], resourceArns: [defaultBus] });
  }

  private grantOnProject(fn: lambda.Function, action: string): void {
    iam.Grant.addToPrincipal({ grantee: fn, actions: [action], resourceArns: [this.project.projectArn] });
  }

  private grantPromotion(bucket: s3.IBucket, fn: lambda.Function): void {
    fn.addToRolePolicy(new iam.PolicyStatement({
      actions: ['s3:GetObject', 's3:DeleteObject'],
      resources: [bucket.arnForObjects(`${STAGING_ROOT}*`)],
    }));
    fn.addToRolePolicy(new iam.PolicyStatement({
      actions: ['s3:PutObject'],
      resources: [bucket.arnForObjects(`${ARTIFACTS_ROOT}*`), bucket.arnForObjects(`${STATIC_ROOT}*`)],
    }));
    fn.addToRolePolicy(new iam.PolicyStatement({
      actions: ['s3:ListBucket'],
      resources: [bucket.bucketArn],
      conditions: { StringLike: { 's3:prefix': `${STAGING_ROOT}*` } },
    }));
    this.useOfBucketKey(bucket).forEach((right) => fn.addToRolePolicy(right));
  }

  /** A key's own policy must name the services that use it for us; an imported key's policy cannot be changed from here. */
  private allowServicesToUse(key: kms.IKey): void {
    const { partition, region, account } = Stack.of(this);
    key.addToResourcePolicy(new iam.PolicyStatement({
      principals: [new iam.ServicePrincipal(`logs.${region}.amazonaws.com`)],
      actions: ['kms:Encrypt', 'kms:Decrypt', 'kms:ReEncrypt*', 'kms:GenerateDataKey*', 'kms:Describe*'],
      resources: ['*'],
      conditions: { ArnLike: { 'kms:EncryptionContext:aws:logs:arn': `arn:${partition}:logs:${region}:${account}:log-group:*` } },
    }));
    // EventBridge writes to the encrypted event dead-letter queue.
    key.addToResourcePolicy(new iam.PolicyStatement({
      principals: [new iam.ServicePrincipal('events.amazonaws.com')],
      actions: ['kms:GenerateDataKey', 'kms:Decrypt'],
      resources: ['*'],
      conditions: { StringEquals: { 'aws:SourceAccount': account } },
    }));
  }
}

