/** The function that tells the outside, with GitHub, a receiver of webhooks and tables that are real on this machine, and its queue as SQS would be. */
import { GetSecretValueCommand, ResourceNotFoundException, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { ChangeMessageVisibilityCommand, SQSClient } from '@aws-sdk/client-sqs';
import type { SQSRecord } from 'aws-lambda';
import { mockClient } from 'aws-sdk-client-mock';
import { logger } from '../../../lambda/shared/logger';
import type { CheckRunReport, DeploymentReport } from '../../../local/github/reports';
import { type DeploymentStatusChangedDetail, EVENT_SOURCE, STATUS_CHANGED } from '../../../src/contract/events';
import { STATUS_ENV, STATUS_FUNCTION_SECONDS, STATUS_MAX_RECEIVES } from '../../../src/contract/github-status';
import { advanceClock, setClock } from '../../support/clock';
import { startTables, type TestTables } from '../../support/dynamodb';
import { Forge } from '../../support/forge';
import { invocation, setHandlerEnvironment } from '../../support/handlers';
import { COMMIT_SHA } from '../../support/requests';

export const PRIVATE_KEY = 'platform/github-app';
export const SIGNING = 'platform/outgoing-webhook';
/** Of the documentation of Standard Webhooks, as is what it signs. */
export const SIGNING_SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';

/** What is told where. */
export interface Told {
  readonly github: boolean;
  readonly webhook: boolean;
}

export interface Message {
  readonly id: string;
  readonly body: string;
  receives: number;
  visibleAt: number;
}

export class StatusFunction {
  public forge!: Forge;
  public tables!: TestTables;
  public readonly sqs = mockClient(SQSClient);
  public readonly secretsManager = mockClient(SecretsManagerClient);
  /** Not given up. */
  public queue: Message[] = [];
  public givenUp: Message[] = [];
  private handler!: typeof import('../../../lambda/github-status').handler;
  private count = 0;
  private days = 0;

  constructor(private readonly told: Told) {}

  public async load(): Promise<void> {
    logger.setLogLevel('SILENT');
    this.tables = await startTables();
    this.forge = await Forge.start();
    this.forge.joinHere();
    setHandlerEnvironment({ AWS_ENDPOINT_URL_DYNAMODB: this.tables.endpoint }, { stateTable: this.tables.stateTableName });
    const { appId, host } = this.forge;
    for (const name of Object.values(STATUS_ENV)) delete process.env[name];
    Object.assign(process.env, {
      [STATUS_ENV.queueUrl]: 'https://queue.example/status',
      ...(this.told.github ? { [STATUS_ENV.appId]: appId, [STATUS_ENV.host]: host, [STATUS_ENV.privateKeySecret]: PRIVATE_KEY } : {}),
      ...(this.told.webhook ? { [STATUS_ENV.outgoingUrl]: this.webhookUrl, [STATUS_ENV.outgoingSecret]: SIGNING } : {}),
    });
    ({ handler: this.handler } = jest.requireActual<typeof import('../../../lambda/github-status')>('../../../lambda/github-status'));
  }

  /** What comes after the host is a secret, as it is in chats. */
  public get webhookUrl(): string {
    return `https://${this.forge.host}/hooks/T0KEN-1n-th3-URL`;
  }

  public async begin(): Promise<void> {
    // A day later each time: what the function remembers is out of date by then.
    setClock(Date.parse('2026-11-01T12:00:00.000Z') + this.days++ * 24 * 3_600_000);
    await this.tables.clear();
    this.undisturbed();
    this.forge.permissions = { contents: 'read', metadata: 'read', checks: 'write', deployments: 'write' };
    this.forge.reports.clear();
    for (const list of [this.forge.requests, this.forge.grants, this.forge.notices]) list.length = 0;
    this.forge.addRepository('acme/shop', '/nowhere');
    [this.queue, this.givenUp] = [[], []];
    this.sqs.reset();
    this.sqs.on(ChangeMessageVisibilityCommand).callsFake(({ ReceiptHandle, VisibilityTimeout }: { ReceiptHandle: string; VisibilityTimeout: number }) => {
      this.queue.find(({ id }) => id === ReceiptHandle)!.visibleAt = Date.now() + VisibilityTimeout * 1000;
      return {};
    });
    this.secretsManager.reset();
    this.putSecret(PRIVATE_KEY, this.forge.privateKey);
    this.putSecret(SIGNING, SIGNING_SECRET);
  }

  public undisturbed(): void {
    [this.forge.answer, this.forge.answerAfterwards, this.forge.postpone] = [undefined, undefined, undefined];
  }

  public putSecret(name: string, current: string, previous?: string): void {
    this.secretsManager.on(GetSecretValueCommand, { SecretId: name }).resolves({ SecretString: current });
    const before = this.secretsManager.on(GetSecretValueCommand, { SecretId: name, VersionStage: 'AWSPREVIOUS' });
    if (previous === undefined) before.rejects(new ResourceNotFoundException({ message: 'There is none', $metadata: {} }));
    else before.resolves({ SecretString: previous });
  }

  /** An event as EventBridge puts it into a queue. */
  public send(detail: Partial<DeploymentStatusChangedDetail> & { readonly version: number }): Message {
    return this.sendMessage({ 'version': '0', 'source': EVENT_SOURCE, 'detail-type': STATUS_CHANGED, 'time': '2026-11-01T11:59:59Z', 'detail': this.detail(detail) });
  }

  public sendMessage(body: object | string): Message {
    const message = { id: `message-${++this.count}`, body: typeof body === 'string' ? body : JSON.stringify(body), receives: 0, visibleAt: 0 };
    this.queue.push(message);
    return message;
  }

  public detail(detail: Partial<DeploymentStatusChangedDetail> & { readonly version: number }): DeploymentStatusChangedDetail {
    return {
      deploymentId: 'deployment-1',
      projectId: 'shop',
      commitSha: COMMIT_SHA,
      branch: 'main',
      defaultBranch: 'main',
      repoUrl: this.forge.url('acme/shop'),
      status: 'queued',
      createdAt: '2026-11-01T11:59:00.000Z',
      ...detail,
    };
  }

  /** One call of the function with these messages; what fails stays in the queue. Says how many seconds each of those is not seen. */
  public async call(messages: readonly Message[] = this.queue, milliseconds = STATUS_FUNCTION_SECONDS * 1000): Promise<number[]> {
    const batch = [...messages];
    for (const message of batch) {
      message.receives += 1;
      message.visibleAt = Infinity;
    }
    const context = { ...invocation('request-1'), getRemainingTimeInMillis: () => milliseconds };
    const { batchItemFailures } = await this.handler({ Records: batch.map((message) => this.record(message)) }, context);
    const failed = new Set(batchItemFailures.map(({ itemIdentifier }) => itemIdentifier));
    this.queue = this.queue.filter((message) => !batch.includes(message) || failed.has(message.id));
    const left = batch.filter(({ id }) => failed.has(id));
    this.givenUp.push(...left.filter(({ receives }) => receives >= STATUS_MAX_RECEIVES));
    this.queue = this.queue.filter((message) => !this.givenUp.includes(message));
    return left.map(({ visibleAt }) => (visibleAt - Date.now()) / 1000);
  }

  /** Calls with one message after the other, and lets time pass, until there is none left. */
  public async drain(): Promise<void> {
    while (this.queue.length > 0) {
      const [next] = [...this.queue].sort((one, other) => one.visibleAt - other.visibleAt);
      if (next.visibleAt > Date.now()) advanceClock((next.visibleAt - Date.now()) / 1000);
      await this.call([next]);
    }
  }

  /** Sends one event, and sees to it until it is told. */
  public async tell(detail: Partial<DeploymentStatusChangedDetail> & { readonly version: number }): Promise<void> {
    this.send(detail);
    await this.drain();
  }

  public get checkRuns(): readonly CheckRunReport[] {
    return this.forge.reports.checkRuns;
  }

  public get deployments(): readonly DeploymentReport[] {
    return this.forge.reports.deployments;
  }

  public get asked(): string[] {
    return this.forge.requests.map(({ method, path }) => `${method} ${path.replace('/api/v3', '')}`);
  }

  public async close(): Promise<void> {
    jest.useRealTimers();
    this.sqs.restore();
    this.secretsManager.restore();
    await this.forge.close();
    await this.tables.close();
  }

  private record({ body, id, receives }: Message): SQSRecord {
    const attributes = { ApproximateReceiveCount: String(receives), SentTimestamp: String(Date.now()), SenderId: '', ApproximateFirstReceiveTimestamp: '' };
    return { messageId: id, receiptHandle: id, body, attributes, messageAttributes: {}, md5OfBody: '', eventSource: 'aws:sqs', eventSourceARN: '', awsRegion: '' };
  }
}

/** For one test file. */
export function statusFunction(told: Partial<Told> = {}): StatusFunction {
  const one = new StatusFunction({ github: true, webhook: false, ...told });
  beforeAll(() => one.load());
  beforeEach(() => one.begin());
  afterEach(() => {
    jest.restoreAllMocks();
    jest.useRealTimers();
  });
  afterAll(() => one.close());
  return one;
}
