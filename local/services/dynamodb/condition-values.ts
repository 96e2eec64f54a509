/**
 * The values of DynamoDB's condition keys for a request: attributes that it names, and partition keys of the items that it is about.
 * https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html#FGAC_DDB.ConditionKeys
 */
type Item = Readonly<Record<string, unknown>>;

/** A request of one table, or what a batch has for one. What a client sends may be anything, and is refused by dynalite. */
export type Input = Readonly<Record<string, unknown>>;

const EXPRESSIONS = ['ConditionExpression', 'FilterExpression', 'KeyConditionExpression', 'ProjectionExpression', 'UpdateExpression'];

/** What stands in an expression and names no attribute: keywords and functions. */
const WORDS = /^(SET|REMOVE|ADD|DELETE|AND|OR|NOT|IN|BETWEEN|if_not_exists|list_append|attribute_(not_)?exists|attribute_type|begins_with|contains|size)$/i;

/** Whether it sets, compares or returns them. Of what lies in an attribute, the attribute counts. */
export function namedAttributes(input: Input): string[] {
  const names = itemOf(input.ExpressionAttributeNames);
  const inExpressions = EXPRESSIONS.flatMap((name) => [...String(input[name] ?? '').matchAll(/(?<![\w.:#])#?[A-Za-z_]\w*/g)].map(([word]) => word))
    .filter((word) => !WORDS.test(word))
    .map((word) => String(names[word] ?? word));
  return [...new Set([...itemsOf(input).flatMap((item) => Object.keys(item)), ...inExpressions])];
}

export function leadingKeys(input: Input, partitionKey: string | undefined): string[] {
  if (partitionKey === undefined) return [];
  const values = [...itemsOf(input).map((item) => item[partitionKey]), queried(input, partitionKey)];
  return [...new Set(values.flatMap((value) => Object.values(itemOf(value)).map(String)))];
}

function itemsOf({ Item: item, Key: key, Keys: keys, Requests: requests }: Input): Item[] {
  const written = listOf(requests).flatMap(({ DeleteRequest, PutRequest }) => [itemOf(DeleteRequest).Key, itemOf(PutRequest).Item]);
  return [item, key, ...listOf(keys), ...written].map(itemOf);
}

/** A query is about one partition: `#key = :value`. */
function queried(input: Input, partitionKey: string): unknown {
  const names = itemOf(input.ExpressionAttributeNames);
  for (const [, name, value] of String(input.KeyConditionExpression ?? '').matchAll(/(#?\w+)\s*=\s*(:\w+)/g)) {
    if ((names[name] ?? name) === partitionKey) return itemOf(input.ExpressionAttributeValues)[value];
  }
  return undefined;
}

function itemOf(value: unknown): Item {
  return typeof value === 'object' && value !== null ? value as Item : {};
}

function listOf(value: unknown): Item[] {
  return Array.isArray(value) ? value.map(itemOf) : [];
}
