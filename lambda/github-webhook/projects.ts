import { ConditionalCheckFailedException } from '@aws-sdk/client-dynamodb';
import { DynamoDBDocumentClient, GetCommand, paginateQuery, UpdateCommand } from '@aws-sdk/lib-dynamodb';
import type { Repository } from './change';
import { isOf, urlsOf } from './repository-match';
import { ID_PATTERN } from '../../src/contract/build-request';
import { ProjectItem, projectKey } from '../../src/contract/webhook';
import { attempt } from '../shared/attempt';

export interface ProjectsTable {
  readonly name: string;
  readonly partitionKey: string;
  readonly sortKey: string;
  /** See WEBHOOK_ENV. */
  readonly repositoryIndex?: string;
  readonly repositoryIdIndex?: string;
}

/** The platform's table of projects. */
export class Projects {
  constructor(private readonly client: DynamoDBDocumentClient, private readonly table: ProjectsTable) {}

  public get canLookUp(): boolean {
    return this.table.repositoryIndex !== undefined || this.table.repositoryIdIndex !== undefined;
  }

  public async get(projectId: string): Promise<ProjectItem | undefined> {
    if (!ID_PATTERN.test(projectId)) return undefined;
    const { Item } = await this.client.send(new GetCommand({ TableName: this.table.name, Key: projectKey(projectId, this.table) }));
    return Item && projectOf({ ...Item, projectId });
  }

  /** Of one repository there can be several: each app of a monorepo is one. */
  public async of(repository: Repository): Promise<ProjectItem[]> {
    const { repositoryIdIndex, repositoryIndex } = this.table;
    const found = await Promise.all([
      ...(repositoryIdIndex === undefined ? [] : [this.query(repositoryIdIndex, 'repositoryId', repository.id)]),
      ...(repositoryIndex === undefined ? [] : urlsOf(repository).map((url) => this.query(repositoryIndex, 'repoUrl', url))),
    ]);
    const projects = new Map(found.flat().map((project) => [project.projectId, project]));
    return [...projects.values()].filter((project) => isOf(project, repository));
  }

  /** From now on the project is of the repository with this id, whatever it is called. A deployment does not fail for want of that. */
  public async learnRepository({ projectId, repoUrl, repositoryId }: ProjectItem, { id }: Repository): Promise<void> {
    if (repositoryId !== undefined) return;
    await attempt('The id of a project\'s repository could not be stored; should it be renamed now, its pushes will not be known', undefined, async () => {
      // Nothing is returned: ReturnValues would be one more thing to allow.
      await this.client.send(new UpdateCommand({
        TableName: this.table.name,
        Key: projectKey(projectId, this.table),
        UpdateExpression: 'SET #repositoryId = :repositoryId',
        ConditionExpression: 'attribute_not_exists(#repositoryId) AND #repoUrl = :repoUrl',
        ExpressionAttributeNames: { '#repositoryId': 'repositoryId', '#repoUrl': 'repoUrl' },
        ExpressionAttributeValues: { ':repositoryId': id, ':repoUrl': repoUrl },
      })).catch((error: unknown) => {
        // Somebody else has learned it, or the project is of another repository now.
        if (!(error instanceof ConditionalCheckFailedException)) throw error;
      });
    });
  }

  private async query(index: string, attribute: 'repoUrl' | 'repositoryId', value: string): Promise<ProjectItem[]> {
    const pages = paginateQuery({ client: this.client }, {
      TableName: this.table.name,
      IndexName: index,
      KeyConditionExpression: '#attribute = :value',
      ExpressionAttributeNames: { '#attribute': attribute },
      ExpressionAttributeValues: { ':value': value },
    });
    const projects: ProjectItem[] = [];
    for await (const { Items = [] } of pages) projects.push(...Items.map(projectOf));
    return projects;
  }
}

/** What is missing becomes empty, which no repository, branch or request is. */
function projectOf(item: Record<string, unknown>): ProjectItem {
  const { branch, projectId, repoUrl } = item;
  const text = (value: unknown) => (typeof value === 'string' ? value : '');
  return { ...item, branch: text(branch), projectId: text(projectId), repoUrl: text(repoUrl) };
}
