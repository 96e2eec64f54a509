/** Courses of events in which the suite once found something wrong. */
import { check } from './generated';
import type { DeploymentPlan, Scenario } from './scenario';
import { startSimulation, type Simulation } from '../simulation';

const DEPLOYMENT: DeploymentPlan = { at: 0, project: 0, branch: 0, ending: 'succeeded', buildSeconds: 60, hasRecord: false };
const SCENARIO: Scenario = {
  seed: 1,
  concurrentBuilds: 1,
  queuedBuilds: 0,
  stopSupersededBuilds: false,
  visibilityTimeoutSeconds: 600,
  deployments: [DEPLOYMENT],
  callFaults: [],
  messageFaults: [],
  eventFaults: [],
  scheduleFaults: [],
  redrive: false,
};

let simulation: Simulation;
beforeAll(async () => {
  simulation = await startSimulation();
});
afterAll(() => simulation.close());

test('the call that takes a place arrives when the build is over: the place is not lost to the project', async () => {
  // The build lasts a second, the call that is repeated meanwhile is on its way for up to twenty.
  for (let seed = 1; seed <= 5; seed += 1) {
    await check(simulation, {
      ...SCENARIO,
      seed,
      maxConcurrentBuildsPerProject: 1,
      deployments: [{ ...DEPLOYMENT, buildSeconds: 1 }],
      callFaults: [{ handler: 'orchestrator', invocation: 0, from: 6, times: 1, fault: 'timeout late' }],
    });
  }
});

test('the record of a waiting deployment is removed, and its message begins it anew: nothing of the old one stays behind', async () => {
  await check(simulation, {
    ...SCENARIO,
    deployments: [{ ...DEPLOYMENT, at: 100_000, branch: 1, hasRecord: true, deletedAfter: 250_000 }, { ...DEPLOYMENT, buildSeconds: 1139 }],
  });
});

test('the first delivery dies before its deployment is in the list of open ones: the second one, put back, does not take it for ended', async () => {
  // By the time the copy comes, CodeBuild is full, so that a request that waits would only look into the list.
  await check(simulation, {
    ...SCENARIO,
    seed: 72151387,
    deployments: [
      { ...DEPLOYMENT, at: 974, buildSeconds: 652 }, { ...DEPLOYMENT, at: 57_273, project: 1, buildSeconds: 199 }, { ...DEPLOYMENT, at: 536 },
    ],
    callFaults: [{ handler: 'orchestrator', invocation: 0, operation: 'UpdateItem', from: 2, times: 3, fault: 'reset before' }],
    messageFaults: ['duplicate'],
  });
});

test('the listing takes longer than the claim: whoever has been overtaken meanwhile promotes nothing', async () => {
  for (let seed = 1; seed <= 5; seed += 1) {
    await check(simulation, {
      ...SCENARIO,
      seed,
      deployments: [{ ...DEPLOYMENT, at: 1046, buildSeconds: 680 }],
      outage: { service: 's3', fault: 'timeout before', from: 311_623, to: 2_000_314 + seed * 20_000 },
      messageFaults: [],
    });
  }
});

test('the record of an ended deployment is removed, its message comes again and to the dead-letter queue: its old build is not taken for a new one', async () => {
  await check(simulation, {
    ...SCENARIO,
    seed: 339968196,
    concurrentBuilds: 2,
    stopSupersededBuilds: true,
    deployments: [{ ...DEPLOYMENT, at: 951, buildSeconds: 41, deletedAfter: 295_708 }],
    outage: { service: 'dynamodb', fault: 'error after', from: 237_121, to: 997_552 },
    messageFaults: ['undeleted', 'delay'],
  });
});

test('the event of a success cannot be sent until a newer deployment has gone live: it says so, and nobody goes back', async () => {
  // The first invocation of the finalizer deals with the beginning of the build, these with its end.
  const unsent = [1, 2, 3].map((invocation) => ({ handler: 'finalizer', invocation, operation: 'PutEvents', from: 0, times: 6, fault: 'reset before' }) as const);
  await check(simulation, { ...SCENARIO, deployments: [DEPLOYMENT, { ...DEPLOYMENT, at: 250_000, buildSeconds: 5 }], callFaults: unsent });
});
