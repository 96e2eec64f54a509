/** One scenario: queues, a bucket, a CodeBuild, and the handlers that live between them. */
import { describe, nameOf, permissionsOf } from './calls';
import { CodeBuild, type BuildEvent, type BuildPlan } from './code-build';
import { EventSourceMapping } from './event-source-mapping';
import type { ExecutionEnvironment, HttpAnswer, HttpRequest } from './execution-environment';
import { LONGEST_DELAY_MS, type AwsCall, type EventFault, type Faults, type HandlerName } from './faults';
import { handlerVariables } from './handler-variables';
import { Invocation, type InvocationContext, type Outcome } from './invocation';
import { Observation } from './observation';
import type { Push } from './producer';
import { Random } from './random';
import { answerAwsJson, DEPLOYMENTS_TABLE, handleSqs, queues, STATE_TABLE_NAME, type Bucket, type Item, type Tables } from './services';
import type { EnvironmentKey, EnvironmentPool } from './simulation';
import { Timeline } from './timeline';
import type { ApiCall } from '../../local/services/service';
import type { Queue } from '../../local/services/sqs/queue';
import type { BuildRequest, RecordedRequest } from '../../src/contract/build-request';
import { TERMINAL_STATUSES, type DeploymentRecord } from '../../src/contract/deployment';
import { STATE_KINDS } from '../../src/contract/state-table';

export interface WorldOptions {
  /** Decides latencies, jitter and ids. */
  readonly seed: number;
  /** What becomes of the build of a deployment. */
  readonly plan: (deploymentId: string) => BuildPlan;
  /** Builds that CodeBuild runs at the same time, and lets wait beyond that (0: it refuses them). */
  readonly concurrentBuilds: number;
  readonly queuedBuilds?: number;
  readonly maxConcurrentBuildsPerProject?: number;
  readonly stopSupersededBuilds?: boolean;
  readonly visibilityTimeoutSeconds?: number;
  readonly maxReceiveCount?: number;
  readonly messageRetentionSeconds?: number;
  /** Invocations of the orchestrator at the same time. */
  readonly orchestratorConcurrency?: number;
  /** 0: the reconciler never runs. */
  readonly reconcileEverySeconds?: number;
  readonly faults?: Faults;
  /** Of one leg of an AWS call, in milliseconds. */
  readonly latency?: (random: Random) => number;
  /** Files to load in place of the bundled handlers. */
  readonly handlers?: Partial<Record<HandlerName, string>>;
  readonly trace?: boolean;
  /** Told of every permission that AWS would check for a call of a handler. */
  readonly onPermission?: (handler: HandlerName, call: ApiCall) => void;
}

interface Shared {
  readonly tables: Tables;
  readonly bucket: Bucket;
  readonly pool: EnvironmentPool;
  readonly producerFile: () => string;
  readonly onClose: (now: number) => Promise<void>;
}

interface Environment {
  readonly key: EnvironmentKey;
  readonly environment: ExecutionEnvironment;
  isFree: boolean;
  calls: number;
  faults: number;
}

const TIMEOUT_SECONDS: Readonly<Record<HandlerName, number>> = { producer: 30, orchestrator: 60, finalizer: 900, reconciler: 270 };

/** Lambda repeats a failed asynchronous invocation after one and after two minutes. */
const ASYNC_RETRY_MS = [60_000, 120_000];

export class World {
  readonly timeline: Timeline;
  readonly random: Random;
  readonly codeBuild: CodeBuild;
  readonly queue: Queue;
  readonly deadLetters: Queue;
  /** Payloads of the finalizer that no attempt could deal with. */
  readonly lostEvents: unknown[] = [];
  /** What has happened: calls, states of records, events, copies. */
  readonly observed: Observation;
  readonly trace: string[] = [];
  readonly bucket: Bucket;
  private readonly queues;
  private readonly invocations: Record<HandlerName, number> = { producer: 0, orchestrator: 0, finalizer: 0, reconciler: 0 };
  private readonly variables: Record<HandlerName, Record<string, string>>;
  private readonly context: Omit<InvocationContext, 'serve'>;
  private running = 0;
  private expected = 0;
  private buildEvents = 0;
  private ticks = 0;
  /** Counts what may have made work for the reconciler. */
  private activity = 0;
  private isQuiet = false;
  private readonly orchestrations: EventSourceMapping;
  /** Taken from the pool, in the order in which this world first needed them. */
  private readonly environments: Environment[] = [];

  /** `start`: milliseconds since 1970. */
  constructor(private readonly options: WorldOptions, readonly start: number, private readonly shared: Shared) {
    this.timeline = new Timeline(start);
    const { seed, faults = {}, latency = usualLatency } = options;
    const { maxReceiveCount = 3, messageRetentionSeconds = 14 * 86_400, visibilityTimeoutSeconds = 1800, reconcileEverySeconds = 300 } = options;
    this.random = new Random(seed);
    this.observed = new Observation(shared.tables, () => this.timeline.now);
    this.bucket = shared.bucket;
    this.queues = queues(() => this.timeline.now);
    this.deadLetters = this.queues.create('dead-letters', { MessageRetentionPeriod: messageRetentionSeconds });
    this.queue = this.queues.create('builds', {
      VisibilityTimeout: visibilityTimeoutSeconds,
      MessageRetentionPeriod: messageRetentionSeconds,
      RedrivePolicy: JSON.stringify({ deadLetterTargetArn: this.deadLetters.arn, maxReceiveCount }),
    });
    this.codeBuild = new CodeBuild(
      { concurrentBuilds: options.concurrentBuilds, queuedBuilds: options.queuedBuilds ?? 0, plan: options.plan, onEvent: (event) => this.onBuildEvent(event) },
      this.timeline, this.random, this.bucket,
    );
    this.variables = handlerVariables({
      queueUrl: this.queue.url,
      deadLetterQueueUrl: this.deadLetters.url,
      maxReceiveCount,
      messageRetentionSeconds,
      visibilityTimeoutSeconds,
      maxConcurrentBuildsPerProject: options.maxConcurrentBuildsPerProject,
      stopSupersededBuilds: options.stopSupersededBuilds,
    });
    this.context = {
      timeline: this.timeline,
      random: this.random,
      latency: () => latency(this.random),
      faultOf: (call) => faults.onCall?.(call),
      onFault: (call, fault) => {
        this.stir();
        this.note(() => `! ${fault}: ${nameOf(call)}`);
      },
      log: (line) => this.note(() => line),
    };
    this.orchestrations = new EventSourceMapping({
      queue: this.queue,
      timeline: this.timeline,
      random: this.random,
      concurrency: options.orchestratorConcurrency ?? 5,
      faultOf: (delivery) => faults.onMessage?.(delivery),
      invoke: (event, onEnd) => this.invoke('orchestrator', event, onEnd),
      onPoll: () => this.stir(),
      note: (line) => this.note(line),
    });
    if (reconcileEverySeconds > 0) this.tick(1000 * reconcileEverySeconds);
  }

  /** Every AWS call so far, in order. */
  get calls(): readonly AwsCall[] {
    return this.observed.calls;
  }

  /** Puts a request into the build queue; a string is sent as it is. */
  send(request: BuildRequest | string, messageGroupId = typeof request === 'string' ? undefined : request.projectId): void {
    const body = typeof request === 'string' ? request : JSON.stringify(request);
    this.note(() => `> message ${body}`);
    this.queue.send({ body, messageGroupId, senderId: 'producer' });
    this.orchestrations.look();
  }

  /** Tells the producer of a push, as a forge does; again after each of these times, whatever became of it before. In milliseconds. */
  push(request: RecordedRequest, deliveries: readonly number[] = [0], pushedAt = new Date(this.timeline.now).toISOString()): void {
    const push: Push = { request, pushedAt };
    for (const delivery of deliveries) {
      this.at(delivery, () => this.invoke('producer', push, (outcome) => {
        this.observed.pushAnswers.push({ deploymentId: request.deploymentId, outcome });
      }));
    }
  }

  /** Milliseconds from now. */
  at(milliseconds: number, action: () => void | Promise<void>): void {
    this.expected += 1;
    this.timeline.after(milliseconds, () => {
      this.expected -= 1;
      this.stir();
      return action();
    });
  }

  /** StartMessageMoveTask on the dead-letter queue. */
  redrive(): void {
    this.queues.startMoveTask(this.deadLetters.arn);
    this.note(() => '> redrive');
    this.orchestrations.look();
  }

  /** Writes a record as a producer does before it sends its request. */
  async putRecord(record: Readonly<Record<string, string | number | boolean>>): Promise<void> {
    await this.shared.tables.put(DEPLOYMENTS_TABLE, record);
    await this.observed.seeRecord(String(record.deploymentId));
  }

  /** The record's owner removes it. */
  async deleteRecord(deploymentId: string): Promise<void> {
    this.note(() => `> delete the record of ${deploymentId}`);
    await this.shared.tables.delete(DEPLOYMENTS_TABLE, { deploymentId });
    this.observed.history.delete(deploymentId);
  }

  async records(): Promise<DeploymentRecord[]> {
    return await this.shared.tables.items(DEPLOYMENTS_TABLE) as unknown as DeploymentRecord[];
  }

  async stateItems(): Promise<Item[]> {
    return this.shared.tables.items(STATE_TABLE_NAME);
  }

  /**
   * Runs until nothing is left to do: no message waits, no build or invocation runs, every deployment has ended and the reconciler finds
   * nothing. False: it was not so within this time.
   */
  async run({ hours }: { hours: number }): Promise<boolean> {
    const end = this.timeline.now + hours * 3_600_000;
    while ((this.timeline.next ?? Infinity) <= end) {
      await this.timeline.step();
      await settled();
      if (this.mayBeQuiet() && await this.isDone()) return true;
    }
    return this.timeline.next === undefined;
  }

  /** Runs for this time. */
  async wait({ seconds }: { seconds: number }): Promise<void> {
    const end = this.timeline.now + 1000 * seconds;
    while ((this.timeline.next ?? Infinity) <= end) {
      await this.timeline.step();
      await settled();
    }
    this.timeline.now = end;
  }

  async close(): Promise<void> {
    await this.shared.tables.clear();
    this.bucket.clear();
    this.environments.forEach(({ key, environment, calls, faults }) => this.shared.pool.give(key, environment, calls, faults));
    await this.shared.onClose(this.timeline.now);
  }

  private invoke(handler: HandlerName, event: unknown, onEnd: (outcome: Outcome) => void, requestId = this.random.uuid()): void {
    const number = this.invocations[handler];
    this.invocations[handler] += 1;
    this.running += 1;
    const environment = this.environmentFor(handler);
    environment.isFree = false;
    const context: InvocationContext = {
      ...this.context,
      serve: async (call, request) => {
        environment.calls += 1;
        return this.serve(call, request);
      },
      onFault: (call, fault) => {
        environment.faults += 1;
        this.context.onFault(call, fault);
      },
    };
    const invocation = new Invocation(handler, number, TIMEOUT_SECONDS[handler], requestId, context, (outcome) => {
      this.running -= 1;
      environment.isFree = !('died' in outcome);
      this.note(() => `= ${handler} ${number}: ${JSON.stringify(outcome)}`);
      onEnd(outcome);
    });
    this.note(() => `+ ${handler} ${number}: ${JSON.stringify(event)}`);
    invocation.begin(environment.environment, event);
  }

  private environmentFor(handler: HandlerName): Environment {
    const free = this.environments.find((one) => one.key.handler === handler && one.isFree);
    if (free) return free;
    const key: EnvironmentKey = { handler, variables: this.variables[handler], file: this.options.handlers?.[handler] ?? (handler === 'producer' ? this.shared.producerFile() : undefined) };
    const taken: Environment = { key, environment: this.shared.pool.take(key), isFree: true, calls: 0, faults: 0 };
    this.environments.push(taken);
    return taken;
  }

  // Events and asynchronous invocations.

  private onBuildEvent(event: BuildEvent): void {
    const { detail } = event;
    const fault = this.options.faults?.onBuildEvent?.(this.buildEvents);
    this.buildEvents += 1;
    this.note(() => `* build ${detail['build-status']}: ${detail['build-id']}${fault ? ` (${fault})` : ''}`);
    this.withFault(fault, () => this.invokeAsync(event));
  }

  private withFault(fault: EventFault | undefined, action: () => void): void {
    const soon = () => this.random.between(5, 1500);
    const late = () => this.random.between(1500, LONGEST_DELAY_MS);
    const delays = fault === 'drop' ? [] : fault === 'delay' ? [late()] : fault === 'duplicate' ? [soon(), this.random.chance(0.5) ? soon() : late()] : [soon()];
    delays.forEach((delay) => this.at(delay, action));
  }

  /** Lambda gives every attempt the same request id. */
  private invokeAsync(payload: unknown, requestId = this.random.uuid(), attempt = 0): void {
    this.invoke('finalizer', payload, (outcome) => {
      if ('returned' in outcome) return;
      if (attempt < ASYNC_RETRY_MS.length) {
        this.at(ASYNC_RETRY_MS[attempt], () => this.invokeAsync(payload, requestId, attempt + 1));
      } else {
        this.note(() => `! given up: ${JSON.stringify(payload)}`);
        this.lostEvents.push(payload);
      }
    }, requestId);
  }

  private tick(periodMs: number): void {
    this.timeline.after(periodMs, () => {
      this.tick(periodMs);
      const fault = this.options.faults?.onSchedule?.(this.ticks);
      this.ticks += 1;
      const reconcile = () => {
        const before = this.activity;
        this.invoke('reconciler', { 'source': 'aws.scheduler', 'detail-type': 'Scheduled Event', 'detail': {} }, (outcome) => {
          this.isQuiet = this.activity === before && 'returned' in outcome;
        });
      };
      if (fault === 'drop') return;
      if (fault === undefined) reconcile(); else this.withFault(fault, reconcile);
    });
  }

  // The services.

  private async serve(call: AwsCall, request: HttpRequest): Promise<HttpAnswer> {
    this.observed.calls.push(call);
    const answer = await this.answer(call, request);
    this.note(() => `  ${nameOf(call)} ${describe(request)} -> ${answer.status} ${answer.body.toString().slice(0, 600)}`);
    if (answer.status < 300 && await this.observed.see(call, request)) this.stir();
    if (call.service === 'sqs') this.orchestrations.look();
    return answer;
  }

  private async answer(call: AwsCall, request: HttpRequest): Promise<HttpAnswer> {
    const { onPermission } = this.options;
    const onCall = onPermission && ((permission: ApiCall) => onPermission(call.handler, permission));
    if (onCall) permissionsOf(call, request).forEach(onCall);
    switch (call.service) {
      case 'dynamodb': return this.shared.tables.handle(request);
      case 'codebuild': return this.codeBuild.handle(request);
      case 's3': return this.bucket.handle(request, onCall);
      case 'sqs': return handleSqs(this.queues, request, onCall);
      case 'events': return answerAwsJson('AWSEvents', '1.1', request, async (_, input) => this.putEvents(input.Entries as PutEventsEntry[]));
      case 'lambda': return this.acceptInvocation(request);
    }
  }

  /** Something has happened that the reconciler may have to look at. */
  private stir(): void {
    this.activity += 1;
    this.isQuiet = false;
  }

  private putEvents(entries: PutEventsEntry[]): object {
    for (const { Detail, Resources = [] } of entries) {
      this.observed.seeStatusEvent(Detail, Resources);
    }
    return { FailedEntryCount: 0, Entries: entries.map(() => ({ EventId: this.random.uuid() })) };
  }

  private acceptInvocation({ path, headers, body }: HttpRequest): HttpAnswer {
    const [, name] = /\/functions\/([^/]+)\/invocations/.exec(path) ?? [];
    if (name !== 'finalizer' || headers['x-amz-invocation-type'] !== 'Event') {
      throw new Error(`Expected an asynchronous invocation of the finalizer, got ${path} (${headers['x-amz-invocation-type']}).`);
    }
    const payload = JSON.parse(body.toString()) as unknown;
    this.at(this.random.between(5, 500), () => this.invokeAsync(payload));
    return { status: 202, headers: {}, body: Buffer.alloc(0) };
  }

  private mayBeQuiet(): boolean {
    const reconciled = this.options.reconcileEverySeconds === 0 || this.isQuiet;
    return reconciled && this.running === 0 && this.orchestrations.isIdle && this.expected === 0 && this.queue.nextVisibleAt === Infinity
      && this.codeBuild.builds.every(({ status }) => status !== 'IN_PROGRESS');
  }

  private async isDone(): Promise<boolean> {
    const records = [...this.observed.history.values()].map((entries) => entries.at(-1)!.record);
    return records.every(({ status }) => TERMINAL_STATUSES.includes(status)) && !(await this.stateItems()).some(({ kind }) => kind === STATE_KINDS.open);
  }

  private note(line: () => string): void {
    if (this.options.trace) this.trace.push(`${((this.timeline.now - this.start) / 1000).toFixed(3).padStart(10)} ${line()}`);
  }
}

interface PutEventsEntry {
  readonly Detail: string;
  readonly Resources?: readonly string[];
}

/** Everything that the last event has set going runs until it waits for another: promises and ticks, no input or output. */
async function settled(): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve));
}

/** Mostly some milliseconds; now and then a call is overtaken by many others. */
function usualLatency(random: Random): number {
  const luck = random.next();
  return luck < 0.8 ? random.between(1, 20) : luck < 0.97 ? random.between(20, 300) : random.between(300, 2400);
}
