/** One build: its identity, its state, and how the API shows it. */
import { randomUUID } from 'node:crypto';
import { pathToFileURL } from 'node:url';
import { PhaseList, type EndStatus, type Phase } from './phases';
import { DEFAULT_QUEUED_TIMEOUT_MINUTES, mergeEnvironmentVariables, type EnvironmentVariable, type ProjectDefinition } from './project';

export interface BuildRequest {
  readonly project: ProjectDefinition;
  readonly environmentVariables: readonly EnvironmentVariable[];
  readonly sourceVersion?: string;
  readonly initiator: string;
  readonly number: number;
  /** `arn:aws:codebuild:<region>:<account>:` */
  readonly arnPrefix: string;
  /** Where the log files of all builds lie. */
  readonly logDirectory: string;
  readonly onPhase: (build: Build, phase: Phase) => void;
}

export class Build {
  readonly uuid = randomUUID();
  readonly id: string;
  readonly arn: string;
  readonly project: ProjectDefinition;
  readonly sourceVersion?: string;
  readonly initiator: string;
  readonly number: number;
  readonly logFile: string;
  readonly logGroupName: string;
  readonly queuedTimeoutInMinutes: number;
  /** The project's variables, overridden by those of StartBuild. */
  readonly environmentVariables: readonly EnvironmentVariable[];
  readonly phases: PhaseList;
  readonly startTime = new Date();
  endTime?: Date;
  status: EndStatus | 'IN_PROGRESS' = 'IN_PROGRESS';
  private readonly abortController = new AbortController();

  constructor({ project, environmentVariables, sourceVersion, initiator, number, arnPrefix, logDirectory, onPhase }: BuildRequest) {
    this.id = `${project.name}:${this.uuid}`;
    this.arn = `${arnPrefix}build/${this.id}`;
    this.project = project;
    this.sourceVersion = sourceVersion;
    this.initiator = initiator;
    this.number = number;
    this.logFile = `${logDirectory}/${this.uuid}.log`;
    this.logGroupName = project.logGroupName ?? `/aws/codebuild/${project.name}`;
    this.queuedTimeoutInMinutes = project.queuedTimeoutInMinutes ?? DEFAULT_QUEUED_TIMEOUT_MINUTES;
    this.environmentVariables = mergeEnvironmentVariables(project.environmentVariables, environmentVariables);
    this.phases = new PhaseList((phase) => onPhase(this, phase));
  }

  /** Aborted by stop(); the reason is the status the build ends with. */
  get signal(): AbortSignal {
    return this.abortController.signal;
  }

  /** The first reason wins. */
  stop(status: 'STOPPED' | 'TIMED_OUT'): void {
    this.abortController.abort(status);
  }

  /** Where to read the log: in AWS a console page, here the file. */
  get logUrl(): string {
    return pathToFileURL(this.logFile).href;
  }

  toApi(): Record<string, unknown> {
    const { project } = this;
    return {
      id: this.id,
      arn: this.arn,
      buildNumber: this.number,
      startTime: epochSeconds(this.startTime),
      endTime: epochSeconds(this.endTime),
      currentPhase: this.phases.current,
      buildStatus: this.status,
      sourceVersion: this.sourceVersion,
      projectName: project.name,
      phases: this.phases.all.map(phaseToApi),
      source: { type: 'NO_SOURCE', buildspec: project.buildspec, insecureSsl: false },
      secondarySources: [],
      secondarySourceVersions: [],
      artifacts: { location: '' },
      secondaryArtifacts: [],
      cache: { type: 'NO_CACHE' },
      environment: { ...project.environment, environmentVariables: this.environmentVariables, imagePullCredentialsType: 'CODEBUILD' },
      serviceRole: project.serviceRole,
      logs: { groupName: this.logGroupName, streamName: this.uuid, deepLink: this.logUrl },
      timeoutInMinutes: project.timeoutInMinutes,
      queuedTimeoutInMinutes: this.queuedTimeoutInMinutes,
      buildComplete: this.status !== 'IN_PROGRESS',
      initiator: this.initiator,
    };
  }
}

export function durationInSeconds({ startTime, endTime }: Phase): number | undefined {
  return endTime && Math.round((endTime.getTime() - startTime.getTime()) / 1000);
}

function phaseToApi(phase: Phase): Record<string, unknown> {
  return {
    ...phase,
    startTime: epochSeconds(phase.startTime),
    endTime: epochSeconds(phase.endTime),
    durationInSeconds: durationInSeconds(phase),
  };
}

function epochSeconds(date: Date | undefined): number | undefined {
  return date && date.getTime() / 1000;
}
