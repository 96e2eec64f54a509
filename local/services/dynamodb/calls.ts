/** Which permissions a DynamoDB request needs. */
import type { ApiCall } from '../service';

interface Input {
  readonly TableName?: unknown;
  readonly IndexName?: unknown;
  readonly RequestItems?: Readonly<Record<string, unknown>>;
}

/** `target`: the header X-Amz-Target, `DynamoDB_20120810.<operation>`. */
export function callsOf(target: string, body: Buffer, at: { region: string; accountId: string }): Pick<ApiCall, 'service' | 'action' | 'resource'>[] {
  const action = `dynamodb:${target.split('.').pop()}`;
  const { TableName: table, IndexName: index, RequestItems: batch } = parse(body);
  const arn = (name: unknown) => `arn:aws:dynamodb:${at.region}:${at.accountId}:table/${String(name).replace(/^arn:[^/]*:table\//, '')}`;
  // An index is a resource of its own.
  const resources = batch ? Object.keys(batch).map(arn) : table === undefined ? ['*'] : [index === undefined ? arn(table) : `${arn(table)}/index/${String(index)}`];
  return resources.map((resource) => ({ service: 'dynamodb', action, resource }));
}

/** What is no document, dynalite refuses. */
function parse(body: Buffer): Input {
  try {
    return Object(JSON.parse(body.toString('utf8'))) as Input;
  } catch {
    return {};
  }
}
