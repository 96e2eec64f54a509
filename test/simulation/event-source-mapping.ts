/** Brings messages of the build queue to the orchestrator, one by one, as Lambda's event source mapping does. */
import { LONGEST_DELAY_MS, type MessageFault } from './faults';
import type { Outcome } from './invocation';
import type { Random } from './random';
import type { Appointment, Timeline } from './timeline';
import { systemAttributes } from '../../local/services/sqs/actions';
import { md5, md5OfAttributes } from '../../local/services/sqs/message-attributes';
import type { Queue, ReceivedMessage } from '../../local/services/sqs/queue';

export interface EventSourceMappingOptions {
  readonly queue: Queue;
  readonly timeline: Timeline;
  readonly random: Random;
  /** Invocations at the same time. */
  readonly concurrency: number;
  readonly faultOf: (delivery: number) => MessageFault | undefined;
  readonly invoke: (event: unknown, onEnd: (outcome: Outcome) => void) => void;
  /** Each look into the queue. */
  readonly onPoll: () => void;
  readonly note: (line: () => string) => void;
}

export class EventSourceMapping {
  /** Invocations that run or are about to: they count for the concurrency. */
  private running = 0;
  /** Second deliveries that are still to come. */
  private late = 0;
  private deliveries = 0;
  private readonly deleted = new Set<string>();
  private poll?: Appointment;

  constructor(private readonly options: EventSourceMappingOptions) {}

  get isIdle(): boolean {
    return this.running === 0 && this.late === 0;
  }

  /** To be called whenever a message may have come or become visible. */
  look(): void {
    const { concurrency, onPoll, queue, timeline } = this.options;
    const due = this.running < concurrency ? queue.nextVisibleAt : Infinity;
    if (this.poll && !this.poll.cancelled && this.poll.at <= Math.max(due, timeline.now)) return;
    if (this.poll) this.poll.cancelled = true;
    this.poll = undefined;
    if (due === Infinity) return;
    this.poll = timeline.after(due - timeline.now, async () => {
      this.poll = undefined;
      onPoll();
      const [message] = await queue.receive({ maxMessages: 1, waitSeconds: 0 });
      if (message) this.deliver(message);
      this.look();
    });
  }

  private deliver(message: ReceivedMessage): void {
    const { faultOf, note, random, timeline } = this.options;
    const fault = faultOf(this.deliveries);
    this.deliveries += 1;
    if (fault) note(() => `! ${fault}: message ${message.id}`);
    const soon = random.between(1, 50);
    this.invoke(message, fault === 'delay' ? random.between(soon, 60_000) : soon, fault !== 'undeleted');
    if (fault === 'duplicate') {
      this.late += 1;
      timeline.after(random.chance(0.5) ? random.between(1, 2000) : random.between(2000, LONGEST_DELAY_MS), () => {
        this.late -= 1;
        this.invoke(message, 0, true);
      });
    }
  }

  private invoke(message: ReceivedMessage, delayMs: number, isDeleted: boolean): void {
    const { invoke, queue, timeline } = this.options;
    this.running += 1;
    timeline.after(delayMs, () => invoke({ Records: [recordOf(message, queue)] }, (outcome) => {
      this.running -= 1;
      const failures = 'returned' in outcome ? (outcome.returned as { batchItemFailures?: unknown[] } | undefined)?.batchItemFailures ?? [] : [message];
      if (failures.length === 0 && isDeleted) {
        queue.delete(message.receiptHandle);
        this.deleted.add(message.id);
      } else if (failures.length > 0 && this.deleted.has(message.id)) {
        // It came from a server of SQS that has not heard of the deletion, and comes again until it is deleted there too.
        const { attributes, body, messageGroupId, senderId } = message;
        queue.send({ attributes, body, messageGroupId, senderId, delaySeconds: Math.min(900, Number(queue.attributes.VisibilityTimeout)) });
      }
      this.look();
    }));
  }
}

/** As Lambda hands a message to a function. */
function recordOf(message: ReceivedMessage, queue: Queue): object {
  return {
    messageId: message.id,
    receiptHandle: message.receiptHandle,
    body: message.body,
    attributes: systemAttributes(message),
    messageAttributes: Object.fromEntries(Object.entries(message.attributes).map(([name, attribute]) => [name, {
      stringValue: attribute.StringValue, binaryValue: attribute.BinaryValue, stringListValues: [], binaryListValues: [], dataType: attribute.DataType,
    }])),
    md5OfMessageAttributes: md5OfAttributes(message.attributes),
    md5OfBody: md5(message.body),
    eventSource: 'aws:sqs',
    eventSourceARN: queue.arn,
    awsRegion: queue.arn.split(':')[3],
  };
}
