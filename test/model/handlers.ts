import type { Name, RecordState } from './state';

/**
 * The handlers, written after lambda/orchestrator, lambda/finalizer and lambda/reconciler: every `yield` is one call of an AWS service, a step
 * of its own. Between two of them anything may happen, and the invocation may die. What the call does and answers says services.ts.
 */
export type Call =
  | { readonly call:
  | 'exhaustedKnown' | 'stillOpen' | 'putBack' | 'claim' | 'get' | 'reopen' | 'see' | 'register' | 'noteNewer' | 'close' | 'stopBuild' | 'findBuild' | 'reserve'
  | 'release' | 'startBuild' | 'markBuilding' | 'noteStarted' | 'tellExhausted' | 'waitedTooLong' | 'callNext' | 'buildOf' | 'claimEnd' | 'list' | 'promote'
  | 'newerThan' | 'markSuperseded' | 'removeStaged' | 'tellFinalizer' | 'hasPlace' | 'failUnseen' | 'sendAgain' | 'noteResent' | 'isLost'; }
  | { readonly call: 'releaseClaim' | 'markSuccess'; readonly flag: boolean }
  | { readonly call: 'markFailed'; readonly failure: 'build' | 'artifacts' }
  /** With the caller's own claim, or without one. */
  | { readonly call: 'failUnstarted' | 'supersedeUnstarted'; readonly claimed: boolean };

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
  | 'no reconciler' | 'entry closed first' | 'takes a place for a build that may have ended' | 'keeps the place of a start that came to nothing'
  // In the conditions of the writes.
  | 'supersedes what may have a build' | 'late start overwrites the end' | 'claim does not look at the claim of others' | 'anything reopens';

export interface Rules {
  readonly stopSuperseded: boolean;
  readonly flaw?: Flaw;
}

export type Handler = (about: Name, kind: string, rules: Rules) => Steps;

export const HANDLERS: Readonly<Record<string, Handler>> = {
  orchestrator, begin, beginAgain, endSuperseded, start, started, wait, fail, finalizer, end, cleanUp, reviewOpen, repair, repairLost, close, reviewRunning, reviewDeadLetter,
};

const then = (phase: keyof typeof HANDLERS, kind = ''): Phase => ({ phase, kind });

/** `kind` is the message's, and whether this is the last time it is received. */
function* orchestrator(about: Name, kind: string): Steps {
  const isHint = kind.startsWith('hint');
  if (kind.startsWith('copy') && (yield { call: 'exhaustedKnown', about })) {
    if ((yield { call: 'stillOpen', about }) === 'waits') yield { call: 'putBack', about };
    return 'done';
  }
  const record: Pick<RecordState, 'attempted' | 'marked'> | undefined = yield { call: 'claim', about };
  if (record) return then('begin', `${kind}${record.attempted ? ', attempted before' : ''}${record.marked ? ', superseded' : ''}`);
  const status = yield { call: 'get', about };
  if (isQueued(status)) {
    if (!isHint) yield { call: 'putBack', about };
    return 'done';
  }
  if (status !== 'failed without a build' || isHint) return 'done';
  return (yield { call: 'reopen', about }) ? then('orchestrator', kind.replace('copy', 'request')) : 'keep';
}

function* begin(about: Name, kind: string, rules: Rules): Steps {
  yield { call: 'see', about };
  const { newer, displaced } = yield { call: 'register', about };
  if (displaced) yield* supersede('A', rules);
  const superseded = newer || kind.includes('superseded');
  if (kind.includes('attempted before') && rules.flaw !== 'does not look for a build after a crash') return then('beginAgain', newer ? `${kind}, newer` : kind);
  return superseded ? then('endSuperseded') : then('start', kind);
}

function* beginAgain(about: Name, kind: string, rules: Rules): Steps {
  if (yield { call: 'findBuild', about }) {
    if (rules.flaw === 'takes a place for a build that may have ended') yield { call: 'reserve', about };
    if (kind.endsWith('newer')) yield* supersede(about, rules);
    return then('started');
  }
  if (rules.flaw !== 'keeps the place of a start that came to nothing') yield { call: 'release', about };
  return kind.includes('superseded') || kind.endsWith('newer') ? then('endSuperseded') : then('start', kind.replace(', attempted before', ''));
}

function* endSuperseded(about: Name): Steps {
  yield { call: 'release', about };
  yield* endUnstarted(about, true);
  return 'done';
}

function* start(about: Name, kind: string, rules: Rules): Steps {
  if (!kind.startsWith('hint') && (yield { call: 'exhaustedKnown', about })) return then('wait', kind);
  if (!(yield { call: 'reserve', about })) return then('wait', kind);
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

function* started(about: Name, kind: string, rules: Rules): Steps {
  const current = (yield { call: 'markBuilding', about }) ?? (yield { call: 'get', about });
  if (!hasBuild(current)) {
    yield { call: 'stopBuild', about };
  } else if (current.startsWith('building')) {
    yield { call: 'noteStarted', about };
    if (current === 'building, superseded' && rules.stopSuperseded) yield { call: 'stopBuild', about };
  }
  if (kind === 'call next') yield { call: 'callNext', about };
  return 'done';
}

function* wait(about: Name, kind: string): Steps {
  if (yield { call: 'waitedTooLong', about }) return then('fail');
  if (!kind.startsWith('hint')) yield { call: 'putBack', about };
  const released = yield { call: 'releaseClaim', about, flag: true };
  if (released === 'superseded') yield* endUnstarted(about, false);
  return 'done';
}

function* fail(about: Name): Steps {
  if (yield { call: 'failUnstarted', about, claimed: true }) yield { call: 'close', about };
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
  const status = yield { call: 'get', about };
  if (status === 'failed without a build' || status === 'superseded without a build') {
    yield { call: 'removeStaged', about };
    return 'done';
  }
  if (rules.flaw === 'entry closed first') yield { call: 'close', about };
  yield { call: 'release', about };
  yield { call: 'callNext', about };
  if (!isOpen(status)) return then('cleanUp');
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
  const record = yield { call: 'get', about };
  const build = hasBuild(record) ? yield { call: 'buildOf', about } : 'none';
  if (build !== 'none') yield { call: 'noteStarted', about };
  if ((record === 'queued' || record === 'queued, waits') && (yield { call: 'hasPlace', about })) yield { call: 'release', about };
  return record === 'queued, claimed' ? 'done' : then('repair', `${record}; build ${build}`);
}

function* repair(about: Name, found: string, rules: Rules): Steps {
  const [record, build] = found.split('; build ');
  if (isQueued(record)) {
    if (record === 'queued, attempted') {
      if (!(yield { call: 'findBuild', about })) return then('repairLost');
      yield { call: 'tellFinalizer', about };
    } else {
      if (!(yield { call: 'newerThan', about })) return then('repairLost');
      yield* supersede(about, rules);
    }
  } else if (!isOpen(record)) {
    if (build === 'none') return then('close');
    yield { call: build === 'running' ? 'stopBuild' : 'tellFinalizer', about };
  } else if (build !== 'running') {
    yield { call: 'tellFinalizer', about };
  } else if (record === 'building' && (yield { call: 'newerThan', about })) {
    yield* supersede(about, rules);
  } else if (record === 'building, superseded' && rules.stopSuperseded) {
    yield { call: 'stopBuild', about };
  }
  return 'done';
}

function* close(about: Name): Steps {
  yield { call: 'release', about };
  yield { call: 'close', about };
  return 'done';
}

/** Long unseen: the model's time passes when there is no message of the deployment any more. */
function* repairLost(about: Name): Steps {
  const lost = yield { call: 'isLost', about };
  if (lost === 'for the first time') {
    yield { call: 'sendAgain', about };
    yield { call: 'noteResent', about };
  } else if (lost && (yield { call: 'failUnstarted', about, claimed: false })) {
    return then('close');
  }
  return 'done';
}

/** A build that runs. */
function* reviewRunning(about: Name): Steps {
  const record = yield { call: 'get', about };
  if (isQueued(record)) yield { call: 'tellFinalizer', about };
  else if (!hasBuild(record)) yield { call: 'stopBuild', about };
  return 'done';
}

/** A message in the dead-letter queue, which stays there. */
function* reviewDeadLetter(about: Name): Steps {
  const record = yield { call: 'get', about };
  if (record === 'unseen') {
    yield { call: 'failUnseen', about };
    return 'done';
  }
  if (!isQueued(record) || record === 'queued, waits') return 'done';
  if (record !== 'queued' && (yield { call: 'findBuild', about })) return 'done';
  return (yield { call: 'failUnstarted', about, claimed: false }) ? then('close') : 'done';
}

const isQueued = (status: string) => status.startsWith('queued') || status === 'unseen';
const isOpen = (status: string) => isQueued(status) || status.startsWith('building');
const hasBuild = (status: string) => status.startsWith('building') || status.endsWith('with a build');
