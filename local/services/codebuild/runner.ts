/**
 * Runs the phases of a buildspec with CodeBuild's semantics: one shell for the whole build, a failing command ends its phase,
 * `finally` runs all the same, and post_build follows a failed build phase.
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { BUILDSPEC_PHASES, type Buildspec, type BuildspecPhase, type BuildspecPhaseName } from './buildspec';
import { NO_CONTEXT, type EndStatus, type PhaseContext, type PhaseList, type PhaseType } from './phases';
import { endProcesses } from './processes';
import { Shell, ShellOutput } from './shell';

export interface BuildspecRun {
  readonly buildspec: Buildspec;
  /** All that the build sees, except CODEBUILD_BUILD_SUCCEEDING. Must contain `marker`. */
  readonly environment: Readonly<Record<string, string>>;
  /** Name of a variable whose value no other build has: leftover processes are recognised by it. */
  readonly marker: string;
  /** Where the commands start: CODEBUILD_SRC_DIR. */
  readonly directory: string;
  /** For the runner's own files; exists, is empty, and nobody else's. */
  readonly scratchDirectory: string;
  readonly phases: PhaseList;
  readonly onLine: (line: string) => void;
  /** Ends the build; its reason is the status, `STOPPED` or `TIMED_OUT`. */
  readonly signal: AbortSignal;
}

interface Failure {
  readonly command: string;
  readonly exitStatus: number;
}

const PHASE_TYPES: Record<BuildspecPhaseName, PhaseType> = {
  install: 'INSTALL',
  pre_build: 'PRE_BUILD',
  build: 'BUILD',
  post_build: 'POST_BUILD',
};

const ABORT_CONTEXTS: Partial<Record<EndStatus, PhaseContext>> = {
  TIMED_OUT: { statusCode: 'BUILD_TIMED_OUT', message: 'Build has timed out. ' },
  STOPPED: NO_CONTEXT,
};

/** Generous for a cold disk: printing a version takes milliseconds. */
const VERSION_BOUND_MS = 10_000;

/** Runs the phases INSTALL to UPLOAD_ARTIFACTS. When it returns, no process of the build is left. */
export async function runBuildspec(run: BuildspecRun): Promise<EndStatus> {
  await noteRuntimes(run);
  const session = await ShellSession.open(run);
  // A failure to end them is reported by close().
  const end = (): void => void session.end().catch(() => undefined);
  run.signal.addEventListener('abort', end);
  try {
    return await runPhases(run, session);
  } finally {
    run.signal.removeEventListener('abort', end);
    await session.close();
  }
}

async function runPhases(run: BuildspecRun, session: ShellSession): Promise<EndStatus> {
  let succeeded = true;
  for (const name of BUILDSPEC_PHASES) {
    const phase = run.buildspec.phases[name] ?? { commands: [], finally: [] };
    const status = await runPhase(run, session, PHASE_TYPES[name], phase);
    if (status === 'STOPPED' || status === 'TIMED_OUT') {
      return status;
    }
    succeeded &&= status === 'SUCCEEDED';
    if (status === 'FAILED' && !continues(name, phase)) {
      return 'FAILED';
    }
  }
  // The project has no artifacts, but CodeBuild goes through the phase.
  run.phases.enter('UPLOAD_ARTIFACTS');
  leavePhase(run, 'SUCCEEDED', NO_CONTEXT);
  return succeeded ? 'SUCCEEDED' : 'FAILED';
}

/** Without on-failure, only build and post_build are followed by the next phase. */
function continues(name: BuildspecPhaseName, phase: BuildspecPhase): boolean {
  return phase.onFailure ? phase.onFailure === 'CONTINUE' : name === 'build' || name === 'post_build';
}

async function runPhase(run: BuildspecRun, session: ShellSession, type: PhaseType, phase: BuildspecPhase): Promise<EndStatus> {
  run.phases.enter(type);
  run.onLine(containerLine(`Entering phase ${type}`));
  const failure = await runCommands(run, session, phase.commands);
  const finallyFailure = await runCommands(run, session, phase.finally);
  if (run.signal.aborted) {
    const status = run.signal.reason as EndStatus;
    leavePhase(run, status, ABORT_CONTEXTS[status] ?? NO_CONTEXT);
    return status;
  }
  const reported = failure ?? finallyFailure;
  leavePhase(run, reported ? 'FAILED' : 'SUCCEEDED', reported ? failureContext(reported) : NO_CONTEXT);
  return reported ? 'FAILED' : 'SUCCEEDED';
}

async function runCommands(run: BuildspecRun, session: ShellSession, commands: readonly string[]): Promise<Failure | undefined> {
  for (const command of commands) {
    if (run.signal.aborted) {
      return undefined;
    }
    run.onLine(containerLine(`Running command ${command.trimEnd()}`));
    const exitStatus = await session.run(command);
    if (run.signal.aborted) {
      return undefined;
    }
    if (exitStatus !== 0) {
      run.onLine(containerLine(`Command did not exit successfully ${command.trimEnd()} exit status ${exitStatus}`));
      await session.fail();
      return { command, exitStatus };
    }
  }
  return undefined;
}

export function leavePhase({ phases, onLine }: Pick<BuildspecRun, 'phases' | 'onLine'>, status: EndStatus, context: PhaseContext): void {
  onLine(containerLine(`Phase complete: ${phases.current} State: ${status}`));
  onLine(containerLine(`Phase context status code: ${context.statusCode} Message: ${context.message}`));
  phases.leave(status, [context]);
}

function failureContext({ command, exitStatus }: Failure): PhaseContext {
  return {
    statusCode: 'COMMAND_EXECUTION_ERROR',
    message: `Error while executing command: ${command.trimEnd()}. Reason: exit status ${exitStatus}`,
  };
}

/** `[Container] 2026/11/22 12:00:00.000000 message`, in UTC. */
export function containerLine(message: string, time: Date = new Date()): string {
  const [date, clock] = time.toISOString().replace('Z', '').split('T');
  return `[Container] ${date.replaceAll('-', '/')} ${clock}000 ${message}`;
}

async function noteRuntimes({ buildspec, environment, onLine }: BuildspecRun): Promise<void> {
  for (const [runtime, version] of Object.entries(buildspec.runtimeVersions)) {
    const wanted = version.replace(/\$(\w+)|\$\{(\w+)\}/g, (_, plain: string, braced: string) => environment[plain ?? braced] ?? '');
    const used = runtime === 'nodejs' ? `Node.js ${await nodeVersion(environment)}` : runtime;
    onLine(containerLine(`This machine's ${used} is used; the buildspec asks for ${wanted}.`));
  }
}

/** Of the one that the build's PATH leads to, which need not be the one that runs this. */
async function nodeVersion(environment: Readonly<Record<string, string>>): Promise<string> {
  return new Promise((resolve) => {
    execFile('node', ['--version'], { env: environment, timeout: VERSION_BOUND_MS }, (error, stdout) => resolve(error ? '(none found on PATH)' : stdout.trim()));
  });
}

/** The shell of a build, and the next one when a command has ended it. */
class ShellSession {
  static async open(run: BuildspecRun): Promise<ShellSession> {
    return new ShellSession(run, await ShellOutput.create(join(run.scratchDirectory, 'output'), run.onLine));
  }

  private readonly shells: Shell[] = [];
  private alive = false;
  private succeeding = true;
  private ending: Promise<void> | undefined;

  private constructor(private readonly build: BuildspecRun, private readonly output: ShellOutput) {}

  async run(command: string): Promise<number> {
    const result = await this.shell().run(command);
    this.alive = result.shellAlive;
    return result.exitStatus;
  }

  /** From here on the build's commands see that it is failing. */
  async fail(): Promise<void> {
    this.succeeding = false;
    if (this.alive) {
      await this.run('export CODEBUILD_BUILD_SUCCEEDING=0');
    }
  }

  /** Ends all that the build has started. */
  end(): Promise<void> {
    const { environment, marker } = this.build;
    return this.ending ??= endProcesses({
      groups: new Set(this.shells.flatMap(({ pid }) => pid ?? [])),
      marker: `${marker}=${environment[marker]}`,
    });
  }

  async close(): Promise<void> {
    try {
      await this.end();
      await Promise.all(this.shells.map((shell) => shell.close()));
    } finally {
      await this.output.close();
    }
  }

  private shell(): Shell {
    if (!this.alive) {
      const { buildspec, environment, directory, scratchDirectory } = this.build;
      this.shells.push(new Shell({
        path: buildspec.shell,
        cwd: directory,
        environment: { ...environment, CODEBUILD_BUILD_SUCCEEDING: this.succeeding ? '1' : '0' },
        directory: scratchDirectory,
        output: this.output,
      }));
      this.alive = true;
    }
    return this.shells.at(-1)!;
  }
}
