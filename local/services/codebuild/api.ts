/** CodeBuild's API over HTTP: JSON 1.1, the operation in X-Amz-Target. */
import { AwsJsonError, serveAwsJson, type AwsJsonProtocol } from '../aws-json';
import { listen, type ApiCall, type Listener, type OnCall } from '../service';
import type { SecretOf } from '../sigv4';
import type { Build } from './build';
import type { BuildQueue } from './build-queue';
import { CodeBuildError } from './errors';
import {
  DEFAULT_QUEUED_TIMEOUT_MINUTES, mergeEnvironmentVariables, validateEnvironmentVariables, type EnvironmentVariable, type ProjectDefinition,
} from './project';

export interface ApiOptions {
  readonly accountId: string;
  readonly region: string;
  readonly onCall?: OnCall;
  readonly secretOf?: SecretOf;
  /** Builds see it: a name of the caller, not the key. Default: the key. */
  readonly initiatorOf?: (accessKeyId: string | undefined) => string;
  readonly projects: ReadonlyMap<string, ProjectDefinition>;
  readonly queue: BuildQueue;
}

/** Members are as the client sent them: each use checks its type. */
type Input = Readonly<Record<string, unknown>>;
type Operation = (input: Input, accessKeyId: string | undefined) => Promise<Record<string, unknown>>;

/** A StartBuild with a large environment is far below 1 MB. */
const PROTOCOL: AwsJsonProtocol = { targetPrefix: 'CodeBuild_20161006', version: '1.1', bodyLimit: 1024 * 1024 };
const MAX_IDS = 100;
const PAGE_SIZE = 100;
const IDEMPOTENCY_MS = 5 * 60_000;
const START_BUILD_PARAMETERS = ['projectName', 'environmentVariablesOverride', 'sourceVersion', 'idempotencyToken'];

export async function serveApi(options: ApiOptions): Promise<Listener> {
  const operations = operationsOf(options);
  const { region, secretOf } = options;
  const protocol: AwsJsonProtocol = { ...PROTOCOL, authentication: { service: 'codebuild', region, secretOf } };
  return listen((request, response) => serveAwsJson(protocol, request, response, async (name, input, accessKeyId) => {
    if (!Object.hasOwn(operations, name)) {
      throw new AwsJsonError('UnknownOperationException', `The local CodeBuild has no ${name}; it has ${Object.keys(operations).join(', ')}.`);
    }
    return operations[name](input, accessKeyId);
  }));
}

function operationsOf({ accountId, initiatorOf, region, onCall, projects, queue }: ApiOptions): Record<string, Operation> {
  const arnPrefix = `arn:aws:codebuild:${region}:${accountId}:`;
  const projectArn = (name: string): string => `${arnPrefix}project/${name}`;
  const started = new Map<string, { parameters: string; build: Build; expiresAt: number }>();

  async function authorize(action: string, projectName: string | undefined, accessKeyId: string | undefined, context?: ApiCall['context']): Promise<void> {
    const resource = projectName === undefined ? '*' : projectArn(projectName);
    await onCall?.({ service: 'codebuild', action: `codebuild:${action}`, resource, accessKeyId, ...(context && { context }) });
  }

  async function authorizeAll(action: string, projectNames: readonly string[], accessKeyId: string | undefined): Promise<void> {
    for (const name of new Set(projectNames)) {
      await authorize(action, name, accessKeyId);
    }
  }

  function project(name: string): ProjectDefinition {
    const found = projects.get(name);
    if (!found) {
      throw new CodeBuildError('ResourceNotFoundException', `Project cannot be found: ${projectArn(name)}`);
    }
    return found;
  }

  /** The build that the same token has started already. */
  function earlierBuild(token: string, parameters: string): Build | undefined {
    const earlier = started.get(token);
    if (!earlier || earlier.expiresAt <= Date.now()) {
      return undefined;
    }
    if (earlier.parameters !== parameters) {
      throw invalid('Parameter mismatch: the idempotencyToken was used to start a build with other parameters.');
    }
    return earlier.build;
  }

  return {
    StartBuild: async (input, accessKeyId) => {
      const projectName = text(input, 'projectName');
      await authorize('StartBuild', projectName, accessKeyId, overridesOf(input));
      const refused = Object.keys(input).filter((name) => !START_BUILD_PARAMETERS.includes(name));
      if (refused.length > 0) {
        throw invalid(`The local CodeBuild does not implement ${refused.join(', ')} of StartBuild; it knows ${START_BUILD_PARAMETERS.join(', ')}.`);
      }
      const environmentVariables = objects<EnvironmentVariable>(input, 'environmentVariablesOverride');
      validateEnvironmentVariables(environmentVariables);
      const token = optionalText(input, 'idempotencyToken');
      const parameters = JSON.stringify(Object.entries(input).sort(([a], [b]) => a < b ? -1 : 1));
      const build = (token && earlierBuild(token, parameters)) || queue.start({
        project: project(projectName),
        environmentVariables,
        sourceVersion: optionalText(input, 'sourceVersion'),
        initiator: initiatorOf?.(accessKeyId) ?? accessKeyId ?? 'anonymous',
      });
      if (token && started.get(token)?.build !== build) {
        started.set(token, { parameters, build, expiresAt: Date.now() + IDEMPOTENCY_MS });
      }
      return { build: build.toApi() };
    },

    StopBuild: async (input, accessKeyId) => {
      const id = text(input, 'id');
      await authorize('StopBuild', projectNameOf(id), accessKeyId);
      const build = queue.find(id);
      if (!build) {
        throw new CodeBuildError('ResourceNotFoundException', `Build cannot be found: ${id}`);
      }
      build.stop('STOPPED');
      return { build: build.toApi() };
    },

    BatchGetBuilds: async (input, accessKeyId) => {
      const ids = texts(input, 'ids');
      await authorizeAll('BatchGetBuilds', ids.map(projectNameOf), accessKeyId);
      return {
        builds: ids.flatMap((id) => queue.find(id)?.toApi() ?? []),
        buildsNotFound: ids.filter((id) => !queue.find(id)),
      };
    },

    ListBuildsForProject: async (input, accessKeyId) => {
      const projectName = text(input, 'projectName');
      await authorize('ListBuildsForProject', projectName, accessKeyId);
      const { name } = project(projectName);
      return idPage(queue.list().filter((build) => build.project.name === name), input);
    },

    ListBuilds: async (input, accessKeyId) => {
      await authorize('ListBuilds', undefined, accessKeyId);
      return idPage(queue.list(), input);
    },

    BatchGetProjects: async (input, accessKeyId) => {
      const names = texts(input, 'names').map((nameOrArn) => nameOrArn.replace(/^arn:[^/]*:project\//, ''));
      await authorizeAll('BatchGetProjects', names, accessKeyId);
      return {
        projects: names.flatMap((name) => projects.has(name) ? projectToApi(project(name), projectArn(name)) : []),
        projectsNotFound: names.filter((name) => !projects.has(name)),
      };
    },
  };
}

/** Condition keys are there for what a request overrides. Of the buildspec they say only that. */
function overridesOf(input: Input): ApiCall['context'] {
  const names = objects<EnvironmentVariable>(input, 'environmentVariablesOverride').map(({ name }) => String(name));
  const overrides: [string, unknown][] = [
    ['codebuild:source.buildspec', input.buildspecOverride && 'true'],
    ['codebuild:environment.image', input.imageOverride],
    ['codebuild:environment.privilegedMode', input.privilegedModeOverride],
    ['codebuild:serviceRole', input.serviceRoleOverride],
  ];
  const given = overrides.filter(([, value]) => value !== undefined).map(([key, value]): [string, string] => [key, String(value)]);
  const context = { ...Object.fromEntries(given), ...(names.length > 0 ? { 'codebuild:environment.environmentVariables.name': names } : {}) };
  return Object.keys(context).length > 0 ? context : undefined;
}

function projectToApi(project: ProjectDefinition, arn: string): Record<string, unknown> {
  return {
    name: project.name,
    arn,
    source: { type: 'NO_SOURCE', buildspec: project.buildspec },
    artifacts: { type: 'NO_ARTIFACTS' },
    cache: { type: 'NO_CACHE' },
    environment: { ...project.environment, environmentVariables: mergeEnvironmentVariables(project.environmentVariables) },
    serviceRole: project.serviceRole,
    timeoutInMinutes: project.timeoutInMinutes,
    queuedTimeoutInMinutes: project.queuedTimeoutInMinutes ?? DEFAULT_QUEUED_TIMEOUT_MINUTES,
    logsConfig: { cloudWatchLogs: { status: 'ENABLED', groupName: project.logGroupName } },
  };
}

/** Newest first unless asked otherwise; the token is the offset of the next page. */
function idPage(newestFirst: readonly Build[], input: Input): Record<string, unknown> {
  const builds = input.sortOrder === 'ASCENDING' ? [...newestFirst].reverse() : newestFirst;
  const token = optionalText(input, 'nextToken') ?? '0';
  if (!/^\d+$/.test(token)) {
    throw invalid(`Invalid nextToken: ${token}`);
  }
  const offset = Number(token);
  const next = offset + PAGE_SIZE;
  return { ids: builds.slice(offset, next).map(({ id }) => id), nextToken: next < builds.length ? String(next) : undefined };
}

/** `<project>:<uuid>`, or the ARN that ends with it. */
function projectNameOf(buildId: string): string {
  return buildId.replace(/^arn:[^/]*:build\//, '').split(':')[0];
}

function optionalText(input: Input, name: string): string | undefined {
  const value = input[name];
  if (value !== undefined && value !== null && typeof value !== 'string') {
    throw invalid(`Expected ${name} to be a string, found ${JSON.stringify(value)}.`);
  }
  return value ?? undefined;
}

function text(input: Input, name: string): string {
  const value = optionalText(input, name);
  if (!value) {
    throw invalid(`${name} is required.`);
  }
  return value;
}

function texts(input: Input, name: string): string[] {
  const value = input[name];
  if (!Array.isArray(value) || value.length === 0 || value.length > MAX_IDS || value.some((item) => typeof item !== 'string')) {
    throw invalid(`Expected ${name} to be a list of 1 to ${MAX_IDS} strings.`);
  }
  return value as string[];
}

function objects<T>(input: Input, name: string): T[] {
  const value = input[name] ?? [];
  if (!Array.isArray(value) || value.some((item) => typeof item !== 'object' || item === null)) {
    throw invalid(`Expected ${name} to be a list of objects.`);
  }
  return value as T[];
}

function invalid(message: string): CodeBuildError {
  return new CodeBuildError('InvalidInputException', message);
}
