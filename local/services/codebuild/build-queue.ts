/** All builds of the account: lets as many run as the limit says, queues the others, and tells about their status. */
import { Build, type BuildRequest } from './build';
import { CodeBuildError } from './errors';
import { buildStateChange, type BuildStateChangeEvent } from './event';
import { execute, removeWorkDirectory } from './execution';
import type { EndStatus, Phase } from './phases';
import type { OnCall } from '../service';

export interface BuildQueueOptions {
  readonly accountId: string;
  readonly region: string;
  readonly onCall?: OnCall;
  readonly logDirectory: string;
  readonly workDirectory: string;
  readonly baseEnvironment: Readonly<Record<string, string>>;
  readonly concurrentBuildLimit: number;
  readonly onEvent: (event: BuildStateChangeEvent) => void;
  readonly onLog?: (buildId: string, line: string) => void;
  readonly onPhase?: (buildId: string, phase: Phase) => void;
}

/** CodeBuild queues up to five times the concurrent build limit. */
const QUEUE_FACTOR = 5;
const MINUTE_MS = 60_000;

export class BuildQueue {
  private readonly builds = new Map<string, Build>();
  private readonly waiting: { start: () => void }[] = [];
  private readonly ending = new Set<Promise<void>>();
  private running = 0;
  private closed = false;

  constructor(private readonly options: BuildQueueOptions) {}

  /** By id or ARN. */
  find(idOrArn: string): Build | undefined {
    return this.builds.get(idOrArn.replace(/^arn:[^/]*:build\//, ''));
  }

  /** Newest first. */
  list(): Build[] {
    return [...this.builds.values()].reverse();
  }

  start(request: Omit<BuildRequest, 'arnPrefix' | 'logDirectory' | 'onPhase' | 'number'>): Build {
    const { accountId, region, logDirectory, concurrentBuildLimit, onPhase } = this.options;
    const queueLimit = QUEUE_FACTOR * concurrentBuildLimit;
    if (this.closed || this.running >= concurrentBuildLimit && this.waiting.length >= queueLimit) {
      throw new CodeBuildError('AccountLimitExceededException', `Cannot have more than ${queueLimit} builds in queue for the account`);
    }
    const build = new Build({
      ...request,
      number: this.list().filter(({ project }) => project.name === request.project.name).length + 1,
      arnPrefix: `arn:aws:codebuild:${region}:${accountId}:`,
      logDirectory,
      onPhase: (of, phase) => onPhase?.(of.id, phase),
    });
    this.builds.set(build.id, build);
    build.phases.enter('SUBMITTED');
    this.emit(build);
    build.phases.leave('SUCCEEDED');
    const ended = this.carryOut(build).finally(() => this.ending.delete(ended));
    this.ending.add(ended);
    return build;
  }

  async close(): Promise<void> {
    this.closed = true;
    this.list().forEach((build) => build.stop('STOPPED'));
    await Promise.all(this.ending);
  }

  private async carryOut(build: Build): Promise<void> {
    build.phases.enter('QUEUED');
    const admitted = await this.admission(build);
    let status: EndStatus;
    if (admitted) {
      build.phases.leave('SUCCEEDED');
      try {
        status = await this.run(build);
      } finally {
        this.running -= 1;
        this.waiting.shift()?.start();
      }
    } else {
      status = build.signal.reason as EndStatus;
      build.phases.leave(status);
    }
    build.endTime = new Date();
    build.status = status;
    build.phases.enter('COMPLETED');
    this.emit(build);
    await removeWorkDirectory(build, this.options).catch((error: Error) => this.options.onLog?.(build.id, `The work directory was not removed: ${error.message}`));
  }

  private async run(build: Build): Promise<EndStatus> {
    const { phases } = build;
    phases.enter('PROVISIONING');
    phases.leave('SUCCEEDED');
    const status = await execute(build, { ...this.options, onLine: ({ id }, line) => this.options.onLog?.(id, line) });
    if (status === 'FAULT' && !phases.all.at(-1)?.phaseStatus) {
      phases.leave('FAULT', [{ statusCode: 'INTERNAL_SERVICE_ERROR', message: `The build could not be run. See ${build.logFile}` }]);
    }
    phases.enter('FINALIZING');
    phases.leave('SUCCEEDED');
    return status;
  }

  /** True when the build may run (and counts as running), false when it was stopped or timed out before. */
  private async admission(build: Build): Promise<boolean> {
    if (this.running < this.options.concurrentBuildLimit) {
      this.running += 1;
      return true;
    }
    const timeout = setTimeout(() => build.stop('TIMED_OUT'), build.queuedTimeoutInMinutes * MINUTE_MS);
    const admitted = await new Promise<boolean>((resolve) => {
      const entry = {
        start: (): void => {
          this.running += 1;
          resolve(true);
        },
      };
      this.waiting.push(entry);
      build.signal.addEventListener('abort', () => {
        const index = this.waiting.indexOf(entry);
        if (index >= 0) {
          this.waiting.splice(index, 1);
          resolve(false);
        }
      });
    });
    clearTimeout(timeout);
    return admitted;
  }

  private emit(build: Build): void {
    this.options.onEvent(buildStateChange(build, this.options.accountId, this.options.region));
  }
}
