import { isQuiet, violationOf } from './properties';
import { Rules, Violation } from './services';
import { initialState, keyOf, State } from './state';
import { Transition, Transitions } from './transitions';

export interface Counterexample {
  readonly problem: string;
  /** From the beginning, one step a line. */
  readonly trace: readonly string[];
}

export interface Result {
  readonly states: number;
  readonly steps: number;
  readonly counterexample?: Counterexample;
}

/**
 * Breadth first through every state that can be reached, so that a counterexample is one of the shortest; then backwards: from every state,
 * if no more faults happen, one in which nothing is left to do can be reached. The graph is finite, so a run in which whatever stays possible
 * happens some day (a message is received, the reconciler looks, a claim expires) ends there.
 */
export class Search {
  private readonly numbers = new Map<string, number>();
  private readonly parents: number[] = [];
  private readonly quiet: number[] = [];
  /** Steps that need no fault, as pairs (from, to), and whether a period of waiting begins with them. */
  private readonly from: number[] = [];
  private readonly to: number[] = [];
  private readonly waiting: boolean[] = [];
  private steps = 0;
  private readonly transitions: Transitions;

  constructor(private readonly rules: Rules, private readonly maxStates: number) {
    this.transitions = new Transitions(rules);
  }

  public run(): Result {
    const counterexample = this.explore() ?? this.findDeadEnd() ?? this.findIdleCircle();
    return { states: this.parents.length, steps: this.steps, counterexample };
  }

  private explore(): Counterexample | undefined {
    let frontier = [initialState(this.rules)];
    this.add(frontier[0], -1);
    for (let number = 0; frontier.length > 0;) {
      const next: State[] = [];
      for (const state of frontier) {
        const problem = this.expand(state, number, next);
        if (problem) return { problem: problem.problem, trace: [...this.traceTo(number), problem.label] };
        number += 1;
      }
      frontier = next;
    }
    return undefined;
  }

  private expand(state: State, number: number, next: State[]): { problem: string; label: string } | undefined {
    let transitions: Transition[];
    try {
      transitions = this.transitions.from(state);
    } catch (error) {
      if (!(error instanceof Violation)) throw error;
      return { problem: error.message, label: 'the next step of one of those at work' };
    }
    for (const transition of transitions) {
      this.steps += 1;
      const problem = violationOf(state, transition.state, this.rules);
      if (problem) return { problem, label: transition.label() };
      const key = keyOf(transition.state);
      let reached = this.numbers.get(key);
      if (reached === undefined) {
        reached = this.add(transition.state, number, key);
        next.push(transition.state);
      }
      if (!transition.isExtra && reached !== number) {
        this.from.push(number);
        this.to.push(reached);
        this.waiting.push(transition.isWaiting);
      }
    }
    return undefined;
  }

  private add(state: State, parent: number, key = keyOf(state)): number {
    const number = this.parents.length;
    if (number >= this.maxStates) throw new Error(`More than ${this.maxStates} states: the bounds of this search do not bound it`);
    this.numbers.set(key, number);
    this.parents.push(parent);
    if (isQuiet(state)) this.quiet.push(number);
    return number;
  }

  /** Backwards from the quiet states: what is not met cannot come to an end any more. */
  private findDeadEnd(): Counterexample | undefined {
    const { first, list } = grouped(this.parents.length, this.to, this.from);
    const ends = new Uint8Array(this.parents.length);
    const open = [...this.quiet];
    for (const number of open) ends[number] = 1;
    for (let number = open.pop(); number !== undefined; number = open.pop()) {
      for (let index = first[number]; index < first[number + 1]; index += 1) {
        if (ends[list[index]]) continue;
        ends[list[index]] = 1;
        open.push(list[index]);
      }
    }
    const deadEnd = ends.indexOf(0);
    return deadEnd < 0 ? undefined : { problem: 'this never comes to an end, although no more faults happen', trace: this.traceTo(deadEnd) };
  }

  /** Without the steps that begin to wait again, nothing goes round in a circle: Kahn's algorithm removes every state. */
  private findIdleCircle(): Counterexample | undefined {
    const kept = this.from.map((_, index) => index).filter((index) => !this.waiting[index]);
    const { first, list } = grouped(this.parents.length, kept.map((index) => this.from[index]), kept.map((index) => this.to[index]));
    const entering = new Int32Array(this.parents.length);
    for (const to of list) entering[to] += 1;
    const open: number[] = [];
    entering.forEach((count, number) => count === 0 && open.push(number));
    for (let number = open.pop(); number !== undefined; number = open.pop()) {
      for (let index = first[number]; index < first[number + 1]; index += 1) {
        entering[list[index]] -= 1;
        if (entering[list[index]] === 0) open.push(list[index]);
      }
    }
    const inCircle = entering.findIndex((count) => count > 0);
    return inCircle < 0 ? undefined : { problem: 'this goes round in a circle without waiting for anything', trace: this.traceTo(inCircle) };
  }

  /** The way was not stored, only where it came from: it is walked again. */
  private traceTo(number: number): string[] {
    const way: number[] = [];
    for (let one = number; one >= 0; one = this.parents[one]) way.unshift(one);
    let state = initialState(this.rules);
    return way.slice(1).map((target) => {
      const taken = this.transitions.from(state).find((transition) => this.numbers.get(keyOf(transition.state)) === target)!;
      ({ state } = taken);
      return taken.label();
    });
  }
}

/** The values by key, one list behind the other: those of key k stand from first[k] to first[k + 1]. */
function grouped(keys: number, keyList: readonly number[], values: readonly number[]): { first: Int32Array; list: Int32Array } {
  const first = new Int32Array(keys + 1);
  for (const key of keyList) first[key + 1] += 1;
  for (let key = 0; key < keys; key += 1) first[key + 1] += first[key];
  const next = first.slice();
  const list = new Int32Array(values.length);
  keyList.forEach((key, index) => {
    list[next[key]] = values[index];
    next[key] += 1;
  });
  return { first, list };
}

export function describeCounterexample({ problem, trace }: Counterexample): string {
  return [`${problem}:`, ...trace.map((line, index) => `${String(index + 1).padStart(3)}. ${line}`)].join('\n');
}
