import type { Rules } from './services';
import { B_ELSEWHERE, DeploymentState, Name, NAMES, RecordState, State } from './state';

/** What must never happen: a sentence that says what did, or undefined. Looked at after each step. */
export function violationOf(before: State, after: State, rules: Rules): string | undefined {
  for (const name of NAMES) {
    if (before[name] === after[name] || after[name] === B_ELSEWHERE) continue;
    const problem = wrongState(name, after[name], after) ?? wrongChange(name, before, after, rules);
    if (problem) return problem;
  }
  return undefined;
}

function wrongState(name: Name, { record, build, promoted }: DeploymentState, state: State): string | undefined {
  const { status, failure, hasBuild, marked } = record;
  switch (status) {
    case 'queued': return hasBuild && build === 'none' ? `${name} has a build that does not exist` : undefined;
    case 'building': return build === 'none' ? `${name} is building without a build` : undefined;
    case 'success':
      if (!hasBuild) return build === 'none' ? undefined : `${name} is a success with the build of another, but it has its own`;
      if (build !== 'succeeded') return `${name} is a success, its build has ${build}`;
      return promoted ? undefined : `${name} is a success before its artifacts are in place`;
    case 'failed':
      if (failure === 'no-build') return build === 'none' ? undefined : `${name} is failed as not started, but it has a build`;
      return build === 'failed' || build === 'stopped' ? undefined : `${name} is failed, its build has ${build}`;
    case 'superseded':
      if (name !== 'A' || state.head !== 'B' || !marked) return `${name} is superseded without a newer one`;
      return build === 'none' || build === 'stopped' ? undefined : `${name} is superseded, its build has ${build}`;
  }
}

const ORDER = ['queued', 'building', 'success', 'failed', 'superseded'];
const isTerminal = ({ status }: RecordState) => ORDER.indexOf(status) > 1;

function wrongChange(name: Name, stateBefore: State, state: State, rules: Rules): string | undefined {
  const [before, after] = [stateBefore[name], state[name]];
  const [from, to] = [before.record, after.record];
  if (from.status !== to.status) {
    const reopened = from.status === 'failed' && !from.hasBuild && to.status === 'queued';
    if (isTerminal(from) && !reopened) return `${name} goes from ${from.status} to ${to.status}`;
    if (ORDER.indexOf(to.status) < ORDER.indexOf(from.status) && !reopened) return `${name} goes back from ${from.status} to ${to.status}`;
    // B tells A before it starts its build. Should B die in between, A is told by the reconciler, or its finalizer finds out by itself; only a
    // finalizer that has looked before and stands still until B has been received again and built (half an hour at least) would not know.
    const isUntold = name === 'A' && to.status === 'success' && !to.marked && stateBefore.B.build !== 'none';
    if (isUntold && stateBefore.faults === rules.faults) return 'A is a success that does not tell of B, which has a build already';
  }
  if (from.hasBuild && !to.hasBuild) return `${name} forgets its build`;
  if (from.marked && !to.marked) return `${name} forgets that it is superseded`;
  if (isTerminal(from) && !before.promoted && after.promoted) return `${name} is promoted after its end`;
  const places = NAMES.filter((one) => state[one].build === 'running').length;
  return places > (rules.projectLimit ?? Infinity) ? 'more builds of the project run than may' : undefined;
}

/** Nothing is left to do, for nobody. */
export function isQuiet(state: State): boolean {
  return NAMES.every((name) => isTerminal(state[name].record) && !state[name].open && !state[name].place && state[name].build !== 'running' && !state[name].staged);
}
