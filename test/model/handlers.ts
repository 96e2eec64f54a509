import type { Name, RecordState, View } from './state';

type PlainCall =
  // The deployment's record.
  | 'get' | 'claim' | 'markBuilding' | 'failUnseen' | 'reopen' | 'noteNewer' | 'claimEnd' | 'markSuperseded'
  // The pipeline's own table.
  | 'see' | 'stillOpen' | 'noteStarted' | 'noteResent' | 'close' | 'register' | 'newerThan' | 'hasPlace' | 'reserve' | 'release' | 'exhaustedKnown' | 'tellExhausted'
  // CodeBuild, the bucket.
  | 'findReusable' | 'startBuild' | 'stopBuild' | 'findBuild' | 'buildOf' | 'list' | 'promote' | 'removeStaged'
  // Messages and invocations, and what the time is.
  | 'putBack' | 'sendAgain' | 'callNext' | 'tellFinalizer' | 'isLost' | 'waitedTooLong';

/**
 * The handlers, written after lambda/orchestrator, lambda/finalizer and lambda/reconciler: every `yield` is one call of an AWS service, a step
 * of its own. Between two of them anything may happen, and the invocation may die. What the call does and answers says services.ts.
 */
export type Call =
  | { readonly call: PlainCall }
  | { readonly call: 'releaseClaim' | 'markReused' | 'markSuccess'; readonly flag: boolean }
  | { readonly call: 'markFailed'; readonly failure: 'build' | 'artifacts' }
  /** By whom the record is claimed: the caller, or whoever the caller has found there, or nobody. */
  | { readonly call: 'failUnstarted'; readonly claimedBy: 'me' | string | undefined }
  | { readonly call: 'supersedeUnstarted'; readonly claimed: boolean };

/** The call, and which deployment it is about. */
export type Step = Call & { readonly about: Name };

/** What the invocation has learnt so far does not matter any more, except for what `kind` says. */
export interface Phase {
  readonly phase: keyof typeof HANDLERS;
  readonly kind: string;
}

/** How an invocation ends, or goes on. 'keep': the message stays in the queue, or the event is tried again. */
export type End = 'done' | 'keep' | Phase;

type Steps = Generator<Step, End, any>;

/** Ways to build it wrongly, each of which the search has to find out. */
export type Flaw =
  | 'fails a start of unknown outcome' | 'does not look for a build after a crash' | 'gives the claim back although there may be a build'
  | 'finalizer does not claim' | 'success before promotion' | 'promotes builds that failed'
  | 'no reconciler' | 'entry closed first' | 'takes a place for a build that may have ended'
  | 'does not see that a request is claimed again' | 'uses another build without looking for its own'
  // In the conditions of the writes.
  | 'supersedes what may have a build' | 'late start overwrites the end' | 'claim does not look at the claim of others' | 'anything reopens';

export interface Rules {
  readonly stopSuperseded: boolean;
  readonly flaw?: Flaw;
}

export type Handler = (about: Name, kind: string, rules: Rules) => Steps;

export const HANDLERS: Readonly<Record<string, Handler>> = {
  orchestrator,
  begin,
  beginAgain,
  endSuperseded,
  passTurn,
  start,
  reuse,
  started,
  wait,
  fail,
  finalizer,
  end,
  cleanUp,
  reviewOpen,
  repairQueued,
  repairBuilding,
  repairLost,
  close,
  reviewRunning,
  reviewDeadLetter,
};

const then = (phase: keyof typeof HANDLERS, kind = ''): Phase => ({ phase, kind });

/** `kind` is the message's, and whether this is the last time it is received. */
function* orchestrator(about: Name, kind: string, rules: Rules): Steps {
  const isHint = kind.startsWith('hint');
  if (kind.startsWith('copy') && (yield { call: 'exhaustedKnown', about })) {
    if ((yield { call: 'stillOpen', about }) === 'waits') yield { call: 'putBack', about };
    return 'done';
  }
  const record: Pick<RecordState, 'attempted' | 'marked'> | undefined = yield { call: 'claim', about };
  if (record) return then('begin', `${kind}${record.attempted ? ', attempted before' : ''}${record.marked ? ', superseded' : ''}`);
  const { status, built }: View = yield { call: 'get', about };
  if (status === 'queued' && !isHint) {
    yield { call: 'putBack', about };
    return 'done';
  }
  const reopens = (status === 'failed' && !built) || (rules.flaw === 'anything reopens' && status !== 'building');
  if (isHint || !reopens) return isHint ? then('passTurn', kind) : 'done';
  return (yield { call: 'reopen', about }) ? then('orchestrator', kind.replace('copy', 'request')) : 'keep';
}

function* begin(about: Name, kind: string, rules: Rules): Steps {
  yield { call: 'see', about };
  const { newer, displaced } = yield { call: 'register', about };
  if (displaced) yield* supersede('A', rules);
  const superseded = newer || kind.includes('superseded');
  if (rules.flaw === 'uses another build without looking for its own' && (yield { call: 'findReusable', about })) return then('reuse', kind);
  if (kind.includes('attempted before') && rules.flaw !== 'does not look for a build after a crash') return then('beginAgain', newer ? `${kind}, newer` : kind);
  return superseded ? then('endSuperseded', kind) : then('start', kind);
}

function* beginAgain(about: Name, kind: string, rules: Rules): Steps {
  if (yield { call: 'findBuild', about }) {
    if (rules.flaw === 'takes a place for a build that may have ended') yield { call: 'reserve', about };
    if (kind.endsWith('newer')) yield* supersede(about, rules);
    return then('started', kind.startsWith('hint') ? 'call next' : '');
  }
  yield { call: 'release', about };
  return kind.includes('superseded') || kind.endsWith('newer') ? then('endSuperseded', kind) : then('start', kind.replace(', attempted before', ''));
}

function* endSuperseded(about: Name, kind: string): Steps {
  yield { call: 'release', about };
  yield* endUnstarted(about, true);
  return then('passTurn', kind);
}

/** A hint that came to nothing. */
function* passTurn(about: Name, kind: string): Steps {
  if (kind.startsWith('hint')) yield { call: 'callNext', about };
  return 'done';
}

function* start(about: Name, kind: string, rules: Rules): Steps {
  if (yield { call: 'findReusable', about }) return then('reuse', kind);
  if (!kind.startsWith('hint') && (yield { call: 'exhaustedKnown', about })) return then('wait', kind);
  if (!(yield { call: 'reserve', about })) return then('wait', `${kind}, pass turn`);
  const answer = yield { call: 'startBuild', about };
  if (answer === 'started') return then('started', 'call next');
  if (answer === 'unknown') {
    if (rules.flaw === 'fails a start of unknown outcome') return then('fail');
    if (rules.flaw === 'gives the claim back although there may be a build') yield { call: 'releaseClaim', about, flag: false };
    return 'keep';
  }
  if (answer === 'no room') yield { call: 'tellExhausted', about };
  yield { call: 'release', about };
  if (answer === 'no room') return then('wait', kind);
  if (kind.endsWith('last')) return then('fail');
  yield { call: 'releaseClaim', about, flag: false };
  return 'keep';
}

/** The commit was built before. */
function* reuse(about: Name, kind: string): Steps {
  if (!(yield { call: 'markReused', about, flag: yield { call: 'newerThan', about } })) return 'keep';
  yield { call: 'release', about };
  yield { call: 'close', about };
  return then('passTurn', kind);
}

function* started(about: Name, kind: string, rules: Rules): Steps {
  const current: View = (yield { call: 'markBuilding', about }) ?? (yield { call: 'get', about });
  if (!current.built) {
    yield { call: 'stopBuild', about };
  } else if (current.status === 'building') {
    yield { call: 'noteStarted', about };
    if (current.superseded && rules.stopSuperseded) yield { call: 'stopBuild', about };
  }
  if (kind === 'call next') yield { call: 'callNext', about };
  return 'done';
}

function* wait(about: Name, kind: string): Steps {
  if (yield { call: 'waitedTooLong', about }) return then('fail');
  if (!kind.startsWith('hint')) yield { call: 'putBack', about };
  const released = yield { call: 'releaseClaim', about, flag: true };
  if (released === 'superseded') yield* endUnstarted(about, false);
  return kind.endsWith('pass turn') ? then('passTurn', kind) : 'done';
}

function* fail(about: Name): Steps {
  if (yield { call: 'failUnstarted', about, claimedBy: 'me' }) yield { call: 'close', about };
  return 'keep';
}

function* supersede(about: Name, rules: Rules): Steps {
  const status = yield { call: 'noteNewer', about };
  if (status === 'queued') yield* endUnstarted(about, false);
  if (status === 'building' && rules.stopSuperseded) yield { call: 'stopBuild', about };
  return 'done';
}

function* endUnstarted(about: Name, claimed: boolean): Steps {
  if (yield { call: 'supersedeUnstarted', about, claimed }) yield { call: 'close', about };
  return 'done';
}

function* finalizer(about: Name, _kind: string, rules: Rules): Steps {
  const build = yield { call: 'buildOf', about };
  if (build === 'running') {
    if (yield { call: 'markBuilding', about }) yield { call: 'noteStarted', about };
    return 'done';
  }
  const record: View = yield { call: 'get', about };
  if (!isOpen(record) && !record.built) {
    yield { call: 'removeStaged', about };
    return 'done';
  }
  if (rules.flaw === 'entry closed first') yield { call: 'close', about };
  yield { call: 'release', about };
  yield { call: 'callNext', about };
  if (!isOpen(record)) return then('cleanUp');
  const claimed = rules.flaw === 'finalizer does not claim' ? 'claimed' : yield { call: 'claimEnd', about };
  if (claimed) return then('end', claimed === 'claimed, superseded' ? `${build}, superseded` : build);
  return isOpen(yield { call: 'get', about }) ? 'done' : then('cleanUp');
}

function* end(about: Name, build: string, rules: Rules): Steps {
  const ended = yield* writeEnd(about, build, rules);
  return ended || !isOpen(yield { call: 'get', about }) ? then('cleanUp') : 'done';
}

function* writeEnd(about: Name, build: string, rules: Rules): Generator<Step, boolean, any> {
  if (build.startsWith('succeeded') || rules.flaw === 'promotes builds that failed') {
    if (!(yield { call: 'list', about })) return yield { call: 'markFailed', about, failure: 'artifacts' };
    if (rules.flaw !== 'success before promotion') yield { call: 'promote', about };
    return yield { call: 'markSuccess', about, flag: yield { call: 'newerThan', about } };
  }
  if (build === 'stopped, superseded') return yield { call: 'markSuperseded', about };
  return yield { call: 'markFailed', about, failure: 'build' };
}

function* cleanUp(about: Name): Steps {
  yield { call: 'removeStaged', about };
  yield { call: 'close', about };
  return 'done';
}

/** The open deployments, of which each is reviewed for itself. */
function* reviewOpen(about: Name): Steps {
  const record: View = yield { call: 'get', about };
  const build = record.built ? yield { call: 'buildOf', about } : 'none';
  if (record.built) yield { call: 'noteStarted', about };
  if (record.status === 'queued' && !record.attempted && (yield { call: 'hasPlace', about })) yield { call: 'release', about };
  if (record.status === 'queued') return record.isHeld ? 'done' : then('repairQueued', JSON.stringify(record));
  if (record.status === 'building') return then('repairBuilding', record.superseded ? `${build}, superseded` : build);
  if (!record.built) return then('close');
  yield { call: build === 'running' ? 'stopBuild' : 'tellFinalizer', about };
  return 'done';
}

function* repairQueued(about: Name, found: string, rules: Rules): Steps {
  const { attempted, claimedBy } = JSON.parse(found) as View;
  if (attempted) {
    if (!(yield { call: 'findBuild', about })) return then('repairLost', claimedBy);
    yield { call: 'tellFinalizer', about };
  } else {
    if (!(yield { call: 'newerThan', about })) return then('repairLost');
    yield* supersede(about, rules);
  }
  return 'done';
}

function* repairBuilding(about: Name, build: string, rules: Rules): Steps {
  if (!build.startsWith('running')) yield { call: 'tellFinalizer', about };
  else if (build === 'running, superseded') yield* rules.stopSuperseded ? [{ call: 'stopBuild', about }] as const : [];
  else if (yield { call: 'newerThan', about }) yield* supersede(about, rules);
  return 'done';
}

function* close(about: Name): Steps {
  yield { call: 'release', about };
  yield { call: 'close', about };
  return 'done';
}

/** Long unseen: the model's time passes when there is no message of the deployment any more. */
function* repairLost(about: Name, claimedBy: string): Steps {
  const lost = yield { call: 'isLost', about };
  if (lost === 'for the first time') {
    yield { call: 'sendAgain', about };
    yield { call: 'noteResent', about };
  } else if (lost && (yield { call: 'failUnstarted', about, claimedBy: claimedBy || undefined })) {
    return then('close');
  }
  return 'done';
}

/** A build that runs. */
function* reviewRunning(about: Name): Steps {
  const record: View = yield { call: 'get', about };
  if (record.built) return 'done';
  if (isOpen(record)) yield { call: 'tellFinalizer', about };
  else yield { call: 'stopBuild', about };
  return 'done';
}

/** A message in the dead-letter queue, which stays there. */
function* reviewDeadLetter(about: Name, _kind: string, rules: Rules): Steps {
  const { status, unseen, attempted, waits, isHeld, claimedBy }: View = yield { call: 'get', about };
  if (unseen) {
    yield { call: 'failUnseen', about };
    return 'done';
  }
  const seesClaim = rules.flaw !== 'does not see that a request is claimed again';
  if (status !== 'queued' || (waits && !attempted) || (isHeld && seesClaim)) return 'done';
  if (attempted && (yield { call: 'findBuild', about })) return 'done';
  return (yield { call: 'failUnstarted', about, claimedBy }) ? then('close') : 'done';
}

const isOpen = ({ status }: View) => status === 'queued' || status === 'building';
