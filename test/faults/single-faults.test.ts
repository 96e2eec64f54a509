import type { violations } from './invariants';
import { callsOf, checkFault, DEPLOYMENT, describeSingleFaults, ORDINARY } from './single-faults';
import type { EventFault } from '../simulation';

describeSingleFaults({ 'one deployment': ORDINARY }, 5);

describeSingleFaults({
  'a request with an environment that waits': {
    ...ORDINARY, deployments: [{ ...DEPLOYMENT, buildSeconds: 300 }, { ...DEPLOYMENT, at: 5000, branch: 1, hasEnvironment: true }],
  },
  'a build that fails': { ...ORDINARY, deployments: [{ ...DEPLOYMENT, ending: 'app does not build', hasRecord: true }] },
  'an invalid request': { ...ORDINARY, deployments: [{ ...DEPLOYMENT, invalid: 'bad commit' }] },
  'all events lost': { ...ORDINARY, eventFaults: ['drop', 'drop'] },
  'all events lost, and for a while the reconciler does not run': { ...ORDINARY, eventFaults: ['drop', 'drop'], scheduleFaults: Array(8).fill('drop') },
}, 1);

/** The reconciler's period, and what it and the finalizer need to do it. */
const PERIOD_MS = 300_000 + 30_000;

/** As far as the build has ended: the deployment ends within a period of the reconciler, by nobody's help. */
const endsInTime: typeof violations = async (_, { world }) => world.codeBuild.builds.flatMap((build) => {
  const ended = world.observed.history.get(build.deploymentId)?.find(({ record }) => record.completedAt !== undefined);
  const lateMs = (ended?.at ?? Infinity) - build.endedAt!;
  return lateMs > PERIOD_MS ? [`${build.deploymentId} ended ${lateMs / 1000} s after its build`] : [];
});

const EVENTS: readonly (readonly [string, readonly EventFault[]])[] = [['come', []], ['get lost', ['drop', 'drop', 'drop']]];

test.each(EVENTS)('an orchestrator killed at any point: the deployment ends by itself, soon after its build (whose events %s)', async (_, eventFaults) => {
  for (const call of (await callsOf(ORDINARY)).filter(({ handler }) => handler === 'orchestrator')) {
    for (const fault of ['crash before', 'crash after'] as const) {
      await checkFault({ ...ORDINARY, eventFaults }, call, { fault, times: 1 }, endsInTime);
    }
  }
}, 120_000);
