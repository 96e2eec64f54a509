/** Environment variables of the handlers, set by the construct. */
export const HANDLER_ENV = {
  deploymentsTable: 'DEPLOYMENTS_TABLE_NAME',
  artifactsBucket: 'ARTIFACTS_BUCKET_NAME',
  stateTable: 'STATE_TABLE_NAME',
  buildProject: 'BUILD_PROJECT_NAME',
  buildProjectArn: 'BUILD_PROJECT_ARN',
  buildQueueUrl: 'BUILD_QUEUE_URL',
  /** After so many receives SQS moves a message to the dead-letter queue. */
  maxReceiveCount: 'MAX_RECEIVE_COUNT',
  /** How long a request may wait for capacity: as long as SQS would keep its message. */
  messageRetentionSeconds: 'MESSAGE_RETENTION_SECONDS',
  /** A message that is in nobody's hands is seen again after this time at the latest. */
  visibilityTimeoutSeconds: 'VISIBILITY_TIMEOUT_SECONDS',
  /** Not set: no limit. */
  maxConcurrentBuildsPerProject: 'MAX_CONCURRENT_BUILDS_PER_PROJECT',
  /** `true`: a running build is stopped when a newer deployment of its branch is queued. Not set: it is left to finish. */
  stopSupersededBuilds: 'STOP_SUPERSEDED_BUILDS',
  /** The secret of a project is named by this and its id. Not set: there are none. */
  installSecretsPrefix: 'INSTALL_SECRETS_PREFIX',
  /** Hosts of repositories whose source is fetched by the source fetcher, separated by commas. Not set: there are none. */
  sourceHosts: 'SOURCE_HOSTS',
  sourceFetcherFunction: 'SOURCE_FETCHER_FUNCTION_NAME',
  /** See source.ts. */
  sourceProviders: 'SOURCE_PROVIDERS',
  deadLetterQueueUrl: 'DEAD_LETTER_QUEUE_URL',
  finalizerFunction: 'FINALIZER_FUNCTION_NAME',
} as const;

/** What `addProducer` sets on a function that sends build requests. */
export const PRODUCER_ENV = { buildQueueUrl: 'BUILD_QUEUE_URL' } as const;

/** Set on the CodeBuild project by the construct, the same for every build. */
export const PROJECT_ENV = {
  artifactsBucket: 'ARTIFACTS_BUCKET_NAME',
  /** Major version of Node.js, read by the buildspec's runtime-versions. */
  nodeVersion: 'NODE_VERSION',
  /** Version of @opennextjs/aws; not set: chosen to fit the app's Next.js version. */
  openNextVersion: 'OPEN_NEXT_VERSION',
  /** `x86_64` or `arm64`, of the functions that the output is for; not set: the build machine's. */
  functionArchitecture: 'FUNCTION_ARCHITECTURE',
  /** What the buildspec has no room for: the first part of its steps, see buildspec.ts. */
  packedSteps: 'PACKED_STEPS',
  /** Names of the variables that the platform gives to every app, separated by spaces: of what is not named, apps see nothing. Not set: none. */
  buildEnvironment: 'BUILD_ENVIRONMENT',
} as const;

/** Such a list too; the local run adds it to what the template says. */
export const LOCAL_BUILD_ENVIRONMENT = 'BUILD_ENVIRONMENT_OF_LOCAL_RUN';

/** Variables for apps, and their names in a list, without which no app would see them. */
export function forApps(variables: Readonly<Record<string, string>>, list: string = PROJECT_ENV.buildEnvironment): Record<string, string> {
  const names = Object.keys(variables);
  return names.length === 0 ? {} : { ...variables, [list]: names.join(' ') };
}

/** Set on one build by the orchestrator. The finalizer reads them back from CodeBuild, where tenant code cannot alter them. */
export const BUILD_ENV = {
  deploymentId: 'DEPLOYMENT_ID',
  projectId: 'PROJECT_ID',
  commitSha: 'COMMIT_SHA',
  repoUrl: 'REPO_URL',
  branch: 'BRANCH',
  /** Not set: the repository's root. */
  rootDirectory: 'ROOT_DIRECTORY',
} as const;

/** Set on one build by the orchestrator, beside what the request says. */
export const HANDOVER_ENV = {
  /** Presigned URL of the build's handover, see handover.ts. Not set: the build does without a cache. */
  url: 'HANDOVER_URL',
  /** `handover`: the source is fetched for the build. Not set: the build clones the repository by itself. */
  source: 'SOURCE_FROM',
  /** Stands for everything but the commit that the build's result depends on. Not set: its artifacts are not used again. */
  inputs: 'BUILD_INPUTS',
} as const;

/** What the steps of the buildspec set for each other. */
const STEP_VARIABLES = ['STEPS', 'STATE', 'CHECKOUT', 'OUTPUT', 'CI', 'SHARP_VERSION', 'JOB'];

/** Names that nobody but the pipeline sets: they steer the shell, git, npm, Node.js, AWS or this pipeline. Some of these heed no case. */
const RESERVED: readonly RegExp[] = [
  /^(PATH|HOME|SHELL|IFS|ENV|BASH_.*|LD_.*|DYLD_.*|NODE_OPTIONS|NODE_PATH|NODE_ENV)$/i,
  // bash ends when somebody sets these.
  /^(BASHOPTS|SHELLOPTS|UID|EUID|PPID)$/i,
  /^(AWS_|CODEBUILD_|GIT_|EXIT_|BUILD_ENVIRONMENT)/i,
  /^npm_config_/i,
  new RegExp(`^(${[...Object.values(PROJECT_ENV), ...Object.values(BUILD_ENV), ...Object.values(HANDOVER_ENV), ...STEP_VARIABLES].join('|')})$`, 'i'),
];

/** Why a build cannot be given a variable of this name; undefined: it can. */
export function variableNameProblem(name: string): string | undefined {
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) return 'is not a name that a shell can export; use letters, digits and "_"';
  if (!RESERVED.some((reserved) => reserved.test(name))) return undefined;
  return 'is reserved, because it steers the shell, git, npm, Node.js, AWS or the pipeline itself; choose another name';
}
