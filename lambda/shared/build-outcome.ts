import type { Build, BuildPhase } from '@aws-sdk/client-codebuild';
import { FailureCode, failureOfExitCode } from '../../src/contract/failure-codes';

/**
 * How a build ended, as CodeBuild tells it. Tenant code can choose among the failure codes, by its exit status; it can neither make
 * a failed build a success nor a build another one.
 */
export type BuildOutcome = 'running' | 'succeeded' | FailureCode;

/** A process that was killed by signal 9 ends with 128 + 9; in a container that is the kernel's out-of-memory killer. */
const KILLED = 137;

const PHASES_BEFORE_BUILDSPEC = ['SUBMITTED', 'QUEUED', 'PROVISIONING', 'DOWNLOAD_SOURCE'];

/** Where a command failed without one of our exit codes (its shell was killed, say), the phase tells at least what was being done. */
const FAILURE_OF_PHASE: ReadonlyMap<string, FailureCode> = new Map([
  ['INSTALL', 'CODEBUILD_FAULT'], ['PRE_BUILD', 'INSTALL_FAILED'], ['BUILD', 'BUILD_FAILED'], ['POST_BUILD', 'PACKAGE_FAILED'],
]);

export function outcomeOf(build: Build): BuildOutcome {
  switch (build.buildStatus) {
    case 'SUCCEEDED': return 'succeeded';
    case 'FAILED': return failureOfPhases(build.phases ?? []);
    case 'TIMED_OUT': return failureBeforeBuildspec(build.phases ?? []) ?? 'TIMED_OUT';
    // The reconciler stops a build that CodeBuild should have ended itself.
    case 'STOPPED': return isPastDeadline(build, build.endTime ?? new Date()) ? 'TIMED_OUT' : 'STOPPED';
    case 'FAULT': return failureBeforeBuildspec(build.phases ?? []) ?? 'CODEBUILD_FAULT';
    default: return 'running';
  }
}

/** CodeBuild ends a build at its timeout; if one still runs this much later, CodeBuild has forgotten it. */
const DEADLINE_GRACE_MS = 10 * 60_000;
const MINUTE_MS = 60_000;

/** Whether a build has run longer than CodeBuild lets it: so long in the queue, and so long from its end. */
export function isPastDeadline(build: Build, now: Date): boolean {
  const { startTime, timeoutInMinutes = 60, queuedTimeoutInMinutes = 480, phases = [] } = build;
  if (!startTime) return false;
  const queued = phases.find(({ phaseType }) => phaseType === 'QUEUED');
  const left = queued?.endTime?.getTime() ?? startTime.getTime() + queuedTimeoutInMinutes * MINUTE_MS;
  return now.getTime() > left + timeoutInMinutes * MINUTE_MS + DEADLINE_GRACE_MS;
}

function failureOfPhases(phases: readonly BuildPhase[]): FailureCode {
  const failed = failedPhase(phases);
  const early = failureBeforeBuildspec(phases);
  if (early) return early;
  if (!failed) return 'CODEBUILD_FAULT';
  if (failed.phaseStatus === 'TIMED_OUT') return 'TIMED_OUT';
  // The kernel killed the container as a whole: "died because it was out of memory, or the Docker image is not supported".
  if (failed.contexts?.some(({ statusCode }) => statusCode === 'SINGLE_BUILD_CONTAINER_DEAD')) return 'OUT_OF_MEMORY';
  const exitCode = exitCodeOf(failed);
  if (exitCode === KILLED) return 'OUT_OF_MEMORY';
  return failureOfExitCode(exitCode ?? 0) ?? FAILURE_OF_PHASE.get(failed.phaseType ?? '') ?? 'CODEBUILD_FAULT';
}

/** The first failed phase is the cause; later ones fail because of it. */
function failedPhase(phases: readonly BuildPhase[]): BuildPhase | undefined {
  return phases.find((phase) => phase.phaseStatus !== undefined && !['SUCCEEDED', 'IN_PROGRESS', 'QUEUED'].includes(phase.phaseStatus));
}

/** A build that CodeBuild gave up before any command of ours had run: neither the app's fault nor the buildspec's. */
function failureBeforeBuildspec(phases: readonly BuildPhase[]): FailureCode | undefined {
  const failed = failedPhase(phases);
  if (!failed || !PHASES_BEFORE_BUILDSPEC.includes(failed.phaseType ?? '')) return undefined;
  return failed.phaseStatus === 'TIMED_OUT' ? 'QUEUE_TIMED_OUT' : 'PROVISIONING_FAILED';
}

/** "Error while executing command: bash … Reason: exit status 21" */
function exitCodeOf(phase: BuildPhase): number | undefined {
  for (const { message } of phase.contexts ?? []) {
    const match = /exit status (\d{1,3})\s*$/.exec(message ?? '');
    if (match) return Number(match[1]);
  }
  return undefined;
}
