/** A whole pipeline from a synthesized template, with the handlers as they are bundled and the services of the local run. */
import { mkdtemp, readFile, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { CodeBuildClient, ListBuildsForProjectCommand } from '@aws-sdk/client-codebuild';
import {
  DeleteMessageBatchCommand, GetQueueAttributesCommand, ListMessageMoveTasksCommand, ReceiveMessageCommand, SendMessageCommand, SQSClient,
  StartMessageMoveTaskCommand,
} from '@aws-sdk/client-sqs';
import { GetCommand, PutCommand } from '@aws-sdk/lib-dynamodb';
import { App, Stack } from 'aws-cdk-lib';
import * as s3 from 'aws-cdk-lib/aws-s3';
import { deploymentsTable } from './stacks';
import { prepareImage } from '../../local/image';
import { findPipeline, type Pipeline } from '../../local/pipeline';
import type { FunctionNetwork, LambdaFunction } from '../../local/services/lambda/lambda-function';
import { LocalStack, REGION, startStack, type StackObserver } from '../../local/stack';
import { Assembly, readAssembly, type Resource, type StackTemplate } from '../../local/template/assembly';
import { NextjsBuildPipeline, type NextjsBuildPipelineProps } from '../../src';
import type { BuildRequest } from '../../src/contract/build-request';
import type { DeploymentRecord } from '../../src/contract/deployment';
import { forApps, HANDLER_ENV, LOCAL_BUILD_ENVIRONMENT } from '../../src/contract/environment';
import { STAGING_ROOT } from '../../src/contract/keys';

export interface LocalPipelineOptions {
  /** Of the construct, beside its bucket and its table. */
  readonly props?: Partial<NextjsBuildPipelineProps> | ((stack: Stack) => Partial<NextjsBuildPipelineProps>);
  /** What the platform has in its stack beside the pipeline. */
  readonly extend?: (stack: Stack, pipeline: NextjsBuildPipeline) => void;
  /** What somebody does to the template before it is run. */
  readonly change?: (resources: StackTemplate['resources']) => StackTemplate['resources'];
  readonly onAccessDecision?: StackObserver['onAccessDecision'];
  /** In place of the pipeline's own. */
  readonly buildspec?: string;
  /** Of the build project. AWS accepts 5 and more; nobody wants to wait so long for a test. */
  readonly timeoutInMinutes?: number;
  /** What builds see beside what the template says. */
  readonly buildEnvironment?: Readonly<Record<string, string>>;
  /** As from the git server. */
  readonly imageEnvironment?: Readonly<Record<string, string>>;
  /** As of a forge. */
  readonly functionNetwork?: FunctionNetwork;
}

/** One JSON line of a handler's log. */
export interface LogLine {
  readonly functionName: string;
  readonly level: string;
  readonly message: string;
  readonly [key: string]: unknown;
}

/** Far more than a build of a few files takes, on a machine that is busy with other tests. */
const BOUND_MS = 60_000;

export class LocalPipeline {
  static async start(options: LocalPipelineOptions = {}): Promise<LocalPipeline> {
    const directory = await realpath(await mkdtemp(path.join(tmpdir(), 'local-pipeline-')));
    const logs: LogLine[] = [];
    try {
      const assembly = await readAssembly(synthesizePipeline(path.join(directory, 'cdk.out'), options.props, options.extend));
      const image = await prepareImage({ directory: path.join(directory, 'image') });
      const stack = await startStack({
        assembly: withChanges(assembly, options),
        stateDirectory: path.join(directory, 'state'),
        workDirectory: path.join(directory, 'work'),
        imageEnvironment: { ...image.environment, ...options.imageEnvironment },
        buildEnvironment: forApps(options.buildEnvironment ?? {}, LOCAL_BUILD_ENVIRONMENT),
        functionSettings: () => ({ network: options.functionNetwork }),
        observer: {
          onAccessDecision: options.onAccessDecision,
          onFunctionLog: (functionName, line) => logs.push(parseLine(functionName, line)),
        },
      });
      return new LocalPipeline(directory, stack, await findPipeline(stack), logs);
    } catch (error) {
      await rm(directory, { recursive: true, force: true });
      throw error;
    }
  }

  private readonly sqs: SQSClient;
  readonly codeBuild: CodeBuildClient;
  readonly queueUrl: string;
  readonly deadLetterQueueUrl: string;
  readonly tableName: string;
  readonly projectName: string;

  private constructor(readonly directory: string, readonly stack: LocalStack, readonly pipeline: Pipeline, readonly logs: readonly LogLine[]) {
    const client = { region: REGION, credentials: stack.operator };
    this.sqs = new SQSClient({ ...client, endpoint: stack.sqs.endpoint });
    this.codeBuild = new CodeBuildClient({ ...client, endpoint: stack.codebuild.endpoint });
    const [resolver] = stack.resolvers;
    const orchestrator = resolver.resourcesOfType('AWS::Lambda::Function').find(({ logicalId }) => resolver.physicalName(logicalId) === pipeline.orchestratorName)!;
    const { Variables: variables } = orchestrator.properties.Environment as { Variables: Record<string, string> };
    this.queueUrl = variables[HANDLER_ENV.buildQueueUrl];
    this.tableName = variables[HANDLER_ENV.deploymentsTable];
    this.projectName = variables[HANDLER_ENV.buildProject];
    const queue = stack.sqs.queue(this.queueUrl);
    const { deadLetterTargetArn } = JSON.parse(queue.attributes.RedrivePolicy) as { deadLetterTargetArn: string };
    this.deadLetterQueueUrl = stack.sqs.queue(deadLetterTargetArn).url;
  }

  /** Any text, as a producer that knows nothing of the contract might send it. Returns the message's id. */
  async sendText(body: string, groupId = 'a-project'): Promise<string> {
    const { MessageId } = await this.sqs.send(new SendMessageCommand({ QueueUrl: this.queueUrl, MessageBody: body, MessageGroupId: groupId }));
    return MessageId!;
  }

  /** Sends a request and returns how it ended. */
  async deploy(request: BuildRequest): Promise<DeploymentRecord> {
    await this.pipeline.send(request);
    return this.ended(request.deploymentId);
  }

  async ended(deploymentId: string, timeoutMs = BOUND_MS): Promise<DeploymentRecord> {
    return this.pipeline.ended(deploymentId, { timeoutMs, signal: new AbortController().signal, onStatus: () => undefined });
  }

  /** As a producer writes it before it sends the request, or as an earlier deployment left it. */
  async putRecord(record: Record<string, unknown>): Promise<void> {
    await this.stack.dynamodb.client.send(new PutCommand({ TableName: this.tableName, Item: record }));
  }

  async record(deploymentId: string): Promise<DeploymentRecord | undefined> {
    const { Item } = await this.stack.dynamodb.client.send(new GetCommand({ TableName: this.tableName, Key: { deploymentId } }));
    return Item as DeploymentRecord | undefined;
  }

  async builds(): Promise<string[]> {
    const { ids } = await this.codeBuild.send(new ListBuildsForProjectCommand({ projectName: this.projectName }));
    return ids!;
  }

  async buildLog(buildId: string): Promise<string> {
    return readFile(this.stack.logFileOf(buildId), 'utf8');
  }

  /** Takes what lies in the dead-letter queue: body by message id. */
  async takeDeadLetters(): Promise<Map<string, string>> {
    const found = new Map<string, string>();
    for (;;) {
      const { Messages = [] } = await this.sqs.send(new ReceiveMessageCommand({ QueueUrl: this.deadLetterQueueUrl, MaxNumberOfMessages: 10 }));
      if (Messages.length === 0) return found;
      Messages.forEach(({ MessageId, Body }) => found.set(MessageId!, Body!));
      await this.sqs.send(new DeleteMessageBatchCommand({
        QueueUrl: this.deadLetterQueueUrl,
        Entries: Messages.map(({ MessageId, ReceiptHandle }) => ({ Id: MessageId, ReceiptHandle })),
      }));
    }
  }

  /**
   * Puts dead letters back into the queue, as an operator does, until it were so many. What the reconciler has looked at cannot be moved
   * for 30 s, and a message comes to the dead-letter queue only when somebody asks for it once more.
   */
  async redrive(messages = 1): Promise<void> {
    const { arn } = this.stack.sqs.queue(this.deadLetterQueueUrl);
    let moved = 0;
    await until(`${messages} dead letters could be moved`, async () => {
      await this.sqs.send(new StartMessageMoveTaskCommand({ SourceArn: arn }));
      const { Results } = await this.sqs.send(new ListMessageMoveTasksCommand({ SourceArn: arn }));
      moved += Results![0].ApproximateNumberOfMessagesMoved!;
      return moved >= messages;
    });
  }

  /** What the schedule does every few minutes, now. Resolves when the reconciler is done; builds it hands to the finalizer may not be. */
  async reconcile(): Promise<void> {
    await this.functionNamed(this.pipeline.reconcilerName).invoke({ 'source': 'aws.events', 'detail-type': 'Scheduled Event', 'detail': {}, 'resources': [] });
  }

  private functionNamed(name: string): LambdaFunction {
    return [...this.stack.functions.values()].find((fn) => fn.name === name)!;
  }

  /** Resolves when nothing is waiting or being worked on. */
  async queueEmpty(): Promise<void> {
    await until('the queue is empty', async () => {
      const { Attributes } = await this.sqs.send(new GetQueueAttributesCommand({ QueueUrl: this.queueUrl, AttributeNames: ['All'] }));
      return Attributes!.ApproximateNumberOfMessages === '0' && Attributes!.ApproximateNumberOfMessagesNotVisible === '0';
    });
  }

  /** The finalizer removes it after it has ended the deployment. */
  async stagingRemoved(): Promise<void> {
    await until('staging/ is empty', async () => (await this.pipeline.objects(STAGING_ROOT)).length === 0);
  }

  async close(): Promise<void> {
    this.sqs.destroy();
    this.codeBuild.destroy();
    this.pipeline.close();
    await this.stack.close();
    await rm(this.directory, { recursive: true, force: true, maxRetries: 3 });
  }
}

/** Asks until the answer is something. */
export async function until<T>(what: string, ask: () => Promise<T> | T, timeoutMs = BOUND_MS): Promise<NonNullable<T>> {
  for (const deadline = Date.now() + timeoutMs; Date.now() < deadline; await delay(50)) {
    const answer = await ask();
    if (answer) return answer;
  }
  throw new Error(`It was expected that ${what}; ${timeoutMs / 1000} s were not enough.`);
}

/** Returns the cdk.out. In this process: an App of its own process takes seconds more to load. */
export function synthesizePipeline(outdir: string, props: LocalPipelineOptions['props'] = {}, extend?: LocalPipelineOptions['extend']): string {
  const app = new App({ outdir, analyticsReporting: false });
  const stack = new Stack(app, 'Test');
  const given = typeof props === 'function' ? props(stack) : props;
  const pipeline = new NextjsBuildPipeline(stack, 'Builds', {
    ...given,
    artifactsBucket: given.artifactsBucket ?? new s3.Bucket(stack, 'Artifacts'),
    deploymentsTable: given.deploymentsTable ?? deploymentsTable(stack),
  });
  extend?.(stack, pipeline);
  return app.synth().directory;
}

function withChanges(assembly: Assembly, { buildspec, change: changeAll = (resources) => resources, timeoutInMinutes }: LocalPipelineOptions): Assembly {
  const change = (resource: Resource): Resource => {
    if (resource.Type !== 'AWS::CodeBuild::Project') return resource;
    const { Source: source, TimeoutInMinutes: timeout, ...properties } = resource.Properties as { Source: object; TimeoutInMinutes: number };
    return {
      ...resource,
      Properties: {
        ...properties,
        Source: { ...source, ...(buildspec === undefined ? {} : { BuildSpec: buildspec }) },
        TimeoutInMinutes: timeoutInMinutes ?? timeout,
      },
    };
  };
  return {
    ...assembly,
    stacks: assembly.stacks.map((stack) => ({
      ...stack, resources: changeAll(Object.fromEntries(Object.entries(stack.resources).map(([id, resource]) => [id, change(resource)]))),
    })),
  };
}

function parseLine(functionName: string, line: string): LogLine {
  try {
    return { functionName, ...JSON.parse(line) as { level: string; message: string } };
  } catch {
    return { functionName, level: '', message: line };
  }
}
