/**
 * CodeBuild on this machine: serves the build API of CodeBuild (JSON 1.1) and runs builds with the machine's own shell.
 * Projects are created in process, from a template; their builds are isolated from each other by directory and process group only.
 */
import { mkdir, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import type { OnCall } from '../service';
import type { SecretOf } from '../sigv4';
import { serveApi } from './api';
import { BuildQueue } from './build-queue';
import type { BuildStateChangeEvent } from './event';
import type { Phase } from './phases';
import { validateProject, type ProjectDefinition } from './project';

export type { BuildStateChangeEvent } from './event';
export type { Phase } from './phases';
export type { EnvironmentVariable, ProjectDefinition, ProjectEnvironment } from './project';

export interface CodeBuildOptions {
  /** Holds the work directories of running builds (`work/`), and the logs of all (`logs/<uuid>.log`). */
  readonly directory: string;
  readonly accountId: string;
  readonly region: string;
  readonly onCall?: OnCall;
  readonly secretOf?: SecretOf;
  readonly initiatorOf?: (accessKeyId: string | undefined) => string;
  readonly onEvent: (event: BuildStateChangeEvent) => void;
  readonly onLog?: (buildId: string, line: string) => void;
  /** When a phase begins, and again when it ends. */
  readonly onPhase?: (buildId: string, phase: Phase) => void;
  /** What the build image gives to every build: PATH and the like. */
  readonly baseEnvironment: Readonly<Record<string, string>>;
  /** Builds that run at the same time. Default 2: `next build` alone fills two cores and 2 GB of memory. */
  readonly concurrentBuildLimit?: number;
}

export interface CodeBuild {
  readonly endpoint: string;
  createProject(project: ProjectDefinition): void;
  /** Stops running and queued builds, and returns when none of their processes is left. */
  close(): Promise<void>;
}

const DEFAULT_CONCURRENT_BUILD_LIMIT = 2;

export async function startCodeBuild(options: CodeBuildOptions): Promise<CodeBuild> {
  await mkdir(options.directory, { recursive: true });
  // Without symbolic links, so that `pwd` in a build equals CODEBUILD_SRC_DIR.
  const directory = await realpath(options.directory);
  const logDirectory = join(directory, 'logs');
  const workDirectory = join(directory, 'work');
  await Promise.all([logDirectory, workDirectory].map((path) => mkdir(path, { recursive: true })));

  const projects = new Map<string, ProjectDefinition>();
  const concurrentBuildLimit = options.concurrentBuildLimit ?? DEFAULT_CONCURRENT_BUILD_LIMIT;
  const queue = new BuildQueue({ ...options, logDirectory, workDirectory, concurrentBuildLimit });
  const listener = await serveApi({ ...options, projects, queue });
  return {
    endpoint: listener.endpoint,
    createProject: (project) => {
      validateProject(project);
      if (projects.has(project.name)) {
        throw new Error(`The CodeBuild project "${project.name}" exists already.`);
      }
      projects.set(project.name, project);
    },
    close: async () => {
      await listener.close();
      await queue.close();
    },
  };
}
