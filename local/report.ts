/** How a deployment went: for people at the end of a run, and as JSON. */
import type { StoredObject } from './pipeline';
import type { Phase } from './services/codebuild';
import type { DeploymentRecord, DeploymentStatus } from '../src/contract/deployment';

export interface DeploymentReport {
  readonly deploymentId: string;
  readonly projectId: string;
  readonly commitSha: string;
  readonly status: DeploymentStatus;
  readonly statusHistory: readonly { readonly status: DeploymentStatus; readonly at: string }[];
  readonly failureCode?: string;
  readonly failureMessage?: string;
  /** Seconds: from the message to the build, each phase of CodeBuild, from the build's end to the record's, and all together. */
  readonly timings: Readonly<Record<string, number>>;
  readonly artifacts: readonly { readonly key: string; readonly bytes: number }[];
  /** Missing when no build was started, or when the run kept no files. */
  readonly logFile?: string;
}

export function reportOf(record: DeploymentRecord, phases: readonly Phase[], artifacts: readonly StoredObject[], logFile?: string): DeploymentReport {
  const { deploymentId, projectId, commitSha, status, createdAt, buildStartedAt, completedAt, failureCode, failureMessage } = record;
  return {
    deploymentId,
    projectId,
    commitSha,
    status,
    statusHistory: [
      { status: 'queued' as const, at: createdAt },
      ...(buildStartedAt ? [{ status: 'building' as const, at: buildStartedAt }] : []),
      ...(completedAt ? [{ status, at: completedAt }] : []),
    ],
    failureCode,
    failureMessage,
    timings: timingsOf(record, phases),
    artifacts,
    logFile,
  };
}

function timingsOf({ createdAt, buildStartedAt, completedAt }: DeploymentRecord, phases: readonly Phase[]): Record<string, number> {
  const seconds = (from?: Date | string, to?: Date | string) => from && to ? Math.round((new Date(to).getTime() - new Date(from).getTime()) / 10) / 100 : 0;
  const lasting = phases.filter(({ phaseType, startTime, endTime }) => phaseType !== 'COMPLETED' && seconds(startTime, endTime) > 0);
  return {
    ...(buildStartedAt ? { queue: seconds(createdAt, buildStartedAt) } : {}),
    ...Object.fromEntries(lasting.map(({ phaseType, startTime, endTime }) => [phaseType.toLowerCase(), seconds(startTime, endTime)])),
    ...(completedAt && phases.length > 0 ? { promotion: seconds(phases.at(-1)?.endTime ?? phases.at(-1)?.startTime, completedAt) } : {}),
    ...(completedAt ? { total: seconds(createdAt, completedAt) } : {}),
  };
}

/** A site has hundreds of static files: of those only the sum is shown. */
export function describe(record: DeploymentRecord, report: DeploymentReport, steps: Readonly<Record<string, number>> | undefined): string[] {
  const own = report.artifacts.filter(({ key }) => key.startsWith('artifacts/') && !key.includes('/isr-cache/'));
  const sum = (objects: readonly StoredObject[]) => size(objects.reduce((total, { bytes }) => total + bytes, 0));
  const group = (part: string) => report.artifacts.filter(({ key }) => key.includes(part));
  const [statics, cached] = [group('static/').filter(({ key }) => key.startsWith('static/')), group('/isr-cache/')];
  const times = (seconds: Readonly<Record<string, number>>) => Object.entries(seconds).map(([name, value]) => `${name} ${value.toFixed(1)} s`).join(', ');
  return [
    'Record',
    ...Object.entries(record).filter(([name]) => name !== 'artifacts').map(([name, value]) => `  ${name.padEnd(15)} ${String(value)}`),
    ...(report.artifacts.length ? [
      'Artifacts',
      ...own.map(({ key, bytes }) => `  ${size(bytes).padStart(9)}  ${key}`),
      `  ${sum(statics).padStart(9)}  static/${record.projectId}/${record.commitSha}/ (${statics.length} files)`,
      ...(cached.length ? [`  ${sum(cached).padStart(9)}  ${record.artifacts?.artifactsPrefix}isr-cache/ (${cached.length} files)`] : []),
    ] : []),
    'Timings',
    `  ${times(report.timings)}`,
    ...(steps ? [`  steps of the build: ${times(steps)}`] : []),
  ];
}

function size(bytes: number): string {
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
