/** The operations of the SQS API: from the JSON of a request to the queues, and back. */
import { AwsJsonError, type JsonObject } from '../aws-json';
import { invalidParameterValue, missingParameter, plainError, prefixedError } from './errors';
import { md5, md5OfAttributes, parseMessageAttributes, selectAttributes } from './message-attributes';
import { messageSize, type OutgoingMessage, type Queue, type ReceivedMessage } from './queue';
import { checkedSeconds, isSettable, MAX_DELAY_SECONDS, MAX_MESSAGE_BYTES, MAX_VISIBILITY_SECONDS, MAX_WAIT_SECONDS } from './queue-attributes';
import type { MessageMoveTask, Queues } from './queues';

export interface Caller {
  /** What messages of this caller carry as SenderId. */
  readonly senderId: string;
  /** Aborted when the caller has hung up. */
  readonly signal: AbortSignal;
  /** Asks whether the caller may do this; throws if not. */
  authorize(action: string, resourceArn: string): Promise<void>;
}

type Action = (queues: Queues, input: JsonObject, caller: Caller) => Promise<object>;

/** XML 1.0's characters, which is what SQS accepts in a body. */
const ALLOWED_TEXT = /^[\u{9}\u{A}\u{D}\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]*$/u;

const MESSAGE_GROUP_ID = /^[A-Za-z0-9!"#$%&'()*+,\-./:;<=>?@[\\\]^_`{|}~]{1,128}$/;

const BATCH_ENTRY_ID = /^[A-Za-z0-9_-]{1,80}$/;

const MAX_BATCH_ENTRIES = 10;

export const ACTIONS: Readonly<Record<string, Action>> = {
  CreateQueue: async (queues, input, caller) => {
    const name = text(input, 'QueueName');
    await caller.authorize('CreateQueue', queues.arnOf(name));
    return { QueueUrl: queues.create(name, input.Attributes as JsonObject | undefined).url };
  },

  DeleteQueue: async (queues, input, caller) => {
    queues.delete(await queueOf(queues, input, caller, 'DeleteQueue'));
    return {};
  },

  GetQueueUrl: async (queues, input, caller) => {
    const name = text(input, 'QueueName');
    await caller.authorize('GetQueueUrl', queues.arnOf(name));
    return { QueueUrl: queues.get(name).url };
  },

  ListQueues: async (queues, input, caller) => {
    await caller.authorize('ListQueues', queues.arnOf('*'));
    const urls = queues.list(input.QueueNamePrefix as string | undefined).map((queue) => queue.url);
    const start = Number(input.NextToken ?? 0);
    const end = typeof input.MaxResults === 'number' ? start + input.MaxResults : urls.length;
    return { QueueUrls: urls.length > 0 ? urls.slice(start, end) : undefined, NextToken: end < urls.length ? String(end) : undefined };
  },

  GetQueueAttributes: async (queues, input, caller) => {
    const { attributes } = await queueOf(queues, input, caller, 'GetQueueAttributes');
    const names = list(input.AttributeNames);
    const unknown = names.find((name) => name !== 'All' && !isSettable(name) && !(name in attributes));
    if (unknown !== undefined) {
      throw plainError('InvalidAttributeName', `Unknown Attribute ${unknown}.`);
    }
    const selected = Object.entries(attributes).filter(([name]) => names.includes('All') || names.includes(name));
    return { Attributes: selected.length > 0 ? Object.fromEntries(selected) : undefined };
  },

  SetQueueAttributes: async (queues, input, caller) => {
    queues.setAttributes(await queueOf(queues, input, caller, 'SetQueueAttributes'), (input.Attributes ?? {}) as JsonObject);
    return {};
  },

  PurgeQueue: async (queues, input, caller) => {
    (await queueOf(queues, input, caller, 'PurgeQueue')).purge();
    return {};
  },

  SendMessage: async (queues, input, caller) => {
    const queue = await queueOf(queues, input, caller, 'SendMessage');
    return sendMessage(queue, outgoingMessage(input, caller));
  },

  SendMessageBatch: async (queues, input, caller) => {
    const queue = await queueOf(queues, input, caller, 'SendMessage');
    const entries = batchEntries(input);
    const size = entries.reduce((sum, entry) => sum + messageSize({
      body: String(entry.MessageBody ?? ''),
      attributes: parseMessageAttributes(entry.MessageAttributes),
    }), 0);
    if (size > MAX_MESSAGE_BYTES) {
      throw prefixedError('BatchRequestTooLong', `Batch requests cannot be longer than ${MAX_MESSAGE_BYTES} bytes. You have sent ${size} bytes.`);
    }
    return batch(entries, (entry) => sendMessage(queue, outgoingMessage(entry, caller)));
  },

  ReceiveMessage: async (queues, input, caller) => {
    const queue = await queueOf(queues, input, caller, 'ReceiveMessage');
    const maxMessages = (input.MaxNumberOfMessages ?? 1) as number;
    if (!Number.isInteger(maxMessages) || maxMessages < 1 || maxMessages > 10) {
      throw invalidParameterValue(`Value ${maxMessages} for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if provided.`);
    }
    const messages = await queue.receive({
      maxMessages,
      visibilityTimeout: checkedSeconds('VisibilityTimeout', input.VisibilityTimeout, MAX_VISIBILITY_SECONDS),
      waitSeconds: checkedSeconds('WaitTimeSeconds', input.WaitTimeSeconds, MAX_WAIT_SECONDS),
      signal: caller.signal,
    });
    const systemNames = [...list(input.AttributeNames), ...list(input.MessageSystemAttributeNames)];
    const described = messages.map((message) => describeMessage(message, systemNames, list(input.MessageAttributeNames)));
    return { Messages: described.length > 0 ? described : undefined };
  },

  DeleteMessage: async (queues, input, caller) => {
    const queue = await queueOf(queues, input, caller, 'DeleteMessage');
    queue.delete(text(input, 'ReceiptHandle'));
    return {};
  },

  DeleteMessageBatch: async (queues, input, caller) => {
    const queue = await queueOf(queues, input, caller, 'DeleteMessage');
    return batch(batchEntries(input), (entry) => queue.delete(text(entry, 'ReceiptHandle')));
  },

  ChangeMessageVisibility: async (queues, input, caller) => {
    changeVisibility(await queueOf(queues, input, caller, 'ChangeMessageVisibility'), input);
    return {};
  },

  ChangeMessageVisibilityBatch: async (queues, input, caller) => {
    const queue = await queueOf(queues, input, caller, 'ChangeMessageVisibility');
    return batch(batchEntries(input), (entry) => changeVisibility(queue, entry));
  },

  StartMessageMoveTask: async (queues, input, caller) => {
    const sourceArn = text(input, 'SourceArn');
    // SQS moves on behalf of the caller, who needs the permissions for each side.
    for (const action of ['StartMessageMoveTask', 'ReceiveMessage', 'DeleteMessage', 'GetQueueAttributes']) {
      await caller.authorize(action, sourceArn);
    }
    const destinationArn = input.DestinationArn as string | undefined;
    const sources = queues.list().filter((queue) => queue.redrivePolicy?.deadLetterTargetArn === sourceArn).map((queue) => queue.arn);
    for (const arn of destinationArn === undefined ? sources : [destinationArn]) {
      await caller.authorize('SendMessage', arn);
    }
    queues.startMoveTask(sourceArn, destinationArn, input.MaxNumberOfMessagesPerSecond as number | undefined);
    return { TaskHandle: Buffer.from(JSON.stringify({ taskId: crypto.randomUUID(), sourceArn })).toString('base64') };
  },

  ListMessageMoveTasks: async (queues, input, caller) => {
    const sourceArn = text(input, 'SourceArn');
    await caller.authorize('ListMessageMoveTasks', sourceArn);
    return { Results: queues.moveTasks(sourceArn).slice(0, Number(input.MaxResults ?? 1)).map(describeTask) };
  },
};

async function queueOf(queues: Queues, input: JsonObject, caller: Caller, action: string): Promise<Queue> {
  const url = text(input, 'QueueUrl');
  // The question comes before the answer whether the queue exists, as in AWS.
  await caller.authorize(action, queues.arnOf(url.split('/').at(-1) ?? ''));
  return queues.byUrl(url);
}

function outgoingMessage(input: JsonObject, caller: Caller): OutgoingMessage {
  const body = text(input, 'MessageBody');
  if (!ALLOWED_TEXT.test(body)) {
    throw plainError('InvalidMessageContents', 'The message contains characters outside the allowed set: #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF.');
  }
  if (input.MessageDeduplicationId !== undefined) {
    throw invalidParameterValue(`Value ${String(input.MessageDeduplicationId)} for parameter MessageDeduplicationId is invalid. Reason: The request include parameter that is not valid for this queue type.`);
  }
  const messageGroupId = input.MessageGroupId as string | undefined;
  if (messageGroupId !== undefined && !MESSAGE_GROUP_ID.test(messageGroupId)) {
    throw invalidParameterValue(`Value ${messageGroupId} for parameter MessageGroupId is invalid. Reason: MessageGroupId can only include alphanumeric and punctuation characters. 1 to 128 in length.`);
  }
  return {
    body,
    attributes: parseMessageAttributes(input.MessageAttributes),
    systemAttributes: parseMessageAttributes(input.MessageSystemAttributes),
    messageGroupId,
    delaySeconds: checkedSeconds('DelaySeconds', input.DelaySeconds, MAX_DELAY_SECONDS),
    senderId: caller.senderId,
  };
}

function sendMessage(queue: Queue, message: OutgoingMessage): object {
  return {
    MessageId: queue.send(message).id,
    MD5OfMessageBody: md5(message.body),
    MD5OfMessageAttributes: md5OfAttributes(message.attributes ?? {}),
    MD5OfMessageSystemAttributes: md5OfAttributes(message.systemAttributes ?? {}),
  };
}

function changeVisibility(queue: Queue, input: JsonObject): void {
  const seconds = checkedSeconds('VisibilityTimeout', input.VisibilityTimeout, MAX_VISIBILITY_SECONDS);
  if (seconds === undefined) {
    throw missingParameter('VisibilityTimeout');
  }
  queue.changeVisibility(text(input, 'ReceiptHandle'), seconds);
}

function describeMessage(message: ReceivedMessage, systemNames: string[], attributeNames: string[]): object {
  const attributes = selectAttributes(message.attributes, attributeNames);
  const selected = Object.entries(systemAttributes(message)).filter(([name]) => systemNames.includes('All') || systemNames.includes(name));
  return {
    MessageId: message.id,
    ReceiptHandle: message.receiptHandle,
    MD5OfBody: md5(message.body),
    Body: message.body,
    Attributes: selected.length > 0 ? Object.fromEntries(selected) : undefined,
    MD5OfMessageAttributes: md5OfAttributes(attributes),
    MessageAttributes: Object.keys(attributes).length > 0 ? attributes : undefined,
  };
}

/** What SQS says about a received message, by the names that ReceiveMessage and Lambda's event use. */
export function systemAttributes(message: ReceivedMessage): Record<string, string> {
  const attributes: Record<string, string | undefined> = {
    SenderId: message.senderId,
    SentTimestamp: String(message.sentAt),
    ApproximateReceiveCount: String(message.receiveCount),
    ApproximateFirstReceiveTimestamp: String(message.firstReceivedAt),
    MessageGroupId: message.messageGroupId,
    AWSTraceHeader: message.systemAttributes.AWSTraceHeader?.StringValue,
    DeadLetterQueueSourceArn: message.deadLetterSourceArn,
  };
  return Object.fromEntries(Object.entries(attributes).filter((entry): entry is [string, string] => entry[1] !== undefined));
}

function describeTask(task: MessageMoveTask): object {
  return {
    Status: task.failureReason === undefined ? 'COMPLETED' : 'FAILED',
    SourceArn: task.sourceArn,
    DestinationArn: task.destinationArn,
    MaxNumberOfMessagesPerSecond: task.maxPerSecond,
    ApproximateNumberOfMessagesMoved: task.moved,
    ApproximateNumberOfMessagesToMove: task.toMove,
    FailureReason: task.failureReason,
    StartedTimestamp: task.startedAt,
  };
}

function batchEntries(input: JsonObject): JsonObject[] {
  const entries = (input.Entries ?? []) as JsonObject[];
  if (entries.length === 0) {
    throw prefixedError('EmptyBatchRequest', 'There should be at least one entry in the request.');
  }
  if (entries.length > MAX_BATCH_ENTRIES) {
    throw prefixedError('TooManyEntriesInBatchRequest', `Maximum number of entries per request are ${MAX_BATCH_ENTRIES}. You have sent ${entries.length}.`);
  }
  const ids = entries.map((entry) => text(entry, 'Id'));
  const duplicate = ids.find((id, index) => ids.indexOf(id) !== index);
  if (duplicate !== undefined) {
    throw prefixedError('BatchEntryIdsNotDistinct', `Id ${duplicate} repeated.`);
  }
  if (!ids.every((id) => BATCH_ENTRY_ID.test(id))) {
    throw prefixedError('InvalidBatchEntryId', 'A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.');
  }
  return entries;
}

/** An entry that fails does not fail the others. */
function batch(entries: JsonObject[], act: (entry: JsonObject) => object | void): object {
  const successful: object[] = [];
  const failed: object[] = [];
  for (const entry of entries) {
    try {
      successful.push({ Id: entry.Id, ...act(entry) });
    } catch (error) {
      if (!(error instanceof AwsJsonError)) {
        throw error;
      }
      failed.push({ Id: entry.Id, SenderFault: true, Code: error.queryCode, Message: error.message });
    }
  }
  return { Successful: successful, Failed: failed };
}

function text(input: JsonObject, name: string): string {
  const value = input[name];
  if (typeof value !== 'string' || value === '') {
    throw missingParameter(name);
  }
  return value;
}

function list(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}
