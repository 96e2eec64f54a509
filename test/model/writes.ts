/**
 * The conditional writes of the deployments' records, as the model understands them: the record after the write, or undefined where its
 * condition does not hold. writes.test.ts compares every one of them with the real one, on every record that the model can express.
 */
import type { FailureKind, RecordState } from './state';

type Written = RecordState | undefined;

/** What is on a record only while its deployment has not ended. */
const NOT_WORKING = { claim: undefined, claimedBy: undefined, attempted: false, waiting: false } as const;

const isUnclaimed = ({ claim }: RecordState) => claim === undefined || claim.expired;
const isClaimOf = ({ claim }: RecordState, invocation: string | undefined) => invocation !== undefined && claim?.by === invocation;
const isOpen = ({ status }: RecordState) => status === 'queued' || status === 'building';

export const writes = {
  claim: (record: RecordState, by: string): Written =>
    (record.status === 'queued' && isUnclaimed(record) ? { ...record, seen: true, attempted: true, claim: { by, expired: false } } : undefined),

  releaseClaim: (record: RecordState, by: string, waiting: boolean): Written => (record.status === 'queued' && isClaimOf(record, by)
    ? { ...record, claim: undefined, attempted: false, waiting: waiting || record.waiting } : undefined),

  markBuilding: (record: RecordState): Written =>
    (record.status === 'queued' && record.claimedBy === undefined ? { ...record, ...NOT_WORKING, seen: true, status: 'building', hasBuild: true } : undefined),

  /** `by`: whose claim the caller knows of; nobody else must have claimed it since. */
  failUnstarted: (record: RecordState, by?: string): Written => (record.status === 'queued' && record.claim?.by === by
    ? { ...record, ...NOT_WORKING, seen: true, status: 'failed', failure: 'no-build' } : undefined),

  failUnseen: (record: RecordState): Written =>
    (record.status === 'queued' && !record.seen ? { ...record, seen: true, status: 'failed', failure: 'no-build' } : undefined),

  reopen: (record: RecordState, sentAfterFailure: boolean): Written => (record.status === 'failed' && !record.hasBuild && sentAfterFailure
    ? { ...record, ...NOT_WORKING, seen: true, status: 'queued', failure: undefined } : undefined),

  noteNewer: (record: RecordState): Written => (isOpen(record) ? { ...record, marked: true } : undefined),

  supersedeUnstarted: (record: RecordState, by?: string): Written => (record.status === 'queued' && (!record.attempted || isClaimOf(record, by))
    ? { ...record, ...NOT_WORKING, seen: true, status: 'superseded', marked: true } : undefined),

  claimEnd: (record: RecordState, by: string): Written => (isOpen(record) && (isUnclaimed(record) || record.claimedBy === by)
    ? { ...record, hasBuild: true, claim: { by, expired: false }, claimedBy: by } : undefined),

  markReused: (record: RecordState, by: string, marked: boolean): Written => (record.status === 'queued' && isClaimOf(record, by)
    ? { ...record, ...NOT_WORKING, seen: true, status: 'success', marked: marked || record.marked } : undefined),

  markSuccess: (record: RecordState, marked: boolean): Written =>
    (isOpen(record) ? { ...record, ...NOT_WORKING, seen: true, status: 'success', hasBuild: true, marked: marked || record.marked } : undefined),

  markFailed: (record: RecordState, failure: FailureKind): Written =>
    (isOpen(record) ? { ...record, ...NOT_WORKING, seen: true, status: 'failed', hasBuild: true, failure } : undefined),

  markSuperseded: (record: RecordState): Written =>
    (isOpen(record) ? { ...record, ...NOT_WORKING, seen: true, status: 'superseded', hasBuild: true } : undefined),
};
