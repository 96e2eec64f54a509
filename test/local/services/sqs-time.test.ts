/** What in SQS depends on time, with a clock of its own: no test here waits. */
import type { Queue, ReceivedMessage } from '../../../local/services/sqs/queue';
import { startSqs, type SqsService } from '../../../local/services/sqs/sqs-service';

const SECOND = 1000;
const DAY = 86_400 * SECOND;

let sqs: SqsService;
let now: number;

beforeEach(async () => {
  now = Date.UTC(2026, 0, 1);
  sqs = await startSqs({ now: () => now });
});

afterEach(async () => {
  await sqs.close();
});

function createQueue(attributes: Record<string, unknown> = {}, name = 'queue'): Queue {
  sqs.createQueue(name, attributes);
  return sqs.queue(name);
}

function send(queue: Queue, delaySeconds?: number): string {
  return queue.send({ body: 'x', senderId: 'tester', delaySeconds }).id;
}

async function receive(queue: Queue): Promise<ReceivedMessage | undefined> {
  return (await queue.receive())[0];
}

function pass(ms: number): void {
  now += ms;
  sqs.wake();
}

it('a queue is found by name, URL and ARN', () => {
  const queue = createQueue();
  expect(queue.url).toBe(`${sqs.endpoint}/000000000000/queue`);
  expect(sqs.queue(queue.url)).toBe(queue);
  expect(sqs.queue(queue.arn)).toBe(queue);
  expect(() => sqs.queue('arn:aws:sqs:eu-west-1:000000000000:queue')).toThrow('The specified queue does not exist');
});

it('a message is hidden for the visibility timeout, to the millisecond', async () => {
  const queue = createQueue({ VisibilityTimeout: 1800 });
  send(queue);
  expect(await receive(queue)).toMatchObject({ receiveCount: 1 });
  pass(1800 * SECOND - 1);
  expect(await receive(queue)).toBeUndefined();
  pass(1);
  expect(await receive(queue)).toMatchObject({ receiveCount: 2 });
});

it('a changed visibility counts from the change', async () => {
  const queue = createQueue({ VisibilityTimeout: 1800 });
  send(queue);
  const { receiptHandle } = (await receive(queue))!;
  pass(1000 * SECOND);
  queue.changeVisibility(receiptHandle, 60);
  pass(59 * SECOND);
  expect(await receive(queue)).toBeUndefined();
  pass(SECOND);
  expect(await receive(queue)).toBeDefined();
});

it('the queue\'s delay holds for messages that do not have their own', async () => {
  const queue = createQueue({ DelaySeconds: '900' });
  const prompt = send(queue, 0);
  const patient = send(queue);
  expect((await receive(queue))?.id).toBe(prompt);
  pass(900 * SECOND);
  const ids = (await queue.receive({ maxMessages: 10 })).map((message) => message.id);
  expect(ids).toContain(patient);
});

it('a long poll sees the clock being set forward', async () => {
  const queue = createQueue();
  send(queue, 600);
  const waiting = queue.receive({ waitSeconds: 20 });
  pass(600 * SECOND);
  expect(await waiting).toHaveLength(1);
});

it('several receivers wait at once, and one message goes to one of them', async () => {
  const queue = createQueue();
  const stop = new AbortController();
  const waiting = [1, 2, 3].map(async () => queue.receive({ waitSeconds: 20, signal: stop.signal }));
  send(queue);
  await Promise.race(waiting);
  stop.abort();
  expect((await Promise.all(waiting)).map((messages) => messages.length).sort()).toEqual([0, 0, 1]);
});

it('a message that is too old is gone', async () => {
  const queue = createQueue({ MessageRetentionPeriod: 60 });
  send(queue);
  pass(60 * SECOND);
  expect(queue.attributes.ApproximateNumberOfMessages).toBe('1');
  pass(1);
  expect(queue.attributes.ApproximateNumberOfMessages).toBe('0');
  expect(await receive(queue)).toBeUndefined();
});

it('the handle of an earlier receive deletes and changes nothing', async () => {
  const queue = createQueue({ VisibilityTimeout: 30 });
  send(queue);
  const first = (await receive(queue))!;
  pass(30 * SECOND);
  const second = (await receive(queue))!;
  queue.delete(first.receiptHandle);
  expect(() => queue.changeVisibility(first.receiptHandle, 0)).toThrow('not in flight');
  expect(queue.attributes.ApproximateNumberOfMessagesNotVisible).toBe('1');
  queue.delete(second.receiptHandle);
  expect(queue.attributes.ApproximateNumberOfMessagesNotVisible).toBe('0');
});

it('a handle whose visibility timeout is over still deletes, as long as nobody else received the message', async () => {
  const queue = createQueue({ VisibilityTimeout: 30 });
  send(queue);
  const { receiptHandle } = (await receive(queue))!;
  pass(31 * SECOND);
  queue.delete(receiptHandle);
  expect(await receive(queue)).toBeUndefined();
});

it('a dead letter keeps its age, and expires by the other queue\'s retention', async () => {
  const dead = createQueue({ MessageRetentionPeriod: (4 * DAY) / SECOND }, 'dead');
  const queue = createQueue({ RedrivePolicy: { deadLetterTargetArn: dead.arn, maxReceiveCount: '1' }, MessageRetentionPeriod: (14 * DAY) / SECOND });
  const sentAt = now;
  const id = send(queue);
  await receive(queue);
  pass(DAY);
  // It moves when somebody asks for it, not before.
  expect(dead.attributes.ApproximateNumberOfMessages).toBe('0');
  expect(await receive(queue)).toBeUndefined();
  expect(await receive(dead)).toMatchObject({ id, sentAt, receiveCount: 2, deadLetterSourceArn: queue.arn });
  pass(3 * DAY + 1);
  expect(await receive(dead)).toBeUndefined();
});

it('in a dead-letter queue with a dead-letter queue of its own, receives count anew', async () => {
  const last = createQueue({}, 'last');
  const dead = createQueue({ VisibilityTimeout: 0, RedrivePolicy: { deadLetterTargetArn: last.arn, maxReceiveCount: 2 } }, 'dead');
  const queue = createQueue({ VisibilityTimeout: 0, RedrivePolicy: { deadLetterTargetArn: dead.arn, maxReceiveCount: 2 } });
  send(queue);
  for (const [from, expected] of [[queue, 1], [queue, 2], [queue, undefined], [dead, 3], [dead, 4], [dead, undefined], [last, 5]] as const) {
    expect((await receive(from))?.receiveCount).toBe(expected);
  }
});

it('a queue may be purged again after 60 seconds', () => {
  const queue = createQueue();
  queue.purge();
  pass(59 * SECOND);
  expect(() => queue.purge()).toThrow('every 60 seconds');
  pass(SECOND);
  expect(() => queue.purge()).not.toThrow();
});

it('close() ends long polls', async () => {
  const queue = createQueue();
  const started = Date.now();
  const poll = fetch(sqs.endpoint, {
    method: 'POST',
    headers: { 'x-amz-target': 'AmazonSQS.ReceiveMessage' },
    body: JSON.stringify({ QueueUrl: queue.url, WaitTimeSeconds: 20 }),
  });
  await new Promise((resolve) => setTimeout(resolve, 50));
  await sqs.close();
  expect(await (await poll).json()).toEqual({});
  expect(Date.now() - started).toBeLessThan(3000);
});
