/** What can happen to the pipeline: a generated scenario, and how it is played in a simulated world. */
import * as fc from 'fast-check';
import type { BuildRequest, RecordedRequest } from '../../src/contract/build-request';
import { EXIT_CODES, type FailureCode } from '../../src/contract/failure-codes';
import {
  CALL_FAULTS, EVENT_FAULTS, GOOD_FILES, MESSAGE_FAULTS, type AwsCall, type BuildPlan, type CallFault, type EventFault, type Faults, type HandlerName,
  type MessageFault, type Simulation, type World, type WorldOptions,
} from '../simulation';

/** How a build ends, and what the deployment's record must then say. */
export interface Ending {
  readonly plan: Omit<BuildPlan, 'seconds'>;
  /** Undefined: success. */
  readonly failureCode?: FailureCode;
  readonly seconds?: number;
}

const failedWith = (exitCode: number, phase: string, failureCode: FailureCode): Ending => ({ plan: { status: 'FAILED', exitCode, phase }, failureCode });

/** A build that CodeBuild never ends: longer than its timeout of 30 minutes. */
const FORGOTTEN_SECONDS = 4 * 3600;

export const ENDINGS: Readonly<Record<string, Ending>> = {
  'succeeded': { plan: { status: 'SUCCEEDED' } },
  'app does not build': failedWith(EXIT_CODES.BUILD_FAILED!, 'BUILD', 'BUILD_FAILED'),
  'commit missing': failedWith(EXIT_CODES.COMMIT_NOT_FOUND!, 'PRE_BUILD', 'COMMIT_NOT_FOUND'),
  'upload failed': failedWith(EXIT_CODES.UPLOAD_FAILED!, 'POST_BUILD', 'UPLOAD_FAILED'),
  'install fails in its own way': failedWith(1, 'PRE_BUILD', 'INSTALL_FAILED'),
  'out of memory': failedWith(137, 'BUILD', 'OUT_OF_MEMORY'),
  'no container': { plan: { status: 'FAILED', phase: 'PROVISIONING' }, failureCode: 'PROVISIONING_FAILED' },
  'fault': { plan: { status: 'FAULT', phase: 'BUILD' }, failureCode: 'CODEBUILD_FAULT' },
  'timed out': { plan: { status: 'TIMED_OUT', phase: 'BUILD' }, failureCode: 'TIMED_OUT' },
  'queue timed out': { plan: { status: 'TIMED_OUT', phase: 'QUEUED' }, failureCode: 'QUEUE_TIMED_OUT' },
  'stopped by a person': { plan: { status: 'STOPPED', phase: 'BUILD' }, failureCode: 'STOPPED' },
  'manifest missing': { plan: { status: 'SUCCEEDED', files: GOOD_FILES.slice(0, -1) }, failureCode: 'ARTIFACTS_MISSING' },
  'nothing stored': { plan: { status: 'SUCCEEDED', files: [] }, failureCode: 'ARTIFACTS_MISSING' },
  'strange object stored': { plan: { status: 'SUCCEEDED', files: [...GOOD_FILES, 'artifacts/evil.sh'] }, failureCode: 'ARTIFACTS_INVALID' },
  'forgotten by CodeBuild': { plan: { status: 'SUCCEEDED' }, failureCode: 'TIMED_OUT', seconds: FORGOTTEN_SECONDS },
};

/** Messages that cannot be honoured. All but the first name their deployment. */
export const INVALID_BODIES: Readonly<Record<string, (request: BuildRequest) => string>> = {
  'not JSON': () => 'build this',
  'bad commit': (request) => JSON.stringify({ ...request, commitSha: 'HEAD' }),
  'no branch': ({ branch: _, ...request }) => JSON.stringify(request),
  'unknown field': (request) => JSON.stringify({ ...request, priority: 1 }),
};

export interface DeploymentPlan {
  /** When its request is sent, in milliseconds. */
  readonly at: number;
  readonly project: number;
  readonly branch: number;
  readonly ending: keyof typeof ENDINGS;
  readonly buildSeconds: number;
  /** Its producer writes the record before it sends the request. */
  readonly hasRecord: boolean;
  readonly invalid?: keyof typeof INVALID_BODIES;
  /** Its record's owner removes the record so many milliseconds after the request was sent. */
  readonly deletedAfter?: number;
  /** It is of the same commit as the first deployment. */
  readonly sameCommit?: boolean;
  /** Its request brings an environment for the app's build. */
  readonly hasEnvironment?: boolean;
  /** Nobody sends its request: it is pushed, and a producer is told of the push so many milliseconds later, each time anew. */
  readonly deliveries?: readonly number[];
}

/** Some calls of an invocation fail: number `from` and the following, of all its calls or of those of one operation. */
export interface CallFaultPlan {
  readonly handler: HandlerName;
  readonly invocation: number;
  readonly operation?: string;
  readonly from: number;
  readonly times: number;
  readonly fault: CallFault;
}

/** For some time, no call of a service has success. */
export interface Outage {
  readonly service: AwsCall['service'];
  readonly from: number;
  readonly to: number;
  readonly fault: CallFault;
}

export interface Scenario {
  readonly seed: number;
  readonly concurrentBuilds: number;
  readonly queuedBuilds: number;
  readonly maxConcurrentBuildsPerProject?: number;
  readonly stopSupersededBuilds: boolean;
  /** A minute to an hour, as the construct takes it; 300 unless told. */
  readonly reconcileEverySeconds?: number;
  readonly visibilityTimeoutSeconds: number;
  /** SQS keeps a message 14 days, unless told. */
  readonly messageRetentionSeconds?: number;
  readonly deployments: readonly DeploymentPlan[];
  /** Somebody starts a build by hand, in milliseconds. */
  readonly byHand?: number;
  readonly callFaults: readonly CallFaultPlan[];
  readonly outage?: Outage;
  /** By the number of the delivery, event, tick. */
  readonly messageFaults: readonly (MessageFault | null)[];
  readonly eventFaults: readonly (EventFault | null)[];
  readonly scheduleFaults: readonly (EventFault | null)[];
  /** At the end, the dead-letter queue is redriven. */
  readonly redrive: boolean;
}

/** Long enough for three visibility timeouts, a message that was sent again, and a build on top. */
const HOURS = 30;

export function requestOf({ project, branch, hasEnvironment, sameCommit }: DeploymentPlan, index: number): BuildRequest {
  return {
    ...(hasEnvironment ? { buildEnvironment: { TOKEN: 's3cret' } } : {}),
    deploymentId: `deployment-${index + 1}`,
    projectId: `project-${project + 1}`,
    commitSha: String(sameCommit ? 1 : index + 1).repeat(40),
    repoUrl: 'https://github.com/owner/app',
    branch: `branch-${branch + 1}`,
  };
}

export interface Played {
  readonly world: World;
  /** Whether everything came to rest before the time was up. */
  readonly isQuiet: boolean;
  /** Deployments whose request was in the dead-letter queue before it was redriven. */
  readonly deadLettered: ReadonlySet<string>;
}

/** The caller closes the world. */
export async function play(
  simulation: Simulation, scenario: Scenario, { trace = false, onPermission }: Pick<WorldOptions, 'trace' | 'onPermission'> = {},
): Promise<Played> {
  const { deployments } = scenario;
  const requests = deployments.map(requestOf);
  const world = simulation.world({
    ...scenario,
    trace,
    onPermission,
    plan: (deploymentId) => {
      if (deploymentId === '') return { seconds: 30, status: 'SUCCEEDED' };
      const { ending, buildSeconds } = deployments[requests.findIndex((request) => request.deploymentId === deploymentId)];
      return { ...ENDINGS[ending].plan, seconds: ENDINGS[ending].seconds ?? buildSeconds };
    },
    faults: faultsOf(scenario, () => world),
  });
  if (scenario.byHand !== undefined) world.at(scenario.byHand, () => world.codeBuild.startByHand());
  deployments.forEach(({ at, deletedAfter, deliveries, hasRecord, invalid }, index) => world.at(at, async () => {
    const request = requests[index];
    const { buildEnvironment, ...recorded } = request;
    if (hasRecord) await world.putRecord({ ...recorded, status: 'queued', createdAt: new Date(world.timeline.now).toISOString() });
    if (deliveries) world.push(recorded as RecordedRequest, deliveries);
    else world.send(invalid ? INVALID_BODIES[invalid](request) : request, request.projectId);
    if (deletedAfter !== undefined) world.at(deletedAfter, async () => world.deleteRecord(request.deploymentId));
  }));
  let isQuiet = await world.run({ hours: HOURS });
  // The reconciler hides what it looks at for half a minute.
  for (let looks = 0; looks < 10 && world.deadLetters.attributes.ApproximateNumberOfMessagesNotVisible !== '0'; looks += 1) await world.wait({ seconds: 31 });
  const deadLettered = new Set<string>();
  for (const { body } of await world.deadLetters.receive({ maxMessages: 1000, visibilityTimeout: 0 })) {
    const index = requests.findIndex(({ deploymentId }) => body.includes(deploymentId));
    if (index >= 0) deadLettered.add(requests[index].deploymentId);
  }
  if (isQuiet && scenario.redrive) {
    world.redrive();
    isQuiet = await world.run({ hours: HOURS });
  }
  return { world, isQuiet, deadLettered };
}

function faultsOf(scenario: Scenario, world: () => World): Faults {
  const { callFaults, outage } = scenario;
  const matching = new Map<CallFaultPlan, number>();
  /** Which of the plan's calls this is, from 0. */
  const numberIn = (plan: CallFaultPlan, { handler, index, invocation, operation }: AwsCall): number | undefined => {
    if (plan.handler !== handler || plan.invocation !== invocation) return undefined;
    if (plan.operation === undefined) return index;
    if (plan.operation !== operation) return undefined;
    const number = matching.get(plan) ?? 0;
    matching.set(plan, number + 1);
    return number;
  };
  return {
    onCall: (call) => {
      const planned = callFaults.find((plan) => {
        const number = numberIn(plan, call);
        return number !== undefined && number >= plan.from && number < plan.from + plan.times;
      });
      const time = call.at - world().start;
      const isOut = outage && outage.service === call.service && time >= outage.from && time < outage.to;
      const fault = planned?.fault ?? (isOut ? outage.fault : undefined);
      // S3 may well copy late what it was told to copy; then the same object is written twice, by nobody's fault.
      return fault === 'timeout late' && call.operation === 'CopyObject' ? 'timeout after' : fault;
    },
    onMessage: (delivery) => scenario.messageFaults[delivery] ?? undefined,
    onBuildEvent: (event) => scenario.eventFaults[event] ?? undefined,
    onSchedule: (tick) => scenario.scheduleFaults[tick] ?? undefined,
  };
}

function rarely<T, U>(arbitrary: fc.Arbitrary<T>, otherwise: U, oneIn: number): fc.Arbitrary<T | U> {
  return fc.oneof({ weight: oneIn - 1, arbitrary: fc.constant(otherwise) }, { weight: 1, arbitrary });
}

const deployment: fc.Arbitrary<DeploymentPlan> = fc.record({
  // Mostly close together: that is where they meet.
  at: fc.oneof({ weight: 4, arbitrary: fc.nat(1500) }, { weight: 3, arbitrary: fc.nat(120_000) }, { weight: 1, arbitrary: fc.nat(1_800_000) }),
  project: rarely(fc.constant(1), 0, 4),
  branch: rarely(fc.constant(1), 0, 4),
  ending: fc.oneof({ weight: 2, arbitrary: fc.constant('succeeded') }, { weight: 1, arbitrary: fc.constantFrom(...Object.keys(ENDINGS)) }),
  buildSeconds: fc.oneof(fc.integer({ min: 1, max: 120 }), fc.integer({ min: 1, max: 1700 })),
  hasRecord: rarely(fc.constant(true), false, 4),
  invalid: rarely(fc.constantFrom(...Object.keys(INVALID_BODIES)), undefined, 20),
  deletedAfter: rarely(fc.nat(900_000), undefined, 20),
  sameCommit: rarely(fc.constant(true), undefined, 3),
  hasEnvironment: rarely(fc.constant(true), undefined, 4),
  // Two hooks of one repository, and somebody who has a failed delivery repeated.
  deliveries: rarely(fc.array(fc.oneof(fc.nat(50), fc.nat(3_000), fc.nat(1_200_000)), { minLength: 1, maxLength: 3 }), undefined, 2),
}).map((plan) => {
  if (plan.deliveries) return { ...plan, hasRecord: false, invalid: undefined, hasEnvironment: undefined };
  // Nobody can know which record a message belongs to that does not name it.
  return plan.invalid === 'not JSON' ? { ...plan, hasRecord: false } : plan;
});

/** What each handler does that others can see. */
const OPERATIONS: Readonly<Record<HandlerName, readonly string[]>> = {
  producer: ['GetItem', 'UpdateItem', 'SendMessage'],
  orchestrator: [
    'StartBuild', 'UpdateItem', 'SendMessage', 'PutEvents', 'StopBuild', 'ChangeMessageVisibility', 'ListBuildsForProject', 'PutObject', 'GetObject', 'GetItem', 'ListObjectsV2',
    'BatchGetProjects',
  ],
  finalizer: ['CopyObject', 'UpdateItem', 'PutEvents', 'DeleteObjects', 'DeleteObject', 'DeleteItem', 'BatchGetBuilds', 'ListObjectsV2', 'SendMessage', 'GetObject'],
  reconciler: ['Invoke', 'UpdateItem', 'BatchGetBuilds', 'ReceiveMessage', 'SendMessage', 'StopBuild', 'DeleteItem'],
};

const callFault: fc.Arbitrary<CallFaultPlan> = fc.oneof(
  { weight: 5, arbitrary: fc.constant('orchestrator' as const) },
  { weight: 3, arbitrary: fc.constant('finalizer' as const) },
  { weight: 2, arbitrary: fc.constant('reconciler' as const) },
  { weight: 2, arbitrary: fc.constant('producer' as const) },
).chain((handler) => fc.record({
  handler: fc.constant(handler),
  invocation: fc.oneof({ weight: 3, arbitrary: fc.nat(2) }, { weight: 1, arbitrary: fc.nat(8) }),
  operation: fc.option(fc.constantFrom(...OPERATIONS[handler]), { nil: undefined }),
  from: fc.nat(18),
  // As often as the SDK tries, nothing gets through.
  times: rarely(fc.integer({ min: 2, max: 6 }), 1, 3),
  fault: fc.constantFrom(...CALL_FAULTS),
})).map((plan) => (plan.operation === undefined ? plan : { ...plan, from: plan.from % 4 }));

const outage: fc.Arbitrary<Outage> = fc.record({
  service: fc.constantFrom('dynamodb', 'codebuild', 'sqs', 's3', 'events', 'lambda'),
  from: fc.nat(600_000),
  length: fc.oneof(fc.nat(60_000), fc.nat(1_800_000)),
  fault: fc.constantFrom('timeout before', 'reset before', 'throttle', 'error before', 'error after'),
}).map(({ from, length, ...rest }) => {
  // Who takes every message and denies it multiplies those of the requests that wait: for long, and the scenario never ends.
  const to = from + (rest.service === 'sqs' && rest.fault === 'error after' ? length % 60_000 : length);
  return { ...rest, from, to };
});

/** Some here and there; or, in one of five scenarios, the first so many are lost. */
function sparse<T>(values: readonly T[], maxLength: number, all: T): fc.Arbitrary<(T | null)[]> {
  const some = fc.array(rarely(fc.constantFrom(...values), null, 4), { maxLength });
  return rarely(fc.integer({ min: 1, max: maxLength }).map((length) => Array.from({ length }, () => all)), undefined, 5)
    .chain((lost) => (lost ? fc.constant(lost) : some));
}

/** The props that decide how the handlers work. */
export type Settings = Pick<Scenario, 'maxConcurrentBuildsPerProject' | 'stopSupersededBuilds'>;

export const scenarios = (settings: Settings): fc.Arbitrary<Scenario> => fc.record({
  seed: fc.nat(1_000_000_000),
  concurrentBuilds: fc.integer({ min: 1, max: 3 }),
  queuedBuilds: fc.constantFrom(0, 5),
  maxConcurrentBuildsPerProject: fc.constant(settings.maxConcurrentBuildsPerProject),
  stopSupersededBuilds: fc.constant(settings.stopSupersededBuilds),
  // The default is 1800. A shorter one shows the same and needs fewer runs of the reconciler.
  visibilityTimeoutSeconds: fc.constant(600),
  reconcileEverySeconds: fc.constantFrom(300, 900, 900, 3600),
  deployments: fc.array(deployment, { minLength: 1, maxLength: 3 }),
  byHand: rarely(fc.nat(300_000), undefined, 20),
  callFaults: fc.array(callFault, { maxLength: 5 }),
  outage: rarely(outage, undefined, 5),
  messageFaults: sparse(MESSAGE_FAULTS, 6, 'duplicate'),
  eventFaults: sparse(EVENT_FAULTS, 8, 'drop'),
  scheduleFaults: sparse(EVENT_FAULTS, 6, 'drop'),
  redrive: fc.boolean(),
});
