import * as dynamodb from 'aws-cdk-lib/aws-dynamodb';
import * as secretsmanager from 'aws-cdk-lib/aws-secretsmanager';
import { NextjsBuildPipeline } from './nextjs-build-pipeline';
import { GitHubAppOptions } from './source-provider';

/** Properties of `GithubWebhook`. */
export interface GithubWebhookProps {
  /**
   * Builds what is pushed. The webhook's functions take over how this pipeline is encrypted, how long it keeps logs, its permissions boundary
   * and its removal policy.
   */
  readonly pipeline: NextjsBuildPipeline;

  /**
   * Holds one item for each project, under the keys `PROJECT#<projectId>` and `METADATA`, both strings, with the attributes `projectId`, `name`, `repoUrl`,
   * `branch`, `userId` and optionally `rootDirectory`, `sharedDirectories`, `previews` and `forkPreviews` (docs/github-webhook.md).
   *
   * Other kinds of items may lie beside them: the webhook reads those whose partition key begins with `PROJECT#`, and writes nothing but the
   * attribute `repositoryId` of a project, once. The table may be encrypted with a KMS key, imported or in another stack; an imported table with a KMS key must
   * be imported with that key.
   */
  readonly projectsTable: dynamodb.ITable;

  /**
   * Name of the projects table's partition key.
   *
   * @default 'PK'
   */
  readonly projectsPartitionKey?: string;

  /**
   * Name of the projects table's sort key.
   *
   * @default 'SK'
   */
  readonly projectsSortKey?: string;

  /**
   * A global secondary index of the projects table that finds the projects of a repository: its partition key is `repoUrl`, a string, and it
   * projects all attributes. In it, `repoUrl` has to be as GitHub writes it (`https://github.com/<owner>/<name>`, with or without `.git`), or
   * that in lower case.
   *
   * With it, `url` serves all repositories: the one to give to a GitHub App.
   *
   * @default - none: each project has a URL of its own, see `projectUrl`
   */
  readonly repositoryIndexName?: string;

  /**
   * Another one, with the partition key `repositoryId`, a string: it finds the projects also after their repository was renamed or
   * transferred. It projects all attributes.
   *
   * @default - none: `url` does not find a renamed repository until your platform changes `repoUrl`; the URLs of projects do
   */
  readonly repositoryIdIndexName?: string;

  /**
   * What GitHub signs its deliveries with: the secret's text as a whole. Two versions are valid at the same time, `AWSCURRENT` and
   * `AWSPREVIOUS`, so it is changed without a lost delivery: first here, then at GitHub.
   *
   * Whoever knows it can have any branch of every project built. Only the platform should: let it create the hooks.
   */
  readonly webhookSecret: secretsmanager.ISecret;

  /**
   * A GitHub App that shows at each commit what becomes of its deployment: a check run, and a GitHub Deployment where the app may. It can be
   * the app that `SourceProvider.gitHubApp` uses. It needs the repository permissions "Checks: read and write" and, for GitHub Deployments,
   * "Deployments: read and write".
   *
   * @default - GitHub is told nothing
   */
  readonly githubApp?: GitHubAppOptions;

  /**
   * An https URL that every change of a deployment's status is sent to, signed as Standard Webhooks (https://www.standardwebhooks.com): for
   * other forges, chat, a dashboard. It stands in the environment of the status function. Needs `outgoingWebhookSecret`.
   *
   * @default - none
   */
  readonly outgoingWebhookUrl?: string;

  /**
   * What the outgoing webhook is signed with: 24 to 64 bytes in Base64, after `whsec_` or without it. Needs `outgoingWebhookUrl`.
   *
   * @default - none
   */
  readonly outgoingWebhookSecret?: secretsmanager.ISecret;

  /**
   * Whether the function gets a URL of its own. `false` if it stands behind an HTTP API, a REST API or a load balancer of yours.
   *
   * @default true
   */
  readonly functionUrl?: boolean;

  /**
   * How many deliveries are handled at the same time. It also takes that many from the account's concurrency. Without a bound, a flood of
   * requests could use up the account's concurrency; with one, deliveries beyond it get a 429, and somebody has to redeliver them.
   *
   * @default - no bound but the account's
   */
  readonly reservedConcurrentExecutions?: number;
}
