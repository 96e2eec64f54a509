/** A CodeBuild project: what a template says about it, checked against CodeBuild's limits. */
import { InvalidBuildspecError, parseBuildspec } from './buildspec';
import { CodeBuildError } from './errors';

export interface EnvironmentVariable {
  readonly name: string;
  readonly value: string;
  /** Only PLAINTEXT: nothing on this machine holds parameters or secrets. */
  readonly type?: string;
}

export interface ProjectEnvironment {
  readonly image: string;
  readonly computeType: string;
  readonly type: string;
  readonly privilegedMode: boolean;
}

export interface ProjectDefinition {
  readonly name: string;
  /** Inline, as YAML. */
  readonly buildspec: string;
  readonly environmentVariables: readonly EnvironmentVariable[];
  readonly timeoutInMinutes: number;
  readonly queuedTimeoutInMinutes?: number;
  /** Default: `/aws/codebuild/<name>`. Only a name here: the log is a file. */
  readonly logGroupName?: string;
  readonly environment: ProjectEnvironment;
  /** Of the service role, for one build: what the AWS SDK and CLI in the build sign with. */
  readonly credentialsFor: (buildArn: string) => { readonly accessKeyId: string; readonly secretAccessKey: string };
  /** ARN. */
  readonly serviceRole: string;
}

export const DEFAULT_QUEUED_TIMEOUT_MINUTES = 480;

const MAX_BUILDSPEC_LENGTH = 25_600;
const MAX_VARIABLE_LENGTH = 4_096;
const NAME_PATTERN = /^[A-Za-z0-9][A-Za-z0-9_-]{1,149}$/;

/** Throws for what CodeBuild refuses at deployment, and for what this CodeBuild cannot run. */
export function validateProject(project: ProjectDefinition): void {
  if (!NAME_PATTERN.test(project.name)) {
    throw invalid(`Expected a project name of 2 to 150 letters, digits, "-" and "_", found "${project.name}".`);
  }
  if (project.buildspec.length > MAX_BUILDSPEC_LENGTH) {
    throw invalid(`Max buildspec length is ${MAX_BUILDSPEC_LENGTH}; the one of ${project.name} has ${project.buildspec.length} characters.`);
  }
  validateEnvironmentVariables(project.environmentVariables);
  try {
    parseBuildspec(project.buildspec);
  } catch (error) {
    // CodeBuild reads the buildspec only when a build starts, and fails that build.
    if (!(error instanceof InvalidBuildspecError)) {
      throw error;
    }
  }
}

export function validateEnvironmentVariables(variables: readonly EnvironmentVariable[]): void {
  for (const { name, value, type = 'PLAINTEXT' } of variables) {
    if (typeof name !== 'string' || name === '' || typeof value !== 'string') {
      throw invalid('EnvironmentVariable should have a name and a value.');
    }
    if (type !== 'PLAINTEXT') {
      throw invalid(`The local CodeBuild resolves only PLAINTEXT environment variables; ${name} is of type ${type}.`);
    }
    if (value.length > MAX_VARIABLE_LENGTH) {
      throw invalid(`EnvironmentVariable should be at most ${MAX_VARIABLE_LENGTH} characters`);
    }
  }
}

/** Later lists win; each name appears once. */
export function mergeEnvironmentVariables(...lists: readonly (readonly EnvironmentVariable[])[]): EnvironmentVariable[] {
  const merged = new Map(lists.flat().map(({ name, value, type = 'PLAINTEXT' }) => [name, { name, value, type }]));
  return [...merged.values()];
}

function invalid(message: string): CodeBuildError {
  return new CodeBuildError('InvalidInputException', message);
}
