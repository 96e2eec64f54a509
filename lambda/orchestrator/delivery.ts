import { ChangeMessageVisibilityCommand, SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import type { SQSRecord } from 'aws-lambda';
import { REQUEUE_ATTRIBUTES, WAKE_ATTRIBUTE } from '../../src/contract/build-request';
import { logger } from '../shared/logger';

/** Thrown for a failure that has been dealt with: the message stays in the queue, with the visibility it was given. */
export class HandledFailure extends Error {}

/** One message, as SQS delivered it to this invocation. */
export class Delivery {
  /** A hint that it is this request's turn: its waiting message is still in the queue. */
  public readonly isHint: boolean;
  public readonly receiveCount: number;
  /** In milliseconds since 1970. A message that a redrive put back was sent by that redrive. */
  public readonly sentAt: number;
  /** How often the request was put back. */
  public requeues: number;
  /** `createdAt` of the record, if the request was put back to wait: its deployment was in the list of those that are open. */
  public readonly createdAt?: string;
  private firstSentAt: number;

  constructor(private readonly message: SQSRecord, private readonly sqs: SQSClient, private readonly queueUrl: string) {
    this.isHint = this.attribute(WAKE_ATTRIBUTE) !== undefined;
    this.receiveCount = Number(message.attributes.ApproximateReceiveCount);
    this.sentAt = Number(message.attributes.SentTimestamp);
    this.requeues = this.number(REQUEUE_ATTRIBUTES.requeues, 0);
    this.createdAt = this.attribute(REQUEUE_ATTRIBUTES.createdAt);
    // Never later than this message was sent, or it could wait for ever.
    this.firstSentAt = Math.min(this.number(REQUEUE_ATTRIBUTES.firstSentAt, this.sentAt), this.sentAt);
  }

  public get body(): string {
    return this.message.body;
  }

  /** Since the request was first sent, however often it was put back. */
  public waitedSeconds(now: number): number {
    return (now - this.firstSentAt) / 1000;
  }

  /** A redriven message still says how long it had waited before its deployment failed. That is over. */
  public beginAnew(): void {
    this.requeues = 0;
    this.firstSentAt = this.sentAt;
  }

  /**
   * Puts a copy back, which no receive is used up for; returning from the handler then deletes this message. Should that fail, both are
   * delivered, and the claim lets one of them start the build.
   */
  public async putBack(createdAt: string | undefined, delaySeconds: number): Promise<void> {
    const attributes: Partial<Record<keyof typeof REQUEUE_ATTRIBUTES, [string, string]>> = {
      requeues: ['Number', String(this.requeues + 1)],
      firstSentAt: ['Number', String(this.firstSentAt)],
      ...(createdAt === undefined ? {} : { createdAt: ['String', createdAt] }),
    };
    await this.sqs.send(new SendMessageCommand({
      QueueUrl: this.queueUrl,
      MessageBody: this.message.body,
      MessageGroupId: this.message.attributes.MessageGroupId,
      DelaySeconds: delaySeconds,
      MessageAttributes: Object.fromEntries(Object.entries(attributes).map(([name, [DataType, StringValue]]) => [name, { DataType, StringValue }])),
    }));
  }

  /** When this message comes back, if the handler does not return. */
  public async comeBackAfter(seconds: number): Promise<void> {
    try {
      await this.sqs.send(new ChangeMessageVisibilityCommand({
        QueueUrl: this.queueUrl, ReceiptHandle: this.message.receiptHandle, VisibilityTimeout: seconds,
      }));
    } catch (error) {
      // Then the queue's own visibility timeout decides when the message comes back: later, but not lost.
      logger.warn('Visibility of the message was not changed', { error: error as Error });
    }
  }

  /** What this function wrote onto a copy of a request; a producer has no reason to, and cannot harm anybody else with it. */
  private attribute(name: string): string | undefined {
    return this.message.messageAttributes[name]?.stringValue;
  }

  private number(name: string, otherwise: number): number {
    const value = this.attribute(name) ?? '';
    // Whole, and exact: SQS does not take back every number that JavaScript can write.
    return /^\d{1,15}$/.test(value) ? Number(value) : otherwise;
  }
}
