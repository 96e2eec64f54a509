/**
 * The lifecycle of a deployment, searched exhaustively: two deployments of one branch, A and the newer B, and every order in which the calls of
 * the orchestrator, the finalizer and the reconciler, messages, events, builds and time can follow each other, within the bounds of each
 * search. In every state that can be reached: one build at most, no status that is wrong or goes backwards (properties.ts); and from every
 * one both deployments come to their end, with nothing left behind, without a further fault and without a person.
 *
 * state.ts says what the model consists of and what it leaves out, writes.test.ts that its conditions are those of the real writes. It is
 * harsher than AWS in two ways: there is no idempotency token (a repeated StartBuild is a second build), and time may pass or not whenever
 * it can. It believes CodeBuild in one: its list shows a build once the claim of whoever started it has expired, a minute later.
 */
import { describeCounterexample, Search } from './search';
import type { Rules } from './services';

const RULES: Rules = {
  stopSuperseded: false, faults: 1, redrives: 0, maxReceives: 2, atOnce: { orchestrator: 2, finalizer: 2, reconciler: 1, total: 2 },
};

/** The largest search has half a million; a change of the handlers that lets it grow far beyond that is better looked at than waited for. */
const MAX_STATES = 1_000_000;

const ONE_AT_A_TIME = { orchestrator: 1, finalizer: 1, reconciler: 1, total: 1 };

/** A counterexample's steps, as they are printed when a search fails. */
function search(rules: Partial<Rules>): string {
  const { counterexample } = new Search({ ...RULES, ...rules }, MAX_STATES).run();
  return counterexample ? describeCounterexample(counterexample) : 'nothing found';
}

describe('every order of steps is a good one', () => {
  test.each<[string, Partial<Rules>]>([
    ['two invocations at a time and one fault, running builds are left to finish', {}],
    ['two invocations at a time and one fault, superseded builds are stopped', { stopSuperseded: true }],
    ['one invocation at a time and two faults', { faults: 2, atOnce: ONE_AT_A_TIME }],
    ['three invocations at a time, superseded builds are stopped', { faults: 0, stopSuperseded: true, atOnce: { orchestrator: 2, finalizer: 2, reconciler: 1, total: 3 } }],
    ['dead letters come back, at any time', { faults: 2, redrives: 1, maxReceives: 1, atOnce: ONE_AT_A_TIME }],
    ['the commits may have been built before', { mayReuse: true, buildsOnlySucceed: true, noEventsOfBeginnings: true }],
    ['CodeBuild takes one build at a time', { faults: 0, accountLimit: 1, buildsOnlySucceed: true, noEventsOfBeginnings: true }],
    ['the project may have one build at a time', { faults: 0, projectLimit: 1, buildsOnlySucceed: true, noEventsOfBeginnings: true }],
    ['limits, one invocation at a time, and one fault', { accountLimit: 1, projectLimit: 1, buildsOnlySucceed: true, atOnce: ONE_AT_A_TIME }],
  ])('%s', (_, rules) => {
    expect(search(rules)).toBe('nothing found');
  }, 120_000);
});

describe('what would be wrong is found', () => {
  test.each<[NonNullable<Rules['flaw']>, string, Partial<Rules>]>([
    ['fails a start of unknown outcome', 'is failed as not started, but it has a build', {}],
    ['does not look for a build after a crash', 'a second build of A is started', {}],
    ['gives the claim back although there may be a build', 'A is superseded, its build has running', {}],
    ['claim does not look at the claim of others', 'a second build of A is started', {}],
    ['supersedes what may have a build', 'A is superseded, its build has running', {}],
    ['success before promotion', 'is a success before its artifacts are in place', { faults: 0 }],
    ['promotes builds that failed', 'is a success, its build has failed', { faults: 0 }],
    ['late start overwrites the end', 'goes from', { faults: 0 }],
    ['anything reopens', 'goes from', {}],
    ['finalizer does not claim', 'is promoted twice', { faults: 0 }],
    ['no reconciler', 'never comes to an end', { faults: 1, atOnce: ONE_AT_A_TIME }],
    ['entry closed first', 'never comes to an end', { faults: 2, atOnce: ONE_AT_A_TIME }],
    ['takes a place for a build that may have ended', 'never comes to an end', { buildsOnlySucceed: true }],
    ['uses another build without looking for its own', 'is a success with the build of another, but it has its own', { mayReuse: true }],
    ['does not see that a request is claimed again', 'is failed as not started, but it has a build', { faults: 2, maxReceives: 1, buildsOnlySucceed: true }],
  ])('%s', (flaw, problem, rules) => {
    expect(search({ flaw, ...rules })).toContain(problem);
  }, 120_000);
});
