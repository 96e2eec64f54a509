/** What a producer puts on the queue, as JSON, to have one commit built. */
export interface BuildRequest {
  /** Identifies the deployment; partition key of its record. One deployment is built at most once. */
  readonly deploymentId: string;
  /** The tenant's project: a segment of every object key, and the MessageGroupId of the message. */
  readonly projectId: string;
  /** Full commit SHA in lower case: 40 hex digits, or 64 in a SHA-256 repository. */
  readonly commitSha: string;
  /** https URL of the git repository, without credentials. */
  readonly repoUrl: string;
  /** The branch the commit was pushed to, without `refs/heads/`. */
  readonly branch: string;
  /** Directory of the Next.js app inside the repository, relative, with `/`. Left out: the repository's root. */
  readonly rootDirectory?: string;
  /** The project's default branch: a branch without a build cache of its own begins with that one's. Left out: it begins with none. */
  readonly defaultBranch?: string;
  /** Build even if the same commit has been built with the same settings. Left out: its artifacts are used again. */
  readonly forceBuild?: boolean;
  /** Build without restoring a cache; the cache that the build leaves is kept. Also forces the build. */
  readonly withoutCache?: boolean;
  /**
   * Build without the project's install secrets and without a cache of the default branch: for code of people whom the project does not
   * trust, such as a pull request from a fork. Cannot be combined with `buildEnvironment`. Its cache and artifacts never reach a build with secrets.
   */
  readonly withoutSecrets?: boolean;
  /**
   * Environment variables for the app's own build script, such as the tenant's settings; they win over the pipeline's. No other step of the
   * build gets them. Neither the record nor an event holds them.
   */
  readonly buildEnvironment?: Readonly<Record<string, string>>;
}

/** A request whose record holds all of it: anybody can send it again. */
export type RecordedRequest = Omit<BuildRequest, 'buildEnvironment'> & { readonly buildEnvironment?: never };

/** What a deployment's record has of its request: all that may be shown to whoever may see the deployment. In the order in which people read them. */
export const RECORDED_FIELDS = [
  'deploymentId', 'projectId', 'commitSha', 'repoUrl', 'branch', 'rootDirectory', 'defaultBranch', 'forceBuild', 'withoutCache', 'withoutSecrets',
] as const satisfies readonly Exclude<keyof BuildRequest, 'buildEnvironment'>[];

/** Message attributes of a request that waits: the orchestrator puts a copy of it back into the queue. */
export const REQUEUE_ATTRIBUTES = {
  /** How often it was put back. */
  requeues: 'requeues',
  /** When its producer sent it, in milliseconds since 1970. */
  firstSentAt: 'firstSentAt',
  /** `createdAt` of the deployment's record: it is known to be open. */
  createdAt: 'createdAt',
} as const;

/** Message attribute of a hint that it is this request's turn. If there is no room after all, it is dropped: the waiting copy stays. */
export const WAKE_ATTRIBUTE = 'wake';

/**
 * Ids become S3 key segments, DynamoDB keys and the MessageGroupId (at most 128 characters in SQS).
 * The first character excludes `.`, `..` and anything that reads as an option.
 */
export const ID_PATTERN = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

export const COMMIT_SHA_PATTERN = /^[0-9a-f]{40}([0-9a-f]{24})?$/;

/** Browsers and git hosts agree on about 2,000 characters; a CodeBuild environment value holds at most 4,096. */
export const MAX_REPO_URL_LENGTH = 2048;

/** git hosts refuse ref names over 255 bytes, the length of a file name. */
export const MAX_BRANCH_LENGTH = 255;

/** Far above what apps have. */
export const MAX_BUILD_VARIABLES = 200;

/** Names and values together, in UTF-8: what hosted platforms accept, and a part of what a message of SQS (1 MiB, formerly 256 KiB) can hold. */
export const MAX_BUILD_ENVIRONMENT_BYTES = 64 * 1024;

/** Half of what S3 allows for a whole key (1,024 bytes). */
export const MAX_ROOT_DIRECTORY_LENGTH = 512;
