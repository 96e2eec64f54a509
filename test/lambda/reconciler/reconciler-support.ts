/** The reconciler with real tables, and with services that fail when they are told to. The clock stands still. */
import { EventBridgeClient, PutEventsCommand } from '@aws-sdk/client-eventbridge';
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { Message, ReceiveMessageCommand, SendMessageCommand, SendMessageCommandInput, SQSClient } from '@aws-sdk/client-sqs';
import type { Context } from 'aws-lambda';
import { mockClient } from 'aws-sdk-client-mock';
import type { BuildRequest } from '../../../src/contract/build-request';
import type { DeploymentRecord } from '../../../src/contract/deployment';
import { HANDLER_ENV } from '../../../src/contract/environment';
import { openDeploymentKey, STATE_KINDS } from '../../../src/contract/state-table';
import { setClock } from '../../support/clock';
import { BUILD_PROJECT, BUILD_PROJECT_ARN, SimulatedCodeBuild } from '../../support/codebuild';
import { startTables, TestTables } from '../../support/dynamodb';
import { CONTEXT, setHandlerEnvironment } from '../../support/handlers';
import { buildRequest } from '../../support/requests';

export const NOW = Date.parse('2026-11-22T12:00:00.000Z');
export const NOW_SECONDS = NOW / 1000;
export const VISIBILITY_SECONDS = 1800;
export const RETENTION_SECONDS = 14 * 24 * 3600;

export class Reconciler {
  public readonly codeBuild = new SimulatedCodeBuild();
  public readonly sqs = mockClient(SQSClient);
  public readonly lambda = mockClient(LambdaClient);
  public readonly eventBridge = mockClient(EventBridgeClient);
  public tables!: TestTables;
  private handler!: typeof import('../../../lambda/reconciler').handler;

  public async load(variables: Partial<Record<keyof typeof HANDLER_ENV, string>>): Promise<void> {
    this.tables = await startTables();
    setHandlerEnvironment({ AWS_ENDPOINT_URL_DYNAMODB: this.tables.endpoint }, {
      deploymentsTable: this.tables.tableName,
      stateTable: this.tables.stateTableName,
      buildProject: BUILD_PROJECT,
      buildProjectArn: BUILD_PROJECT_ARN,
      buildQueueUrl: 'https://queue',
      deadLetterQueueUrl: 'https://dead-letters',
      finalizerFunction: 'finalizer',
      messageRetentionSeconds: String(RETENTION_SECONDS),
      visibilityTimeoutSeconds: String(VISIBILITY_SECONDS),
      ...variables,
    });
    ({ handler: this.handler } = jest.requireActual<typeof import('../../../lambda/reconciler')>('../../../lambda/reconciler'));
  }

  public async begin(): Promise<void> {
    await this.tables.clear();
    setClock(NOW);
    this.codeBuild.reset();
    this.sqs.reset();
    this.sqs.on(SendMessageCommand).resolves({});
    this.sqs.on(ReceiveMessageCommand).resolves({});
    this.lambda.reset();
    this.lambda.on(InvokeCommand).resolves({ StatusCode: 202 });
    this.eventBridge.reset();
    this.eventBridge.on(PutEventsCommand).resolves({ FailedEntryCount: 0, Entries: [{ EventId: '1' }] });
  }

  /** One scheduled run. */
  public async run(remainingSeconds = 300): Promise<void> {
    const context: Context = { ...CONTEXT, getRemainingTimeInMillis: () => remainingSeconds * 1000 };
    await this.handler({}, context);
  }

  /** A deployment that is among the open ones: with its record, unless that is null. */
  public async open(deploymentId: string, record: Partial<DeploymentRecord> | null, entry: object = {}): Promise<BuildRequest> {
    const request = buildRequest({ deploymentId, projectId: `project-of-${deploymentId}`, branch: deploymentId, ...pick(record) });
    const createdAt = record?.createdAt ?? new Date(NOW - 3600_000).toISOString();
    if (record) await this.tables.putRecord({ ...request, status: 'queued', version: 1, announcedVersion: record.version ?? 1, createdAt, ...record });
    const key = openDeploymentKey({ ...request, createdAt });
    await this.tables.putState(STATE_KINDS.open, key, { deploymentId, projectId: request.projectId, createdAt, seenAt: NOW_SECONDS - 60, ...entry });
    return request;
  }

  public async openIds(): Promise<string[]> {
    return (await this.tables.stateIds(STATE_KINDS.open)).map((id) => id.split('#')[2]);
  }

  public async places(projectId: string): Promise<string[]> {
    return [...((await this.tables.state(STATE_KINDS.project, projectId))?.building as Set<string> | undefined) ?? []];
  }

  public async takePlace(projectId: string, deploymentId: string): Promise<void> {
    await this.tables.putState(STATE_KINDS.project, projectId, { building: new Set([deploymentId]) });
  }

  public deadLetters(...messages: Message[]): void {
    this.sqs.on(ReceiveMessageCommand).resolvesOnce({ Messages: messages }).resolves({});
  }

  /** Builds that were handed to the finalizer, with the status that it was told. */
  public get finalized(): [string, string][] {
    return this.lambda.commandCalls(InvokeCommand).map(({ args }) => {
      const { detail } = JSON.parse(args[0].input.Payload as string) as { detail: Record<string, string> };
      return [detail['build-id'], detail['build-status']];
    });
  }

  public get sent(): SendMessageCommandInput[] {
    return this.sqs.commandCalls(SendMessageCommand).map(({ args }) => args[0].input);
  }

  public get announced(): string[] {
    return this.eventBridge.commandCalls(PutEventsCommand).flatMap(({ args }) => args[0].input.Entries!.map(({ Detail }) => {
      const { deploymentId, status, version } = JSON.parse(Detail!) as DeploymentRecord;
      return `${deploymentId} ${status} ${version}`;
    }));
  }
}

function pick(record: Partial<DeploymentRecord> | null): Partial<BuildRequest> {
  return Object.fromEntries((['projectId', 'branch', 'commitSha'] as const).flatMap((name) => (record?.[name] === undefined ? [] : [[name, record[name]]])));
}

/** For one test file. */
export function reconciler(variables: Partial<Record<keyof typeof HANDLER_ENV, string>> = {}): Reconciler {
  const one = new Reconciler();
  beforeAll(() => one.load(variables));
  beforeEach(() => one.begin());
  afterEach(() => {
    jest.restoreAllMocks();
    jest.useRealTimers();
  });
  afterAll(() => one.tables.close());
  return one;
}
