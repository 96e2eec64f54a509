/** Every kind of fault at every AWS call that the way of a deployment takes, one at a time; and an orchestrator killed at any point. */
import { check } from './generated';
import type { violations } from './invariants';
import { play, type Scenario } from './scenario';
import { CALL_FAULTS, startSimulation, type AwsCall, type CallFault, type EventFault, type Simulation } from '../simulation';

const ORDINARY: Scenario = {
  seed: 1,
  concurrentBuilds: 1,
  queuedBuilds: 0,
  stopSupersededBuilds: false,
  visibilityTimeoutSeconds: 1800,
  deployments: [{ at: 0, project: 0, branch: 0, ending: 'succeeded', buildSeconds: 60, hasRecord: false }],
  callFaults: [],
  messageFaults: [],
  eventFaults: [],
  scheduleFaults: [],
  redrive: false,
};

const [deployment] = ORDINARY.deployments;

/** Together they go through every branch of the handlers that a single fault can lead into. */
const SCENARIOS: Readonly<Record<string, Scenario>> = {
  'one deployment': ORDINARY,
  'a build that fails': { ...ORDINARY, deployments: [{ ...deployment, ending: 'app does not build', hasRecord: true }] },
  'all events lost': { ...ORDINARY, eventFaults: ['drop', 'drop'] },
  'all events lost, and for a while the reconciler does not run': { ...ORDINARY, eventFaults: ['drop', 'drop'], scheduleFaults: Array(8).fill('drop') },
  'two of one branch, the older is stopped': {
    ...ORDINARY, concurrentBuilds: 2, stopSupersededBuilds: true, deployments: [{ ...deployment, buildSeconds: 400 }, { ...deployment, at: 30_000 }],
  },
  'two of one branch, the older is done before the reconciler looks': {
    ...ORDINARY, concurrentBuilds: 2, deployments: [{ ...deployment, buildSeconds: 200 }, { ...deployment, at: 30_000, buildSeconds: 20 }],
  },
  'two of one branch at the same time': { ...ORDINARY, concurrentBuilds: 2, deployments: [deployment, { ...deployment, at: 5 }] },
  'no capacity': { ...ORDINARY, deployments: [{ ...deployment, buildSeconds: 200 }, { ...deployment, at: 500, branch: 1 }] },
  'a project at its limit': {
    ...ORDINARY,
    concurrentBuilds: 3,
    maxConcurrentBuildsPerProject: 1,
    deployments: [{ ...deployment, buildSeconds: 200 }, { ...deployment, at: 500, branch: 1 }],
  },
  'an invalid request': { ...ORDINARY, deployments: [{ ...deployment, invalid: 'bad commit' }] },
};

let simulation: Simulation;
beforeAll(async () => {
  simulation = await startSimulation();
});
afterAll(() => simulation.close());

async function callsOf(scenario: Scenario): Promise<AwsCall[]> {
  const { world } = await play(simulation, scenario);
  const calls = [...world.observed.calls];
  await world.close();
  return calls;
}

const at = ({ handler, invocation, index }: AwsCall, fault: CallFault, times: number) => ({ handler, invocation, from: index, times, fault });

/** The runs of the reconciler that find nothing are all alike. */
const RECONCILER_RUNS = 2;

/** As often as no SDK tries: whatever it calls gives up. */
const ALWAYS = 6;

/** Each way in which a call can fail, for a moment and, where the SDK would get through the next time, for longer. */
const VARIANTS = CALL_FAULTS.flatMap((fault) => (/^(crash|slow)/.test(fault) ? [{ fault, times: 1 }] : [{ fault, times: 1 }, { fault, times: ALWAYS }]));

/** All variants at each call would be some ten thousand scenarios: for a long run. Otherwise each call gets some, the next call the next ones. */
const IS_LONG_RUN = process.env.FAULT_SCENARIOS !== undefined;
const PER_CALL = IS_LONG_RUN ? VARIANTS.length : 1;
const PER_CALL_OF_ONE_DEPLOYMENT = IS_LONG_RUN ? VARIANTS.length : 5;

describe.each(Object.entries(SCENARIOS))('%s', (name, scenario) => {
  test.each(['orchestrator', 'finalizer', 'reconciler'] as const)('a fault at each call of the %s', async (handler) => {
    const calls = (await callsOf(scenario)).filter((call) => call.handler === handler && (handler !== 'reconciler' || call.invocation < RECONCILER_RUNS));
    const perCall = name === 'one deployment' ? PER_CALL_OF_ONE_DEPLOYMENT : PER_CALL;
    for (const [index, call] of calls.entries()) {
      for (let n = 0; n < perCall; n += 1) {
        const { fault, times } = VARIANTS[(index * perCall + n) % VARIANTS.length];
        try {
          await check(simulation, { ...scenario, callFaults: [at(call, fault, times)] });
        } catch (error) {
          throw new Error(`${fault} (${times} times) at ${call.handler} ${call.invocation}.${call.index} ${call.operation}: ${(error as Error).message}`);
        }
      }
    }
  }, IS_LONG_RUN ? 1_800_000 : 120_000);
});

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
      await check(simulation, { ...ORDINARY, eventFaults, callFaults: [at(call, fault, 1)] }, endsInTime);
    }
  }
}, 120_000);
