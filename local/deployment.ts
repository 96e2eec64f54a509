/** Creates the resources of resolved templates in the services of a run, and wires sources, rules and roles as CloudFormation would. */
import { statSync } from 'node:fs';
import type { AccessControl } from './iam/access-control';
import type { Credentials } from './iam/access-keys';
import type { EnvironmentVariable } from './services/codebuild';
import type { EventPattern } from './services/events/event-pattern';
import { intervalOf } from './services/events/schedule';
import { EventSourceMapping } from './services/lambda/event-source-mapping';
import { LambdaFunction } from './services/lambda/lambda-function';
import type { LocalStack, StackOptions } from './stack';
import { ACCOUNT_ID, REGION, type Resolver } from './template/resolver';

type Properties = Record<string, any>;

export class Deployment {
  /** By ARN of the function, of its role. */
  private readonly functionCredentials = new Map<string, Credentials>();

  constructor(
    private readonly resolvers: readonly Resolver[],
    private readonly options: StackOptions,
    private readonly services: Pick<LocalStack, 's3' | 'sqs' | 'dynamodb' | 'events' | 'codebuild' | 'endpoints'>
      & { readonly functions: Map<string, LambdaFunction>; readonly access: AccessControl },
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
    for (const { arn, name, properties } of this.each('AWS::CodeBuild::Project')) {
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
        // AWS puts the two ARNs into everything that is asked with a build's credentials.
        credentialsFor: (buildArn) => this.services.access.assumeRole(
          serviceRole, { service: 'codebuild.amazonaws.com', sourceArn: arn }, { 'codebuild:buildArn': buildArn, 'codebuild:projectArn': arn },
        ),
        logGroupName: properties.LogsConfig?.CloudWatchLogs?.GroupName,
        serviceRole,
      });
    }
  }

  public createRules(): void {
    for (const { arn, name, properties } of this.each('AWS::Events::Rule')) {
      const pattern = properties.EventPattern as EventPattern | undefined;
      const intervalMs = intervalOf(properties.ScheduleExpression ?? '');
      if (properties.State === 'DISABLED' || !pattern && !intervalMs) {
        this.note(`Rule ${name} is left out: it is disabled, or has neither an event pattern nor a schedule like rate(5 minutes).`);
        continue;
      }
      const { accessKeyId } = this.services.access.serviceCredentials('events.amazonaws.com', arn);
      const targets = (properties.Targets ?? []).flatMap(({ Id, Arn, Input, InputPath, InputTransformer, DeadLetterConfig, RetryPolicy }: Properties) => {
        const deliver = this.deliveryTo(Arn, accessKeyId);
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
          deadLetter: DeadLetterConfig && this.deliveryTo(DeadLetterConfig.Arn, accessKeyId),
        }];
      });
      this.services.events.addRule({ name, eventBusName: properties.EventBusName, pattern, intervalMs, targets });
    }
  }

  public eventSourceMappings(): EventSourceMapping[] {
    return this.each('AWS::Lambda::EventSourceMapping').flatMap(({ properties }) => {
      const { EventSourceArn: source, FunctionName: functionName, BatchSize, ScalingConfig, FunctionResponseTypes = [], Enabled = true } = properties;
      const fn = this.functionOf(functionName);
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
        onCall: this.services.access.onCall,
        accessKeyId: this.functionCredentials.get(fn.arn)?.accessKeyId,
        onInvoke: () => this.options.observer.onInvoke?.(fn.name),
        onResult: ({ error }) => { if (error) this.options.observer.onFunctionError?.(fn.name, error); },
      })];
    });
  }

  public functionUrls(): { fn: LambdaFunction; authType: 'NONE' | 'AWS_IAM' }[] {
    return this.each('AWS::Lambda::Url').flatMap(({ properties }) => {
      const fn = this.functionOf(properties.TargetFunctionArn);
      return fn ? [{ fn, authType: properties.AuthType }] : [];
    });
  }

  private functionOf(nameOrArn: string): LambdaFunction | undefined {
    return [...this.services.functions.values()].find((candidate) => [candidate.name, candidate.arn].includes(nameOrArn));
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
      const variables = properties.Environment?.Variables ?? {};
      const { environment, network } = this.options.functionSettings?.(variables) ?? {};
      const credentials = this.services.access.assumeRole(properties.Role, { service: 'lambda.amazonaws.com', sourceArn: arn });
      this.functionCredentials.set(arn, credentials);
      this.services.functions.set(arn, new LambdaFunction({
        name,
        codeDirectory: code,
        handler: properties.Handler,
        environment: { ...variables, ...environment, ...this.awsEnvironment(credentials) },
        timeoutSeconds: Number(properties.Timeout ?? 3),
        memoryMb: Number(properties.MemorySize ?? 128),
        region: REGION,
        accountId: ACCOUNT_ID,
        network,
        onLog: this.logOf(name, properties.LoggingConfig?.LogGroup ?? `/aws/lambda/${name}`, credentials),
        asyncInvocation: {
          maximumRetryAttempts: invokeConfig?.MaximumRetryAttempts,
          onFailure: async (event, error) => {
            this.options.observer.onFunctionError?.(name, error);
            if (deadLetter) await this.deliveryTo(deadLetter, credentials.accessKeyId)?.(event);
          },
        },
      }));
    }
  }

  /** Nothing but the services of this run, whatever the machine's own AWS configuration says. */
  private awsEnvironment({ accessKeyId, secretAccessKey }: Credentials): Record<string, string> {
    return {
      ...this.services.endpoints,
      AWS_ACCESS_KEY_ID: accessKeyId,
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
      AWS_CONFIG_FILE: '/dev/null',
      AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
      AWS_EC2_METADATA_DISABLED: 'true',
      // The deployed runtime is newer than a laptop's Node.js may be.
      AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true',
    };
  }

  /** Lambda writes a function's log with the function's role. Without the right to, the log stays empty, and nothing else happens. */
  private logOf(functionName: string, logGroup: string, { accessKeyId }: Credentials): (line: string) => void {
    const resource = `arn:aws:logs:${REGION}:${ACCOUNT_ID}:log-group:${logGroup}:log-stream:${functionName}`;
    const ask = async () => {
      for (const action of ['logs:CreateLogStream', 'logs:PutLogEvents']) await this.services.access.onCall({ service: 'logs', action, resource, accessKeyId });
    };
    const allowed = ask().then(() => true, () => false);
    return (line) => void allowed.then((mayLog) => { if (mayLog) this.options.observer.onFunctionLog?.(functionName, line); });
  }

  /** `accessKeyId`: of whoever delivers. */
  private deliveryTo(arn: string, accessKeyId: string): ((event: unknown) => Promise<void>) | undefined {
    const { access, functions, sqs } = this.services;
    const fn = functions.get(arn);
    if (fn) {
      return async (event) => {
        await access.onCall({ service: 'lambda', action: 'lambda:InvokeFunction', resource: arn, accessKeyId });
        this.options.observer.onInvoke?.(fn.name);
        // Lambda takes the event over and retries by itself; EventBridge's delivery is done.
        void fn.invokeAsync(event);
      };
    }
    if (!arn.startsWith('arn:aws:sqs:')) return undefined;
    return async (event) => {
      await access.onCall({ service: 'sqs', action: 'sqs:SendMessage', resource: arn, accessKeyId });
      sqs.queue(arn).send({ body: JSON.stringify(event), senderId: ACCOUNT_ID });
    };
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

function inJson(properties: Properties): Properties {
  return Object.fromEntries(Object.entries(properties).map(([key, value]) => [key, value && JSON.stringify(value)]));
}

function withoutUndefined(properties: Properties): Properties {
  return Object.fromEntries(Object.entries(properties).filter(([, value]) => value !== undefined));
}
