import type { Build, BuildPhase } from '@aws-sdk/client-codebuild';
import { FailureCode, failureOfExitCode } from '../../src/contract/failure-codes';

/**
 * How a build ended, as CodeBuild tells it. Tenant code can choose among the failure codes, by its exit status; it can neither make
 * a failed build a success nor a build another one.
 */
export type BuildOutcome = 'running' | 'succeeded' | FailureCode;

/** A process that was killed by signal 9 ends with 128 + 9; in a container that is the kernel's out-of-memory killer. */
const KILLED = 137;

/** Phases before any command of ours has run: what fails there is neither the app's fault nor the buildspec's. */
const PHASES_BEFORE_BUILDSPEC = ['SUBMITTED', 'QUEUED', 'PROVISIONING', 'DOWNLOAD_SOURCE'];

/** Where a command failed without one of our exit codes (its shell was killed, say), the phase tells at least what was being done. */
const FAILURE_OF_PHASE: Readonly<Record<string, FailureCode>> = {
  INSTALL: 'CODEBUILD_FAULT', PRE_BUILD: 'INSTALL_FAILED', BUILD: 'BUILD_FAILED', POST_BUILD: 'PACKAGE_FAILED',
};

export function outcomeOf(build: Build): BuildOutcome {
  switch (build.buildStatus) {
    case 'SUCCEEDED': return 'succeeded';
    case 'FAILED': return failureOfPhases(build.phases ?? []);
    case 'TIMED_OUT': return startedAtAll(build) ? 'TIMED_OUT' : 'CODEBUILD_FAULT';
    case 'STOPPED': return 'STOPPED';
    case 'FAULT': return 'CODEBUILD_FAULT';
    default: return 'running';
  }
}

function failureOfPhases(phases: readonly BuildPhase[]): FailureCode {
  // The first failed phase is the cause; later ones fail because of it.
  const failed = phases.find((phase) => phase.phaseStatus !== undefined && !['SUCCEEDED', 'IN_PROGRESS', 'QUEUED'].includes(phase.phaseStatus));
  if (!failed) return 'CODEBUILD_FAULT';
  if (PHASES_BEFORE_BUILDSPEC.includes(failed.phaseType ?? '')) return 'CODEBUILD_FAULT';
  if (failed.phaseStatus === 'TIMED_OUT') return 'TIMED_OUT';
  // The kernel killed the container as a whole: "died because it was out of memory, or the Docker image is not supported".
  if (failed.contexts?.some(({ statusCode }) => statusCode === 'SINGLE_BUILD_CONTAINER_DEAD')) return 'OUT_OF_MEMORY';
  const exitCode = exitCodeOf(failed);
  if (exitCode === KILLED) return 'OUT_OF_MEMORY';
  return failureOfExitCode(exitCode ?? 0) ?? FAILURE_OF_PHASE[failed.phaseType ?? ''] ?? 'CODEBUILD_FAULT';
}

/** A build can also wait so long for a machine that CodeBuild gives it up: that is not the app's slowness. */
function startedAtAll({ phases = [] }: Build): boolean {
  return !phases.some(({ phaseType = '', phaseStatus }) => phaseStatus === 'TIMED_OUT' && PHASES_BEFORE_BUILDSPEC.includes(phaseType));
}

/** "Error while executing command: bash … Reason: exit status 21" */
function exitCodeOf(phase: BuildPhase): number | undefined {
  for (const { message } of phase.contexts ?? []) {
    const match = /exit status (\d{1,3})\s*$/.exec(message ?? '');
    if (match) return Number(match[1]);
  }
  return undefined;
}
