/** Finds the webhook of a stack that runs locally, by the contract, and gives it a project and a secret. */
import { PutCommand } from '@aws-sdk/lib-dynamodb';
import { secretNameOf } from './services/secrets-manager';
import type { LocalStack } from './stack';
import { functionsOf, type TemplateFunction } from './template/functions';
import { projectKey, projectPath, PROJECTS_TABLE, WEBHOOK_ENV, type ProjectItem } from '../src/contract/webhook';

export interface FrontDoor {
  readonly functionName: string;
  /** With a slash at the end. */
  readonly url: string;
  projectUrl(projectId: string): string;
  /** Creates the project, or replaces it. */
  putProject(project: ProjectItem): Promise<void>;
  putSecret(secret: string): void;
}

export async function findFrontDoor(stack: LocalStack): Promise<FrontDoor> {
  const { arn, name, variables } = webhookFunction(stack);
  const endpoint = stack.functionUrls.get(arn);
  if (endpoint === undefined) throw new Error(`The webhook function ${name} has no function URL in the template. Leave out functionUrl: false for the local run.`);
  const table = variables[WEBHOOK_ENV.projectsTable];
  const keys = {
    partitionKey: variables[WEBHOOK_ENV.projectsPartitionKey] ?? PROJECTS_TABLE.partitionKey,
    sortKey: variables[WEBHOOK_ENV.projectsSortKey] ?? PROJECTS_TABLE.sortKey,
  };
  await createIfImported(stack, table, keys, variables);
  const url = `${endpoint}/`;
  return {
    functionName: name,
    url,
    projectUrl: (projectId) => url + projectPath(projectId),
    async putProject(project) {
      await stack.dynamodb.client.send(new PutCommand({ TableName: table, Item: { ...projectKey(project.projectId, keys), ...project } }));
    },
    putSecret(secret) {
      stack.secretsManager.putSecret(secretNameOf(variables[WEBHOOK_ENV.webhookSecret]), secret);
    },
  };
}

function webhookFunction(stack: LocalStack): TemplateFunction {
  const found = functionsOf(stack.resolvers).filter(({ variables }) => variables[WEBHOOK_ENV.projectsTable] && variables[WEBHOOK_ENV.webhookSecret]);
  if (found.length !== 1) throw new Error(`Expected one webhook in the stacks of the cdk.out (nested stacks are not read), found ${found.length}. Add a GithubWebhook to the stack.`);
  return found[0];
}

/** An imported table is not among the template's resources; its indexes are what the function is told of. */
async function createIfImported(
  stack: LocalStack, table: string, keys: { partitionKey: string; sortKey: string }, variables: TemplateFunction['variables'],
): Promise<void> {
  const created = stack.resolvers.flatMap((resolver) => resolver.resourcesOfType('AWS::DynamoDB::Table', 'AWS::DynamoDB::GlobalTable')
    .map(({ logicalId }) => resolver.physicalName(logicalId)));
  if (created.includes(table)) return;
  const indexes = ([['repoUrl', variables[WEBHOOK_ENV.repositoryIndex]], ['repositoryId', variables[WEBHOOK_ENV.repositoryIdIndex]]] as const).filter(([, name]) => name);
  const names = [keys.partitionKey, keys.sortKey, ...indexes.map(([key]) => key)];
  await stack.dynamodb.createTable({
    TableName: table,
    AttributeDefinitions: names.map((name) => ({ AttributeName: name, AttributeType: 'S' })),
    KeySchema: [{ AttributeName: keys.partitionKey, KeyType: 'HASH' }, { AttributeName: keys.sortKey, KeyType: 'RANGE' }],
    ...(indexes.length === 0 ? {} : {
      GlobalSecondaryIndexes: indexes.map(([key, name]) => ({ IndexName: name, KeySchema: [{ AttributeName: key, KeyType: 'HASH' }], Projection: { ProjectionType: 'ALL' } })),
    }),
  });
}
