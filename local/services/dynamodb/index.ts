/**
 * DynamoDB on 127.0.0.1: dynalite, in memory, with its items kept as plain JSON files between runs.
 * dynalite has no transactions and does not return the old item of a failed condition; the pipeline needs neither.
 */
import { EventEmitter } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import * as path from 'node:path';
import { CreateTableCommand, CreateTableCommandInput, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { DynamoDBDocumentClient, paginateScan, PutCommand } from '@aws-sdk/lib-dynamodb';
import { callsOf, PartitionKeys } from './calls';
import { dynaliteServer } from './dynalite-server';
import { signatureErrorOf } from '../aws-json';
import { AccessDeniedError, BodyTooLargeError, listen, readBody, send, type OnCall } from '../service';
import { authenticate, SignatureError, type SecretOf } from '../sigv4';

export type TableDefinition = Pick<CreateTableCommandInput, 'AttributeDefinitions' | 'KeySchema' | 'GlobalSecondaryIndexes' | 'LocalSecondaryIndexes'>
  & {
    readonly TableName: string;
    /** Items that have expired by it are not there any more in the next run. While a run lasts nothing is removed: DynamoDB takes days, too. */
    readonly timeToLiveAttribute?: string;
  };

export interface DynamoDbService {
  /** `http://127.0.0.1:<port>` */
  readonly endpoint: string;
  /** For whoever looks on: not a role of the template. */
  readonly client: DynamoDBDocumentClient;
  /** Creates the table, with the items of the last run if it had any. */
  createTable(table: TableDefinition): Promise<void>;
  /** Writes every table to `<directory>/<table>.json`. */
  save(): Promise<void>;
  close(): Promise<void>;
}

export interface DynamoDbOptions {
  readonly directory: string;
  readonly region: string;
  readonly accountId?: string;
  readonly onCall?: OnCall;
  readonly secretOf?: SecretOf;
  /** Of `client`. */
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string };
}

export async function startDynamoDb(options: DynamoDbOptions): Promise<DynamoDbService> {
  const dynalite = dynaliteServer();
  const partitionKeys = new PartitionKeys();
  const { endpoint, close } = await listen((request, response) => serve(dynalite, options, partitionKeys, request, response));
  const plainClient = new DynamoDBClient({ endpoint, region: options.region, credentials: options.credentials ?? { accessKeyId: 'local', secretAccessKey: 'local' } });
  const client = DynamoDBDocumentClient.from(plainClient, { marshallOptions: { removeUndefinedValues: true } });
  const tables: string[] = [];
  const fileOf = (table: string) => path.join(options.directory, `${table}.json`);

  return {
    endpoint,
    client,
    async createTable({ timeToLiveAttribute, ...table }) {
      partitionKeys.add(table);
      await plainClient.send(new CreateTableCommand({ ...table, BillingMode: 'PAY_PER_REQUEST' }));
      tables.push(table.TableName);
      for (const item of await readItems(fileOf(table.TableName))) {
        if (timeToLiveAttribute && hasExpired(item[timeToLiveAttribute])) continue;
        await client.send(new PutCommand({ TableName: table.TableName, Item: item }));
      }
    },
    async save() {
      await mkdir(options.directory, { recursive: true });
      for (const table of tables) {
        const items: unknown[] = [];
        for await (const page of paginateScan({ client }, { TableName: table })) items.push(...page.Items ?? []);
        // Renamed into place: somebody who looks, or pulls the plug, finds the old items or the new ones.
        await writeFile(`${fileOf(table)}.new`, `${JSON.stringify(items, writeSets, 2)}\n`);
        await rename(`${fileOf(table)}.new`, fileOf(table));
      }
    },
    async close() {
      plainClient.destroy();
      await close();
    },
  };
}

/** DynamoDB's own limit, for a BatchWriteItem. */
const MAX_BODY_BYTES = 16 * 1024 ** 2;

async function serve(
  dynalite: Server, options: DynamoDbOptions, partitionKeys: PartitionKeys, request: IncomingMessage, response: ServerResponse,
): Promise<void> {
  const { accountId = '000000000000', onCall, region, secretOf } = options;
  const refuse = (status: number, type: string, message: string) => send(
    response, status, { 'content-type': 'application/x-amz-json-1.0' }, JSON.stringify({ __type: `com.amazon.coral.service#${type}`, Message: message, message }),
  );
  try {
    const body = await readBody(request, MAX_BODY_BYTES);
    const caller = await authenticate(request, { service: 'dynamodb', region, secretOf }, body);
    const calls = callsOf(String(request.headers['x-amz-target'] ?? ''), body, { region, accountId, partitionKeys });
    for (const call of calls) await onCall?.({ ...call, accessKeyId: caller?.accessKeyId });
    handOver(dynalite, request, body, response);
  } catch (error) {
    if (error instanceof AccessDeniedError) return refuse(400, 'AccessDeniedException', error.message);
    if (error instanceof SignatureError) return refuse(400, signatureErrorOf(error.problem)[0], error.message);
    if (error instanceof BodyTooLargeError) return refuse(413, 'RequestEntityTooLargeException', error.message);
    // The client has gone before its request was complete.
    if (request.destroyed && !request.complete) return;
    throw error;
  }
}

/** dynalite listens on no port of its own: there everybody could do everything. It takes a request that has arrived as a whole. */
function handOver(dynalite: Server, { headers, method, url }: IncomingMessage, body: Buffer, response: ServerResponse): void {
  const request = Object.assign(new EventEmitter(), { headers, method, url });
  dynalite.emit('request', request, response);
  request.emit('data', body);
  request.emit('end');
}

async function readItems(file: string): Promise<Record<string, unknown>[]> {
  if (!existsSync(file)) return [];
  try {
    return JSON.parse(await readFile(file, 'utf8'), readSets) as Record<string, unknown>[];
  } catch (error) {
    throw new Error(`${file} holds the items of an earlier local run, but is not valid JSON (${(error as Error).message}). Mend or remove it.`);
  }
}

/** JSON knows no sets: they are written in DynamoDB's own notation. */
function writeSets(_: string, value: unknown): unknown {
  if (!(value instanceof Set)) return value;
  const members = [...value] as unknown[];
  return typeof members[0] === 'string' ? { SS: members } : { NS: members };
}

function readSets(_: string, value: unknown): unknown {
  const entries = typeof value === 'object' && value !== null ? Object.entries(value) : [];
  const [name, members] = entries[0] ?? [];
  return entries.length === 1 && ['SS', 'NS'].includes(name) && Array.isArray(members) ? new Set(members) : value;
}

function hasExpired(epochSeconds: unknown): boolean {
  return typeof epochSeconds === 'number' && epochSeconds * 1000 < Date.now();
}
