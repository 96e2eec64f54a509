/**
 * DynamoDB on 127.0.0.1: dynalite, in memory, with its items kept as plain JSON files between runs.
 * dynalite has no transactions and does not return the old item of a failed condition; the pipeline needs neither.
 */
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import * as path from 'node:path';
import { CreateTableCommand, CreateTableCommandInput, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { DynamoDBDocumentClient, paginateScan, PutCommand } from '@aws-sdk/lib-dynamodb';
import { dynaliteServer } from './dynalite-server';

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

export async function startDynamoDb(options: { directory: string; region: string }): Promise<DynamoDbService> {
  const server = dynaliteServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const plainClient = new DynamoDBClient({ endpoint, region: options.region, credentials: { accessKeyId: 'local', secretAccessKey: 'local' } });
  const client = DynamoDBDocumentClient.from(plainClient, { marshallOptions: { removeUndefinedValues: true } });
  const tables: string[] = [];
  const fileOf = (table: string) => path.join(options.directory, `${table}.json`);

  return {
    endpoint,
    client,
    async createTable({ timeToLiveAttribute, ...table }) {
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
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
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
