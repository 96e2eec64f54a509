/** Every kind of fault at every AWS call that the way of a deployment takes, one at a time. */
import { check } from './generated';
import { play, type Scenario } from './scenario';
import { CALL_FAULTS, startSimulation, type AwsCall, type CallFault, type HandlerName, type Simulation } from '../simulation';

export const ORDINARY: Scenario = {
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

export const [DEPLOYMENT] = ORDINARY.deployments;

/** As often as no SDK tries: whatever it calls gives up. */
const ALWAYS = 6;

/** Each way in which a call can fail, for a moment and, where the SDK would get through the next time, for longer. */
const VARIANTS = CALL_FAULTS.flatMap((fault) => (/^(crash|slow)/.test(fault) ? [{ fault, times: 1 }] : [{ fault, times: 1 }, { fault, times: ALWAYS }]));

/** All variants at each call would be some ten thousand scenarios: for a long run. Otherwise each call gets some, and the next call the next ones. */
const isLongRun = process.env.FAULT_SCENARIOS !== undefined;

/** The runs of the reconciler that find nothing are all alike. */
const RECONCILER_RUNS = 2;

/** A scenario takes a tenth of a second; ten times that is for machines that are busy with something else. */
const TIMEOUT_MS = isLongRun ? 1_800_000 : 300_000;

const HANDLERS = ['orchestrator', 'finalizer', 'reconciler'] as const;

export function describeSingleFaults(
  scenarios: Readonly<Record<string, Scenario>>, perCall: number, handlers: readonly HandlerName[] = HANDLERS,
): void {
  describe.each(Object.entries(scenarios))('%s', (_, scenario) => {
    test.each(handlers)('a fault at each call of the %s', async (handler) => {
      const calls = (await callsOf(scenario)).filter((call) => call.handler === handler && (handler !== 'reconciler' || call.invocation < RECONCILER_RUNS));
      const each = isLongRun ? VARIANTS.length : perCall;
      for (const [index, call] of calls.entries()) {
        for (let n = 0; n < each; n += 1) await checkFault(scenario, call, VARIANTS[(index * each + n) % VARIANTS.length]);
        // What an invocation leaves behind when it dies is different at each call.
        if (!isLongRun) await checkFault(scenario, call, { fault: 'crash after', times: 1 });
      }
    }, TIMEOUT_MS);
  });
}

let started: Simulation | undefined;
afterAll(() => started?.close());

export async function simulation(): Promise<Simulation> {
  started ??= await startSimulation();
  return started;
}

export async function callsOf(scenario: Scenario): Promise<AwsCall[]> {
  const { world } = await play(await simulation(), scenario);
  const calls = [...world.observed.calls];
  await world.close();
  return calls;
}

export async function checkFault(
  scenario: Scenario, { handler, index, invocation, operation }: AwsCall, { fault, times }: { fault: CallFault; times: number },
  further?: Parameters<typeof check>[2],
): Promise<void> {
  try {
    await check(await simulation(), { ...scenario, callFaults: [{ handler, invocation, from: index, times, fault }] }, further);
  } catch (error) {
    throw new Error(`${fault} (${times} times) at ${handler} ${invocation}.${index} ${operation}: ${(error as Error).message}`);
  }
}
