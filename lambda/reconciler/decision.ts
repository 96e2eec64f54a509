import type { Build } from '@aws-sdk/client-codebuild';
import { DeploymentRecord, TERMINAL_STATUSES } from '../../src/contract/deployment';
import type { FailureCode } from '../../src/contract/failure-codes';
import { isPastDeadline, outcomeOf } from '../shared/build-outcome';
import type { OpenDeployment } from '../shared/state/open-deployments';

/** What an open deployment needs. Pure: the reconciler acts on it. */
export type Repair =
  | { readonly action: 'nothing' }
  /** It is not open any more, and nothing is left to do. */
  | { readonly action: 'close' }
  /** The finalizer does the rest: it promotes, ends, announces, cleans up. `build` has ended. */
  | { readonly action: 'finalize'; readonly build: Build }
  | { readonly action: 'stop-build'; readonly buildId: string }
  | { readonly action: 'fail-build'; readonly failureCode: FailureCode }
  | { readonly action: 'fail-unstarted'; readonly failureCode: FailureCode }
  /** It was to be started, and nobody knows whether it was. */
  | { readonly action: 'look-for-build'; readonly since: number }
  | { readonly action: 'supersede'; readonly newerDeploymentId: string }
  /** Its producer recorded it, and did not come to send its request. */
  | { readonly action: 'send' }
  /** Its message seems to be lost. */
  | { readonly action: 'send-again' };

export interface Found {
  readonly open: OpenDeployment;
  readonly record: DeploymentRecord | undefined;
  /** CodeBuild's answer for the build of the record, or of the entry if there is no record. */
  readonly build: Build | undefined;
  /** Id of the branch's newest deployment, if it is not this one. */
  readonly newerDeploymentId: string | undefined;
}

export interface Rules {
  readonly now: Date;
  readonly visibilityTimeoutSeconds: number;
  readonly retentionSeconds: number;
  readonly stopSupersededBuilds: boolean;
}

/** CodeBuild's APIs may know a new build only after a moment. */
const YOUNG_SECONDS = 600;

/** As long as EventBridge tries: after that, what the finalizer has failed on some 300 times will not succeed any more. */
const GIVE_UP_SECONDS = 24 * 3600;

/** Longer than a producer's call may take: if it is still at it, a second message does no harm, and is seldom. */
const UNSENT_SECONDS = 120;

/** The longest that SQS delays a message; a request that waits is seen at least so often. */
const LONGEST_DELAY_SECONDS = 900;

export function decideRepair(found: Found, rules: Rules): Repair {
  const { open, record, build } = found;
  if (!record) return repairWithoutRecord(open, build, rules);
  if (TERMINAL_STATUSES.includes(record.status)) return repairEnded(record, build);
  if (record.status === 'building') return repairBuilding(record, found, rules);
  return repairQueued(open, record, found, rules);
}

function repairWithoutRecord(open: OpenDeployment, build: Build | undefined, { now }: Rules): Repair {
  if (build && outcomeOf(build) === 'running') return { action: 'stop-build', buildId: build.id! };
  // Its producer may be about to write the record, and die then: the entry must still be there.
  return open.unsent && unseenFor(open, now) <= YOUNG_SECONDS ? { action: 'nothing' } : { action: 'close' };
}

function repairEnded(record: DeploymentRecord, build: Build | undefined): Repair {
  if (!build) return { action: 'close' };
  return outcomeOf(build) === 'running' ? { action: 'stop-build', buildId: record.buildId! } : { action: 'finalize', build };
}

function repairBuilding(record: DeploymentRecord, { build, newerDeploymentId }: Found, rules: Rules): Repair {
  const { now } = rules;
  if (!build) return isOlder(record.buildStartedAt!, YOUNG_SECONDS, now) ? { action: 'fail-build', failureCode: 'CODEBUILD_FAULT' } : { action: 'nothing' };
  if (outcomeOf(build) !== 'running') {
    return build.endTime && isOlder(build.endTime, GIVE_UP_SECONDS, now) ? { action: 'fail-build', failureCode: 'PROMOTION_FAILED' } : { action: 'finalize', build };
  }
  if (isPastDeadline(build, now)) return { action: 'stop-build', buildId: build.id! };
  if (record.supersededBy === undefined && newerDeploymentId !== undefined) return { action: 'supersede', newerDeploymentId };
  if (record.supersededBy !== undefined && rules.stopSupersededBuilds) return { action: 'stop-build', buildId: build.id! };
  return { action: 'nothing' };
}

function repairQueued(open: OpenDeployment, record: DeploymentRecord, { newerDeploymentId }: Found, rules: Rules): Repair {
  const now = rules.now.getTime() / 1000;
  if ((record.claimExpiresAt ?? 0) > now) return { action: 'nothing' };
  if (record.startAttemptedAt !== undefined) return { action: 'look-for-build', since: record.startAttemptedAt };
  const newer = record.supersededBy ?? newerDeploymentId;
  if (newer !== undefined) return { action: 'supersede', newerDeploymentId: newer };
  // However long ago: there was no message yet that could have expired.
  if (open.unsent) return unseenFor(open, rules.now) > UNSENT_SECONDS ? { action: 'send' } : { action: 'nothing' };
  return repairLost(open, record, rules);
}

/** Whether an entry needs no look at its record: its deployment waits, and was seen as lately as it should have been. */
export function isWaitingDuly({ buildId, seenAt, waits }: OpenDeployment, now: Date): boolean {
  return waits === true && buildId === undefined && now.getTime() / 1000 - seenAt < LONGEST_DELAY_SECONDS + YOUNG_SECONDS;
}

/** For a deployment that is queued and in nobody's hands. */
export function repairLost(open: OpenDeployment, record: DeploymentRecord, rules: Rules): Repair {
  const unseen = unseenFor(open, rules.now);
  if (unseen > rules.retentionSeconds) return { action: 'fail-unstarted', failureCode: record.waitingReason ? 'NO_CAPACITY' : 'START_FAILED' };
  const mayBeHidden = rules.visibilityTimeoutSeconds + LONGEST_DELAY_SECONDS + YOUNG_SECONDS;
  return unseen > mayBeHidden && open.resentAt === undefined ? { action: 'send-again' } : { action: 'nothing' };
}

/** Seconds since the last sign of its message. */
function unseenFor({ resentAt = 0, seenAt }: OpenDeployment, now: Date): number {
  return now.getTime() / 1000 - Math.max(seenAt, resentAt);
}

function isOlder(time: string | Date, seconds: number, now: Date): boolean {
  return now.getTime() - new Date(time).getTime() > seconds * 1000;
}
