import type { Step, Rules as HandlerRules } from './handlers';
import { changeDeployment, changeRecord, Invocation, Message, Name, NAMES, QUEUE, RecordState, State, View, withMessages } from './state';
import { writes } from './writes';

export interface Rules extends HandlerRules {
  /** Builds that CodeBuild runs at a time, and builds of a project. Both deployments belong to one project. */
  readonly accountLimit?: number;
  readonly projectLimit?: number;
  /** Left out: each of it makes many more states, and few of them tell anything new beside a limit. */
  readonly buildsOnlySucceed?: boolean;
  readonly noEventsOfBeginnings?: boolean;
  /** The commits may have been built before. */
  readonly mayReuse?: boolean;
  /** Faults that may happen at all. */
  readonly faults: number;
  readonly redrives: number;
  /** After so many receives a message goes to the dead-letter queue. */
  readonly maxReceives: number;
  /** Invocations at a time: of each handler, and in all. */
  readonly atOnce: { readonly orchestrator: number; readonly finalizer: number; readonly reconciler: number; readonly total: number };
}

export interface Outcome {
  readonly state: State;
  readonly answer?: unknown;
  /** Where one call can be answered differently: how it was. */
  readonly note?: string;
}

/** All that this call may do and answer. */
export function perform(state: State, { name }: Invocation, step: Step, rules: Rules): Outcome[] {
  const { about } = step;
  const deployment = state[about];
  const { record } = deployment;
  const changed = (change: Parameters<typeof changeDeployment>[2], answer?: unknown): Outcome[] => [{ state: changeDeployment(state, about, change), answer }];
  const written = (next: RecordState | undefined, answer: (record: RecordState) => unknown = () => true): Outcome[] =>
    [next ? { state: changeRecord(state, about, next), answer: answer(next) } : { state }];
  const answers = (answer: unknown): Outcome[] => [{ state, answer }];
  const marked = (word: string) => (next: RecordState) => (next.marked ? `${word}, superseded` : word);

  switch (step.call) {
    // The deployment's record.
    case 'get': return answers(view(record));
    case 'claim': {
      const claim = rules.flaw === 'claim does not look at the claim of others' ? writes.claim({ ...record, claim: undefined }, name) : writes.claim(record, name);
      return written(claim, () => ({ attempted: record.attempted, marked: record.marked }));
    }
    case 'releaseClaim': return written(writes.releaseClaim(record, name, step.flag), (next) => (next.marked ? 'superseded' : 'released'));
    case 'markBuilding': {
      if (rules.flaw === 'late start overwrites the end') return written({ ...record, claim: undefined, status: 'building', hasBuild: true }, view);
      return written(writes.markBuilding(record), view);
    }
    case 'failUnstarted': {
      const claimedBy = step.claimedBy === 'me' ? name : step.claimedBy;
      return written(writes.failUnstarted(record, rules.flaw === 'does not see that a request is claimed again' && record.claim?.expired ? record.claim.by : claimedBy));
    }
    case 'failUnseen': return written(writes.failUnseen(record));
    case 'reopen': {
      if (rules.flaw === 'anything reopens') return written(writes.reopen({ ...record, hasBuild: false, status: 'failed' }, true));
      return written(writes.reopen(record, state.messages.some((message) => message.at === name && message.sentAfterFailure)));
    }
    case 'noteNewer': return written(writes.noteNewer(record), (next) => next.status);
    case 'supersedeUnstarted': {
      const known = rules.flaw === 'supersedes what may have a build' ? { ...record, attempted: false } : record;
      return written(writes.supersedeUnstarted(known, step.claimed ? name : undefined));
    }
    case 'claimEnd': return written(writes.claimEnd(record, name), marked('claimed'));
    case 'markReused': return written(writes.markReused(record, name, step.flag));
    case 'markSuccess': return written(writes.markSuccess(record, step.flag));
    case 'markFailed': return written(writes.markFailed(record, step.failure));
    case 'markSuperseded': return written(writes.markSuperseded(record));

    // The pipeline's own table.
    case 'see': return changed({ open: deployment.open ?? { hasBuild: false, resent: false } });
    case 'stillOpen': return answers(deployment.open && (deployment.open.hasBuild ? 'started' : 'waits'));
    case 'noteStarted': return changed(deployment.open ? { open: { ...deployment.open, hasBuild: true } } : {});
    case 'noteResent': return changed(deployment.open ? { open: { ...deployment.open, resent: true } } : {});
    case 'close': return changed({ open: undefined });
    case 'register': {
      const newer = about === 'A' && state.head === 'B';
      return [{ state: newer ? state : { ...state, head: about }, answer: { newer, displaced: about === 'B' && state.head === 'A' } }];
    }
    case 'newerThan': return answers(about === 'A' && state.head === 'B');
    case 'hasPlace': return answers(deployment.place);
    case 'reserve': {
      const taken = NAMES.filter((name_) => state[name_].place).length;
      return deployment.place || taken < (rules.projectLimit ?? Infinity) ? changed({ place: true }, true) : answers(false);
    }
    case 'release': return changed({ place: false });
    case 'exhaustedKnown': return answers(state.exhausted);
    case 'tellExhausted': return [{ state: { ...state, exhausted: true } }];

    // CodeBuild.
    case 'findReusable': return [...answers(false), ...rules.mayReuse ? [{ state, answer: true, note: 'built before' }] : []];
    case 'startBuild': return startBuild(state, about, rules);
    case 'stopBuild': return deployment.build === 'running' ? changed({ build: 'stopped', due: due(deployment.due, 'end') }) : answers(undefined);
    case 'findBuild': return answers(deployment.build !== 'none');
    case 'buildOf': return answers(deployment.build);

    // The bucket.
    case 'list': return answers(deployment.staged);
    case 'promote':
      // Whoever goes on after a fault does it again.
      if (deployment.promoted && state.faults === rules.faults) throw new Violation(`${about} is promoted twice`);
      return changed({ promoted: true });
    case 'removeStaged': return changed({ staged: false });

    // Messages and invocations.
    case 'putBack': return [{ state: send(state, { about, kind: 'copy' }) }];
    case 'sendAgain': return [{ state: send(state, { about, kind: 'request' }) }];
    case 'callNext': return callNext(state, rules);
    case 'tellFinalizer': {
      // Told again while it is still at it, it would be told once more by the next review.
      const isTold = deployment.due.includes('told') || state.invocations.some((one) => one.name === `${about} told`);
      return isTold ? answers(undefined) : changed({ due: due(deployment.due, 'told') });
    }
    case 'isLost': {
      const isThere = state.messages.some((message) => message.about === about && message.kind !== 'hint' && message.at !== DEAD);
      return answers(!isThere && deployment.open && (deployment.open.resent ? 'again' : 'for the first time'));
    }
    case 'waitedTooLong': return [
      { state, answer: false },
      ...(state.faults > 0 ? [{ state: { ...state, faults: state.faults - 1 }, answer: true, note: 'as long as messages are kept' }] : []),
    ];
  }
}

/** Set if this call changes nothing, now or later, and will always be answered like that. */
export function settledAnswer(state: State, { call, about }: Step, rules: Rules): { readonly value?: unknown } | undefined {
  const { build, record } = state[about];
  const endsAreEnds = rules.flaw !== 'late start overwrites the end' && rules.flaw !== 'anything reopens';
  const isFinal = endsAreEnds && (record.status === 'success' || record.status === 'superseded' || (record.status === 'failed' && record.hasBuild));
  switch (call) {
    case 'exhaustedKnown': return rules.accountLimit === undefined ? { value: false } : undefined;
    case 'findReusable': return rules.mayReuse ? undefined : { value: false };
    case 'callNext': return rules.accountLimit === undefined && rules.projectLimit === undefined ? {} : undefined;
    case 'newerThan': return about === 'B' ? { value: false } : state.head === 'B' ? { value: true } : undefined;
    case 'findBuild': return build !== 'none' ? { value: true } : undefined;
    case 'buildOf': return build !== 'none' && build !== 'running' ? { value: build } : undefined;
    case 'stopBuild': return build !== 'none' && build !== 'running' ? {} : undefined;
    case 'get': return isFinal ? { value: view(record) } : undefined;
    case 'claim': case 'releaseClaim': case 'markBuilding': case 'failUnstarted': case 'failUnseen': case 'reopen': case 'noteNewer':
    case 'supersedeUnstarted': case 'claimEnd': case 'markReused': case 'markSuccess': case 'markFailed': case 'markSuperseded':
      return isFinal ? {} : undefined;
    default: return undefined;
  }
}

const DEAD = 'dead letters';

function view({ status, seen, hasBuild, claim, attempted, marked, waiting }: RecordState): View {
  const ifSo = (yes: boolean): true | undefined => yes || undefined;
  if (status !== 'queued') return { status, built: ifSo(hasBuild), superseded: ifSo(marked && status === 'building') };
  return {
    status,
    built: ifSo(hasBuild),
    unseen: ifSo(!seen),
    attempted: ifSo(attempted),
    waits: ifSo(waiting),
    isHeld: ifSo(claim !== undefined && !claim.expired),
    claimedBy: claim?.by,
  };
}

/** As if the idempotency token had always expired: a build is started for each call that CodeBuild accepts. */
function startBuild(state: State, about: Name, { accountLimit = Infinity, noEventsOfBeginnings }: Rules): Outcome[] {
  const refused: Outcome[] = state.faults > 0 ? [{ state: { ...state, faults: state.faults - 1 }, answer: 'refused', note: 'refused' }] : [];
  const unanswered: Outcome[] = state.faults > 0 ? [{ state: { ...state, faults: state.faults - 1 }, answer: 'unknown', note: 'no answer, no build' }] : [];
  if (NAMES.filter((name) => state[name].build === 'running').length >= accountLimit) return [{ state, answer: 'no room' }, ...unanswered];
  if (state[about].build !== 'none') throw new Violation(`a second build of ${about} is started`);
  const started = changeDeployment(state, about, { build: 'running', due: noEventsOfBeginnings ? [] : due(state[about].due, 'begin') });
  const lost: Outcome[] = state.faults > 0 ? [{ state: { ...started, faults: state.faults - 1 }, answer: 'unknown', note: 'no answer, but a build' }] : [];
  return [{ state: started, answer: 'started' }, ...lost, ...unanswered, ...refused];
}

/** Found by a call itself, not by what it leaves behind. */
export class Violation extends Error {}

export function due(before: readonly string[], name: string): string[] {
  return [...new Set([...before, name])].sort();
}

/** Two hints for the same deployment are as good as one. */
export function send(state: State, { about, kind }: Pick<Message, 'about' | 'kind'>): State {
  const message: Message = { about, kind, at: QUEUE, receives: 0, sentAfterFailure: state[about].record.status === 'failed' };
  if (kind === 'hint' && state.messages.some((one) => one.about === about && one.kind === 'hint' && one.at === QUEUE)) return state;
  return withMessages(state, [...state.messages, message]);
}

/** Whose turn it is is left open: anybody who waits may be called, or nobody. */
function callNext(state: State, { projectLimit = Infinity }: Rules): Outcome[] {
  if (NAMES.filter((name) => state[name].place).length >= projectLimit) return [{ state }];
  const waiting = NAMES.filter((name) => {
    const { open, record } = state[name];
    return open && !open.hasBuild && record.status === 'queued' && record.waiting && !record.attempted;
  });
  return [{ state }, ...waiting.map((name) => ({ state: send(state, { about: name, kind: 'hint' }), note: `calls ${name}` }))];
}
