/** Which permissions a DynamoDB request needs, and what policies can ask about it. */
import { leadingKeys, namedAttributes, type Input } from './condition-values';
import type { ApiCall } from '../service';

interface TableKeys {
  readonly TableName: string;
  readonly KeySchema?: readonly KeySchemaElement[];
  readonly GlobalSecondaryIndexes?: readonly { readonly IndexName?: string; readonly KeySchema?: readonly KeySchemaElement[] }[];
}

interface KeySchemaElement {
  readonly AttributeName?: string;
  readonly KeyType?: string;
}

/** Names of the partition keys of tables and their global indexes. A local index has that of its table. */
export class PartitionKeys {
  private readonly names = new Map<string, string>();

  add({ GlobalSecondaryIndexes: indexes = [], KeySchema: schema, TableName: table }: TableKeys): void {
    const nameIn = (keys: readonly KeySchemaElement[] = []) => keys.find(({ KeyType }) => KeyType === 'HASH')?.AttributeName ?? '';
    this.names.set(table, nameIn(schema));
    indexes.forEach(({ IndexName, KeySchema }) => this.names.set(`${table}/${IndexName}`, nameIn(KeySchema)));
  }

  of(table: string, index: unknown): string | undefined {
    return this.names.get(`${table}/${String(index)}`) ?? this.names.get(table);
  }
}

/** `target`: the header X-Amz-Target, `DynamoDB_20120810.<operation>`. */
export function callsOf(
  target: string, body: Buffer, at: { region: string; accountId: string; partitionKeys?: PartitionKeys },
): Pick<ApiCall, 'service' | 'action' | 'resource' | 'context'>[] {
  const action = `dynamodb:${target.split('.').pop()}`;
  const input = parse(body);
  const { TableName: table, IndexName: index, RequestItems: batch } = input;
  const nameOf = (name: unknown) => String(name).replace(/^arn:[^/]*:table\//, '');
  const arn = (name: unknown) => `arn:aws:dynamodb:${at.region}:${at.accountId}:table/${nameOf(name)}`;
  const call = (resource: string, name: unknown, part: Input) => ({
    service: 'dynamodb',
    action,
    resource,
    context: { ...some('dynamodb:Attributes', namedAttributes(part)), ...some('dynamodb:LeadingKeys', leadingKeys(part, at.partitionKeys?.of(nameOf(name), index))) },
  });
  if (batch) {
    const inputOf = (part: unknown): Input => (Array.isArray(part) ? { Requests: part } : Object(part) as Input);
    return Object.entries(Object(batch) as object).map(([name, part]) => call(arn(name), name, inputOf(part)));
  }
  if (table === undefined) return [{ service: 'dynamodb', action, resource: '*' }];
  // An index is a resource of its own.
  return [call(index === undefined ? arn(table) : `${arn(table)}/index/${String(index)}`, table, input)];
}

function some(key: string, values: readonly string[]): Record<string, readonly string[]> {
  return values.length > 0 ? { [key]: values } : {};
}

/** What is no document, dynalite refuses. */
function parse(body: Buffer): Input {
  try {
    return Object(JSON.parse(body.toString('utf8'))) as Input;
  } catch {
    return {};
  }
}
