import { ConditionalCheckFailedException } from '@aws-sdk/client-dynamodb';
import { DeleteCommand, DynamoDBDocumentClient, GetCommand, QueryCommand } from '@aws-sdk/lib-dynamodb';
import { STATE_KINDS, STATE_TABLE } from '../../../src/contract/state-table';
import { conditionalUpdate, ItemChange } from '../conditional-update';

type Kind = (typeof STATE_KINDS)[keyof typeof STATE_KINDS];

export interface Page<Item> {
  readonly items: readonly Item[];
  /** Where the next page begins; undefined after the last one. */
  readonly next?: string;
}

/** Long after the last message about a thing can have come: SQS keeps one at most 14 days in the queue, and 14 in the dead-letter queue. */
const KEEP_SECONDS = 60 * 24 * 3600;

/** The pipeline's own table (src/contract/state-table.ts): items by kind and id. */
export class StateTable {
  constructor(private readonly client: DynamoDBDocumentClient, private readonly tableName: string) {}

  public async get<Item>(kind: Kind, id: string): Promise<Item | undefined> {
    const { Item: item } = await this.client.send(new GetCommand({ TableName: this.tableName, Key: key(kind, id), ConsistentRead: true }));
    return item as Item | undefined;
  }

  /** The item as it is after the change, or (ALL_OLD) as it was before; undefined if the condition does not hold. */
  public async update<Item>(kind: Kind, id: string, change: ItemChange, returned?: 'ALL_NEW' | 'ALL_OLD'): Promise<Item | undefined> {
    return conditionalUpdate<Item>(this.client, { TableName: this.tableName, Key: key(kind, id) }, change, returned);
  }

  /** As update, for an item that nobody removes: it expires when it has not been changed for long. */
  public async updateExpiring<Item>(kind: Kind, id: string, change: ItemChange, returned?: 'ALL_NEW' | 'ALL_OLD'): Promise<Item | undefined> {
    const expiresAt = Math.floor(Date.now() / 1000) + KEEP_SECONDS;
    return this.update(kind, id, { ...change, set: { ...change.set, [STATE_TABLE.timeToLive]: expiresAt } }, returned);
  }

  public async delete(kind: Kind, id: string): Promise<void> {
    await this.client.send(new DeleteCommand({ TableName: this.tableName, Key: key(kind, id) }));
  }

  /** Removes the item if the condition holds, in which `#name` is the attribute and `:name` the value. */
  public async deleteIf(kind: Kind, id: string, condition: string, values?: Readonly<Record<string, unknown>>): Promise<void> {
    try {
      await this.client.send(new DeleteCommand({
        TableName: this.tableName,
        Key: key(kind, id),
        ConditionExpression: condition,
        ExpressionAttributeNames: Object.fromEntries([...condition.matchAll(/#(\w+)/g)]),
        ExpressionAttributeValues: values && Object.fromEntries(Object.entries(values).map(([name, value]) => [`:${name}`, value])),
      }));
    } catch (error) {
      if (!(error instanceof ConditionalCheckFailedException)) throw error;
    }
  }

  /** In the order of the ids, of one kind, all or those that begin with `prefix`. */
  public async page<Item>(kind: Kind, options: { prefix?: string; after?: string; limit: number }): Promise<Page<Item>> {
    const { prefix, after, limit } = options;
    const { Items = [], LastEvaluatedKey } = await this.client.send(new QueryCommand({
      TableName: this.tableName,
      KeyConditionExpression: `#kind = :kind${prefix === undefined ? '' : ' AND begins_with(#id, :prefix)'}`,
      ExpressionAttributeNames: { '#kind': STATE_TABLE.partitionKey, ...(prefix === undefined ? {} : { '#id': STATE_TABLE.sortKey }) },
      ExpressionAttributeValues: { ':kind': kind, ...(prefix === undefined ? {} : { ':prefix': prefix }) },
      ExclusiveStartKey: after === undefined ? undefined : key(kind, after),
      Limit: limit,
    }));
    return { items: Items as Item[], next: LastEvaluatedKey?.[STATE_TABLE.sortKey] as string | undefined };
  }

  public async *all<Item>(kind: Kind, prefix?: string): AsyncGenerator<Item> {
    let after: string | undefined;
    do {
      // DynamoDB ends a page at 1 MB in any case.
      const page: Page<Item> = await this.page(kind, { prefix, after, limit: 1_000 });
      yield* page.items;
      after = page.next;
    } while (after !== undefined);
  }
}

function key(kind: Kind, id: string) {
  return { [STATE_TABLE.partitionKey]: kind, [STATE_TABLE.sortKey]: id };
}
