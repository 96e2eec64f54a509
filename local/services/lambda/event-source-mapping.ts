/**
 * An SQS event source mapping: takes batches from a queue and invokes a function with them, as Lambda's pollers do. What the
 * function has handled is deleted; what it has not keeps its visibility timeout, and comes back after it.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { OnCall } from '../service';
import type { LambdaFunction } from './lambda-function';
import { systemAttributes } from '../sqs/actions';
import { md5, md5OfAttributes } from '../sqs/message-attributes';
import type { Queue, ReceivedMessage } from '../sqs/queue';

export interface EventSourceMappingOptions {
  readonly queue: Queue;
  readonly function: Pick<LambdaFunction, 'invoke' | 'name' | 'region'>;
  /** Most messages in one invocation; by default 10. */
  readonly batchSize?: number;
  /** 2 to 1000 in AWS. Not set: AWS begins with 5 and grows with the load; here it stays 5. */
  readonly maximumConcurrency?: number;
  /** Whether the function answers with batchItemFailures (FunctionResponseTypes: ReportBatchItemFailures). */
  readonly reportBatchItemFailures?: boolean;
  /** Asked at the start whether the function's role may read the queue, as when AWS creates the mapping. */
  readonly onCall?: OnCall;
  /** Of the function's role. */
  readonly accessKeyId?: string;
  readonly onInvoke?: (batch: Batch) => void;
  readonly onResult?: (result: BatchResult) => void;
}

export interface Batch {
  readonly functionName: string;
  readonly messages: readonly ReceivedMessage[];
}

export interface BatchResult extends Batch {
  /** Messages that stay in the queue. */
  readonly failedMessageIds: readonly string[];
  /** When the invocation failed as a whole, or its answer was not what ReportBatchItemFailures means. */
  readonly error?: unknown;
}

const DEFAULT_BATCH_SIZE = 10;
const DEFAULT_CONCURRENCY = 5;

/** One long poll after another, each as long as SQS allows; a message ends it at once. */
const POLL_SECONDS = 20;

/** What Lambda needs of the function's role, and checks when a mapping is created. */
const ROLE_ACTIONS = ['ReceiveMessage', 'DeleteMessage', 'GetQueueAttributes'];

export class EventSourceMapping {
  private readonly stopping = new AbortController();
  private readonly stopped = aborted(this.stopping.signal);
  private readonly invocations = new Set<Promise<void>>();
  private polling?: Promise<void>;

  constructor(private readonly options: EventSourceMappingOptions) {}

  async start(): Promise<void> {
    const { accessKeyId, onCall, queue } = this.options;
    for (const action of ROLE_ACTIONS) {
      await onCall?.({ service: 'sqs', action: `sqs:${action}`, resource: queue.arn, accessKeyId });
    }
    this.polling ??= this.poll();
  }

  /** Takes no more messages and waits for running invocations, at most this long. */
  async stop(graceMs = 5000): Promise<void> {
    this.stopping.abort();
    const done = async () => {
      await this.polling;
      await Promise.all(this.invocations);
    };
    const timer = new AbortController();
    await Promise.race([done(), delay(graceMs, undefined, { signal: timer.signal }).catch(() => undefined)]);
    timer.abort();
  }

  private async poll(): Promise<void> {
    const { batchSize = DEFAULT_BATCH_SIZE, maximumConcurrency = DEFAULT_CONCURRENCY, queue } = this.options;
    while (!this.stopping.signal.aborted) {
      const messages = await queue.receive({ maxMessages: batchSize, waitSeconds: POLL_SECONDS, signal: this.stopping.signal });
      if (messages.length > 0) {
        const invocation = this.process(messages).finally(() => this.invocations.delete(invocation));
        this.invocations.add(invocation);
      }
      if (this.invocations.size >= maximumConcurrency) {
        await Promise.race([...this.invocations, this.stopped]);
      }
    }
  }

  private async process(messages: readonly ReceivedMessage[]): Promise<void> {
    const { onInvoke, onResult, queue } = this.options;
    const batch: Batch = { functionName: this.options.function.name, messages };
    onInvoke?.(batch);
    const { failedMessageIds, error } = await this.invoke(messages);
    for (const message of messages) {
      if (!failedMessageIds.includes(message.id)) {
        queue.delete(message.receiptHandle);
      }
    }
    onResult?.({ ...batch, failedMessageIds, error });
  }

  private async invoke(messages: readonly ReceivedMessage[]): Promise<Pick<BatchResult, 'failedMessageIds' | 'error'>> {
    const ids = messages.map((message) => message.id);
    try {
      const result = await this.options.function.invoke({ Records: messages.map((message) => this.record(message)) });
      return { failedMessageIds: this.options.reportBatchItemFailures ? failuresIn(result, ids) : [] };
    } catch (error) {
      return { failedMessageIds: ids, error };
    }
  }

  private record(message: ReceivedMessage) {
    return {
      messageId: message.id,
      receiptHandle: message.receiptHandle,
      body: message.body,
      attributes: systemAttributes(message),
      messageAttributes: Object.fromEntries(Object.entries(message.attributes).map(([name, attribute]) => [name, {
        stringValue: attribute.StringValue,
        binaryValue: attribute.BinaryValue,
        stringListValues: [],
        binaryListValues: [],
        dataType: attribute.DataType,
      }])),
      md5OfMessageAttributes: md5OfAttributes(message.attributes),
      md5OfBody: md5(message.body),
      eventSource: 'aws:sqs',
      eventSourceARN: this.options.queue.arn,
      awsRegion: this.options.function.region,
    };
  }
}

/** Nothing or an empty list means success; an answer that Lambda cannot read means that the whole batch failed. */
function failuresIn(result: unknown, ids: readonly string[]): string[] {
  const failures = (result as { batchItemFailures?: unknown } | null)?.batchItemFailures ?? [];
  const failed: unknown[] = Array.isArray(failures) ? failures.map((one: { itemIdentifier?: unknown } | null) => one?.itemIdentifier) : [failures];
  if (!failed.every((id): id is string => ids.includes(id as string))) {
    throw new Error('The function\'s answer is not valid, and the whole batch counts as failed: expected batchItemFailures to be a list of '
      + `{ itemIdentifier: <messageId of a record> }, got ${JSON.stringify(failures)}.`);
  }
  return failed;
}

async function aborted(signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
