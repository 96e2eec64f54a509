/**
 * The embedded services of the local run, asked without sockets: dynalite, SQS and S3 answer the very requests that the SDK sends.
 * One instance for the life of a process; what a world leaves behind is swept away before the next.
 */
import { EventEmitter } from 'node:events';
import { mkdtempSync } from 'node:fs';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import type { HttpAnswer, HttpRequest } from './execution-environment';
import { MemoryObjects } from './memory-objects';
import { AwsJsonError, serveAwsJson, type JsonObject } from '../../local/services/aws-json';
import { dynaliteServer } from '../../local/services/dynamodb/dynalite-server';
import { replyError, S3Request } from '../../local/services/s3/request';
import { routeOf } from '../../local/services/s3/routes';
import { UploadStore } from '../../local/services/s3/upload-store';
import type { OnCall } from '../../local/services/service';
import { ACTIONS } from '../../local/services/sqs/actions';
import { Queues } from '../../local/services/sqs/queues';
import { DEPLOYMENTS_PARTITION_KEY } from '../../src/contract/deployment';
import { STATE_TABLE } from '../../src/contract/state-table';

export const REGION = 'us-east-1';
export const ACCOUNT_ID = '123456789012';
export const DEPLOYMENTS_TABLE = 'deployments';
export const STATE_TABLE_NAME = 'state';
export const BUCKET = 'artifacts-bucket';

type AttributeValue =
  | { S: string } | { N: string } | { BOOL: boolean } | { NULL: true }
  | { SS: string[] } | { NS: string[] } | { L: AttributeValue[] } | { M: Attributes };
type Attributes = Record<string, AttributeValue>;
export type Item = Record<string, unknown>;

const KEYS: Readonly<Record<string, readonly string[]>> = {
  [DEPLOYMENTS_TABLE]: [DEPLOYMENTS_PARTITION_KEY],
  [STATE_TABLE_NAME]: [STATE_TABLE.partitionKey, STATE_TABLE.sortKey],
};

export class Tables {
  static async create(): Promise<Tables> {
    const tables = new Tables(dynaliteServer());
    for (const [table, keys] of Object.entries(KEYS)) {
      await tables.call('CreateTable', {
        TableName: table,
        AttributeDefinitions: keys.map((name) => ({ AttributeName: name, AttributeType: 'S' })),
        KeySchema: keys.map((name, index) => ({ AttributeName: name, KeyType: index === 0 ? 'HASH' : 'RANGE' })),
        BillingMode: 'PAY_PER_REQUEST',
      });
      // dynalite makes the table active in a timer of its own.
      while ((await tables.call('DescribeTable', { TableName: table }) as { Table: { TableStatus: string } }).Table.TableStatus !== 'ACTIVE') {
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    }
    return tables;
  }

  private constructor(private readonly server: Server) {}

  async handle(request: HttpRequest): Promise<HttpAnswer> {
    const incoming = new Incoming(request);
    const outgoing = new Outgoing();
    this.server.emit('request', incoming, outgoing);
    incoming.emit('data', request.body);
    incoming.emit('end');
    return outgoing.answered;
  }

  async items(table: string): Promise<Item[]> {
    const { Items } = await this.call('Scan', { TableName: table }) as { Items: Attributes[] };
    return Items.map(plain);
  }

  async get(table: string, key: Record<string, string>): Promise<Item | undefined> {
    const { Item } = await this.call('GetItem', { TableName: table, Key: strings(key), ConsistentRead: true }) as { Item?: Attributes };
    return Item && plain(Item);
  }

  /** Writes what a user's own code would; strings and numbers only. */
  async put(table: string, item: Readonly<Record<string, string | number | boolean>>): Promise<void> {
    const attribute = (value: string | number | boolean) => (typeof value === 'string' ? { S: value } : typeof value === 'number' ? { N: String(value) } : { BOOL: value });
    const attributes = Object.entries(item).map(([name, value]) => [name, attribute(value)]);
    await this.call('PutItem', { TableName: table, Item: Object.fromEntries(attributes) as Attributes });
  }

  async delete(table: string, item: Item): Promise<void> {
    await this.call('DeleteItem', { TableName: table, Key: strings(Object.fromEntries(KEYS[table].map((name) => [name, String(item[name])]))) });
  }

  async clear(): Promise<void> {
    for (const table of Object.keys(KEYS)) {
      for (const item of await this.items(table)) {
        await this.delete(table, item);
      }
    }
  }

  private async call(operation: string, input: object): Promise<object> {
    const { status, body } = await this.handle({
      host: '',
      method: 'POST',
      path: '/',
      headers: {
        'x-amz-target': `DynamoDB_20120810.${operation}`,
        'content-type': 'application/x-amz-json-1.0',
        'x-amz-date': '20260101T000000Z',
        'authorization': 'AWS4-HMAC-SHA256 Credential=simulated, SignedHeaders=host, Signature=none',
      },
      body: Buffer.from(JSON.stringify(input)),
    });
    if (status !== 200) {
      throw new Error(`DynamoDB answered ${operation} with ${status}: ${body.toString()}`);
    }
    return JSON.parse(body.toString()) as object;
  }
}

/** The bucket of all worlds, one after the other. */
export class Bucket {
  private readonly stores;

  /** `directory`: the embedded S3 asks for one, and stores nothing there. */
  constructor(directory: string) {
    const objects = new MemoryObjects(directory, BUCKET);
    this.stores = { objects, uploads: new UploadStore(objects) };
  }

  async handle({ host, path, ...request }: HttpRequest, onCall?: OnCall): Promise<HttpAnswer> {
    // The SDK puts the bucket into the host's name; the embedded S3 knows it in the path only.
    const bucket = /^(.+)\.s3\./.exec(host)?.[1];
    const incoming = new Incoming({ ...request, host, path: bucket ? `/${bucket}${path}` : path });
    const outgoing = new Outgoing();
    try {
      const s3Request = new S3Request(incoming as unknown as IncomingMessage, outgoing as unknown as ServerResponse, { ...this.stores, onCall });
      s3Request.requireBucket();
      await routeOf(s3Request).handle(s3Request);
    } catch (error) {
      replyError(incoming as unknown as IncomingMessage, outgoing as unknown as ServerResponse, error);
    }
    return outgoing.answered;
  }

  async put(key: string, content: string): Promise<void> {
    const body = Buffer.from(content);
    await this.handle({
      host: '', method: 'PUT', path: `/${BUCKET}/${key.split('/').map(encodeURIComponent).join('/')}`, headers: { 'content-length': String(body.length) }, body,
    });
  }

  text(key: string): string | undefined {
    return this.stores.objects.text(key);
  }

  async keys(prefix = ''): Promise<string[]> {
    return this.stores.objects.keys(BUCKET, prefix);
  }

  clear(): void {
    this.stores.objects.clear();
  }
}

export function queues(now: () => number): Queues {
  return new Queues({ accountId: ACCOUNT_ID, region: REGION, endpoint: `https://sqs.${REGION}.amazonaws.com`, now });
}

export async function handleSqs(of: Queues, request: HttpRequest, onCall?: OnCall): Promise<HttpAnswer> {
  return answerAwsJson('AmazonSQS', '1.0', request, async (operation, input) => {
    if (!Object.hasOwn(ACTIONS, operation)) {
      throw new AwsJsonError('com.amazon.coral.service#UnknownOperationException', `SQS has no ${operation}.`);
    }
    // Nobody waits in virtual time: a long poll finds what is there.
    return ACTIONS[operation](of, { ...input, ...operation === 'ReceiveMessage' && { WaitTimeSeconds: 0 } }, {
      senderId: ACCOUNT_ID,
      signal: new AbortController().signal,
      authorize: async (action, resource) => onCall?.({ service: 'sqs', action: `sqs:${action}`, resource }),
    });
  });
}

export async function answerAwsJson(
  targetPrefix: string, version: '1.0' | '1.1', request: HttpRequest, handle: (operation: string, input: JsonObject) => Promise<object>,
): Promise<HttpAnswer> {
  const incoming = new Incoming(request);
  const outgoing = new Outgoing();
  const protocol = { targetPrefix, version, bodyLimit: 16 * 1024 ** 2 };
  await serveAwsJson(protocol, incoming as unknown as IncomingMessage, outgoing as unknown as ServerResponse, handle);
  return outgoing.answered;
}

export function temporaryDirectory(): string {
  return mkdtempSync(join(tmpdir(), 'pipeline-simulation-'));
}

/** A request that has arrived as a whole. */
class Incoming extends EventEmitter {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  private readonly body: Buffer;

  constructor({ method, path, headers, body }: HttpRequest) {
    super();
    this.method = method;
    this.url = path;
    this.headers = headers;
    this.body = body;
  }

  async* [Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    yield this.body;
  }

  resume(): void { /* nothing is left to read */ }
}

/** The answer to it, collected. */
class Outgoing extends Writable {
  statusCode = 200;
  headersSent = false;
  readonly answered: Promise<HttpAnswer>;
  private readonly headers: Record<string, string> = {};
  private readonly chunks: Buffer[] = [];

  constructor() {
    super();
    this.answered = new Promise((resolve, reject) => {
      this.on('finish', () => resolve({ status: this.statusCode, headers: this.headers, body: Buffer.concat(this.chunks) }));
      this.on('error', reject);
    });
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: () => void): void {
    this.chunks.push(chunk);
    callback();
  }

  setHeader(name: string, value: string | number): void {
    this.headers[name.toLowerCase()] = String(value);
  }

  writeHead(status: number, headers: Record<string, string> = {}): this {
    this.statusCode = status;
    Object.entries(headers).forEach(([name, value]) => this.setHeader(name, value));
    this.headersSent = true;
    return this;
  }
}

function strings(values: Record<string, string>): Attributes {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, { S: value }]));
}

function plain(attributes: Attributes): Item {
  return Object.fromEntries(Object.entries(attributes).map(([name, value]) => [name, plainValue(value)]));
}

function plainValue(value: AttributeValue): unknown {
  const [[type, content]] = Object.entries(value) as [[string, unknown]];
  switch (type) {
    case 'N': return Number(content);
    case 'NS': return (content as string[]).map(Number);
    case 'L': return (content as AttributeValue[]).map(plainValue);
    case 'M': return plain(content as Attributes);
    case 'NULL': return null;
    default: return content;
  }
}
