/**
 * Runs a synthesized template on this machine: starts the services that it uses, creates its resources in them, and wires event
 * sources, rules and roles as CloudFormation would. Knows the template and the AWS APIs, nothing of who wrote the template.
 */
import { statSync } from 'node:fs';
import * as path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { startCodeBuild, type CodeBuild, type EnvironmentVariable, type Phase } from './services/codebuild';
import { startDynamoDb, type DynamoDbService } from './services/dynamodb';
import { startEventBridge, type EventBridge } from './services/events/event-bridge';
import type { EventPattern } from './services/events/event-pattern';
import { intervalOf } from './services/events/schedule';
import { EventSourceMapping } from './services/lambda/event-source-mapping';
import { startLambdaApi } from './services/lambda/lambda-api';
import { LambdaFunction } from './services/lambda/lambda-function';
import { startS3, type S3Service } from './services/s3';
import { startSecretsManager, type SecretsManager } from './services/secrets-manager';
import { startSqs, type SqsService } from './services/sqs/sqs-service';
import type { Assembly } from './template/assembly';
import { ACCOUNT_ID, createResolvers, type Resolver } from './template/resolver';

export const REGION = 'us-east-1';

export interface StackObserver {
  onInvoke?(functionName: string): void;
  onFunctionLog?(functionName: string, line: string): void;
  onFunctionError?(functionName: string, error: unknown): void;
  onBuildPhase?(buildId: string, phase: Phase): void;
  onNote?(note: string): void;
}

export interface StackOptions {
  readonly assembly: Assembly;
  /** Objects and items are kept here: `s3/<bucket>/…`, `dynamodb/<table>.json`. */
  readonly stateDirectory: string;
  /** Builds run here; outside any project, so that no tool finds one by walking up. */
  readonly workDirectory: string;
  /** What the build image gives to every build. */
  readonly imageEnvironment: Readonly<Record<string, string>>;
  /** Put on every CodeBuild project, beside what the template says. */
  readonly buildEnvironment: Readonly<Record<string, string>>;
  readonly observer: StackObserver;
}

export interface LocalStack {
  readonly resolvers: readonly Resolver[];
  /** By ARN. */
  readonly functions: ReadonlyMap<string, LambdaFunction>;
  readonly s3: S3Service;
  readonly sqs: SqsService;
  readonly dynamodb: DynamoDbService;
  readonly events: EventBridge;
  readonly codebuild: CodeBuild;
  readonly secretsManager: SecretsManager;
  /** Where an AWS client finds the services. */
  readonly endpoints: Readonly<Record<string, string>>;
  /** Log of a build, kept until the work directory is removed. */
  logFileOf(buildId: string): string;
  /** Resolves when functions have done what they are at, and what follows from it; or after the bound. */
  settled(timeoutMs: number): Promise<void>;
  close(): Promise<void>;
}

type Properties = Record<string, any>;

/** Nothing listens there: an SDK that looks for any other service finds a closed door instead of AWS. */
const NO_SERVICE = 'http://127.0.0.1:9';

export async function startStack(options: StackOptions): Promise<LocalStack> {
  const started: { close(): Promise<void> }[] = [];
  const close = async () => {
    // Last started, first closed: event sources before the services they use.
    for (const service of started.splice(0).reverse()) await service.close();
  };
  const start = async <T extends { close(): Promise<void> }>(service: Promise<T>): Promise<T> => {
    started.push(await service);
    return service;
  };
  try {
    const { observer, stateDirectory } = options;
    const s3 = await start(startS3({ directory: path.join(stateDirectory, 's3') }));
    const sqs = await start(startSqs({ accountId: ACCOUNT_ID, region: REGION }));
    const dynamodb = await start(startDynamoDb({ directory: path.join(stateDirectory, 'dynamodb'), region: REGION }));
    const events = await start(startEventBridge({ accountId: ACCOUNT_ID, region: REGION, onLog: observer.onNote }));
    const secretsManager = await start(startSecretsManager({ accountId: ACCOUNT_ID, region: REGION }));
    const endpoints: Record<string, string> = {
      AWS_ENDPOINT_URL: NO_SERVICE,
      AWS_ENDPOINT_URL_S3: s3.endpoint,
      AWS_ENDPOINT_URL_SQS: sqs.endpoint,
      AWS_ENDPOINT_URL_DYNAMODB: dynamodb.endpoint,
      AWS_ENDPOINT_URL_EVENTBRIDGE: events.endpoint,
      AWS_ENDPOINT_URL_SECRETS_MANAGER: secretsManager.endpoint,
    };
    const codebuild = await start(startCodeBuild({
      directory: path.join(options.workDirectory, 'codebuild'),
      accountId: ACCOUNT_ID,
      region: REGION,
      onEvent: (event) => events.putEvent({ source: event.source, detailType: event['detail-type'], detail: event.detail, resources: event.resources }),
      onPhase: observer.onBuildPhase,
      baseEnvironment: { ...options.imageEnvironment, ...endpoints },
    }));
    endpoints.AWS_ENDPOINT_URL_CODEBUILD = codebuild.endpoint;
    const functions = new Map<string, LambdaFunction>();
    const lambda = await start(startLambdaApi({ accountId: ACCOUNT_ID, region: REGION, functions, onInvoke: observer.onInvoke, onLog: observer.onNote }));
    endpoints.AWS_ENDPOINT_URL_LAMBDA = lambda.endpoint;

    const resolvers = createResolvers(options.assembly.stacks, { region: REGION, queueUrl: (name) => `${sqs.endpoint}/${ACCOUNT_ID}/${name}` });
    const deployment = new Deployment(resolvers, options, { s3, sqs, dynamodb, events, codebuild, endpoints, functions });
    await deployment.createStores();
    deployment.createProjects();
    functions.forEach((fn) => started.push(fn));
    deployment.createRules();
    for (const mapping of deployment.eventSourceMappings()) {
      started.push({ close: () => mapping.stop() });
      await mapping.start();
    }
    const functionsSettled = () => Promise.all([...functions.values()].map((fn) => fn.settled()));
    const settled = () => functionsSettled().then(() => events.settled()).then(functionsSettled);
    return {
      resolvers,
      s3,
      sqs,
      dynamodb,
      events,
      codebuild,
      secretsManager,
      endpoints,
      functions,
      settled: async (timeoutMs) => { await Promise.race([settled(), delay(timeoutMs, undefined, { ref: false })]); },
      close,
      logFileOf: (buildId) => path.join(options.workDirectory, 'codebuild', 'logs', `${buildId.split(':').pop()}.log`),
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Creates the resources of a template in the services. */
class Deployment {
  constructor(
    private readonly resolvers: readonly Resolver[],
    private readonly options: StackOptions,
    private readonly services: Pick<LocalStack, 's3' | 'sqs' | 'dynamodb' | 'events' | 'codebuild' | 'endpoints'>
      & { readonly functions: Map<string, LambdaFunction> },
  ) {
    this.createFunctions();
  }

  public async createStores(): Promise<void> {
    const { s3, sqs, dynamodb } = this.services;
    for (const { name } of this.each('AWS::S3::Bucket')) await s3.createBucket(name);
    for (const { name, properties } of this.each('AWS::DynamoDB::Table', 'AWS::DynamoDB::GlobalTable')) {
      const { AttributeDefinitions, KeySchema, GlobalSecondaryIndexes, LocalSecondaryIndexes, TimeToLiveSpecification } = properties;
      // Without throughput, which only provisioned tables have, and without what has no meaning here.
      const indexes = (list?: Properties[]) => list?.map((index) => ({ IndexName: index.IndexName, KeySchema: index.KeySchema, Projection: index.Projection }));
      await dynamodb.createTable({
        TableName: name,
        AttributeDefinitions,
        KeySchema,
        GlobalSecondaryIndexes: indexes(GlobalSecondaryIndexes),
        LocalSecondaryIndexes: indexes(LocalSecondaryIndexes),
        timeToLiveAttribute: TimeToLiveSpecification?.Enabled ? TimeToLiveSpecification.AttributeName : undefined,
      });
    }
    // A queue's redrive policy names its dead-letter queue, which must be there first.
    const queues = this.each('AWS::SQS::Queue');
    const deadLetterQueuesFirst = queues.sort((a, b) => Number(Boolean(a.properties.RedrivePolicy)) - Number(Boolean(b.properties.RedrivePolicy)));
    for (const { name, properties } of deadLetterQueuesFirst) {
      const { DelaySeconds, MessageRetentionPeriod, ReceiveMessageWaitTimeSeconds, RedriveAllowPolicy, RedrivePolicy, VisibilityTimeout } = properties;
      sqs.createQueue(name, withoutUndefined({
        DelaySeconds, MessageRetentionPeriod, ReceiveMessageWaitTimeSeconds, VisibilityTimeout, ...inJson({ RedriveAllowPolicy, RedrivePolicy }),
      }));
    }
  }

  public createProjects(): void {
    for (const { name, properties } of this.each('AWS::CodeBuild::Project')) {
      const { Environment: environment, Source: source, ServiceRole: serviceRole } = properties;
      const { TimeoutInMinutes: timeout = 60, QueuedTimeoutInMinutes: queuedTimeout } = properties;
      if (source.Type !== 'NO_SOURCE') {
        this.note(`CodeBuild project ${name} is left out: the local run knows only projects without a source.`);
        continue;
      }
      const variables: EnvironmentVariable[] = (environment.EnvironmentVariables ?? [])
        .map(({ Name, Value, Type }: Record<string, string>) => ({ name: Name, value: Value, type: Type }));
      this.services.codebuild.createProject({
        name,
        buildspec: source.BuildSpec,
        environmentVariables: [...variables, ...Object.entries(this.options.buildEnvironment).map(([key, value]) => ({ name: key, value }))],
        timeoutInMinutes: Number(timeout),
        queuedTimeoutInMinutes: queuedTimeout && Number(queuedTimeout),
        environment: {
          image: environment.Image, computeType: environment.ComputeType, type: environment.Type, privilegedMode: Boolean(environment.PrivilegedMode),
        },
        roleCredentials: { accessKeyId: accessKeyIdOf(serviceRole), secretAccessKey: 'local' },
        serviceRole,
      });
    }
  }

  public createRules(): void {
    for (const { name, properties } of this.each('AWS::Events::Rule')) {
      const pattern = properties.EventPattern as EventPattern | undefined;
      const intervalMs = intervalOf(properties.ScheduleExpression ?? '');
      if (properties.State === 'DISABLED' || !pattern && !intervalMs) {
        this.note(`Rule ${name} is left out: it is disabled, or has neither an event pattern nor a schedule like rate(5 minutes).`);
        continue;
      }
      const targets = (properties.Targets ?? []).flatMap(({ Id, Arn, Input, InputPath, InputTransformer, DeadLetterConfig, RetryPolicy }: Properties) => {
        const deliver = this.deliveryTo(Arn);
        if (!deliver) {
          this.note(`Target ${Arn} of rule ${name} is left out: the local run delivers to functions and queues of the template.`);
          return [];
        }
        return [{
          id: Id,
          input: Input,
          inputPath: InputPath,
          inputTransformer: InputTransformer,
          deliver,
          maximumRetryAttempts: RetryPolicy?.MaximumRetryAttempts,
          deadLetter: DeadLetterConfig && this.deliveryTo(DeadLetterConfig.Arn),
        }];
      });
      this.services.events.addRule({ name, eventBusName: properties.EventBusName, pattern, intervalMs, targets });
    }
  }

  public eventSourceMappings(): EventSourceMapping[] {
    return this.each('AWS::Lambda::EventSourceMapping').flatMap(({ properties }) => {
      const { EventSourceArn: source, FunctionName: functionName, BatchSize, ScalingConfig, FunctionResponseTypes = [], Enabled = true } = properties;
      const fn = [...this.services.functions.values()].find((candidate) => [candidate.name, candidate.arn].includes(functionName));
      if (!fn || !Enabled || !String(source).startsWith('arn:aws:sqs:')) {
        this.note(`The event source mapping of ${source} to ${functionName} is left out.`);
        return [];
      }
      return [new EventSourceMapping({
        queue: this.services.sqs.queue(source),
        function: fn,
        batchSize: BatchSize,
        maximumConcurrency: ScalingConfig?.MaximumConcurrency,
        reportBatchItemFailures: FunctionResponseTypes.includes('ReportBatchItemFailures'),
        onInvoke: () => this.options.observer.onInvoke?.(fn.name),
        onResult: ({ error }) => { if (error) this.options.observer.onFunctionError?.(fn.name, error); },
      })];
    });
  }

  private createFunctions(): void {
    for (const { name, arn, properties } of this.each('AWS::Lambda::Function')) {
      const code = this.options.assembly.assets.get(properties.Code?.S3Key);
      if (!code || !statSync(code).isDirectory() || !String(properties.Runtime).startsWith('nodejs')) {
        this.note(`Function ${name} is left out: the local run knows Node.js functions whose code is a folder asset.`);
        continue;
      }
      const deadLetter = properties.DeadLetterConfig?.TargetArn;
      const invokeConfig = this.each('AWS::Lambda::EventInvokeConfig').find((config) => config.properties.FunctionName === name)?.properties;
      if (invokeConfig?.DestinationConfig) this.note(`The destinations of function ${name} are left out: the local run knows its dead-letter queue.`);
      this.services.functions.set(arn, new LambdaFunction({
        name,
        codeDirectory: code,
        handler: properties.Handler,
        environment: { ...properties.Environment?.Variables, ...this.awsEnvironment(properties.Role) },
        timeoutSeconds: Number(properties.Timeout ?? 3),
        memoryMb: Number(properties.MemorySize ?? 128),
        region: REGION,
        accountId: ACCOUNT_ID,
        onLog: (line) => this.options.observer.onFunctionLog?.(name, line),
        asyncInvocation: {
          maximumRetryAttempts: invokeConfig?.MaximumRetryAttempts,
          onFailure: async (event, error) => {
            this.options.observer.onFunctionError?.(name, error);
            if (deadLetter) await this.deliveryTo(deadLetter)?.(event);
          },
        },
      }));
    }
  }

  /** Nothing but the services of this run, whatever the machine's own AWS configuration says. */
  private awsEnvironment(roleArn: string): Record<string, string> {
    return {
      ...this.services.endpoints,
      AWS_ACCESS_KEY_ID: accessKeyIdOf(roleArn),
      AWS_SECRET_ACCESS_KEY: 'local',
      AWS_CONFIG_FILE: '/dev/null',
      AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
      AWS_EC2_METADATA_DISABLED: 'true',
      // The deployed runtime is newer than a laptop's Node.js may be.
      AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true',
    };
  }

  private deliveryTo(arn: string): ((event: unknown) => Promise<void>) | undefined {
    const fn = this.services.functions.get(arn);
    if (fn) {
      return async (event) => {
        this.options.observer.onInvoke?.(fn.name);
        // Lambda takes the event over and retries by itself; EventBridge's delivery is done.
        void fn.invokeAsync(event);
      };
    }
    if (!arn.startsWith('arn:aws:sqs:')) return undefined;
    return async (event) => { this.services.sqs.queue(arn).send({ body: JSON.stringify(event), senderId: ACCOUNT_ID }); };
  }

  private each(...types: string[]): { name: string; arn: string; properties: Properties }[] {
    return this.resolvers.flatMap((resolver) => resolver.resourcesOfType(...types).map(({ logicalId, properties }) => ({
      name: resolver.physicalName(logicalId), arn: resolver.arn(logicalId), properties,
    })));
  }

  private note(text: string): void {
    this.options.observer.onNote?.(text);
  }
}

/** Says which role is calling: what follows `role/` in the role's ARN. */
function accessKeyIdOf(roleArn: string): string {
  return roleArn.split('/').pop()!;
}

function inJson(properties: Properties): Properties {
  return Object.fromEntries(Object.entries(properties).map(([key, value]) => [key, value && JSON.stringify(value)]));
}

function withoutUndefined(properties: Properties): Properties {
  return Object.fromEntries(Object.entries(properties).filter(([, value]) => value !== undefined));
}
