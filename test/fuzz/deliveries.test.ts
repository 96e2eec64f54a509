/** What comes with a message: attributes that only the orchestrator has a reason to set, and that anybody may send who may send at all. */
import { SendMessageCommand, SendMessageCommandInput, SQSClient } from '@aws-sdk/client-sqs';
import type { SQSMessageAttribute, SQSRecord } from 'aws-lambda';
import { mockClient } from 'aws-sdk-client-mock';
import * as fc from 'fast-check';
import { inputs } from './fuzzing';
import { text } from './hostile';
import { Delivery } from '../../lambda/orchestrator/delivery';
import { decideWait } from '../../lambda/orchestrator/start-failure';
import { REQUEUE_ATTRIBUTES } from '../../src/contract/build-request';

const RETENTION_SECONDS = 14 * 24 * 3600;
const NOW = Date.parse('2026-11-22T12:00:00.000Z');

const value = fc.oneof(text, fc.constantFrom('0', '3', '1e309', '-1', '0.5', '1e300', '0x10', ' 7 ', '-0', '9'.repeat(38), String(NOW), String(NOW * 10)), fc.double().map(String));
const attributes = fc.dictionary(fc.constantFrom(...Object.values(REQUEUE_ATTRIBUTES), 'wake'), value, { noNullPrototype: true });

function delivery(given: Record<string, string>, client: SQSClient): Delivery {
  const messageAttributes = Object.fromEntries(Object.entries(given).map(([name, stringValue]) => [name, { stringValue, dataType: 'String' } as SQSMessageAttribute]));
  const message = { body: '{}', receiptHandle: 'handle', attributes: { ApproximateReceiveCount: '1', SentTimestamp: String(NOW - 1000), MessageGroupId: 'p' }, messageAttributes };
  return new Delivery(message as unknown as SQSRecord, client, 'https://queue');
}

test('whatever they say, a request waits for as long as SQS can make it wait, or fails; and is put back with attributes that SQS takes', async () => {
  const sqs = mockClient(SQSClient);
  const sent: SendMessageCommandInput[] = [];
  sqs.on(SendMessageCommand).callsFake((input: SendMessageCommandInput) => sent.push(input) && {});
  const client = new SQSClient({ region: 'eu-central-1' });
  await fc.assert(fc.asyncProperty(attributes, fc.double({ min: 0, max: 1, noNaN: true }), async (given, random) => {
    const one = delivery(given, client);
    const decision = decideWait({ requeues: one.requeues, waitedSeconds: one.waitedSeconds(NOW), retentionSeconds: RETENTION_SECONDS }, () => random);
    expect(one.waitedSeconds(NOW)).toBeGreaterThanOrEqual(1);
    if (decision.action === 'fail') return;
    expect(Number.isInteger(decision.delaySeconds) && decision.delaySeconds >= 0 && decision.delaySeconds <= 900).toBe(true);
    sent.length = 0;
    sqs.resetHistory();
    await one.putBack(one.createdAt, decision.delaySeconds);
    for (const { DataType, StringValue } of Object.values(sent[0].MessageAttributes!)) {
      if (DataType === 'Number') expect(StringValue).toMatch(/^\d{1,16}$/);
    }
  }), inputs());
  sqs.restore();
});
