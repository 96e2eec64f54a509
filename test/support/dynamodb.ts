import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { CreateTableCommand, CreateTableCommandInput, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { DeleteCommand, DynamoDBDocumentClient, GetCommand, paginateScan, PutCommand, QueryCommand } from '@aws-sdk/lib-dynamodb';
import dynalite from 'dynalite';
import { DEPLOYMENTS_PARTITION_KEY, DeploymentRecord } from '../../src/contract/deployment';
import { STATE_KINDS, STATE_TABLE } from '../../src/contract/state-table';

type Kind = (typeof STATE_KINDS)[keyof typeof STATE_KINDS];

/** The deployments table, as a user would create it, and the pipeline's own. */
export interface TestTables {
  readonly client: DynamoDBDocumentClient;
  readonly tableName: string;
  readonly stateTableName: string;
  readonly endpoint: string;
  putRecord(record: Record<string, unknown>): Promise<void>;
  record(deploymentId: string): Promise<DeploymentRecord | undefined>;
  putState(kind: Kind, id: string, item: Record<string, unknown>): Promise<void>;
  /** Without its key. */
  state(kind: Kind, id: string): Promise<Record<string, unknown> | undefined>;
  /** Ids of all items of one kind. */
  stateIds(kind: Kind): Promise<string[]>;
  /** Removes every item. */
  clear(): Promise<void>;
  close(): Promise<void>;
}

const { partitionKey, sortKey } = STATE_TABLE;

/** In memory. */
export async function startTables(): Promise<TestTables> {
  const server: Server = dynalite({ createTableMs: 0, deleteTableMs: 0, updateTableMs: 0 });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const plain = new DynamoDBClient({
    endpoint,
    region: 'eu-central-1',
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
  });
  const tableName = 'deployments';
  const stateTableName = 'state';
  await plain.send(new CreateTableCommand(table(tableName, DEPLOYMENTS_PARTITION_KEY)));
  await plain.send(new CreateTableCommand(table(stateTableName, partitionKey, sortKey)));
  const client = DynamoDBDocumentClient.from(plain, { marshallOptions: { removeUndefinedValues: true } });
  return {
    client,
    tableName,
    stateTableName,
    endpoint,
    async putRecord(record) {
      await client.send(new PutCommand({ TableName: tableName, Item: record }));
    },
    async record(deploymentId) {
      const { Item } = await client.send(new GetCommand({ TableName: tableName, Key: { [DEPLOYMENTS_PARTITION_KEY]: deploymentId } }));
      return Item as DeploymentRecord | undefined;
    },
    async putState(kind, id, item) {
      await client.send(new PutCommand({ TableName: stateTableName, Item: { [partitionKey]: kind, [sortKey]: id, ...item } }));
    },
    async state(kind, id) {
      const { Item } = await client.send(new GetCommand({ TableName: stateTableName, Key: { [partitionKey]: kind, [sortKey]: id } }));
      if (!Item) return undefined;
      const { [partitionKey]: _kind, [sortKey]: _id, ...item } = Item;
      return item;
    },
    async stateIds(kind) {
      const { Items = [] } = await client.send(new QueryCommand({
        TableName: stateTableName,
        KeyConditionExpression: '#kind = :kind',
        ExpressionAttributeNames: { '#kind': partitionKey },
        ExpressionAttributeValues: { ':kind': kind },
      }));
      return Items.map((item) => item[sortKey] as string);
    },
    async clear() {
      for (const [name, keys] of [[tableName, [DEPLOYMENTS_PARTITION_KEY]], [stateTableName, [partitionKey, sortKey]]] as const) {
        for await (const { Items = [] } of paginateScan({ client }, { TableName: name })) {
          const itemKeys = Items.map((item) => Object.fromEntries(keys.map((key) => [key, item[key]])));
          await Promise.all(itemKeys.map((key) => client.send(new DeleteCommand({ TableName: name, Key: key }))));
        }
      }
    },
    close: async () => {
      plain.destroy();
      const closed = once(server, 'close');
      server.close();
      // A query that is cut off goes on in dynalite, and fails when Jest has taken its modules away.
      const closing = setInterval(() => server.closeIdleConnections(), 10);
      const late = setTimeout(() => server.closeAllConnections(), 5_000);
      await closed;
      clearInterval(closing);
      clearTimeout(late);
    },
  };
}

function table(name: string, partition: string, sort?: string): CreateTableCommandInput {
  return {
    TableName: name,
    AttributeDefinitions: [partition, sort].flatMap((key) => (key ? [{ AttributeName: key, AttributeType: 'S' as const }] : [])),
    KeySchema: [{ AttributeName: partition, KeyType: 'HASH' }, ...(sort ? [{ AttributeName: sort, KeyType: 'RANGE' as const }] : [])],
    BillingMode: 'PAY_PER_REQUEST',
  };
}
