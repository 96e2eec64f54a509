/** How a deployment went: for people at the end of a run, and as JSON. */
import type { StoredObject } from './pipeline';
import type { Phase } from './services/codebuild';
import { CACHE_LAYERS, type CacheUse } from '../src/contract/cache';
import type { DeploymentRecord, DeploymentStatus, WaitingReason } from '../src/contract/deployment';
import { PUBLIC_RECORD_FIELDS } from '../src/contract/events';

export interface DeploymentReport {
  readonly deploymentId: string;
  readonly projectId: string;
  readonly commitSha: string;
  readonly status: DeploymentStatus;
  readonly statusHistory: readonly { readonly status: DeploymentStatus; readonly at: string }[];
  readonly failureCode?: string;
  readonly failureMessage?: string;
  /** A newer deployment of the same branch. */
  readonly supersededBy?: string;
  /** The deployment whose build this one has used again. */
  readonly reusedFrom?: string;
  /** Seconds of each step of the build, what became of its cache, and what it warns of, as the build says. */
  readonly build?: Pick<DeploymentRecord, 'timings' | 'cache' | 'warnings'>;
  /** Seconds: from the message to the build, each phase of CodeBuild, from the build's end to the record's, and all together. */
  readonly timings: Readonly<Record<string, number>>;
  readonly artifacts: readonly { readonly key: string; readonly bytes: number }[];
  /** Missing when no build was started, or when the run kept no files. */
  readonly logFile?: string;
}

export function reportOf(record: DeploymentRecord, phases: readonly Phase[], artifacts: readonly StoredObject[], logFile?: string): DeploymentReport {
  const { deploymentId, projectId, commitSha, status, createdAt, buildStartedAt, completedAt, failureCode, failureMessage, supersededBy, reusedFrom } = record;
  const { cache, timings, warnings } = record;
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
    supersededBy,
    reusedFrom,
    ...(timings ? { build: { timings, cache, warnings } } : {}),
    timings: timingsOf(record, phases),
    artifacts,
    logFile,
  };
}

const WAITS_FOR: Readonly<Record<WaitingReason, string>> = {
  ACCOUNT_CAPACITY: 'CodeBuild to take another build',
  PROJECT_LIMIT: 'a build of its project to end',
};

/** A status in a line, with what explains it. */
export function describeStatus({ status, waitingReason, failureCode, supersededBy }: DeploymentRecord): string {
  if (status === 'queued' && waitingReason) return `queued, waits for ${WAITS_FOR[waitingReason]}`;
  if (status === 'failed') return `failed: ${failureCode}`;
  if (status === 'superseded') return `superseded by ${supersededBy}`;
  return supersededBy ? `${status}, but ${supersededBy} is newer` : status;
}

/** What follows from the end of a deployment; nothing, if all is well. */
export function verdict({ status, branch, failureCode, failureMessage, supersededBy }: DeploymentRecord): string | undefined {
  const newer = `deployment ${supersededBy}, which is newer on branch ${branch}`;
  if (status === 'superseded') return `SUPERSEDED by ${newer}. Nothing failed, and nothing of this one is stored.`;
  if (status !== 'success') return `FAILED ${failureCode}: ${failureMessage}`;
  return supersededBy ? `Do not go live with this one: there is ${newer}.` : undefined;
}

/** Superseded is neither: a script that waits for its artifacts must not go on, and must not report a broken build. */
export function exitStatusFor(reports: readonly DeploymentReport[]): number {
  const are = (...statuses: DeploymentStatus[]) => reports.every(({ status }) => statuses.includes(status));
  return are('success') ? 0 : are('success', 'superseded') ? 3 : 1;
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
export function describe(record: DeploymentRecord, report: DeploymentReport): string[] {
  const own = report.artifacts.filter(({ key }) => key.startsWith('artifacts/') && !key.includes('/isr-cache/'));
  const sum = (objects: readonly StoredObject[]) => size(objects.reduce((total, { bytes }) => total + bytes, 0));
  const group = (part: string) => report.artifacts.filter(({ key }) => key.includes(part));
  const [statics, cached] = [group('static/').filter(({ key }) => key.startsWith('static/')), group('/isr-cache/')];
  const times = (seconds: Readonly<Record<string, number>>) => Object.entries(seconds).map(([name, value]) => `${name} ${value.toFixed(1)} s`).join(', ');
  return [
    'Record',
    ...PUBLIC_RECORD_FIELDS.filter((name) => !TABLES.includes(name) && record[name] !== undefined).map((name) => `  ${name.padEnd(15)} ${String(record[name])}`),
    ...(report.artifacts.length ? [
      'Artifacts',
      ...own.map(({ key, bytes }) => `  ${size(bytes).padStart(9)}  ${key}`),
      `  ${sum(statics).padStart(9)}  ${record.artifacts?.staticPrefix} (${statics.length} files)`,
      ...(cached.length ? [`  ${sum(cached).padStart(9)}  ${record.artifacts?.artifactsPrefix}isr-cache/ (${cached.length} files)`] : []),
    ] : []),
    'Timings',
    `  ${times(report.timings)}`,
    ...buildTable(record),
    ...(record.warnings ? ['Warnings', ...record.warnings.map(({ code, message }) => `  ${code}: ${message}`)] : []),
  ];
}

/** Fields of the record that are shown as tables of their own. */
const TABLES: readonly string[] = ['artifacts', 'timings', 'cache', 'warnings'];

function buildTable({ cache = {}, timings }: DeploymentRecord): string[] {
  if (!timings) return [];
  const seconds = (value: number | undefined) => (value === undefined ? '' : `${value.toFixed(1)} s`).padStart(9);
  const bytes = (value: number | undefined) => (value === undefined ? '' : size(value)).padStart(10);
  const row = (name: string, { reason, restoredBytes, restoreSeconds, result, savedBytes, saveSeconds, secondsSaved }: CacheUse) => {
    const figures = [bytes(restoredBytes), seconds(restoreSeconds), bytes(savedBytes), seconds(saveSeconds), seconds(secondsSaved)].join(' ');
    return `  ${name.padEnd(14)} ${result.padEnd(8)} ${figures}  ${reason ?? ''}`.trimEnd();
  };
  const layers = CACHE_LAYERS.flatMap((layer) => (cache[layer] ? [row(layer, cache[layer])] : []));
  const head = `  ${'layer'.padEnd(14)} ${'result'.padEnd(8)} ${['restored', 'in', 'stored', 'in', 'saved'].map((name, index) => name.padStart(index === 0 || index === 2 ? 10 : 9)).join(' ')}`;
  return [
    'Steps of the build',
    ...Object.entries(timings).map(([name, value]) => `  ${name.padEnd(14)} ${seconds(value)}`),
    ...(layers.length ? ['Cache', head, ...layers] : []),
  ];
}

function size(bytes: number): string {
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
