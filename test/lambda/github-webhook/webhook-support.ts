/** The webhook's handler with tables, a queue and secrets that are real on this machine, and deliveries as a forge makes them. */
import { createHmac } from 'node:crypto';
import { CreateTableCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { DeleteCommand, GetCommand, PutCommand, ScanCommand } from '@aws-sdk/lib-dynamodb';
import { startSecretsManager, type SecretsManager } from '../../../local/services/secrets-manager';
import { AccessDeniedError, type ApiCall, listen, type Listener } from '../../../local/services/service';
import { startSqs, type SqsService } from '../../../local/services/sqs/sqs-service';
import type { BuildRequest } from '../../../src/contract/build-request';
import type { DeploymentRecord } from '../../../src/contract/deployment';
import { ProjectItem, projectKey, PROJECTS_TABLE, WEBHOOK_ENV, WebhookAnswer } from '../../../src/contract/webhook';
import { startTables, TestTables } from '../../support/dynamodb';
import { CONTEXT, setHandlerEnvironment } from '../../support/handlers';

export const SECRET = 'It\'s a Secret to Everybody';
export const SECRET_ID = 'platform/webhook';
export const PROJECTS = 'projects';
export const URL_INDEX = 'byRepoUrl';
export const ID_INDEX = 'byRepositoryId';
const REGION = 'eu-central-1';

export const REPOSITORY = { id: 186853002, clone_url: 'https://github.com/acme/shop.git', pushed_at: Date.parse('2026-11-22T12:00:00Z') / 1000 };

type ServiceName = 'DYNAMODB' | 'SECRETS_MANAGER' | 'SQS';

export interface Sent {
  readonly projectId?: string;
  readonly event?: string;
  readonly payload?: unknown;
  /** In place of the payload as JSON. */
  readonly body?: string | Buffer;
  readonly secret?: string;
  /** In place of those that GitHub sends; undefined: without this one. */
  readonly headers?: Readonly<Record<string, string | undefined>>;
  readonly method?: string;
  /** In place of the project's. */
  readonly path?: string;
}

export interface Received {
  readonly status: number;
  readonly body: WebhookAnswer;
}

export function signed(body: string | Buffer, secret = SECRET): string {
  return `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`;
}

export const commit = (digit: string) => digit.repeat(40);

/** What GitHub sends for a push of one commit to main, as far as anybody looks. */
export function push(change: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    ref: 'refs/heads/main',
    before: commit('a'),
    after: commit('b'),
    created: false,
    deleted: false,
    forced: false,
    head_commit: { id: commit('b'), message: 'Sell more' },
    commits: [{ id: commit('b'), added: [], modified: ['apps/web/page.tsx'], removed: [] }],
    repository: REPOSITORY,
    ...change,
  };
}

export class Webhook {
  public tables!: TestTables;
  public secrets!: SecretsManager;
  public readonly secretReads: ApiCall[] = [];
  /** While set, SQS refuses every message. */
  public refusesMessages = false;
  private sqs!: SqsService;
  private queueUrl!: string;
  private statusQueueUrl!: string;
  /** Names of the projects table's keys. */
  private keys: { readonly partitionKey: string; readonly sortKey: string } = PROJECTS_TABLE;
  private silence?: Listener;
  private plain!: DynamoDBClient;
  private handler!: typeof import('../../../lambda/github-webhook').handler;

  /** `silent`: this service takes requests and answers none. */
  public async load(variables: Partial<Record<keyof typeof WEBHOOK_ENV, string>> = {}, silent?: ServiceName): Promise<void> {
    this.tables = await startTables();
    const { projectsPartitionKey: partitionKey = PROJECTS_TABLE.partitionKey, projectsSortKey: sortKey = PROJECTS_TABLE.sortKey } = variables;
    this.keys = { partitionKey, sortKey };
    this.plain = new DynamoDBClient({ endpoint: this.tables.endpoint, region: REGION, credentials: { accessKeyId: 'test', secretAccessKey: 'test' } });
    await this.createProjects();
    this.secrets = await startSecretsManager({ accountId: '111122223333', region: REGION, onCall: (call) => void this.secretReads.push(call) });
    this.sqs = await startSqs({
      region: REGION,
      onCall: () => {
        if (this.refusesMessages) throw new AccessDeniedError('no');
      },
    });
    this.queueUrl = this.sqs.createQueue('builds');
    this.statusQueueUrl = this.sqs.createQueue('status');
    const endpoints: Record<`AWS_ENDPOINT_URL_${ServiceName}`, string> = {
      AWS_ENDPOINT_URL_DYNAMODB: this.tables.endpoint,
      AWS_ENDPOINT_URL_SECRETS_MANAGER: this.secrets.endpoint,
      AWS_ENDPOINT_URL_SQS: this.sqs.endpoint,
    };
    if (silent) {
      this.silence = await listen(() => new Promise(() => {}));
      endpoints[`AWS_ENDPOINT_URL_${silent}`] = this.silence.endpoint;
    }
    // The SDK sends to the host that is in the queue's URL.
    const urlOf = (queueUrl: string) => new URL(new URL(queueUrl).pathname, endpoints.AWS_ENDPOINT_URL_SQS).href;
    setHandlerEnvironment(endpoints, { deploymentsTable: this.tables.tableName, stateTable: this.tables.stateTableName, buildQueueUrl: urlOf(this.queueUrl) });
    const indexes = { repositoryIndex: URL_INDEX, repositoryIdIndex: ID_INDEX };
    const settings = { projectsTable: PROJECTS, webhookSecret: SECRET_ID, ...indexes, statusQueueUrl: urlOf(this.statusQueueUrl), ...variables };
    for (const name of Object.values(WEBHOOK_ENV)) delete process.env[name];
    for (const [name, value] of Object.entries(settings)) if (value) process.env[WEBHOOK_ENV[name as keyof typeof WEBHOOK_ENV]] = value;
    // A handler of its own for each webhook of a test file.
    jest.isolateModules(() => {
      ({ handler: this.handler } = jest.requireActual<typeof import('../../../lambda/github-webhook')>('../../../lambda/github-webhook'));
    });
  }

  public async begin(): Promise<void> {
    await this.tables.clear();
    const { Items = [] } = await this.tables.client.send(new ScanCommand({ TableName: PROJECTS }));
    const keys = Items.map(({ projectId }) => projectKey(projectId as string, this.keys));
    await Promise.all(keys.map((Key) => this.tables.client.send(new DeleteCommand({ TableName: PROJECTS, Key }))));
    await this.requests();
    await this.skippedPushes();
    this.refusesMessages = false;
    this.secrets.putSecret(SECRET_ID, SECRET);
    this.secretReads.length = 0;
  }

  public async close(): Promise<void> {
    this.plain.destroy();
    await Promise.all([this.silence?.close(), this.secrets.close(), this.sqs.close(), this.tables.close()]);
  }

  /** Of the repository that pushes come from, unless told. */
  public async putProject(change: Partial<ProjectItem> & Pick<ProjectItem, 'projectId'>): Promise<void> {
    const { projectId } = change;
    const item = { name: projectId, repoUrl: 'https://github.com/acme/shop', branch: 'main', userId: 'ada', ...change };
    await this.tables.client.send(new PutCommand({ TableName: PROJECTS, Item: { ...projectKey(projectId, this.keys), ...item } }));
  }

  public async project(projectId: string): Promise<Record<string, unknown> | undefined> {
    const { Item } = await this.tables.client.send(new GetCommand({ TableName: PROJECTS, Key: projectKey(projectId, this.keys) }));
    return Item;
  }

  /** As behind a function URL; the secret's signature is there unless it is replaced. */
  public async deliver(sent: Sent): Promise<Received> {
    const { body = JSON.stringify(sent.payload ?? push()), event = 'push', method = 'POST', path = sent.projectId === undefined ? '/' : `/projects/${sent.projectId}` } = sent;
    const given = {
      'content-type': 'application/json',
      'x-github-event': event,
      'x-github-delivery': '72d3162e-cc78-11e3-81ab-4c9367dc0958',
      'x-hub-signature-256': signed(body, sent.secret),
      ...sent.headers,
    };
    const headers = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
    const isText = typeof body === 'string';
    return this.invoke({ rawPath: path, requestContext: { http: { method } }, headers, body: isText ? body : body.toString('base64'), isBase64Encoded: !isText });
  }

  public async invoke(event: Parameters<typeof this.handler>[0]): Promise<Received> {
    const { body, headers, statusCode } = await this.handler(event, CONTEXT);
    expect(headers['content-type']).toBe('application/json; charset=utf-8');
    return { status: statusCode, body: JSON.parse(body) as WebhookAnswer };
  }

  /** Takes all that is in the queue. */
  public async requests(): Promise<BuildRequest[]> {
    return this.messages<BuildRequest>(this.queueUrl);
  }

  /** What GitHub is to be told of pushes that were skipped. */
  public async skippedPushes(): Promise<unknown[]> {
    return this.messages<unknown>(this.statusQueueUrl);
  }

  private async messages<T>(queueUrl: string): Promise<T[]> {
    const queue = this.sqs.queue(queueUrl);
    const found: T[] = [];
    for (;;) {
      const messages = await queue.receive({ maxMessages: 10, waitSeconds: 0 });
      if (messages.length === 0) return found;
      for (const { body, receiptHandle } of messages) {
        found.push(JSON.parse(body) as T);
        queue.delete(receiptHandle);
      }
    }
  }

  public async records(): Promise<DeploymentRecord[]> {
    const { Items = [] } = await this.tables.client.send(new ScanCommand({ TableName: this.tables.tableName }));
    return Items as DeploymentRecord[];
  }

  /** Whatever a delivery can leave behind. */
  public async isUntouched(): Promise<boolean> {
    return (await this.records()).length === 0 && (await this.requests()).length === 0 && (await this.tables.stateIds('OPEN')).length === 0;
  }

  private async createProjects(): Promise<void> {
    const { partitionKey, sortKey } = this.keys;
    const key = (partition: string, sort?: string) => [
      { AttributeName: partition, KeyType: 'HASH' as const }, ...(sort === undefined ? [] : [{ AttributeName: sort, KeyType: 'RANGE' as const }]),
    ];
    const index = (name: string, attribute: string) => ({ IndexName: name, KeySchema: key(attribute), Projection: { ProjectionType: 'ALL' as const } });
    await this.plain.send(new CreateTableCommand({
      TableName: PROJECTS,
      AttributeDefinitions: [partitionKey, sortKey, 'repoUrl', 'repositoryId'].map((name) => ({ AttributeName: name, AttributeType: 'S' })),
      KeySchema: key(partitionKey, sortKey),
      GlobalSecondaryIndexes: [index(URL_INDEX, 'repoUrl'), index(ID_INDEX, 'repositoryId')],
      BillingMode: 'PAY_PER_REQUEST',
    }));
  }
}

let projects = 0;

/** A project of its own for each test. */
export const anyProject = () => `project-${++projects}`;

/** For one test file. */
export function webhook(...settings: Parameters<Webhook['load']>): Webhook {
  const one = new Webhook();
  beforeAll(() => one.load(...settings));
  beforeEach(() => one.begin());
  afterEach(() => {
    jest.restoreAllMocks();
    jest.useRealTimers();
  });
  afterAll(() => one.close());
  return one;
}
