/**
 * The pipeline's handlers, as bundled, in a simulated AWS account on a virtual clock.
 *
 *     const simulation = await startSimulation();                        // once per process; first: node scripts/bundle-handlers.mjs
 *     const world = simulation.world({ seed: 1, concurrentBuilds: 2, plan: () => ({ seconds: 60, status: 'SUCCEEDED' }) });
 *     world.send({ deploymentId, projectId, commitSha, repoUrl, branch }); // a message into the build queue, now
 *     world.push(request);                                                // a push, which a producer records and sends
 *     world.at(5_000, () => world.send(...));                             // something that happens later, in ms of virtual time
 *     await world.run({ hours: 24 });                                     // until nothing is left to do, or for so long
 *     await world.records();                                              // the deployments table; also world.stateItems()
 *     world.codeBuild.builds; world.codeBuild.starts; world.queue; world.deadLetters; world.lostEvents
 *     world.observed                                                       // calls, status events, states of records, copies, pushes: observation.ts
 *     await world.close();                                                // sweeps tables and bucket for the next one
 *     simulation.close();
 *
 * One world at a time. Everything in it is decided by the options: the same options, the same course of events. Each AWS call of a
 * handler takes time (`latency`, drawn from the seed) on its way there and back, so that concurrent invocations interleave between any
 * two calls. `faults` says what goes wrong (faults.ts). No call, pause, retry or timeout costs real time. `handlers` runs other code in
 * place of the bundles, `trace` keeps a log in `world.trace`.
 *
 * As in AWS: SQS delivers at least once and moves to the dead-letter queue; the event source mapping hands one message to one
 * invocation, at most `orchestratorConcurrency` at a time, and deletes what was handled; build events reach the finalizer as asynchronous
 * invocations, which are repeated after one and two minutes and then land in `world.lostEvents`; the reconciler is on a schedule;
 * invocations die at their timeout.
 */
export { startSimulation, type Simulation } from './simulation';
export { type StatusEvent } from './observation';
export { type World, type WorldOptions } from './world';
export { GOOD_FILES, type BuildPlan, type BuildStatus, type SimulatedBuild } from './code-build';
export { CALL_FAULTS, EVENT_FAULTS, MESSAGE_FAULTS, type AwsCall, type CallFault, type EventFault, type Faults, type HandlerName, type MessageFault } from './faults';
export { Random } from './random';
