/**
 * Runs a synthesized template on this machine: starts the services that it uses, creates its resources in them, and lets every role do
 * there what its policies say, and nothing else. Knows the template and the AWS APIs, nothing of who wrote the template.
 */
import * as path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Deployment } from './deployment';
import { AccessControl, type AccessDecision } from './iam/access-control';
import type { Credentials } from './iam/access-keys';
import { startCodeBuild, type CodeBuild, type Phase } from './services/codebuild';
import { startDynamoDb, type DynamoDbService } from './services/dynamodb';
import { startEventBridge, type EventBridge } from './services/events/event-bridge';
import { startFunctionUrl } from './services/lambda/function-url';
import { startLambdaApi } from './services/lambda/lambda-api';
import type { FunctionNetwork, LambdaFunction } from './services/lambda/lambda-function';
import { startS3, type S3Service } from './services/s3';
import { startSecretsManager, type SecretsManager } from './services/secrets-manager';
import { startSqs, type SqsService } from './services/sqs/sqs-service';
import type { Assembly } from './template/assembly';
import { ACCOUNT_ID, createResolvers, REGION, type Resolver } from './template/resolver';

export { REGION } from './template/resolver';

export interface StackObserver {
  onInvoke?(functionName: string): void;
  onFunctionLog?(functionName: string, line: string): void;
  onFunctionError?(functionName: string, error: unknown): void;
  onBuildPhase?(buildId: string, phase: Phase): void;
  onNote?(note: string): void;
  /** Every call that a role or an AWS service makes, and whether the policies of the template allow it. */
  onAccessDecision?(decision: AccessDecision): void;
  /** The first time that something is denied. */
  onAccessDenied?(decision: AccessDecision): void;
}

/** What a function meets on this machine, and not in AWS. */
export interface FunctionSettings {
  /** In place of the template's. */
  readonly environment?: Readonly<Record<string, string>>;
  /** What it reaches beside the services. */
  readonly network?: FunctionNetwork;
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
  /** By the variables that the template gives a function. */
  readonly functionSettings?: (variables: Readonly<Record<string, string>>) => FunctionSettings;
  readonly observer: StackObserver;
}

export interface LocalStack {
  readonly resolvers: readonly Resolver[];
  /** By ARN. */
  readonly functions: ReadonlyMap<string, LambdaFunction>;
  /** Where the function URLs of the template listen, without a slash at the end; by ARN of the function. */
  readonly functionUrls: ReadonlyMap<string, string>;
  readonly s3: S3Service;
  readonly sqs: SqsService;
  readonly dynamodb: DynamoDbService;
  readonly events: EventBridge;
  readonly codebuild: CodeBuild;
  readonly secretsManager: SecretsManager;
  /** Of whoever runs the stack, who may do everything. */
  readonly operator: Credentials;
  /** What was denied to roles and AWS services so far, each thing once. */
  readonly denials: readonly AccessDecision[];
  /** Where an AWS client finds the services. */
  readonly endpoints: Readonly<Record<string, string>>;
  /** Of a role that the template does not have: what a platform would run besides, with the rights of these IAM statements. */
  addRole(name: string, statements: readonly object[]): Credentials;
  /** Log of a build, kept until the work directory is removed. */
  logFileOf(buildId: string): string;
  /** Resolves when functions have done what they are at, and what follows from it; or after the bound. */
  settled(timeoutMs: number): Promise<void>;
  close(): Promise<void>;
}

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
    const denials = new Denials(observer);
    const access = new AccessControl({ accountId: ACCOUNT_ID, region: REGION, onDecision: (decision) => denials.see(decision) });
    const { onCall, operator, secretOf } = access;
    const s3 = await start(startS3({ directory: path.join(stateDirectory, 's3'), region: REGION, onCall, secretOf }));
    const sqs = await start(startSqs({ accountId: ACCOUNT_ID, region: REGION, onCall, secretOf }));
    const dynamodb = await start(startDynamoDb({
      directory: path.join(stateDirectory, 'dynamodb'), accountId: ACCOUNT_ID, region: REGION, credentials: operator, onCall, secretOf,
    }));
    const events = await start(startEventBridge({ accountId: ACCOUNT_ID, region: REGION, onCall, secretOf, onLog: observer.onNote }));
    const secretsManager = await start(startSecretsManager({ accountId: ACCOUNT_ID, region: REGION, onCall, secretOf }));
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
      onCall,
      secretOf,
      initiatorOf: (accessKeyId) => access.nameOf(accessKeyId),
      onEvent: (event) => events.putEvent({ source: event.source, detailType: event['detail-type'], detail: event.detail, resources: event.resources }),
      onPhase: observer.onBuildPhase,
      baseEnvironment: { ...options.imageEnvironment, ...endpoints },
    }));
    endpoints.AWS_ENDPOINT_URL_CODEBUILD = codebuild.endpoint;
    const functions = new Map<string, LambdaFunction>();
    const lambda = await start(startLambdaApi({
      accountId: ACCOUNT_ID, region: REGION, functions, onCall, secretOf, onInvoke: observer.onInvoke, onLog: observer.onNote,
    }));
    endpoints.AWS_ENDPOINT_URL_LAMBDA = lambda.endpoint;

    const resolvers = createResolvers(options.assembly.stacks, { region: REGION, queueUrl: (name) => `${sqs.endpoint}/${ACCOUNT_ID}/${name}` });
    access.enforce(resolvers);
    const deployment = new Deployment(resolvers, options, { access, s3, sqs, dynamodb, events, codebuild, endpoints, functions });
    await deployment.createStores();
    deployment.createProjects();
    functions.forEach((fn) => started.push(fn));
    deployment.createRules();
    for (const mapping of deployment.eventSourceMappings()) {
      started.push({ close: () => mapping.stop() });
      await mapping.start();
    }
    const functionUrls = new Map<string, string>();
    for (const { authType, fn } of deployment.functionUrls()) {
      const url = await start(startFunctionUrl({ function: fn, authType, region: REGION, onCall, secretOf, onInvoke: observer.onInvoke }));
      functionUrls.set(fn.arn, url.endpoint);
    }
    const functionsSettled = () => Promise.all([...functions.values()].map((fn) => fn.settled()));
    const settled = () => functionsSettled().then(() => events.settled()).then(functionsSettled);
    return {
      resolvers,
      operator,
      addRole: (name, statements) => access.addRole(name, statements),
      denials: denials.all,
      s3,
      sqs,
      dynamodb,
      events,
      codebuild,
      secretsManager,
      endpoints,
      functions,
      functionUrls,
      settled: async (timeoutMs) => { await Promise.race([settled(), delay(timeoutMs, undefined, { ref: false })]); },
      close,
      logFileOf: (buildId) => path.join(options.workDirectory, 'codebuild', 'logs', `${buildId.split(':').pop()}.log`),
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Somebody who tries a thousand doors makes no longer list. */
const MAX_DENIALS = 1000;

class Denials {
  readonly all: AccessDecision[] = [];
  private readonly seen = new Set<string>();

  constructor(private readonly observer: StackObserver) {}

  see(decision: AccessDecision): void {
    this.observer.onAccessDecision?.(decision);
    const what = `${decision.caller} ${decision.action} ${decision.resource}`;
    if (decision.allowed || this.seen.has(what) || this.all.length >= MAX_DENIALS) return;
    this.seen.add(what);
    this.all.push(decision);
    this.observer.onAccessDenied?.(decision);
  }
}
