import { End, HANDLERS, Step } from './handlers';
import { due, perform, Rules, settledAnswer } from './services';
import {
  changeDeployment, changeRecord, DEAD_LETTERS, B_ELSEWHERE, Invocation, intern, Message, Name, NAMES, QUEUE, State, withInvocations, withMessages,
} from './state';

export interface Transition {
  readonly label: () => string;
  readonly state: State;
  /** Something that need not happen: a fault, or what an operator does. */
  readonly isExtra: boolean;
  /** Something that begins a period of waiting anew: time passes, a request is put back, the reconciler looks again. */
  readonly isWaiting: boolean;
}

const OUTCOMES = ['succeeded', 'failed'] as const;

type Next = { readonly step: Step } | { readonly end: End };

/** Everything that can happen next. */
export class Transitions {
  /** What an invocation does next depends on nothing but itself. */
  private readonly next = new WeakMap<Invocation, Next>();

  constructor(private readonly rules: Rules) {}

  public from(state: State): Transition[] {
    const transitions = [
      ...state.invocations.flatMap((invocation) => this.progress(state, invocation)),
      ...this.deliveries(state), ...this.builds(state), ...this.time(state), ...this.reviews(state), ...this.extras(state),
    ];
    return transitions.map((transition) => ({ ...transition, state: this.withoutB(this.settle(transition.state)) }));
  }

  /** One call of one invocation. */
  private progress(state: State, invocation: Invocation): Transition[] {
    const step = this.stepOf(invocation);
    return perform(state, invocation, step, this.rules).map(({ state: after, answer, note }) => ({
      label: () => describe(invocation, step, answer) + (note ? ` (${note})` : ''),
      state: this.learn(after, invocation, answer),
      isExtra: after.faults < state.faults,
      isWaiting: step.call === 'putBack',
    }));
  }

  private learn(state: State, invocation: Invocation, answer: unknown): State {
    let wiser = intern({ ...invocation, learnt: [...invocation.learnt, answer ?? null] });
    let next = this.nextOf(wiser);
    while ('end' in next && typeof next.end === 'object') {
      wiser = intern({ ...invocation, phase: next.end.phase, kind: next.end.kind, learnt: [] });
      next = this.nextOf(wiser);
    }
    const others = state.invocations.filter((one) => one !== invocation);
    if ('step' in next) return withInvocations(state, [...others, wiser]);
    return this.end(withInvocations(state, others), invocation, next.end as 'done' | 'keep');
  }

  /**
   * Calls that change nothing, and whose answer will be the same for ever, are made at once: whether they come before or after the steps of
   * others, and whether the invocation dies before or after them, makes no difference.
   */
  private settle(state: State): State {
    for (const invocation of state.invocations) {
      const step = this.stepOf(invocation);
      const answer = settledAnswer(state, step, this.rules);
      if (answer) return this.settle(this.learn(state, invocation, answer.value));
    }
    return state;
  }

  /**
   * Where nothing is limited, A and B have nothing more to do with each other once B is registered and A has been told. From then on B goes
   * the way that A goes, too, as long as nobody has heard of B; only A's way is followed.
   */
  private withoutB(state: State): State {
    const { accountLimit, projectLimit } = this.rules;
    if (accountLimit !== undefined || projectLimit !== undefined || state.head !== 'B' || state.B === B_ELSEWHERE) return state;
    if (state.invocations.some((invocation) => invocation.about !== this.stepOf(invocation).about)) return state;
    const alone = withInvocations({ ...state, B: B_ELSEWHERE }, state.invocations.filter(({ about }) => about === 'A'));
    return withMessages(alone, state.messages.filter(({ about }) => about === 'A'));
  }

  private stepOf(invocation: Invocation): Step {
    const next = this.nextOf(invocation);
    if (!('step' in next)) throw new Error('An invocation that is over is not kept');
    return next.step;
  }

  /** Runs the handler again, with what it has learnt, up to its next call. */
  private nextOf(invocation: Invocation): Next {
    const known = this.next.get(invocation);
    if (known) return known;
    const steps = HANDLERS[invocation.phase](invocation.about, invocation.kind, this.rules);
    let result = steps.next();
    for (const answer of invocation.learnt) result = steps.next(answer ?? undefined);
    const next: Next = result.done ? { end: result.value } : { step: result.value };
    this.next.set(invocation, next);
    return next;
  }

  /** A claim that outlives its invocation can expire; a message that was not dealt with comes back; Lambda tries an event again. */
  private end(state: State, { name, handler, about }: Invocation, how: 'done' | 'keep'): State {
    if (handler === 'finalizer' && how === 'keep') {
      return changeDeployment(state, about, { due: due(state[about].due, name.slice(2)) });
    }
    if (handler !== 'orchestrator') return state;
    return withMessages(state, state.messages.flatMap((message) => {
      if (message.at !== name) return [message];
      return how === 'done' ? [] : [{ ...message, at: message.receives < this.rules.maxReceives ? QUEUE : DEAD_LETTERS }];
    }));
  }

  private isBusy(state: State, handler: Invocation['handler']): boolean {
    const { atOnce } = this.rules;
    return state.invocations.length >= atOnce.total || state.invocations.filter((invocation) => invocation.handler === handler).length >= atOnce[handler];
  }

  /** An invocation begins with its first call: what happens between the two makes no difference to it. */
  private invoke(state: State, label: string, begun: Omit<Invocation, 'learnt'>, isWaiting = false): Transition[] {
    const invocation = intern({ ...begun, learnt: [] });
    const before = withInvocations(state, [...state.invocations, invocation]);
    return this.progress(before, invocation).map((first) => ({ ...first, isWaiting, label: () => `${label}; ${first.label()}` }));
  }

  private deliveries(state: State): Transition[] {
    const { maxReceives } = this.rules;
    const transitions: Transition[] = [];
    if (!this.isBusy(state, 'orchestrator')) {
      for (const message of new Set(state.messages)) {
        if (message.at !== QUEUE) continue;
        const { about } = message;
        // Whoever has seen the last claim can tell it from the next.
        const taken = [state[about].record.claim?.by, ...state.invocations.map((invocation) => invocation.name)];
        const name = [1, 2, 3, 4].map((n) => `${about}${n}`).find((one) => !taken.includes(one))!;
        const receives = message.receives + 1;
        const kind = `${message.kind}${receives === maxReceives ? ', last' : ''}`;
        const received = withMessages(state, replace(state.messages, message, { ...message, at: name, receives }));
        const label = `${message.kind} of ${about} is received`;
        const invocation = { name, handler: 'orchestrator', about, phase: 'orchestrator', kind } as const;
        transitions.push(...this.invoke(received, label, invocation));
        if (state.faults > 0) {
          const dead = this.end({ ...received, faults: state.faults - 1 }, { ...invocation, learnt: [] }, 'keep');
          transitions.push({ ...plain(`FAULT: ${label}, but its orchestrator dies at once`, dead), isExtra: true });
        }
      }
    }
    if (!this.isBusy(state, 'finalizer')) {
      for (const about of NAMES) {
        for (const which of state[about].due) {
          const taken = changeDeployment(state, about, { due: state[about].due.filter((one) => one !== which) });
          const name = `${about} ${which}`;
          if (state.invocations.some((one) => one.name === name)) continue;
          transitions.push(...this.invoke(taken, `event "${which}" of ${about} arrives`, { name, handler: 'finalizer', about, phase: 'finalizer', kind: '' }));
        }
      }
    }
    return transitions;
  }

  private builds(state: State): Transition[] {
    return NAMES.filter((name) => state[name].build === 'running').flatMap((name) => OUTCOMES.slice(0, this.rules.buildsOnlySucceed ? 1 : 2).map((build) => plain(
      `build of ${name} has ${build}`,
      changeDeployment(state, name, { build, staged: true, due: due(state[name].due, 'end') }),
    )));
  }

  /** A lease lasts as long as the orchestrator may run, so that it ends after its invocation; the finalizer's may end before (see extras). */
  private time(state: State): Transition[] {
    const expired = NAMES.filter((name) => this.isHeldByTheDead(state, name)).map((name) => expire(state, name));
    return [...expired, ...(state.exhausted ? [{ ...plain('CodeBuild may be asked again', { ...state, exhausted: false }), isWaiting: true }] : [])];
  }

  private isHeldByTheDead(state: State, name: Name): boolean {
    const { claim } = state[name].record;
    return claim !== undefined && !claim.expired && !state.invocations.some((one) => one.name === claim.by);
  }

  private reviews(state: State): Transition[] {
    if (this.rules.flaw === 'no reconciler' || this.isBusy(state, 'reconciler')) return [];
    const review = (phase: string, about: Name) => (
      this.invoke(state, 'the reconciler looks', { name: `${about} review`, handler: 'reconciler', about, phase, kind: '' }, true));
    return NAMES.flatMap((about) => [
      ...(state[about].open ? review('reviewOpen', about) : []),
      ...(state[about].build === 'running' && !state[about].record.hasBuild ? review('reviewRunning', about) : []),
      ...(state.messages.some((message) => message.about === about && message.at === DEAD_LETTERS) ? review('reviewDeadLetter', about) : []),
    ]);
  }

  private extras(state: State): Transition[] {
    return [...(state.faults > 0 ? this.faults({ ...state, faults: state.faults - 1 }) : []), ...(state.redrives > 0 ? this.redrives(state) : [])];
  }

  private faults(state: State): Transition[] {
    const crashes = state.invocations.map((invocation) => {
      const others = withInvocations(state, state.invocations.filter((one) => one !== invocation));
      return [`${invocation.handler} ${invocation.name} dies`, this.end(others, invocation, 'keep')] as const;
    });
    const duplicates = state.messages.filter(({ at }) => at === QUEUE)
      .map((message) => [`${message.kind} of ${message.about} is doubled`, withMessages(state, [...state.messages, message])] as const);
    const events = NAMES.flatMap((name) => state[name].due.flatMap((which) => [
      [`event "${which}" of ${name} gets lost`, changeDeployment(state, name, { due: state[name].due.filter((one) => one !== which) })] as const,
      ...(which === 'end' ? [[`event "end" of ${name} is doubled`, changeDeployment(state, name, { due: due(state[name].due, 'end again') })] as const] : []),
    ]));
    const slow = NAMES.filter((name) => {
      const { claim } = state[name].record;
      return claim && !claim.expired && state.invocations.some((one) => one.handler === 'finalizer' && one.name === claim.by);
    }).map((name) => [`the finalizer is so slow that its claim of ${name} expires`, expire(state, name).state] as const);
    return [...crashes, ...duplicates, ...events, ...slow].map(([label, next]) => ({ ...plain(`FAULT: ${label}`, next), isExtra: true }));
  }

  private redrives(state: State): Transition[] {
    const dead = [...new Set(state.messages.filter(({ at }) => at === DEAD_LETTERS))];
    return dead.map((message) => {
      const sentAfterFailure = state[message.about].record.status === 'failed';
      const messages = replace(state.messages, message, { ...message, at: QUEUE, receives: 0, sentAfterFailure });
      return { ...plain(`OPERATOR: ${message.kind} of ${message.about} is redriven`, withMessages({ ...state, redrives: state.redrives - 1 }, messages)), isExtra: true };
    });
  }
}

function plain(label: string, state: State): Transition {
  return { label: () => label, state, isExtra: false, isWaiting: false };
}

function expire(state: State, name: Name): Transition {
  const { record } = state[name];
  return plain(`the claim of ${name} expires`, changeRecord(state, name, { ...record, claim: { ...record.claim!, expired: true } }));
}

function replace(messages: readonly Message[], one: Message, other: Message): Message[] {
  const index = messages.indexOf(one);
  return messages.map((message, position) => (position === index ? other : message));
}

function describe({ handler, name }: Invocation, { call, about }: Step, answer: unknown): string {
  const told = answer === undefined ? '' : ` -> ${typeof answer === 'string' ? answer : JSON.stringify(answer).replace(/"/g, '')}`;
  return `${handler} ${name}: ${call} ${about}${told}`;
}
