import { ConditionalCheckFailedException } from '@aws-sdk/client-dynamodb';
import { DynamoDBDocumentClient, UpdateCommand, UpdateCommandInput } from '@aws-sdk/lib-dynamodb';

/** A change of one item; fields that are undefined are left out. In conditions, `#name` is the attribute and `:name` the value. */
export interface ItemChange {
  readonly set?: Readonly<Record<string, unknown>>;
  readonly setIfAbsent?: Readonly<Record<string, unknown>>;
  readonly remove?: readonly string[];
  /** Adds 1 to this attribute. */
  readonly count?: string;
  /** Adds to and removes from attributes that are string sets. An empty set vanishes. */
  readonly add?: Readonly<Record<string, Set<string>>>;
  readonly take?: Readonly<Record<string, Set<string>>>;
  readonly condition?: string;
  readonly values?: Readonly<Record<string, unknown>>;
}

/** The item as it is after the change, or (ALL_OLD) as it was before; undefined if the condition does not hold. */
export async function conditionalUpdate<Item>(
  client: DynamoDBDocumentClient, item: Pick<UpdateCommandInput, 'TableName' | 'Key'>, change: ItemChange, returned: 'ALL_NEW' | 'ALL_OLD' = 'ALL_NEW',
): Promise<Item | undefined> {
  const defined = (fields: Readonly<Record<string, unknown>> = {}) => Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
  const [set, setIfAbsent, add, take] = [defined(change.set), defined(change.setIfAbsent), defined(change.add), defined(change.take)];
  const { condition = '', count, remove = [] } = change;
  const assignments = [
    ...Object.keys(set).map((name) => `#${name} = :${name}`),
    ...Object.keys(setIfAbsent).map((name) => `#${name} = if_not_exists(#${name}, :${name})`),
    ...(count === undefined ? [] : [`#${count} = if_not_exists(#${count}, :zero) + :one`]),
  ];
  const clause = (keyword: string, parts: readonly string[]) => (parts.length ? [`${keyword} ${parts.join(', ')}`] : []);
  const inCondition = [...condition.matchAll(/#(\w+)/g)].map(([, name]) => name);
  const names = [...Object.keys({ ...set, ...setIfAbsent, ...add, ...take }), ...remove, ...(count === undefined ? [] : [count]), ...inCondition];
  const values = { ...set, ...setIfAbsent, ...add, ...take, ...change.values, ...(count === undefined ? {} : { zero: 0, one: 1 }) };
  try {
    const { Attributes } = await client.send(new UpdateCommand({
      ...item,
      UpdateExpression: [
        ...clause('SET', assignments),
        ...clause('REMOVE', remove.map((name) => `#${name}`)),
        ...clause('ADD', Object.keys(add).map((name) => `#${name} :${name}`)),
        ...clause('DELETE', Object.keys(take).map((name) => `#${name} :${name}`)),
      ].join(' '),
      ConditionExpression: condition || undefined,
      ExpressionAttributeNames: Object.fromEntries(names.map((name) => [`#${name}`, name])),
      ExpressionAttributeValues: Object.keys(values).length ? Object.fromEntries(Object.entries(values).map(([name, value]) => [`:${name}`, value])) : undefined,
      ReturnValues: returned,
    }));
    return (Attributes ?? {}) as Item;
  } catch (error) {
    if (error instanceof ConditionalCheckFailedException) return undefined;
    throw error;
  }
}
