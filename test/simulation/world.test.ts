/** The harness itself: what the fault suite and the benchmark rely on. */
import { startSimulation, type Faults, type Simulation, type World, type WorldOptions } from '.';

const REQUEST = { deploymentId: 'deployment-1', projectId: 'project-1', commitSha: 'a'.repeat(40), repoUrl: 'https://github.com/owner/app', branch: 'main' };

let simulation: Simulation;
beforeAll(async () => {
  simulation = await startSimulation();
});
afterAll(() => simulation.close());

let world: World;
afterEach(async () => world.close());

async function run(options: Partial<WorldOptions> = {}, hours = 24): Promise<boolean> {
  world = simulation.world({ seed: 1, concurrentBuilds: 1, plan: () => ({ seconds: 60, status: 'SUCCEEDED' }), ...options });
  world.send(REQUEST);
  return world.run({ hours });
}

const elapsedSeconds = (until = world.timeline.now) => (until - world.start) / 1000;

/** The nth call of an operation fails in this way. */
function nth(n: number, handler: string, operation: string, fault: ReturnType<NonNullable<Faults['onCall']>>): Faults {
  let seen = 0;
  return {
    onCall: (call) => {
      if (call.handler !== handler || call.operation !== operation) return undefined;
      seen += 1;
      return seen === n ? fault : undefined;
    },
  };
}

test('a request becomes a build, its files lie where they belong, and nothing is left to do', async () => {
  expect(await run()).toBe(true);
  expect(await world.records()).toEqual([expect.objectContaining({ deploymentId: 'deployment-1', status: 'success' })]);
  expect(await world.bucket.keys()).toEqual(expect.arrayContaining([`artifacts/project-1/${REQUEST.commitSha}/${REQUEST.deploymentId}/manifest.json`]));
  expect(world.codeBuild.builds).toEqual([expect.objectContaining({ deploymentId: 'deployment-1', status: 'SUCCEEDED' })]);
  expect(world.observed.statusEvents.at(-1)!.detail).toMatchObject({ deploymentId: 'deployment-1', status: 'success' });
});

test('the same options give the same course of events, to the millisecond', async () => {
  const course = async () => {
    await run({ seed: 7 });
    const { codeBuild, observed: { calls, statusEvents }, start } = world;
    const result = [
      ...calls.map(({ at, handler, operation }) => `${at - start} ${handler} ${operation}`),
      ...statusEvents.map(({ at, detail }) => `${at - start} ${detail.status} ${detail.version}`),
      ...codeBuild.builds.map(({ id, submittedAt, endedAt }) => `${submittedAt - start} ${endedAt! - start} ${id}`),
    ];
    await world.close();
    return result;
  };
  expect(await course()).toEqual(await course());
});

test('other seeds, other interleavings', async () => {
  await run({ seed: 2 });
  const first = elapsedSeconds();
  await world.close();
  await run({ seed: 3 });
  expect(elapsedSeconds()).not.toBe(first);
});

test('a lost answer costs the SDK\'s timeout in virtual time and none in real time', async () => {
  const begin = performance.now();
  await run({ faults: nth(1, 'orchestrator', 'StartBuild', 'timeout after'), trace: true });
  expect(performance.now() - begin).toBeLessThan(5000);
  expect(world.trace.filter((line) => line.includes('! timeout after'))).toHaveLength(1);
  expect(world.codeBuild.builds).toHaveLength(1);
});

test('a second delivery that is still to come keeps no other message waiting', async () => {
  world = simulation.world({
    seed: 1, concurrentBuilds: 10, orchestratorConcurrency: 1, plan: () => ({ seconds: 60, status: 'SUCCEEDED' }), faults: { onMessage: () => 'duplicate' },
  });
  for (let index = 0; index < 8; index += 1) world.send({ ...REQUEST, deploymentId: `deployment-${index}`, branch: `branch-${index}` });
  expect(await world.run({ hours: 24 })).toBe(true);
  expect(world.codeBuild.builds).toHaveLength(8);
  for (const { submittedAt } of world.codeBuild.builds) expect(elapsedSeconds(submittedAt)).toBeLessThan(120);
});

test('a crash before a call: no effect, and the message comes back after its visibility timeout', async () => {
  await run({ faults: nth(1, 'orchestrator', 'StartBuild', 'crash before'), reconcileEverySeconds: 0, visibilityTimeoutSeconds: 600 }, 1);
  expect(world.codeBuild.builds).toHaveLength(1);
  expect(elapsedSeconds(world.codeBuild.builds[0].submittedAt)).toBeGreaterThan(600);
});

test('a crash after a call: the effect, and nothing more of that invocation', async () => {
  await run({ faults: nth(1, 'orchestrator', 'StartBuild', 'crash after') });
  expect(world.codeBuild.builds).toHaveLength(1);
  expect(world.observed.calls.filter(({ handler, invocation }) => handler === 'orchestrator' && invocation === 0).at(-1)!.operation).toBe('StartBuild');
});

test('an invocation ends at the function\'s timeout, whatever it waits for', async () => {
  await run({ faults: { onCall: ({ handler, invocation }) => (handler === 'orchestrator' && invocation === 0 ? 'timeout before' : undefined) }, trace: true });
  const [begin, end] = ['+ orchestrator 0', '= orchestrator 0'].map((mark) => Number.parseFloat(world.trace.find((line) => line.includes(mark))!));
  expect(end - begin).toBeLessThan(61);
});

test('a dropped build event is dropped; a function that fails is invoked three times', async () => {
  await run({ faults: { onBuildEvent: (event) => (event > 0 ? 'drop' : undefined) }, reconcileEverySeconds: 0 }, 2);
  expect((await world.records())[0].status).toBe('building');
  await world.close();

  await run({ faults: { onCall: ({ handler }) => (handler === 'finalizer' ? 'crash before' : undefined) }, reconcileEverySeconds: 0 }, 2);
  expect(world.lostEvents).toHaveLength(2);
});

test('CodeBuild refuses what is beyond its limit, or lets it wait', async () => {
  world = simulation.world({ seed: 1, concurrentBuilds: 1, queuedBuilds: 1, plan: () => ({ seconds: 600, status: 'SUCCEEDED' }), reconcileEverySeconds: 0 });
  for (const n of [1, 2, 3]) world.send({ ...REQUEST, deploymentId: `deployment-${n}`, projectId: `project-${n}` });
  await world.run({ hours: 0.1 });
  expect(world.codeBuild.builds.map(({ startedAt }) => startedAt !== undefined)).toEqual([true, false]);
  expect(world.codeBuild.starts.refused).toBeGreaterThan(0);
});

test('time is the world\'s: a build of half an hour is over at once', async () => {
  const begin = performance.now();
  await run({ plan: () => ({ seconds: 1800, status: 'SUCCEEDED' }) });
  expect(elapsedSeconds()).toBeGreaterThan(1800);
  expect(performance.now() - begin).toBeLessThan(5000);
});

test('nothing of a handler goes on behind the clock\'s back', async () => {
  world = simulation.world({ seed: 1, concurrentBuilds: 1, plan: () => ({ seconds: 60, status: 'SUCCEEDED' }) });
  world.send(REQUEST);
  // Would a handler wait for anything real, its next call would appear while nobody turns the clock.
  for (let step = 0; step < 200; step += 1) {
    await world.run({ hours: 0.0005 });
    const appointments = world.timeline.next;
    await new Promise((resolve) => setTimeout(resolve, 2));
    expect(world.timeline.next).toBe(appointments);
  }
});
