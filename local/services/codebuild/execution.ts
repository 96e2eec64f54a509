/** Carries out one build: its directories, its environment, its log, and the phases around those of the buildspec. */
import { execFile } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { promisify } from 'node:util';
import type { Build } from './build';
import { BUILDSPEC_PHASES, parseBuildspec, type Buildspec } from './buildspec';
import { NO_CONTEXT, type EndStatus } from './phases';
import type { ProjectDefinition } from './project';
import { containerLine, leavePhase, runBuildspec } from './runner';
import { AccessDeniedError, type OnCall } from '../service';

export interface ExecutionOptions {
  /** Work directories are made here and removed after the build. */
  readonly workDirectory: string;
  readonly accountId: string;
  readonly region: string;
  readonly onCall?: OnCall;
  /** What the image gives to every build. */
  readonly baseEnvironment: Readonly<Record<string, string>>;
  readonly onLine: (build: Build, line: string) => void;
}

const MINUTE_MS = 60_000;

/** From DOWNLOAD_SOURCE to the end of the buildspec's phases. Leaves the log file and, until it is removed, the work directory. */
export async function execute(build: Build, options: ExecutionOptions): Promise<EndStatus> {
  const log = createWriteStream(build.logFile);
  const onLine = (line: string): void => {
    log.write(`${line}\n`);
    options.onLine(build, line);
  };
  const directory = workDirectoryOf(build, options);
  const timeout = setTimeout(() => build.stop('TIMED_OUT'), build.project.timeoutInMinutes * MINUTE_MS);
  try {
    return await executeIn(directory, build, options, onLine);
  } catch (error) {
    onLine(containerLine(`The local CodeBuild could not run this build: ${(error as Error).stack ?? String(error)}`));
    return 'FAULT';
  } finally {
    clearTimeout(timeout);
    log.end();
    await finished(log);
  }
}

async function executeIn(directory: string, build: Build, options: ExecutionOptions, onLine: (line: string) => void): Promise<EndStatus> {
  const run = { phases: build.phases, onLine };
  build.phases.enter('DOWNLOAD_SOURCE');
  const [source, home, scratch] = ['src', 'home', 'scratch'].map((name) => join(directory, name));
  await Promise.all([source, home, scratch, temporaryDirectoryOf(build)].map((path) => mkdir(path, { recursive: true })));
  onLine(containerLine('Phase is DOWNLOAD_SOURCE'));
  onLine(containerLine(`CODEBUILD_SRC_DIR=${source}`));
  let credentials: Credentials;
  try {
    credentials = await useServiceRole(build, options);
  } catch (error) {
    if (!(error instanceof AccessDeniedError)) throw error;
    leavePhase(run, 'FAILED', { statusCode: 'ACCESS_DENIED', message: error.message });
    return 'FAILED';
  }
  let buildspec: Buildspec;
  try {
    buildspec = parseBuildspec(build.project.buildspec);
  } catch (error) {
    leavePhase(run, 'FAILED', { statusCode: 'YAML_FILE_ERROR', message: (error as Error).message });
    return 'FAILED';
  }
  const found = BUILDSPEC_PHASES.filter((name) => buildspec.phases[name]);
  onLine(containerLine(`Phases found in YAML: ${found.length}`));
  found.forEach((name) => onLine(containerLine(` ${name.toUpperCase()}: ${buildspec.phases[name]!.commands.length} commands`)));
  leavePhase(run, 'SUCCEEDED', NO_CONTEXT);
  return runBuildspec({
    ...run,
    buildspec,
    environment: environmentOf(build, buildspec, credentials, options, source, home),
    marker: 'CODEBUILD_BUILD_ID',
    directory: source,
    scratchDirectory: scratch,
    signal: build.signal,
  });
}

type Credentials = ReturnType<ProjectDefinition['credentialsFor']>;

/** CodeBuild assumes the service role and writes the build's log with it. In which phase it finds that it may not is UNVERIFIED. */
async function useServiceRole(build: Build, { accountId, onCall, region }: ExecutionOptions): Promise<Credentials> {
  const credentials = build.project.credentialsFor(build.arn);
  for (const action of ['logs:CreateLogStream', 'logs:PutLogEvents']) {
    const resource = `arn:aws:logs:${region}:${accountId}:log-group:${build.logGroupName}:log-stream:${build.uuid}`;
    await onCall?.({ service: 'logs', action, resource, accessKeyId: credentials.accessKeyId });
  }
  return credentials;
}

/** StartBuild overrides the project, the project overrides the buildspec; what makes this build this build stands above all. */
function environmentOf(
  build: Build, buildspec: Buildspec, credentials: Credentials, { baseEnvironment, region }: ExecutionOptions, source: string, home: string,
): Record<string, string> {
  const { environment } = build.project;
  return {
    ...baseEnvironment,
    CI: 'true',
    ...buildspec.variables,
    ...Object.fromEntries(build.environmentVariables.map(({ name, value }) => [name, value])),
    HOME: home,
    TMPDIR: temporaryDirectoryOf(build),
    AWS_REGION: region,
    AWS_DEFAULT_REGION: region,
    AWS_ACCESS_KEY_ID: credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    CODEBUILD_BUILD_ARN: build.arn,
    CODEBUILD_BUILD_ID: build.id,
    CODEBUILD_BUILD_IMAGE: environment.image,
    CODEBUILD_BUILD_NUMBER: String(build.number),
    CODEBUILD_CI: 'true',
    CODEBUILD_INITIATOR: build.initiator,
    CODEBUILD_LOG_PATH: build.uuid,
    CODEBUILD_RESOLVED_SOURCE_VERSION: '',
    CODEBUILD_SOURCE_VERSION: build.sourceVersion ?? '',
    CODEBUILD_SRC_DIR: source,
    CODEBUILD_START_TIME: String(build.startTime.getTime()),
  };
}

function workDirectoryOf(build: Build, { workDirectory }: Pick<ExecutionOptions, 'workDirectory'>): string {
  return join(workDirectory, build.uuid);
}

/**
 * Of the build's own, because package managers leave files there. Not below the work directory: tools put sockets into it, whose
 * path may have at most 104 characters.
 */
function temporaryDirectoryOf(build: Build): string {
  return join(tmpdir(), `build-${build.uuid.slice(0, 8)}`);
}

/** Takes seconds for a large node_modules, so nobody should have to wait for it to learn how the build ended. */
export async function removeWorkDirectory(build: Build, options: Pick<ExecutionOptions, 'workDirectory'>): Promise<void> {
  await Promise.all([workDirectoryOf(build, options), temporaryDirectoryOf(build)].map(removeDirectory));
}

async function removeDirectory(directory: string): Promise<void> {
  try {
    await rm(directory, { recursive: true, force: true });
  } catch {
    // Package managers write read-only directories, and nothing can be removed from those.
    await promisify(execFile)('chmod', ['-R', 'u+rwX', directory]);
    await rm(directory, { recursive: true, force: true });
  }
}
