/** The queues of one account, found by name, ARN or URL, and the message move tasks between them. */
import { invalidParameterValue, plainError, queueDoesNotExist, queueNameExists } from './errors';
import { Queue } from './queue';
import { fifoUnsupported, invalidRedrivePolicy, parseAttributes, redrivePolicyOf, type QueueAttributes } from './queue-attributes';

export interface QueuesOptions {
  readonly accountId: string;
  readonly region: string;
  /** `http://127.0.0.1:<port>` */
  readonly endpoint: string;
  readonly now: () => number;
}

export interface MessageMoveTask {
  readonly sourceArn: string;
  readonly destinationArn?: string;
  readonly maxPerSecond?: number;
  readonly startedAt: number;
  readonly toMove: number;
  readonly moved: number;
  readonly failureReason?: string;
}

const QUEUE_NAME = /^[A-Za-z0-9_-]{1,80}$/;

export class Queues {
  private readonly byName = new Map<string, Queue>();
  private readonly tasks: MessageMoveTask[] = [];

  constructor(private readonly options: QueuesOptions) {}

  arnOf(name: string): string {
    return `arn:aws:sqs:${this.options.region}:${this.options.accountId}:${name}`;
  }

  create(name: string, attributes: QueueAttributes = {}): Queue {
    const existing = this.byName.get(name);
    if (existing !== undefined) {
      if (!existing.hasAttributes(attributes)) {
        throw queueNameExists(name);
      }
      return existing;
    }
    if (name.endsWith('.fifo')) {
      throw fifoUnsupported(name);
    }
    if (!QUEUE_NAME.test(name)) {
      throw invalidParameterValue(`The queue name '${name}' is not valid: can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length.`);
    }
    const { accountId, endpoint, now } = this.options;
    const queue = new Queue(name, this.arnOf(name), `${endpoint}/${accountId}/${name}`, attributes, now, (arn) => this.byArn(arn));
    this.checkDeadLetterQueue(queue.redrivePolicy);
    this.byName.set(name, queue);
    return queue;
  }

  setAttributes(queue: Queue, attributes: QueueAttributes): void {
    this.checkDeadLetterQueue(redrivePolicyOf(parseAttributes(attributes)));
    queue.setAttributes(attributes);
  }

  delete(queue: Queue): void {
    this.byName.delete(queue.name);
    queue.wake();
  }

  list(prefix = ''): Queue[] {
    return [...this.byName.values()].filter((queue) => queue.name.startsWith(prefix));
  }

  get(name: string): Queue {
    const queue = this.byName.get(name);
    if (queue === undefined) {
      throw queueDoesNotExist();
    }
    return queue;
  }

  byArn(arn: string): Queue | undefined {
    const queue = this.byName.get(arn.split(':').at(-1) ?? '');
    return queue?.arn === arn ? queue : undefined;
  }

  /** By its path alone, so that a queue stays the same behind a tunnel or a proxy. */
  byUrl(url: string): Queue {
    const [accountId, name] = url.replace(/^https?:\/\/[^/]+/, '').split('/').slice(-2);
    if (accountId !== this.options.accountId) {
      throw queueDoesNotExist();
    }
    return this.get(name);
  }

  /** Moves at once what is visible; the speed that a caller asks for has no effect. */
  startMoveTask(sourceArn: string, destinationArn?: string, maxPerSecond?: number): MessageMoveTask {
    const source = this.byArn(sourceArn);
    const destination = destinationArn === undefined ? undefined : this.byArn(destinationArn);
    if (source === undefined || (destinationArn !== undefined && destination === undefined)) {
      throw plainError('ResourceNotFoundException', `The resource that you specified for the ${source ? 'DestinationArn' : 'SourceArn'} parameter doesn't exist.`);
    }
    if (!this.list().some((queue) => queue.redrivePolicy?.deadLetterTargetArn === sourceArn)) {
      throw invalidParameterValue('Source queue must be configured as a Dead Letter Queue.');
    }
    const { found, moved } = source.moveVisible((message) => destination ?? this.byArn(message.deadLetterSourceArn ?? ''));
    const task: MessageMoveTask = {
      sourceArn,
      destinationArn,
      maxPerSecond,
      startedAt: this.options.now(),
      toMove: found,
      moved,
      failureReason: moved < found ? 'CouldNotDetermineMessageSource' : undefined,
    };
    this.tasks.unshift(task);
    return task;
  }

  /** Latest first. */
  moveTasks(sourceArn: string): MessageMoveTask[] {
    if (this.byArn(sourceArn) === undefined) {
      throw plainError('ResourceNotFoundException', 'The resource that you specified for the SourceArn parameter doesn\'t exist.');
    }
    return this.tasks.filter((task) => task.sourceArn === sourceArn);
  }

  private checkDeadLetterQueue(policy: Queue['redrivePolicy']): void {
    if (policy !== undefined && this.byArn(policy.deadLetterTargetArn) === undefined) {
      throw invalidRedrivePolicy(JSON.stringify(policy), 'Dead letter target does not exist.');
    }
  }
}
