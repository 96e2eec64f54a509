/** Checks at synth of what `GithubWebhook` is given, as validation.ts does for the pipeline. Values that are tokens are not known yet and pass. */
import { Stack, Token } from 'aws-cdk-lib';
import * as dynamodb from 'aws-cdk-lib/aws-dynamodb';
import * as secretsmanager from 'aws-cdk-lib/aws-secretsmanager';
import { Construct } from 'constructs';
import { ProjectItem } from './contract/webhook';
import { keysOf } from './validation';

export function checkProjectsTable(table: dynamodb.ITable, { partitionKey, sortKey }: { partitionKey: string; sortKey: string }): void {
  const found = keysOf(table);
  const expected = [`${partitionKey} (HASH, S)`, `${sortKey} (RANGE, S)`];
  if (!found || Token.isUnresolved(partitionKey) || Token.isUnresolved(sortKey) || expected.every((key) => found.includes(key))) return;
  throw new Error(`projectsTable must have the partition key "${partitionKey}" and the sort key "${sortKey}", both of type string: `
    + `expected ${expected.join(' and ')}, got ${found.join(' and ')}. `
    + 'Name the keys of your table with projectsPartitionKey and projectsSortKey.');
}

/** Partition key of each index. */
const INDEX_KEYS = { repositoryIndexName: 'repoUrl', repositoryIdIndexName: 'repositoryId' } as const satisfies Record<string, keyof ProjectItem>;

/** At the end of the synth, not before: an index may be added to the table after the webhook was made. */
export function checkProjectsIndexes(webhook: Construct, table: dynamodb.ITable, names: Readonly<Partial<Record<keyof typeof INDEX_KEYS, string>>>): void {
  webhook.node.addValidation({
    validate: () => (Object.keys(INDEX_KEYS) as (keyof typeof INDEX_KEYS)[]).flatMap((prop) => {
      const name = names[prop];
      const problem = name === undefined || Token.isUnresolved(name) ? undefined : indexProblem(table, name, INDEX_KEYS[prop]);
      return problem === undefined ? [] : [`${prop}: ${problem}`];
    }),
  });
}

interface Index {
  readonly indexName: string;
  readonly keySchema: readonly dynamodb.CfnTable.KeySchemaProperty[];
  readonly projection: dynamodb.CfnTable.ProjectionProperty;
}

function indexProblem(table: dynamodb.ITable, name: string, expected: string): string | undefined {
  const resource = table.node.defaultChild;
  // Of an imported table nothing is known but its name.
  if (!(resource instanceof dynamodb.CfnTable || resource instanceof dynamodb.CfnGlobalTable)) return undefined;
  const { attributeDefinitions, globalSecondaryIndexes } = resource;
  const { attributes = [], indexes = [] } = Stack.of(table).resolve({ attributes: attributeDefinitions, indexes: globalSecondaryIndexes }) as {
    readonly attributes?: readonly dynamodb.CfnTable.AttributeDefinitionProperty[];
    readonly indexes?: readonly Index[];
  };
  const index = indexes.find(({ indexName }) => indexName === name);
  if (!index) return `the projects table has no global secondary index '${name}'. Add one with the partition key '${expected}' of type string.`;
  const partitionKey = index.keySchema.find(({ keyType }) => keyType === 'HASH')?.attributeName;
  if (partitionKey !== expected) return `the partition key of index '${name}' must be '${expected}'; it is '${partitionKey}'.`;
  const type = attributes.find(({ attributeName }) => attributeName === expected)?.attributeType;
  if (type !== 'S') return `the partition key of index '${name}' must be of type S, a string; it is of type ${type}.`;
  const { projectionType } = index.projection;
  return projectionType === 'ALL' ? undefined : `index '${name}' must project all attributes; it projects ${projectionType}.`;
}

export function checkReservedConcurrentExecutions(executions: number): void {
  if (Token.isUnresolved(executions)) return;
  // 0 would switch the endpoint off.
  if (!Number.isInteger(executions) || executions < 1) {
    throw new Error(`reservedConcurrentExecutions must be a whole number from 1 on; got ${executions}. Leave it out for no bound but the account's.`);
  }
}

export function checkOutgoingWebhook(url: string | undefined, secret: secretsmanager.ISecret | undefined): void {
  if ((url === undefined) !== (secret === undefined)) {
    const [given, missing] = url === undefined ? ['outgoingWebhookSecret', 'outgoingWebhookUrl'] : ['outgoingWebhookUrl', 'outgoingWebhookSecret'];
    throw new Error(`${given} needs ${missing}: the outgoing webhook is signed. Give both or none.`);
  }
  if (url === undefined || Token.isUnresolved(url)) return;
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed?.protocol !== 'https:' || parsed.username !== '' || parsed.password !== '') {
    throw new Error(`outgoingWebhookUrl must be an https URL without a user name, such as 'https://chat.example.com/hooks/builds'; got '${url}'.`);
  }
}
