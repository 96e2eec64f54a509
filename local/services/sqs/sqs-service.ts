/**
 * Amazon SQS on 127.0.0.1: standard queues over the AWS JSON 1.0 protocol, as the AWS SDKs and the AWS CLI speak it.
 * Queue URLs carry this endpoint, because SDK clients send to the host in the queue URL.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { AwsJsonError, serveAwsJson, type AwsJsonProtocol, type JsonObject } from '../aws-json';
import { listen, type Listener, type OnCall } from '../service';
import type { SecretOf } from '../sigv4';
import { ACTIONS } from './actions';
import type { Queue } from './queue';
import { MAX_MESSAGE_BYTES, type QueueAttributes } from './queue-attributes';
import { Queues } from './queues';

export interface SqsOptions {
  readonly accountId?: string;
  readonly region?: string;
  readonly onCall?: OnCall;
  readonly secretOf?: SecretOf;
  /** Milliseconds since 1970, by default the real time. After setting a virtual clock forward, call `wake()`. */
  readonly now?: () => number;
}

export interface SqsService {
  readonly endpoint: string;
  /** Returns the queue's URL. A dead-letter queue has to exist before the queue that names it. */
  createQueue(name: string, attributes?: QueueAttributes): string;
  /** The queue itself, for the event source mapping and for tests: no HTTP, no authorisation. */
  queue(nameUrlOrArn: string): Queue;
  /** Makes long polls look at the clock again. */
  wake(): void;
  close(): Promise<void>;
}

const PROTOCOL: AwsJsonProtocol = {
  targetPrefix: 'AmazonSQS',
  version: '1.0',
  // JSON can write one byte as six (\u0001), and a batch has ten envelopes.
  bodyLimit: 8 * MAX_MESSAGE_BYTES,
};

export async function startSqs(options: SqsOptions = {}): Promise<SqsService> {
  const { accountId = '000000000000', region = 'us-east-1', secretOf } = options;
  const protocol: AwsJsonProtocol = { ...PROTOCOL, authentication: { service: 'sqs', region, secretOf } };
  const open = new Set<AbortController>();
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const hangUp = new AbortController();
    open.add(hangUp);
    response.once('close', () => {
      hangUp.abort();
      open.delete(hangUp);
    });
    await serveAwsJson(protocol, request, response, async (operation: string, input: JsonObject, accessKeyId?: string) => {
      const action = Object.hasOwn(ACTIONS, operation) ? ACTIONS[operation] : undefined;
      if (action === undefined) {
        throw new AwsJsonError('com.amazon.coral.service#UnknownOperationException', `The local SQS does not support ${operation}.`, 'InvalidAction');
      }
      return action(queues, input, {
        senderId: accessKeyId ?? accountId,
        authorize: async (name, resource) => options.onCall?.({ service: 'sqs', action: `sqs:${name}`, resource, accessKeyId }),
        signal: hangUp.signal,
      });
    });
  };
  const listener: Listener = await listen(serve);
  const queues = new Queues({
    accountId,
    region,
    endpoint: listener.endpoint,
    now: options.now ?? Date.now,
  });
  return {
    endpoint: listener.endpoint,
    createQueue: (name, attributes) => queues.create(name, attributes).url,
    queue: (id) => (id.startsWith('arn:') ? queues.byArn(id) : undefined) ?? (id.includes('/') ? queues.byUrl(id) : queues.get(id)),
    wake: () => queues.list().forEach((queue) => queue.wake()),
    close: async () => {
      open.forEach((request) => request.abort());
      await listener.close();
    },
  };
}
