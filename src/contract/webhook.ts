import { STATUS_ENV } from './github-status';

/** What the webhook's construct, its function and its users share. */

/**
 * Environment variables of the webhook's function, set by the construct beside those of HANDLER_ENV that a producer needs: deploymentsTable,
 * stateTable and buildQueueUrl.
 */
export const WEBHOOK_ENV = {
  projectsTable: 'PROJECTS_TABLE_NAME',
  /** Not set: PROJECTS_TABLE.partitionKey. */
  projectsPartitionKey: 'PROJECTS_PARTITION_KEY',
  /** Not set: PROJECTS_TABLE.sortKey. */
  projectsSortKey: 'PROJECTS_SORT_KEY',
  /**
   * Index of the projects table with the partition key `repoUrl` (string) and all attributes: finds the projects of a repository for the
   * URL of the GitHub App. Not set: only the URLs of single projects work.
   */
  repositoryIndex: 'REPOSITORY_INDEX_NAME',
  /**
   * Index with the partition key `repositoryId` (string) and all attributes: finds them after the repository was renamed or transferred,
   * too. Not set: until the platform changes `repoUrl`, the GitHub App's URL answers 404 for such a repository.
   */
  repositoryIdIndex: 'REPOSITORY_ID_INDEX_NAME',
  /** Name or ARN. The secret is plain text; AWSCURRENT and AWSPREVIOUS are both valid. */
  webhookSecret: 'WEBHOOK_SECRET_ID',
  /** Queue of the function that tells GitHub how deployments go (STATUS_ENV.queueUrl). Not set: GitHub is not told of pushes that are skipped. */
  statusQueueUrl: STATUS_ENV.queueUrl,
} as const;

/** Names of the keys, unless the platform's table has others. */
export const PROJECTS_TABLE = { partitionKey: 'PK', sortKey: 'SK' } as const;

/** Key of a project's item: `PROJECT#<projectId>` and `METADATA`. */
export function projectKey(projectId: string, names: { readonly partitionKey: string; readonly sortKey: string } = PROJECTS_TABLE): Record<string, string> {
  return { [names.partitionKey]: `PROJECT#${projectId}`, [names.sortKey]: 'METADATA' };
}

/** One item of the platform's projects table, as far as the webhook reads it. */
export interface ProjectItem {
  readonly projectId: string;
  readonly name?: string;
  /**
   * https URL of the repository. Neither its case nor a trailing `.git` matters; for the index it has to be as GitHub writes it
   * (`https://github.com/<owner>/<name>`, with or without `.git`), or that in lower case.
   */
  readonly repoUrl: string;
  /** A push to this branch is a deployment of the project; `refs/heads/` is not part of it. */
  readonly branch: string;
  readonly userId?: string;
  /** See BuildRequest. A push that is known to change nothing in there is skipped. */
  readonly rootDirectory?: string;
  /** Directories outside `rootDirectory` that the app is built from too, such as `packages/ui`. */
  readonly sharedDirectories?: readonly string[];
  /** `true`: other branches are deployed too. */
  readonly previews?: boolean;
  /** `true`: so are pull requests from forks, which anybody may open. They are built without secrets. */
  readonly forkPreviews?: boolean;
  /**
   * The forge's own id of the repository, as a string. Learned on the first delivery, which is all that the webhook ever writes to this
   * table. From then on the id counts, not the URL: a repository that was renamed is still the project's, and another one that has its
   * name now is not.
   */
  readonly repositoryId?: string;
}

/** JSON body of every answer. */
export interface WebhookAnswer {
  /** `ignored`: the event is none that could deploy; `skipped`: it could, but does not, and `reason` says why. */
  readonly outcome: 'deployment' | 'skipped' | 'ignored' | 'refused' | 'failed';
  /** What was done and why, in sentences for the person who looks at the delivery. */
  readonly reason: string;
  readonly deployments?: readonly WebhookDeployment[];
}

export interface WebhookDeployment {
  readonly deploymentId: string;
  readonly projectId: string;
  /**
   * `enqueued`: it is in the queue now; `already`: an earlier delivery did that; `taken`: another deployment has this id; `unsent`: it could
   * not be put into the queue, deliver it again.
   */
  readonly status: 'enqueued' | 'already' | 'taken' | 'unsent';
}

/** The GitHub App's URL is the endpoint's own; that of a project has this at its end. */
export function projectPath(projectId: string): string {
  return `projects/${projectId}`;
}

/** Counts answers of 500 and above, which are nobody's fault who pushed: each such delivery has to be repeated. In the embedded metric format. */
export const WEBHOOK_METRIC = { namespace: 'NextjsBuildPipeline', name: 'FailedDeliveries', dimension: 'FunctionName' } as const;

/** Lambda takes events of 6 MB, and what comes in one has its quotes escaped. Pushes that people make have some 10 KB. */
export const MAX_WEBHOOK_BODY_BYTES = 5 * 1024 * 1024;
