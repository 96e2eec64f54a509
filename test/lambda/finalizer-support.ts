/** The finalizer with real tables and real objects, and with services that fail when they are told to. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { Build } from '@aws-sdk/client-codebuild';
import { EventBridgeClient, PutEventsCommand } from '@aws-sdk/client-eventbridge';
import { DeleteObjectCommand, paginateListObjectsV2, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { SendMessageCommand, SendMessageCommandInput, SQSClient } from '@aws-sdk/client-sqs';
import { mockClient } from 'aws-sdk-client-mock';
import { S3Service, startS3 } from '../../local/services/s3';
import { ApiCall } from '../../local/services/service';
import { DeploymentRecord } from '../../src/contract/deployment';
import { BUILD_ENV, HANDLER_ENV } from '../../src/contract/environment';
import { PUBLIC_RECORD_FIELDS } from '../../src/contract/events';
import { stagingPrefix } from '../../src/contract/keys';
import { openDeploymentKey, STATE_KINDS } from '../../src/contract/state-table';
import { BUILD_PROJECT, BUILD_PROJECT_ARN, buildArn, buildOf, SimulatedCodeBuild, withVariables } from '../support/codebuild';
import { startTables, TestTables } from '../support/dynamodb';
import { invocation, setHandlerEnvironment } from '../support/handlers';
import { buildRequest, COMMIT_SHA } from '../support/requests';
import { ZIP } from '../support/zip-file';

const BUCKET = 'artifacts-bucket';
export const STAGED = ['artifacts/lambda.zip', 'artifacts/open-next.output.json', 'artifacts/manifest.json', 'static/a.txt', 'static/b.txt', 'static/c.txt'];
export const CREATED = '2026-11-22T12:00:00.000Z';
export const STARTED = '2026-11-22T12:01:00.000Z';

let count = 0;

export class Finalizer {
  public readonly codeBuild = new SimulatedCodeBuild();
  public readonly eventBridge = mockClient(EventBridgeClient);
  public readonly sqs = mockClient(SQSClient);
  public tables!: TestTables;
  public s3!: S3Client;
  /** Asked before each call of S3; throws to refuse it. */
  public onS3Call?: (call: ApiCall) => void | Promise<void>;
  /** Of this test's deployment and of its project. */
  public id = '';
  private s3Service!: S3Service;
  private directory!: string;
  private handler!: typeof import('../../lambda/finalizer').handler;

  public async load(variables: Partial<Record<keyof typeof HANDLER_ENV, string>>): Promise<void> {
    this.tables = await startTables();
    this.directory = await mkdtemp(path.join(tmpdir(), 'finalizer-'));
    this.s3Service = await startS3({ directory: this.directory, onCall: (call) => this.onS3Call?.(call) });
    const { endpoint } = this.s3Service;
    await this.s3Service.createBucket(BUCKET);
    this.s3 = new S3Client({ endpoint, forcePathStyle: true, region: 'eu-central-1', credentials: { accessKeyId: 'test', secretAccessKey: 'test' } });
    setHandlerEnvironment({ AWS_ENDPOINT_URL_DYNAMODB: this.tables.endpoint, AWS_ENDPOINT_URL_S3: endpoint }, {
      deploymentsTable: this.tables.tableName,
      stateTable: this.tables.stateTableName,
      buildProject: BUILD_PROJECT,
      buildProjectArn: BUILD_PROJECT_ARN,
      buildQueueUrl: 'https://queue',
      artifactsBucket: BUCKET,
      ...variables,
    });
    ({ handler: this.handler } = jest.requireActual<typeof import('../../lambda/finalizer')>('../../lambda/finalizer'));
  }

  public async close(): Promise<void> {
    this.s3.destroy();
    await this.s3Service.close();
    await this.tables.close();
    await rm(this.directory, { recursive: true, force: true });
  }

  /** A deployment whose build has succeeded and stored all it should. */
  public async begin(): Promise<void> {
    this.id = `deployment-${++count}`;
    this.onS3Call = undefined;
    this.eventBridge.reset();
    this.eventBridge.on(PutEventsCommand).resolves({ FailedEntryCount: 0, Entries: [{ EventId: '1' }] });
    this.sqs.reset();
    this.sqs.on(SendMessageCommand).resolves({ MessageId: 'sent' });
    this.codeBuild.reset();
    this.answer({});
    await this.putRecord({});
    await this.tables.putState(STATE_KINDS.open, this.openKey, { deploymentId: this.id, projectId: this.id, createdAt: CREATED, seenAt: 1 });
    await this.stage();
  }

  public get buildId(): string {
    return `${BUILD_PROJECT}:${this.id}`;
  }

  public get arn(): string {
    return buildArn(this.buildId);
  }

  /** What CodeBuild says of the build. */
  public answer(change: Partial<Build>, environment: Record<string, string> = { [BUILD_ENV.deploymentId]: this.id, [BUILD_ENV.projectId]: this.id }): void {
    this.codeBuild.builds = [buildOf(this.id, {
      id: this.buildId,
      buildStatus: 'SUCCEEDED',
      startTime: new Date(STARTED),
      environment: withVariables(Object.entries(environment).map(([name, value]) => ({ name, value }))),
      ...change,
    })];
  }

  public recordBefore(change: object = {}): DeploymentRecord {
    return {
      ...buildRequest({ deploymentId: this.id, projectId: this.id }),
      status: 'building',
      version: 2,
      createdAt: CREATED,
      buildId: this.buildId,
      buildStartedAt: STARTED,
      logsUrl: 'https://log',
      ...change,
    };
  }

  /** As the orchestrator left it, announced. */
  public async putRecord(change: object): Promise<void> {
    const record = this.recordBefore(change);
    await this.tables.putRecord({ announcedVersion: record.version, ...record });
  }

  /** A deployment that waits for its build, as the orchestrator left it. */
  public async putQueued(change: Partial<DeploymentRecord> = {}): Promise<void> {
    const { buildId, buildStartedAt, logsUrl, ...queued } = this.recordBefore({ status: 'queued', version: 1, ...change });
    await this.tables.putRecord({ announcedVersion: 1, ...queued });
  }

  public async fullRecord(): Promise<DeploymentRecord | undefined> {
    return this.tables.record(this.id);
  }

  /** What the world sees of it. */
  public async record(): Promise<Partial<DeploymentRecord>> {
    const record = await this.fullRecord();
    return Object.fromEntries(PUBLIC_RECORD_FIELDS.flatMap((name) => (record?.[name] === undefined ? [] : [[name, record[name]]])));
  }

  public async stage(names: string[] = STAGED): Promise<void> {
    for (const name of names) await this.stageObject(name, name.endsWith('.zip') ? ZIP : name);
  }

  public async stageObject(name: string, content: string | Buffer): Promise<void> {
    await this.s3.send(new PutObjectCommand({ Bucket: BUCKET, Key: stagingPrefix(this.arn) + name, Body: content }));
  }

  public async unstage(name: string): Promise<void> {
    await this.s3.send(new DeleteObjectCommand({ Bucket: BUCKET, Key: stagingPrefix(this.arn) + name }));
  }

  /** Puts something else in the place of what the build stored. */
  public async exchange(name: string): Promise<void> {
    await this.stageObject(name, 'something else');
  }

  /** How many objects are left in staging. */
  public async staged(): Promise<number> {
    return (await this.keys(stagingPrefix(this.arn))).length;
  }

  public async promoted(): Promise<string[]> {
    return [...await this.keys(`artifacts/${this.id}/`), ...await this.keys(`static/${this.id}/`)];
  }

  /** Whether the deployment is among the open ones. */
  public async isOpen(): Promise<boolean> {
    return await this.tables.state(STATE_KINDS.open, this.openKey) !== undefined;
  }

  /** One delivery of the event; what the handler throws, Lambda tries again, under the same id. */
  public async deliver(status = 'SUCCEEDED', awsRequestId = 'request-1'): Promise<void> {
    await this.handler({ detail: { 'build-id': this.arn, 'build-status': status } }, invocation(awsRequestId));
  }

  public get announced(): Partial<DeploymentRecord>[] {
    return this.eventBridge.commandCalls(PutEventsCommand)
      .flatMap(({ args }) => args[0].input.Entries!.map(({ Detail }) => JSON.parse(Detail!) as DeploymentRecord));
  }

  public get sent(): SendMessageCommandInput[] {
    return this.sqs.commandCalls(SendMessageCommand).map(({ args }) => args[0].input);
  }

  public async expectSuccess(): Promise<void> {
    expect(await this.record()).toMatchObject({ status: 'success', version: 3, artifacts: { objectCount: STAGED.length } });
    expect((await this.promoted()).sort()).toEqual(STAGED.map((name) => name.replace('/', `/${this.id}/${COMMIT_SHA}/${this.id}/`)).sort());
    expect([await this.staged(), await this.isOpen()]).toEqual([0, false]);
  }

  /** Neither record nor promoted objects, and the world was told nothing. */
  public async expectUntouched(before: object = this.recordBefore()): Promise<void> {
    expect(await this.record()).toEqual(before);
    expect(await this.promoted()).toEqual([]);
    expect(this.announced).toEqual([]);
  }

  private get openKey(): string {
    return openDeploymentKey({ projectId: this.id, deploymentId: this.id, createdAt: CREATED });
  }

  public async keys(prefix: string): Promise<string[]> {
    const found: string[] = [];
    for await (const { Contents = [] } of paginateListObjectsV2({ client: this.s3 }, { Bucket: BUCKET, Prefix: prefix })) {
      found.push(...Contents.map(({ Key }) => Key!));
    }
    return found;
  }
}

/** For one test file. */
export function finalizer(variables: Partial<Record<keyof typeof HANDLER_ENV, string>> = {}): Finalizer {
  const one = new Finalizer();
  beforeAll(() => one.load(variables));
  beforeEach(() => one.begin());
  afterEach(() => {
    jest.restoreAllMocks();
    jest.useRealTimers();
  });
  afterAll(() => one.close());
  return one;
}
