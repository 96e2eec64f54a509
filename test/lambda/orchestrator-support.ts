/** The orchestrator with real tables, and with services that fail when they are told to. The clock stands still unless it is advanced. */
import { EventBridgeClient, PutEventsCommand } from '@aws-sdk/client-eventbridge';
import { ListObjectsV2Command, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { ChangeMessageVisibilityCommand, SendMessageCommand, SendMessageCommandInput, SQSClient } from '@aws-sdk/client-sqs';
import type { SQSRecord } from 'aws-lambda';
import { mockClient } from 'aws-sdk-client-mock';
import { BuildRequest, WAKE_ATTRIBUTE } from '../../src/contract/build-request';
import type { DeploymentRecord } from '../../src/contract/deployment';
import { HANDLER_ENV } from '../../src/contract/environment';
import { openDeploymentKey, STATE_KINDS } from '../../src/contract/state-table';
import { advanceClock, setClock } from '../support/clock';
import { BUILD_PROJECT, BUILD_PROJECT_ARN, SimulatedCodeBuild } from '../support/codebuild';
import { startTables, TestTables } from '../support/dynamodb';
import { CONTEXT, setHandlerEnvironment } from '../support/handlers';
import { buildRequest } from '../support/requests';

export const LAST_RECEIVE = 3;
export const RETENTION_SECONDS = 14 * 24 * 3600;
export const QUEUE_URL = 'https://queue';
export const BUCKET = 'artifacts-bucket';

/** Between two tests, so that what the handler learned in one of them about capacity is of no interest to the next. */
const A_DAY = 24 * 3600;

let clock = Date.parse('2026-11-22T12:00:00.000Z');
let count = 0;

export class Orchestrator {
  public readonly codeBuild = new SimulatedCodeBuild();
  public readonly sqs = mockClient(SQSClient);
  public readonly eventBridge = mockClient(EventBridgeClient);
  public readonly s3 = mockClient(S3Client);
  public tables!: TestTables;
  /** Of this test: a project of its own. */
  public request!: BuildRequest;
  /** When the messages of this test were sent. */
  public sentAt!: number;
  private handler!: typeof import('../../lambda/orchestrator').handler;

  public async load(variables: Partial<Record<keyof typeof HANDLER_ENV, string>>): Promise<void> {
    this.tables = await startTables();
    setHandlerEnvironment({ AWS_ENDPOINT_URL_DYNAMODB: this.tables.endpoint }, {
      deploymentsTable: this.tables.tableName,
      stateTable: this.tables.stateTableName,
      buildProject: BUILD_PROJECT,
      buildProjectArn: BUILD_PROJECT_ARN,
      buildQueueUrl: QUEUE_URL,
      artifactsBucket: BUCKET,
      maxReceiveCount: String(LAST_RECEIVE),
      messageRetentionSeconds: String(RETENTION_SECONDS),
      ...variables,
    });
    ({ handler: this.handler } = jest.requireActual<typeof import('../../lambda/orchestrator')>('../../lambda/orchestrator'));
  }

  public async begin(): Promise<void> {
    await this.tables.clear();
    clock += A_DAY * 1000;
    setClock(clock);
    this.sentAt = clock;
    count += 1;
    this.request = buildRequest({ deploymentId: `deployment-${count}`, projectId: `project-${count}` });
    this.codeBuild.reset();
    this.sqs.reset();
    this.sqs.on(ChangeMessageVisibilityCommand).resolves({});
    this.sqs.on(SendMessageCommand).resolves({ MessageId: 'sent' });
    this.s3.reset();
    this.s3.on(PutObjectCommand).resolves({});
    this.s3.on(ListObjectsV2Command).resolves({});
    this.eventBridge.reset();
    this.eventBridge.on(PutEventsCommand).resolves({ FailedEntryCount: 0, Entries: [{ EventId: '1' }] });
  }

  /** Another request of the same project and branch. */
  public another(name: string, change: Partial<BuildRequest> = {}): BuildRequest {
    return { ...this.request, deploymentId: `${this.request.deploymentId}-${name}`, ...change };
  }

  /** Ids of the messages that stay in the queue. */
  public async receive(...messages: SQSRecord[]): Promise<string[]> {
    const { batchItemFailures } = await this.handler({ Records: messages }, CONTEXT);
    return batchItemFailures.map(({ itemIdentifier }) => itemIdentifier);
  }

  public message(body: unknown, receives = 1, messageId = 'message-1', sentAt = this.sentAt): SQSRecord {
    const attributes = { ApproximateReceiveCount: String(receives), SentTimestamp: String(sentAt), SenderId: 'producer', ApproximateFirstReceiveTimestamp: String(sentAt) };
    return {
      messageId, attributes, body: JSON.stringify(body), receiptHandle: `handle of ${messageId}`, messageAttributes: {}, md5OfBody: '', eventSource: 'aws:sqs', eventSourceARN: '', awsRegion: '',
    };
  }

  /** The handler's own copy of a request, as SQS delivers it. */
  public delivered({ MessageBody, MessageAttributes }: SendMessageCommandInput, receives = 1): SQSRecord {
    return {
      ...this.message({}, receives, 'copy', Date.now()),
      body: MessageBody!,
      messageAttributes: Object.fromEntries(Object.entries(MessageAttributes!).map(([key, { StringValue, DataType }]) => [key, { stringValue: StringValue, dataType: DataType as 'Number' }])),
    };
  }

  public hint(request: BuildRequest): SQSRecord {
    return this.delivered({ QueueUrl: QUEUE_URL, MessageBody: JSON.stringify(request), MessageAttributes: { [WAKE_ATTRIBUTE]: { DataType: 'Number', StringValue: '1' } } });
  }

  public async record({ deploymentId }: Pick<BuildRequest, 'deploymentId'> = this.request): Promise<DeploymentRecord | undefined> {
    return this.tables.record(deploymentId);
  }

  public async status(request: BuildRequest = this.request): Promise<string | undefined> {
    return (await this.record(request))?.status;
  }

  /** As a producer writes it, before it sends the request. */
  public async produce(request: BuildRequest, ageSeconds: number, change: Partial<DeploymentRecord> = {}): Promise<void> {
    await this.tables.putRecord({ ...request, status: 'queued', createdAt: new Date(this.sentAt - ageSeconds * 1000).toISOString(), ...change });
  }

  /** The request's entry among the open deployments. */
  public async open({ deploymentId, projectId }: BuildRequest = this.request): Promise<Record<string, unknown> | undefined> {
    const record = await this.tables.record(deploymentId);
    return record && this.tables.state(STATE_KINDS.open, openDeploymentKey({ deploymentId, projectId, createdAt: record.createdAt }));
  }

  /** Deployments that hold one of the project's places. */
  public async places(projectId = this.request.projectId): Promise<string[]> {
    const project = await this.tables.state(STATE_KINDS.project, projectId);
    return [...(project?.building as Set<string> | undefined) ?? []].sort();
  }

  /** Copies that were put back, without hints. */
  public get copies(): SendMessageCommandInput[] {
    return this.sent.filter(({ MessageAttributes }) => MessageAttributes?.[WAKE_ATTRIBUTE] === undefined);
  }

  public get hints(): SendMessageCommandInput[] {
    return this.sent.filter(({ MessageAttributes }) => MessageAttributes?.[WAKE_ATTRIBUTE] !== undefined);
  }

  /** Seconds until the next delivery, as they were asked for, in order. */
  public get visibilities(): number[] {
    return this.sqs.commandCalls(ChangeMessageVisibilityCommand).map(({ args }) => args[0].input.VisibilityTimeout!);
  }

  public get announced(): DeploymentRecord[] {
    return this.eventBridge.commandCalls(PutEventsCommand)
      .flatMap(({ args }) => args[0].input.Entries!.map(({ Detail }) => JSON.parse(Detail!) as DeploymentRecord));
  }

  /** Of this test's request. */
  public get announcedStatuses(): string[] {
    return this.announced.filter(({ deploymentId }) => deploymentId === this.request.deploymentId).map(({ status }) => status);
  }

  private get sent(): SendMessageCommandInput[] {
    return this.sqs.commandCalls(SendMessageCommand).map(({ args }) => args[0].input);
  }
}

/** Until the claim of an earlier invocation has expired. */
export const waitForClaim = () => advanceClock(61);

/** For one test file. */
export function orchestrator(variables: Partial<Record<keyof typeof HANDLER_ENV, string>> = {}): Orchestrator {
  const one = new Orchestrator();
  beforeAll(() => one.load(variables));
  beforeEach(() => one.begin());
  afterEach(() => {
    jest.restoreAllMocks();
    jest.useRealTimers();
  });
  afterAll(() => one.tables.close());
  return one;
}
