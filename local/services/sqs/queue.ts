/**
 * One standard queue: its messages, who may see them when, and what waits for them. Knows nothing of HTTP. All of SQS' time
 * (delays, visibility, retention) is read from the clock given; only a long poll lasts real time.
 */
import { randomUUID } from 'node:crypto';
import { invalidParameterValue, plainError, prefixedError } from './errors';
import { attributesSize, type MessageAttributes } from './message-attributes';
import { DEFAULT_ATTRIBUTES, parseAttributes, redrivePolicyOf, type QueueAttributes } from './queue-attributes';

export interface OutgoingMessage {
  readonly body: string;
  readonly attributes?: MessageAttributes;
  readonly systemAttributes?: MessageAttributes;
  readonly messageGroupId?: string;
  readonly delaySeconds?: number;
  readonly senderId: string;
}

export interface ReceiveOptions {
  /** 1 unless told. */
  readonly maxMessages?: number;
  /** The queue's own unless told. */
  readonly visibilityTimeout?: number;
  /** How long to wait for a first message; the queue's own unless told. */
  readonly waitSeconds?: number;
  /** Ends the wait without a message. */
  readonly signal?: AbortSignal;
}

export interface ReceivedMessage extends Readonly<Message> {
  readonly receiptHandle: string;
}

interface Message {
  readonly id: string;
  readonly body: string;
  readonly attributes: MessageAttributes;
  readonly systemAttributes: MessageAttributes;
  readonly messageGroupId?: string;
  readonly senderId: string;
  readonly sentAt: number;
  /** In all of its queues together: what ApproximateReceiveCount says. */
  receiveCount: number;
  /** In this queue only: what maxReceiveCount is compared with. */
  receivesHere: number;
  firstReceivedAt?: number;
  visibleAt: number;
  /** Of the latest receive; a delayed message has none. */
  receiptHandle?: string;
  /** ARN of the queue that it failed in. */
  deadLetterSourceArn?: string;
}

/** A long poll that looks again only when something changed can sleep this long; setTimeout ends at 2^31 ms. */
const LONGEST_SLEEP_MS = 60_000;

/** Two purges within this time are an error in SQS. */
const PURGE_INTERVAL_MS = 60_000;

export class Queue {
  readonly createdAt: number;
  private modifiedAt: number;
  private purgedAt = -Infinity;
  private readonly messages = new Map<string, Message>();
  private readonly waiting = new Set<() => void>();
  private settable: Record<string, string>;

  constructor(
    readonly name: string,
    readonly arn: string,
    readonly url: string,
    attributes: QueueAttributes,
    private readonly now: () => number,
    private readonly queueByArn: (arn: string) => Queue | undefined,
  ) {
    this.settable = { ...DEFAULT_ATTRIBUTES, ...parseAttributes(attributes) };
    this.createdAt = this.modifiedAt = now();
  }

  get redrivePolicy() {
    return redrivePolicyOf(this.settable);
  }

  /** Everything that GetQueueAttributes can answer. */
  get attributes(): Record<string, string> {
    this.expire();
    const now = this.now();
    const hidden = [...this.messages.values()].filter((message) => message.visibleAt > now);
    const inFlight = hidden.filter((message) => message.receiptHandle !== undefined).length;
    return {
      ...Object.fromEntries(Object.entries(this.settable).filter(([, value]) => value !== '')),
      QueueArn: this.arn,
      CreatedTimestamp: String(Math.floor(this.createdAt / 1000)),
      LastModifiedTimestamp: String(Math.floor(this.modifiedAt / 1000)),
      ApproximateNumberOfMessages: String(this.messages.size - hidden.length),
      ApproximateNumberOfMessagesNotVisible: String(inFlight),
      ApproximateNumberOfMessagesDelayed: String(hidden.length - inFlight),
    };
  }

  /** Whether a CreateQueue with these attributes means this queue. */
  hasAttributes(attributes: QueueAttributes): boolean {
    return Object.entries(parseAttributes(attributes)).every(([name, value]) => this.settable[name] === value);
  }

  setAttributes(attributes: QueueAttributes): void {
    this.settable = { ...this.settable, ...parseAttributes(attributes) };
    this.modifiedAt = this.now();
    this.wake();
  }

  send(outgoing: OutgoingMessage): { id: string } {
    const size = messageSize(outgoing);
    const limit = this.setting('MaximumMessageSize');
    if (size > limit) {
      throw invalidParameterValue(`One or more parameters are invalid. Reason: Message must be shorter than ${limit} bytes, got ${size}.`);
    }
    const now = this.now();
    const message: Message = {
      ...neverReceived(now + 1000 * (outgoing.delaySeconds ?? this.setting('DelaySeconds'))),
      id: randomUUID(),
      body: outgoing.body,
      attributes: outgoing.attributes ?? {},
      systemAttributes: outgoing.systemAttributes ?? {},
      messageGroupId: outgoing.messageGroupId,
      senderId: outgoing.senderId,
      sentAt: now,
    };
    this.add(message);
    return { id: message.id };
  }

  /** Returns at once when there are messages, else waits for one to come, to become visible again, or for its time to run out. */
  async receive(options: ReceiveOptions = {}): Promise<ReceivedMessage[]> {
    const deadline = performance.now() + 1000 * (options.waitSeconds ?? this.setting('ReceiveMessageWaitTimeSeconds'));
    for (;;) {
      if (options.signal?.aborted) {
        return [];
      }
      const received = this.take(options.maxMessages ?? 1, options.visibilityTimeout ?? this.setting('VisibilityTimeout'));
      const remaining = deadline - performance.now();
      if (received.length > 0 || remaining <= 0) {
        return received;
      }
      await this.change(remaining, options.signal);
    }
  }

  /** Succeeds for a message that is gone already. A receipt handle of an earlier receive deletes nothing, as SQS warns it may. */
  delete(receiptHandle: string): void {
    const message = this.messageOf(receiptHandle);
    if (message?.receiptHandle === receiptHandle) {
      this.messages.delete(message.id);
    }
  }

  changeVisibility(receiptHandle: string, seconds: number): void {
    this.expire();
    const message = this.messageOf(receiptHandle);
    if (message === undefined) {
      throw invalidParameterValue(`Value ${receiptHandle} for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for visibility timeout change.`);
    }
    const now = this.now();
    if (message.receiptHandle !== receiptHandle || message.visibleAt <= now) {
      throw prefixedError('MessageNotInflight', `Value ${receiptHandle} for parameter ReceiptHandle is invalid. Reason: Message is not in flight.`);
    }
    message.visibleAt = now + 1000 * seconds;
    this.wake();
  }

  purge(): void {
    const now = this.now();
    if (now - this.purgedAt < PURGE_INTERVAL_MS) {
      throw prefixedError('PurgeQueueInProgress', `Only one PurgeQueue operation on ${this.name} is allowed every 60 seconds.`);
    }
    this.purgedAt = now;
    this.messages.clear();
  }

  /** A message move task: each visible message goes to the queue it belongs in; without such a queue it stays. */
  moveVisible(targetOf: (message: Readonly<Message>) => Queue | undefined): { found: number; moved: number } {
    this.expire();
    const now = this.now();
    const visible = [...this.messages.values()].filter((message) => message.visibleAt <= now);
    let moved = 0;
    for (const message of visible) {
      const target = targetOf(message);
      if (target !== undefined) {
        this.messages.delete(message.id);
        target.add({ ...message, ...neverReceived(now), id: randomUUID(), sentAt: now, deadLetterSourceArn: undefined });
        moved += 1;
      }
    }
    return { found: visible.length, moved };
  }

  /** When the first of its messages can be received: Infinity if it has none. */
  get nextVisibleAt(): number {
    let next = Infinity;
    for (const message of this.messages.values()) {
      next = Math.min(next, message.visibleAt);
    }
    return next;
  }

  /** Makes waiting receivers look again: a message came or became visible, or the clock was set forward. */
  wake(): void {
    [...this.waiting].forEach((wake) => wake());
  }

  private add(message: Message): void {
    this.messages.set(message.id, message);
    this.wake();
  }

  private take(max: number, visibilityTimeout: number): ReceivedMessage[] {
    this.expire();
    const now = this.now();
    const policy = this.redrivePolicy;
    const received: ReceivedMessage[] = [];
    for (const message of this.messages.values()) {
      if (received.length >= max) {
        break;
      }
      if (message.visibleAt > now) {
        continue;
      }
      const deadLetters = policy && message.receivesHere >= policy.maxReceiveCount ? this.queueByArn(policy.deadLetterTargetArn) : undefined;
      if (deadLetters !== undefined) {
        this.messages.delete(message.id);
        // The age and the count of receives go with it, as in SQS; in the other queue its receives count anew.
        deadLetters.add({ ...message, receivesHere: 0, visibleAt: now, receiptHandle: undefined, deadLetterSourceArn: this.arn });
        continue;
      }
      message.receiveCount += 1;
      message.receivesHere += 1;
      message.firstReceivedAt ??= now;
      message.visibleAt = now + 1000 * visibilityTimeout;
      message.receiptHandle = Buffer.from(`${this.arn} ${message.id} ${randomUUID()}`).toString('base64');
      received.push({ ...message, receiptHandle: message.receiptHandle });
    }
    return received;
  }

  /** Resolves when a receiver should look again. */
  private async change(withinMs: number, signal?: AbortSignal): Promise<void> {
    // The messages still there are all hidden: take() has just found none.
    const sleep = Math.min(withinMs, Math.max(this.nextVisibleAt - this.now(), 1), LONGEST_SLEEP_MS);
    await new Promise<void>((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.waiting.delete(done);
        signal?.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, sleep);
      this.waiting.add(done);
      signal?.addEventListener('abort', done);
    });
  }

  /** SQS drops a message when it is older than the queue's retention period; nobody can tell when exactly. */
  private expire(): void {
    const oldest = this.now() - 1000 * this.setting('MessageRetentionPeriod');
    for (const message of this.messages.values()) {
      if (message.sentAt < oldest) {
        this.messages.delete(message.id);
      }
    }
  }

  private messageOf(receiptHandle: string): Message | undefined {
    const [arn, id] = Buffer.from(receiptHandle, 'base64').toString().split(' ');
    if (arn !== this.arn || !id) {
      throw plainError('ReceiptHandleIsInvalid', `The input receipt handle "${receiptHandle}" is not a valid receipt handle.`);
    }
    return this.messages.get(id);
  }

  private setting(name: string): number {
    return Number(this.settable[name]);
  }
}

/** As SQS counts it: a message moved by a task is a new one, too. */
function neverReceived(visibleAt: number) {
  return { visibleAt, receiveCount: 0, receivesHere: 0, firstReceivedAt: undefined, receiptHandle: undefined };
}

export function messageSize(message: { readonly body: string; readonly attributes?: MessageAttributes }): number {
  return Buffer.byteLength(message.body) + attributesSize(message.attributes ?? {});
}
