/** Pushes: a producer records a deployment, then sends its request, and can die in between. No push is lost, none is built twice. */
import type { violations } from './invariants';
import type { Scenario } from './scenario';
import { callsOf, checkFault, DEPLOYMENT, describeSingleFaults, ORDINARY } from './single-faults';

const PUSH = { ...DEPLOYMENT, at: 1_000, deliveries: [200] };
const pushes = (...deployments: Scenario['deployments']): Scenario => ({ ...ORDINARY, concurrentBuilds: 2, deployments });

/** Long after the reconciler has done what it can. */
const REDELIVERED = 1_800_000;

describeSingleFaults({ 'a push': pushes(PUSH) }, 12, ['producer']);

describeSingleFaults({
  'a push that is delivered twice at the same time': pushes({ ...PUSH, deliveries: [200, 203] }),
  'a push that is delivered again': pushes({ ...PUSH, deliveries: [200, 90_000] }),
}, 3, ['producer']);

describeSingleFaults({
  'an older push that is delivered after a newer one': pushes({ ...PUSH, deliveries: [40_000] }, { ...PUSH, at: 2_000 }),
  'two pushes, the older of which is not sent while CodeBuild is full': {
    ...pushes(PUSH, { ...PUSH, at: 2_000, branch: 1 }), concurrentBuilds: 1, maxConcurrentBuildsPerProject: 1,
  },
}, 1, ['producer', 'orchestrator', 'reconciler']);

/** The reconciler comes every five minutes, leaves a producer two, and a build takes one. */
const SOON_MS = 300_000 + 120_000 + 30_000;

const startedSoon: typeof violations = async (_, { world }) => [...world.observed.history].flatMap(([deploymentId, [{ at }]]) => {
  const build = world.codeBuild.builds.find((one) => one.deploymentId === deploymentId);
  const lateMs = (build?.submittedAt ?? Infinity) - at;
  return lateMs > SOON_MS ? [`${deploymentId} was recorded, and its build started ${lateMs / 1000} s later`] : [];
});

const builtAtLast: typeof violations = async (_, { world }) => (world.codeBuild.builds.length === 1 ? [] : ['was not built']);

const KILLED = ['crash before', 'crash after'] as const;

test('a producer killed at any point: what it has recorded is built soon, with nobody\'s help', async () => {
  const scenario = pushes(PUSH);
  const calls = (await callsOf(scenario)).filter(({ handler }) => handler === 'producer');
  // Is there a record? The entry where to look; the record; the message; the mark.
  expect(calls.map(({ operation }) => operation)).toEqual(['GetItem', 'UpdateItem', 'UpdateItem', 'SendMessage', 'UpdateItem']);
  for (const call of calls) for (const fault of KILLED) await checkFault(scenario, call, { fault, times: 1 }, startedSoon);
}, 120_000);

test.each([3_000, REDELIVERED])('and what it has not recorded is built when the push is delivered again, %i ms later', async (later) => {
  const scenario = pushes({ ...PUSH, deliveries: [200, later] });
  const calls = (await callsOf(scenario)).filter(({ handler, invocation }) => handler === 'producer' && invocation === 0);
  for (const call of calls) for (const fault of KILLED) await checkFault(scenario, call, { fault, times: 1 }, builtAtLast);
}, 120_000);
