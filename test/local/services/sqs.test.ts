/**
 * The local SQS as the current AWS SDK sees it. SQS_CONFORMANCE_ENDPOINT runs the same expectations against another server
 * (moto, for example), to tell a mistake of the local SQS from a mistake of this file.
 */
import {
  ChangeMessageVisibilityBatchCommand, ChangeMessageVisibilityCommand, CreateQueueCommand, DeleteMessageBatchCommand, DeleteMessageCommand,
  DeleteQueueCommand, GetQueueAttributesCommand, GetQueueUrlCommand, ListMessageMoveTasksCommand, ListQueuesCommand, PurgeQueueCommand,
  ReceiveMessageCommand, SendMessageBatchCommand, SendMessageCommand, SetQueueAttributesCommand, SQSClient, StartMessageMoveTaskCommand,
  type Message, type ReceiveMessageCommandInput,
} from '@aws-sdk/client-sqs';
import { AccessDeniedError, type ApiCall } from '../../../local/services/service';
import { startSqs, type SqsService } from '../../../local/services/sqs/sqs-service';

let service: SqsService;
let client: SQSClient;
let authorize: (call: ApiCall) => void = () => undefined;
let count = 0;

beforeAll(async () => {
  service = await startSqs({ onCall: (call) => authorize(call) });
  client = new SQSClient({
    region: 'us-east-1',
    endpoint: process.env.SQS_CONFORMANCE_ENDPOINT ?? service.endpoint,
    credentials: { accessKeyId: 'AKIDTEST', secretAccessKey: 'secret' },
    maxAttempts: 1,
  });
});

afterEach(() => {
  authorize = () => undefined;
});

afterAll(async () => {
  client.destroy();
  await service.close();
});

async function createQueue(attributes: Record<string, string> = {}): Promise<string> {
  count += 1;
  const { QueueUrl } = await client.send(new CreateQueueCommand({ QueueName: `queue-${process.pid}-${count}`, Attributes: attributes }));
  return QueueUrl!;
}

async function arnOf(QueueUrl: string): Promise<string> {
  const { Attributes } = await client.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['QueueArn'] }));
  return Attributes!.QueueArn!;
}

async function send(QueueUrl: string, MessageBody: string): Promise<void> {
  await client.send(new SendMessageCommand({ QueueUrl, MessageBody }));
}

async function receive(QueueUrl: string, input: Partial<ReceiveMessageCommandInput> = {}): Promise<Message[]> {
  const { Messages } = await client.send(new ReceiveMessageCommand({ QueueUrl, ...input }));
  return Messages ?? [];
}

async function counts(QueueUrl: string): Promise<Record<string, number>> {
  const { Attributes } = await client.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['All'] }));
  return {
    visible: Number(Attributes!.ApproximateNumberOfMessages),
    inFlight: Number(Attributes!.ApproximateNumberOfMessagesNotVisible),
    delayed: Number(Attributes!.ApproximateNumberOfMessagesDelayed),
  };
}

async function withDeadLetterQueue(maxReceiveCount: number): Promise<{ url: string; deadLetterUrl: string; arn: string; deadLetterArn: string }> {
  const deadLetterUrl = await createQueue();
  const deadLetterArn = await arnOf(deadLetterUrl);
  const url = await createQueue({ RedrivePolicy: JSON.stringify({ deadLetterTargetArn: deadLetterArn, maxReceiveCount }) });
  return { url, deadLetterUrl, arn: await arnOf(url), deadLetterArn };
}

describe('queues', () => {
  it('have the attributes of AWS', async () => {
    const QueueUrl = await createQueue({ VisibilityTimeout: '1800', MessageRetentionPeriod: '1209600' });
    const { Attributes } = await client.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['All'] }));
    expect(Attributes).toMatchObject({
      VisibilityTimeout: '1800',
      MessageRetentionPeriod: '1209600',
      DelaySeconds: '0',
      ReceiveMessageWaitTimeSeconds: '0',
      MaximumMessageSize: '1048576',
      ApproximateNumberOfMessages: '0',
      ApproximateNumberOfMessagesNotVisible: '0',
      ApproximateNumberOfMessagesDelayed: '0',
      QueueArn: expect.stringMatching(/^arn:aws:sqs:us-east-1:\d{12}:queue-/),
      CreatedTimestamp: expect.stringMatching(/^\d{10}$/),
      LastModifiedTimestamp: expect.stringMatching(/^\d{10}$/),
    });
    expect(Attributes).not.toHaveProperty('RedrivePolicy');
    const one = await client.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['VisibilityTimeout'] }));
    expect(one.Attributes).toEqual({ VisibilityTimeout: '1800' });
  });

  it('are created once: the same attributes mean the same queue, others are an error', async () => {
    const input = { QueueName: `same-${process.pid}`, Attributes: { VisibilityTimeout: '60' } };
    const first = await client.send(new CreateQueueCommand(input));
    const second = await client.send(new CreateQueueCommand(input));
    expect(second.QueueUrl).toBe(first.QueueUrl);
    await expect(client.send(new CreateQueueCommand({ ...input, Attributes: { VisibilityTimeout: '61' } })))
      .rejects.toMatchObject({ name: 'QueueNameExists', $metadata: { httpStatusCode: 400 } });
  });

  it('are found by name and listed by prefix', async () => {
    const QueueUrl = await createQueue();
    const QueueName = QueueUrl.split('/').at(-1)!;
    expect((await client.send(new GetQueueUrlCommand({ QueueName }))).QueueUrl).toBe(QueueUrl);
    expect((await client.send(new ListQueuesCommand({ QueueNamePrefix: QueueName }))).QueueUrls).toEqual([QueueUrl]);
    expect((await client.send(new ListQueuesCommand({ QueueNamePrefix: 'no-such-' }))).QueueUrls).toBeUndefined();
  });

  it('change their attributes', async () => {
    const QueueUrl = await createQueue();
    await client.send(new SetQueueAttributesCommand({ QueueUrl, Attributes: { VisibilityTimeout: '7', RedriveAllowPolicy: '{"redrivePermission":"denyAll"}' } }));
    const { Attributes } = await client.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['All'] }));
    expect(Attributes).toMatchObject({ VisibilityTimeout: '7', RedriveAllowPolicy: '{"redrivePermission":"denyAll"}' });
  });

  it('that do not exist are an error with the legacy code beside it', async () => {
    const QueueUrl = `${await createQueue()}-gone`;
    await expect(send(QueueUrl, 'x')).rejects.toMatchObject({
      name: 'QueueDoesNotExist',
      message: expect.stringContaining('The specified queue does not exist'),
      Error: { Code: 'AWS.SimpleQueueService.NonExistentQueue', Type: 'Sender' },
      $fault: 'client',
    });
    await expect(client.send(new GetQueueUrlCommand({ QueueName: 'gone' }))).rejects.toMatchObject({ name: 'QueueDoesNotExist' });
  });

  it('are deleted', async () => {
    const QueueUrl = await createQueue();
    await client.send(new DeleteQueueCommand({ QueueUrl }));
    await expect(send(QueueUrl, 'x')).rejects.toMatchObject({ name: 'QueueDoesNotExist' });
  });

  it('refuse attributes that AWS refuses', async () => {
    await expect(createQueue({ VisibilityTimeout: '43201' })).rejects.toMatchObject({ name: 'InvalidAttributeValue' });
    await expect(createQueue({ Colour: 'red' })).rejects.toMatchObject({ name: 'InvalidAttributeName' });
    await expect(createQueue({ RedrivePolicy: '{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:none","maxReceiveCount":3}' }))
      .rejects.toThrow('Dead letter target does not exist');
  });
});

describe('a message', () => {
  it('arrives with body, attributes and checksums', async () => {
    const QueueUrl = await createQueue();
    const MessageAttributes = {
      Text: { DataType: 'String', StringValue: 'välue' },
      Count: { DataType: 'Number.int', StringValue: '42' },
      Bytes: { DataType: 'Binary', BinaryValue: new Uint8Array([1, 2, 255]) },
    };
    const before = Date.now();
    const sent = await client.send(new SendMessageCommand({ QueueUrl, MessageBody: 'hällo', MessageAttributes, MessageGroupId: 'project-1' }));
    // Computed by moto, independently of the code under test.
    expect(sent).toMatchObject({ MD5OfMessageBody: '38bbce5fb3d0aec801f9eab39182fa7a', MD5OfMessageAttributes: '855e63b7e20144f7355cc991f131d819' });
    const [message] = await receive(QueueUrl, { MessageSystemAttributeNames: ['All'], MessageAttributeNames: ['All'] });
    expect(message).toMatchObject({
      MessageId: sent.MessageId,
      Body: 'hällo',
      MD5OfBody: sent.MD5OfMessageBody,
      MD5OfMessageAttributes: sent.MD5OfMessageAttributes,
      MessageAttributes,
      Attributes: { ApproximateReceiveCount: '1', MessageGroupId: 'project-1', SenderId: expect.any(String) },
    });
    expect(Number(message.Attributes!.SentTimestamp)).toBeGreaterThanOrEqual(before - 1000);
    expect(Number(message.Attributes!.ApproximateFirstReceiveTimestamp)).toBeGreaterThanOrEqual(Number(message.Attributes!.SentTimestamp));
  });

  it('shows attributes only when they are asked for, under the old parameter and the new one', async () => {
    const QueueUrl = await createQueue({ VisibilityTimeout: '0' });
    await client.send(new SendMessageCommand({
      QueueUrl,
      MessageBody: 'x',
      MessageAttributes: { 'trace.id': { DataType: 'String', StringValue: '1' }, 'other': { DataType: 'String', StringValue: '2' } },
    }));
    const [bare] = await receive(QueueUrl);
    expect(bare.Attributes).toBeUndefined();
    expect(bare.MessageAttributes).toBeUndefined();
    const [old] = await receive(QueueUrl, { AttributeNames: ['All'] });
    expect(old.Attributes).toMatchObject({ ApproximateReceiveCount: '2' });
    const [current] = await receive(QueueUrl, { MessageSystemAttributeNames: ['ApproximateReceiveCount'], MessageAttributeNames: ['trace.*'] });
    expect(current.Attributes).toEqual({ ApproximateReceiveCount: '3' });
    expect(Object.keys(current.MessageAttributes!)).toEqual(['trace.id']);
  });

  it('may have 1 MiB, attributes included', async () => {
    const QueueUrl = await createQueue();
    await send(QueueUrl, 'a'.repeat(1_048_576));
    await expect(send(QueueUrl, 'a'.repeat(1_048_577))).rejects.toThrow('shorter than 1048576 bytes');
    await expect(client.send(new SendMessageCommand({
      QueueUrl,
      MessageBody: 'a'.repeat(1_048_570),
      MessageAttributes: { more: { DataType: 'String', StringValue: 'x' } },
    }))).rejects.toThrow('shorter than 1048576 bytes');
  });

  it('has a body of allowed characters', async () => {
    const QueueUrl = await createQueue();
    await expect(send(QueueUrl, 'bell\u0007')).rejects.toMatchObject({ name: 'InvalidMessageContents' });
    await expect(send(QueueUrl, '')).rejects.toMatchObject({ Error: { Code: 'MissingParameter' } });
  });

  it('is hidden after a receive, until its visibility timeout ends', async () => {
    const QueueUrl = await createQueue({ VisibilityTimeout: '1' });
    await send(QueueUrl, 'x');
    expect(await receive(QueueUrl)).toHaveLength(1);
    expect(await receive(QueueUrl)).toHaveLength(0);
    expect(await counts(QueueUrl)).toEqual({ visible: 0, inFlight: 1, delayed: 0 });
    const [again] = await receive(QueueUrl, { WaitTimeSeconds: 5, MessageSystemAttributeNames: ['ApproximateReceiveCount'] });
    expect(again.Attributes).toEqual({ ApproximateReceiveCount: '2' });
  });

  it('is hidden before its delay is over', async () => {
    const QueueUrl = await createQueue();
    await client.send(new SendMessageCommand({ QueueUrl, MessageBody: 'x', DelaySeconds: 1 }));
    expect(await receive(QueueUrl)).toHaveLength(0);
    expect(await counts(QueueUrl)).toEqual({ visible: 0, inFlight: 0, delayed: 1 });
    expect(await receive(QueueUrl, { WaitTimeSeconds: 5 })).toHaveLength(1);
  });

  it('is deleted by the handle of its receive, and deleting it again is no error', async () => {
    const QueueUrl = await createQueue({ VisibilityTimeout: '0' });
    await send(QueueUrl, 'x');
    const [{ ReceiptHandle }] = await receive(QueueUrl);
    await client.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }));
    await client.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }));
    expect(await receive(QueueUrl)).toHaveLength(0);
    await expect(client.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: 'nonsense' })))
      .rejects.toMatchObject({ name: 'ReceiptHandleIsInvalid' });
  });

  it('changes its visibility while it is in flight', async () => {
    const QueueUrl = await createQueue({ VisibilityTimeout: '30' });
    await send(QueueUrl, 'x');
    const [{ ReceiptHandle }] = await receive(QueueUrl);
    await client.send(new ChangeMessageVisibilityCommand({ QueueUrl, ReceiptHandle, VisibilityTimeout: 0 }));
    await expect(client.send(new ChangeMessageVisibilityCommand({ QueueUrl, ReceiptHandle, VisibilityTimeout: 10 })))
      .rejects.toMatchObject({ name: 'MessageNotInflight' });
    expect(await receive(QueueUrl)).toHaveLength(1);
    await expect(client.send(new ChangeMessageVisibilityCommand({ QueueUrl, ReceiptHandle, VisibilityTimeout: 43_201 })))
      .rejects.toMatchObject({ Error: { Code: 'InvalidParameterValue' } });
  });
});

describe('a long poll', () => {
  it('ends at once when a message comes', async () => {
    const QueueUrl = await createQueue();
    const started = Date.now();
    const waiting = receive(QueueUrl, { WaitTimeSeconds: 20 });
    setTimeout(() => void send(QueueUrl, 'x'), 200);
    expect(await waiting).toHaveLength(1);
    expect(Date.now() - started).toBeLessThan(5000);
  });

  it('ends without a message when its time is over; the queue says how long by default', async () => {
    const QueueUrl = await createQueue({ ReceiveMessageWaitTimeSeconds: '1' });
    const started = Date.now();
    expect(await receive(QueueUrl)).toHaveLength(0);
    expect(Date.now() - started).toBeGreaterThanOrEqual(990);
  });

  it('takes no message when its client has gone', async () => {
    const QueueUrl = await createQueue();
    const gone = new AbortController();
    const waiting = client.send(new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 20 }), { abortSignal: gone.signal });
    setTimeout(() => gone.abort(), 200);
    await expect(waiting).rejects.toMatchObject({ name: 'AbortError' });
    // The server learns of it a moment later.
    await new Promise((resolve) => setTimeout(resolve, 200));
    await send(QueueUrl, 'x');
    expect(await receive(QueueUrl)).toHaveLength(1);
  });
});

describe('batches', () => {
  it('send, change visibility and delete; a bad entry fails alone', async () => {
    const QueueUrl = await createQueue();
    const sent = await client.send(new SendMessageBatchCommand({
      QueueUrl,
      Entries: [{ Id: 'a', MessageBody: 'A', MessageGroupId: 'g' }, { Id: 'b', MessageBody: 'bell\u0007' }, { Id: 'c', MessageBody: 'C' }],
    }));
    expect(sent.Successful!.map((entry) => entry.Id)).toEqual(['a', 'c']);
    expect(sent.Failed).toMatchObject([{ Id: 'b', SenderFault: true, Code: 'InvalidMessageContents' }]);

    const messages = await receive(QueueUrl, { MaxNumberOfMessages: 10 });
    expect(messages.map((message) => message.Body).sort()).toEqual(['A', 'C']);
    const changed = await client.send(new ChangeMessageVisibilityBatchCommand({
      QueueUrl,
      Entries: messages.map((message, index) => ({ Id: String(index), ReceiptHandle: message.ReceiptHandle, VisibilityTimeout: 0 })),
    }));
    expect(changed.Successful).toHaveLength(2);

    const again = await receive(QueueUrl, { MaxNumberOfMessages: 10 });
    const deleted = await client.send(new DeleteMessageBatchCommand({
      QueueUrl,
      Entries: [...again.map((message, index) => ({ Id: String(index), ReceiptHandle: message.ReceiptHandle })), { Id: 'x', ReceiptHandle: 'nonsense' }],
    }));
    expect(deleted.Successful).toHaveLength(2);
    expect(deleted.Failed).toMatchObject([{ Id: 'x', SenderFault: true, Code: 'ReceiptHandleIsInvalid' }]);
    expect(await counts(QueueUrl)).toEqual({ visible: 0, inFlight: 0, delayed: 0 });
  });

  it('are refused as a whole when the request itself is wrong', async () => {
    const QueueUrl = await createQueue();
    const attempt = async (Entries: Array<{ Id: string; MessageBody: string }>) => client.send(new SendMessageBatchCommand({ QueueUrl, Entries }));
    const entries = (length: number, body = 'x') => Array.from({ length }, (_, index) => ({ Id: String(index), MessageBody: body }));
    await expect(attempt([])).rejects.toMatchObject({ name: 'EmptyBatchRequest' });
    await expect(attempt(entries(11))).rejects.toMatchObject({ name: 'TooManyEntriesInBatchRequest' });
    await expect(attempt([{ Id: 'a', MessageBody: 'x' }, { Id: 'a', MessageBody: 'y' }])).rejects.toMatchObject({ name: 'BatchEntryIdsNotDistinct' });
    await expect(attempt([{ Id: 'a b', MessageBody: 'x' }])).rejects.toMatchObject({ name: 'InvalidBatchEntryId' });
    await expect(attempt(entries(10, 'a'.repeat(110_000)))).rejects.toMatchObject({ name: 'BatchRequestTooLong' });
  });

  it('receive at most ten messages', async () => {
    const QueueUrl = await createQueue();
    await expect(receive(QueueUrl, { MaxNumberOfMessages: 11 })).rejects.toMatchObject({ Error: { Code: 'InvalidParameterValue' } });
  });
});

describe('a dead-letter queue', () => {
  it('gets a message instead of one receive too many, also when its visibility was set to 0', async () => {
    const { url, deadLetterUrl, arn } = await withDeadLetterQueue(2);
    await send(url, 'poison');
    for (const expected of ['1', '2']) {
      const [message] = await receive(url, { MessageSystemAttributeNames: ['ApproximateReceiveCount'] });
      expect(message.Attributes!.ApproximateReceiveCount).toBe(expected);
      await client.send(new ChangeMessageVisibilityCommand({ QueueUrl: url, ReceiptHandle: message.ReceiptHandle, VisibilityTimeout: 0 }));
    }
    expect((await counts(deadLetterUrl)).visible).toBe(0);
    expect(await receive(url)).toHaveLength(0);
    const [dead] = await receive(deadLetterUrl, { AttributeNames: ['All'] });
    expect(dead).toMatchObject({ Body: 'poison', Attributes: { ApproximateReceiveCount: '3', DeadLetterQueueSourceArn: arn } });
  });

  it('gives its messages back in a move task, as new ones', async () => {
    const { url, deadLetterUrl, deadLetterArn } = await withDeadLetterQueue(1);
    await send(url, 'poison');
    const [first] = await receive(url, { VisibilityTimeout: 0 });
    expect(await receive(url)).toHaveLength(0);

    const { TaskHandle } = await client.send(new StartMessageMoveTaskCommand({ SourceArn: deadLetterArn }));
    expect(TaskHandle).toEqual(expect.any(String));
    const [back] = await receive(url, { WaitTimeSeconds: 5, AttributeNames: ['All'] });
    expect(back).toMatchObject({ Body: 'poison', Attributes: { ApproximateReceiveCount: '1' } });
    expect(back.MessageId).not.toBe(first.MessageId);
    expect((await counts(deadLetterUrl)).visible).toBe(0);
    const { Results } = await client.send(new ListMessageMoveTasksCommand({ SourceArn: deadLetterArn }));
    expect(Results).toMatchObject([{ Status: 'COMPLETED', SourceArn: deadLetterArn, ApproximateNumberOfMessagesMoved: 1 }]);
  });

  it('moves its messages to a queue of choice', async () => {
    const { deadLetterUrl, deadLetterArn } = await withDeadLetterQueue(1);
    const other = await createQueue();
    await send(deadLetterUrl, 'sent to the dead-letter queue itself');
    await client.send(new StartMessageMoveTaskCommand({ SourceArn: deadLetterArn, DestinationArn: await arnOf(other) }));
    expect(await receive(other, { WaitTimeSeconds: 5 })).toHaveLength(1);
  });

  it('keeps a message whose source nobody knows, and the task says why', async () => {
    const { deadLetterUrl, deadLetterArn } = await withDeadLetterQueue(1);
    await send(deadLetterUrl, 'sent to the dead-letter queue itself');
    await client.send(new StartMessageMoveTaskCommand({ SourceArn: deadLetterArn }));
    const { Results } = await client.send(new ListMessageMoveTasksCommand({ SourceArn: deadLetterArn }));
    expect(Results).toMatchObject([{ Status: 'FAILED', FailureReason: 'CouldNotDetermineMessageSource' }]);
    expect((await counts(deadLetterUrl)).visible).toBe(1);
  });

  it('is the only queue that a move task starts from', async () => {
    await expect(client.send(new StartMessageMoveTaskCommand({ SourceArn: await arnOf(await createQueue()) })))
      .rejects.toThrow('must be configured as a Dead Letter Queue');
    await expect(client.send(new StartMessageMoveTaskCommand({ SourceArn: 'arn:aws:sqs:us-east-1:000000000000:none' })))
      .rejects.toMatchObject({ name: 'ResourceNotFoundException' });
  });
});

describe('purging', () => {
  it('empties the queue, once in 60 seconds', async () => {
    const QueueUrl = await createQueue();
    await send(QueueUrl, 'x');
    await client.send(new PurgeQueueCommand({ QueueUrl }));
    expect(await receive(QueueUrl)).toHaveLength(0);
    await expect(client.send(new PurgeQueueCommand({ QueueUrl }))).rejects.toMatchObject({ name: 'PurgeQueueInProgress' });
  });
});

describe('FIFO queues', () => {
  it('are refused with a sentence that says so', async () => {
    await expect(createQueue({ FifoQueue: 'true' })).rejects.toMatchObject({ name: 'UnsupportedOperation', message: expect.stringContaining('FIFO') });
    await expect(client.send(new CreateQueueCommand({ QueueName: 'orders.fifo' }))).rejects.toMatchObject({ name: 'UnsupportedOperation' });
  });
});

describe('authorisation', () => {
  it('asks for each call which key may do what on which queue; a batch needs the permission of one message', async () => {
    const QueueUrl = await createQueue();
    const calls: ApiCall[] = [];
    authorize = (call) => void calls.push(call);
    await client.send(new SendMessageBatchCommand({ QueueUrl, Entries: [{ Id: 'a', MessageBody: 'A' }] }));
    await receive(QueueUrl);
    const resource = `arn:aws:sqs:us-east-1:000000000000:${QueueUrl.split('/').at(-1)}`;
    expect(calls).toEqual([
      { service: 'sqs', action: 'sqs:SendMessage', resource, accessKeyId: 'AKIDTEST' },
      { service: 'sqs', action: 'sqs:ReceiveMessage', resource, accessKeyId: 'AKIDTEST' },
    ]);
  });

  it('answers a refusal as AWS does, and nothing happens', async () => {
    const QueueUrl = await createQueue();
    authorize = (call) => {
      if (call.action === 'sqs:SendMessage') {
        throw new AccessDeniedError('not authorized to perform: sqs:sendmessage');
      }
    };
    await expect(send(QueueUrl, 'x')).rejects.toMatchObject({
      message: 'not authorized to perform: sqs:sendmessage',
      Error: { Code: 'AccessDenied' },
      $metadata: { httpStatusCode: 403 },
    });
    expect((await counts(QueueUrl)).visible).toBe(0);
  });
});

describe('the endpoint', () => {
  it('says what it expected of a request that is not SQS\' JSON protocol', async () => {
    const response = await fetch(service.endpoint, { method: 'POST', body: 'Action=ListQueues' });
    expect(response.status).toBe(400);
    expect(await response.text()).toContain('Expected POST with the header X-Amz-Target: AmazonSQS.<operation>');
    const garbled = await fetch(service.endpoint, { method: 'POST', headers: { 'x-amz-target': 'AmazonSQS.ListQueues' }, body: '[' });
    expect(await garbled.json()).toMatchObject({ __type: 'com.amazon.coral.service#SerializationException' });
    const unknown = await fetch(service.endpoint, { method: 'POST', headers: { 'x-amz-target': 'AmazonSQS.constructor' }, body: '{}' });
    expect(await unknown.json()).toMatchObject({ __type: 'com.amazon.coral.service#UnknownOperationException' });
  });
});
