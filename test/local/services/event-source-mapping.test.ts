import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EventSourceMapping, type BatchResult, type EventSourceMappingOptions } from '../../../local/services/lambda/event-source-mapping';
import { LambdaFunction } from '../../../local/services/lambda/lambda-function';
import { AccessDeniedError, type ApiCall } from '../../../local/services/service';
import type { Queue } from '../../../local/services/sqs/queue';
import { startSqs, type SqsService } from '../../../local/services/sqs/sqs-service';

interface SqsEvent {
  Records: Array<{ messageId: string; body: string }>;
}

let sqs: SqsService;
let queue: Queue;
let deadLetters: Queue;
let now: number;
let mapping: EventSourceMapping | undefined;
const results: BatchResult[] = [];

beforeEach(async () => {
  now = Date.UTC(2026, 0, 1);
  results.length = 0;
  sqs = await startSqs({ now: () => now });
  sqs.createQueue('dead');
  sqs.createQueue('jobs', { VisibilityTimeout: 1800, RedrivePolicy: { deadLetterTargetArn: sqs.queue('dead').arn, maxReceiveCount: 3 } });
  queue = sqs.queue('jobs');
  deadLetters = sqs.queue('dead');
});

afterEach(async () => {
  await mapping?.stop();
  mapping = undefined;
  await sqs.close();
});

function passHours(hours: number): void {
  now += hours * 3_600_000;
  sqs.wake();
}

function send(...bodies: string[]): string[] {
  return bodies.map((body) => queue.send({ body, senderId: 'tester' }).id);
}

/** Starts a mapping to a function that is only a callback. */
async function map(handler: (event: SqsEvent) => unknown, options: Partial<EventSourceMappingOptions> = {}): Promise<void> {
  mapping = new EventSourceMapping({
    queue,
    function: { name: 'handler', region: 'us-east-1', invoke: async (event) => handler(event as SqsEvent) },
    onResult: (result) => results.push(result),
    ...options,
  });
  await mapping.start();
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 5000;
  while (!condition()) {
    if (Date.now() > deadline) {
      throw new Error(`Waited in vain for ${condition.toString()}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

function inQueue(of = queue): number {
  return Number(of.attributes.ApproximateNumberOfMessages) + Number(of.attributes.ApproximateNumberOfMessagesNotVisible);
}

describe('the event', () => {
  it('is the one that Lambda gives to a function', async () => {
    const events: unknown[] = [];
    const id = queue.send({
      body: '{"deploymentId":"1"}',
      senderId: 'AKIDPRODUCER',
      messageGroupId: 'project-1',
      attributes: { trace: { DataType: 'String', StringValue: 'abc' } },
    }).id;
    await map((event) => void events.push(event));
    await until(() => events.length === 1);
    expect(JSON.parse(JSON.stringify(events[0]))).toEqual({
      Records: [{
        messageId: id,
        receiptHandle: expect.any(String),
        body: '{"deploymentId":"1"}',
        attributes: {
          ApproximateReceiveCount: '1',
          SentTimestamp: String(now),
          SenderId: 'AKIDPRODUCER',
          ApproximateFirstReceiveTimestamp: String(now),
          MessageGroupId: 'project-1',
        },
        messageAttributes: { trace: { stringValue: 'abc', stringListValues: [], binaryListValues: [], dataType: 'String' } },
        md5OfMessageAttributes: expect.stringMatching(/^[0-9a-f]{32}$/),
        md5OfBody: 'e27a5ce35ce0c163bb093cfd381a89e1',
        eventSource: 'aws:sqs',
        eventSourceARN: 'arn:aws:sqs:us-east-1:000000000000:jobs',
        awsRegion: 'us-east-1',
      }],
    });
  });

  it('holds at most batchSize messages', async () => {
    const sizes: number[] = [];
    send('a', 'b', 'c');
    await map((event) => void sizes.push(event.Records.length), { batchSize: 2 });
    await until(() => sizes.length === 2);
    expect(sizes).toEqual([2, 1]);
  });

  it('comes when a message is sent to a queue that was empty', async () => {
    await map(() => undefined);
    send('late');
    await until(() => results.length === 1);
  });
});

describe('messages', () => {
  it('that were handled are deleted', async () => {
    send('a', 'b');
    await map(() => null);
    await until(() => results.length === 1);
    expect(results[0]).toMatchObject({ functionName: 'handler', failedMessageIds: [], error: undefined });
    expect(inQueue()).toBe(0);
  });

  it('of a failed invocation all come back after their visibility timeout, then go to the dead-letter queue', async () => {
    const ids = send('a', 'b');
    await map(() => Promise.reject(new Error('broken')));
    for (const round of [1, 2, 3]) {
      await until(() => results.length === round);
      expect(results[round - 1]).toMatchObject({ failedMessageIds: ids, error: expect.objectContaining({ message: 'broken' }) });
      passHours(1);
    }
    await until(() => inQueue(deadLetters) === 2);
    expect(inQueue()).toBe(0);
    expect(results).toHaveLength(3);
  });

  it('named in batchItemFailures come back, the others do not', async () => {
    const seen: string[][] = [];
    send('good', 'bad');
    await map((event) => {
      seen.push(event.Records.map((record) => record.body));
      return { batchItemFailures: event.Records.filter((record) => record.body === 'bad').map((record) => ({ itemIdentifier: record.messageId })) };
    }, { reportBatchItemFailures: true });
    await until(() => results.length === 1);
    expect(inQueue()).toBe(1);
    passHours(1);
    await until(() => results.length === 2);
    expect(seen).toEqual([['good', 'bad'], ['bad']]);
  });

  it('that a function made visible itself come back at once', async () => {
    let handle = '';
    send('again');
    await map((event) => {
      if (handle === '') {
        handle = (event.Records[0] as unknown as { receiptHandle: string }).receiptHandle;
        queue.changeVisibility(handle, 0);
        return { batchItemFailures: [{ itemIdentifier: event.Records[0].messageId }] };
      }
      return {};
    }, { reportBatchItemFailures: true });
    await until(() => results.length === 2);
    expect(inQueue()).toBe(0);
  });

  it.each<[string, unknown, number]>([
    ['null', null, 0],
    ['an empty object', {}, 0],
    ['an empty list', { batchItemFailures: [] }, 0],
    ['a null list', { batchItemFailures: null }, 0],
    ['an unknown id', { batchItemFailures: [{ itemIdentifier: 'other' }] }, 2],
    ['an empty id', { batchItemFailures: [{ itemIdentifier: '' }] }, 2],
    ['a null id', { batchItemFailures: [{ itemIdentifier: null }] }, 2],
    ['a wrong key', { batchItemFailures: [{ id: 'x' }] }, 2],
    ['no list', { batchItemFailures: 'all' }, 2],
  ])('after the answer %s: %j, %i of 2 stay', async (_, answer, stay) => {
    send('a', 'b');
    await map(() => answer, { reportBatchItemFailures: true });
    await until(() => results.length === 1);
    expect(inQueue()).toBe(stay);
    expect(results[0].error === undefined).toBe(stay === 0);
  });

  it('do not care for batchItemFailures unless the mapping reports them', async () => {
    send('a');
    await map((event) => ({ batchItemFailures: [{ itemIdentifier: event.Records[0].messageId }] }));
    await until(() => results.length === 1);
    expect(inQueue()).toBe(0);
  });
});

describe('concurrency', () => {
  it.each([[undefined, 5], [2, 2]])('maximumConcurrency %s runs %i invocations at once', async (maximumConcurrency, expected) => {
    let running = 0;
    let most = 0;
    send(...Array.from({ length: 12 }, String));
    await map(async () => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setTimeout(resolve, 20));
      running -= 1;
    }, { batchSize: 1, maximumConcurrency });
    await until(() => results.length === 12);
    expect(most).toBe(expected);
  });
});

describe('start and stop', () => {
  it('does not start when the role may not read the queue', async () => {
    const calls: ApiCall[] = [];
    const onCall = (call: ApiCall) => {
      calls.push(call);
      if (call.action === 'sqs:DeleteMessage') {
        throw new AccessDeniedError('no sqs:DeleteMessage');
      }
    };
    await expect(map(() => undefined, { onCall, accessKeyId: 'AKIDROLE' })).rejects.toThrow('no sqs:DeleteMessage');
    expect(calls[0]).toEqual({ service: 'sqs', action: 'sqs:ReceiveMessage', resource: queue.arn, accessKeyId: 'AKIDROLE' });
  });

  it('stop takes no more messages and waits for what runs', async () => {
    let finished = false;
    send('a');
    await map(async () => {
      await new Promise((resolve) => setTimeout(resolve, 100));
      finished = true;
    });
    await until(() => inQueue() === 1 && queue.attributes.ApproximateNumberOfMessagesNotVisible === '1');
    await mapping!.stop();
    expect(finished).toBe(true);
    send('b');
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(results).toHaveLength(1);
  });

  it('stop does not wait for ever', async () => {
    send('a');
    await map(() => new Promise(() => undefined));
    await until(() => queue.attributes.ApproximateNumberOfMessagesNotVisible === '1');
    await mapping!.stop(50);
    mapping = undefined;
  });
});

describe('with a real function', () => {
  it('a message becomes an invocation, and a poisonous one a dead letter', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'event-source-mapping-'));
    await writeFile(join(directory, 'index.js'), `
      exports.handler = async ({ Records }) => {
        if (Records.some((record) => record.body === 'poison')) throw new Error('poison');
        console.log(Records[0].body);
      };`);
    const lines: string[] = [];
    const fn = new LambdaFunction({
      name: 'worker', codeDirectory: directory, handler: 'index.handler', environment: {}, timeoutSeconds: 10, memoryMb: 128, onLog: (line) => lines.push(line),
    });
    try {
      queue.setAttributes({ RedrivePolicy: { deadLetterTargetArn: deadLetters.arn, maxReceiveCount: 1 } });
      send('hello', 'poison');
      await map(() => undefined, { function: fn, batchSize: 1 });
      await until(() => results.length === 2);
      expect(lines).toContain('hello');
      passHours(1);
      await until(() => inQueue(deadLetters) === 1);
    } finally {
      await mapping!.stop();
      await fn.close();
      await rm(directory, { recursive: true });
    }
  });
});
