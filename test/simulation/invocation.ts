/** One invocation of a handler: its clock, its AWS calls and their faults, its end. */
import type { ExecutionEnvironment, Host, HttpAnswer, HttpRequest } from './execution-environment';
import { failed, throttled, type AwsCall, type AwsService, type CallFault, type HandlerName } from './faults';
import type { Random } from './random';
import type { Appointment, Timeline } from './timeline';

/** How an invocation ended: with what the handler returned, or without (it threw, crashed, or ran out of time). */
export type Outcome =
  | { readonly returned: unknown }
  /** `died`: its execution environment is gone as well. */
  | { readonly failed: string; readonly died?: true };

export interface InvocationContext {
  readonly timeline: Timeline;
  readonly random: Random;
  /** Of one leg of a call, in milliseconds. */
  readonly latency: () => number;
  readonly faultOf: (call: AwsCall) => CallFault | undefined;
  /** Lets a service act. */
  readonly serve: (call: AwsCall, request: HttpRequest) => Promise<HttpAnswer>;
  readonly onFault: (call: AwsCall, fault: CallFault) => void;
  readonly log: (line: string) => void;
}

/** Shorter than the SDK's 5 s, longer than any normal answer. */
const SLOW_MS = 4_500;
/** A request that is held up somewhere arrives at most so much later. */
const LATE_MS = 20_000;

export class Invocation implements Host {
  private calls = 0;
  private ended = false;
  private readonly deadline: number;
  private timeout?: Appointment;

  constructor(
    readonly handler: HandlerName, readonly number: number, timeoutSeconds: number,
    private readonly requestId: string, private readonly context: InvocationContext, private readonly onEnd: (outcome: Outcome) => void,
  ) {
    this.deadline = context.timeline.now + 1000 * timeoutSeconds;
  }

  begin(environment: ExecutionEnvironment, event: unknown): void {
    const { timeline } = this.context;
    this.timeout = timeline.after(this.deadline - timeline.now, () => this.end({ failed: 'timed out', died: true }));
    environment.invoke(this, event, {
      functionName: this.handler,
      awsRequestId: this.requestId,
      memoryLimitInMB: '256',
      getRemainingTimeInMillis: () => Math.max(0, this.deadline - timeline.now),
    }).then((returned) => this.end({ returned }), (error: unknown) => this.end({ failed: String(error) }));
  }

  now(): number {
    return this.context.timeline.now;
  }

  random(): number {
    return this.context.random.next();
  }

  setTimer(milliseconds: number, action: () => void): { cancelled: boolean } {
    return this.context.timeline.after(milliseconds, () => {
      if (!this.ended) action();
    });
  }

  log(line: string): void {
    this.context.log(line);
  }

  request(request: HttpRequest, answer: (answer: HttpAnswer) => void, fail: (code: string) => void): void {
    if (this.ended) return;
    const { faultOf, latency, onFault, random, serve, timeline } = this.context;
    const call: AwsCall = { handler: this.handler, invocation: this.number, index: this.calls, at: timeline.now, ...nameOf(request) };
    this.calls += 1;
    const fault = faultOf(call);
    if (fault) onFault(call, fault);
    const alive = (action: () => void) => () => {
      if (!this.ended) action();
    };
    const back = (reply: HttpAnswer, extra = 0) => timeline.after(latency() + extra, alive(() => answer(reply)));
    // What is on the wire arrives, whatever becomes of its sender.
    const arrive = (then: (reply: HttpAnswer) => void, extra = 0) => timeline.after(latency() + extra, async () => then(await serve(call, request)));
    switch (fault) {
      case undefined: return void arrive(back);
      case 'crash before': return this.end({ failed: 'crashed', died: true });
      case 'crash after': return void arrive(() => this.end({ failed: 'crashed', died: true }));
      case 'timeout before': return undefined;
      case 'timeout after': return void arrive(() => undefined);
      case 'timeout late': return void arrive(() => undefined, random.between(0, LATE_MS));
      case 'reset before': return void timeline.after(latency(), alive(() => fail('ECONNRESET')));
      case 'reset after': return void arrive(() => void timeline.after(latency(), alive(() => fail('ECONNRESET'))));
      case 'throttle': return void timeline.after(latency(), () => void back(throttled(call.service, call.operation)));
      case 'error before': return void timeline.after(latency(), () => void back(failed(call.service)));
      case 'error after': return void arrive(() => void back(failed(call.service)));
      case 'slow': return void arrive((reply) => back(reply, SLOW_MS - latency()));
    }
  }

  private end(outcome: Outcome): void {
    if (this.ended) return;
    this.ended = true;
    this.timeout!.cancelled = true;
    this.context.timeline.after(this.context.latency(), () => this.onEnd(outcome));
  }
}

function nameOf({ host, path, headers }: HttpRequest): { service: AwsService; operation: string } {
  const target = headers['x-amz-target']?.split('.')[1];
  if (/(^|\.)s3\./.test(host)) {
    const operation = /[?&]x-id=(\w+)/.exec(path)?.[1] ?? (/[?&]delete\b/.test(path) ? 'DeleteObjects' : 'ListObjectsV2');
    return { service: 's3', operation };
  }
  const service = host.split('.')[0] as AwsService;
  return { service, operation: target ?? 'Invoke' };
}
