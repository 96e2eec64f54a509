/** The local SQS and EventBridge as the AWS CLI sees them. */
import { execFile, spawnSync } from 'node:child_process';
import { devNull } from 'node:os';
import { promisify } from 'node:util';
import { startEventBridge, type EventBridge } from '../../../local/services/events/event-bridge';
import { startSqs, type SqsService } from '../../../local/services/sqs/sqs-service';

/** Why the CLI cannot be used, or undefined. Runs before any server does, so it may block. */
function whyNoCli(): string | undefined {
  const version = /^aws-cli\/(\d+)\.(\d+)\.(\d+)/.exec(spawnSync('aws', ['--version'], { encoding: 'utf8', timeout: 30_000 }).stdout ?? '');
  if (version === null) {
    return 'there is no aws on PATH';
  }
  const [major, minor, patch] = version.slice(1).map(Number);
  // The first versions that speak the JSON protocol to SQS, of November 2023.
  const [firstMinor, firstPatch] = major === 1 ? [29, 81] : [13, 33];
  return minor > firstMinor || (minor === firstMinor && patch >= firstPatch) ? undefined : `${version[0]} speaks the older query protocol to SQS`;
}

const reason = whyNoCli();
const describeWithCli = reason === undefined ? describe : describe.skip;

const SECRET = 'secret';
const secretOf = () => SECRET;

describeWithCli(reason === undefined ? 'the AWS CLI' : `the AWS CLI (skipped: ${reason})`, () => {
  let sqs: SqsService;
  let bridge: EventBridge;

  beforeAll(async () => {
    sqs = await startSqs({ secretOf });
    bridge = await startEventBridge({ secretOf });
  });

  afterAll(async () => {
    await sqs.close();
    await bridge.close();
  });

  /** With nothing of the user's own configuration, so that it cannot reach AWS. */
  async function aws(endpoint: string, ...args: string[]): Promise<Record<string, unknown>> {
    const { stdout } = await promisify(execFile)('aws', ['--endpoint-url', endpoint, '--output', 'json', ...args], {
      timeout: 30_000,
      env: {
        PATH: process.env.PATH,
        HOME: process.env.HOME,
        AWS_ACCESS_KEY_ID: 'AKIDTEST',
        AWS_SECRET_ACCESS_KEY: SECRET,
        AWS_DEFAULT_REGION: 'us-east-1',
        AWS_CONFIG_FILE: devNull,
        AWS_SHARED_CREDENTIALS_FILE: devNull,
        AWS_EC2_METADATA_DISABLED: 'true',
      },
    });
    return JSON.parse(stdout || '{}') as Record<string, unknown>;
  }

  it('sends, receives and deletes a message', async () => {
    const queue = ['--queue-url', sqs.createQueue('cli')];
    await aws(sqs.endpoint, 'sqs', 'send-message', ...queue, '--message-body', 'hällo', '--message-group-id', 'project-1',
      '--message-attributes', '{"kind":{"DataType":"String","StringValue":"build"}}');
    const received = await aws(sqs.endpoint, 'sqs', 'receive-message', ...queue, '--wait-time-seconds', '5',
      '--message-system-attribute-names', 'All', '--message-attribute-names', 'All');
    const [message] = received.Messages as Array<Record<string, string>>;
    expect(message).toMatchObject({
      Body: 'hällo',
      Attributes: { MessageGroupId: 'project-1', ApproximateReceiveCount: '1', SenderId: 'AKIDTEST' },
      MessageAttributes: { kind: { StringValue: 'build', DataType: 'String' } },
    });
    await aws(sqs.endpoint, 'sqs', 'delete-message', ...queue, '--receipt-handle', message.ReceiptHandle);
    const { Attributes } = await aws(sqs.endpoint, 'sqs', 'get-queue-attributes', ...queue, '--attribute-names', 'All');
    expect(Attributes).toMatchObject({ ApproximateNumberOfMessages: '0', ApproximateNumberOfMessagesNotVisible: '0' });
  });

  it('shows an error of SQS with its code', async () => {
    await expect(aws(sqs.endpoint, 'sqs', 'get-queue-url', '--queue-name', 'none')).rejects.toMatchObject({
      stderr: expect.stringContaining('(AWS.SimpleQueueService.NonExistentQueue) when calling the GetQueueUrl operation: The specified queue does not exist.'),
    });
  });

  it('redrives a dead-letter queue', async () => {
    sqs.createQueue('dead');
    sqs.createQueue('jobs', { VisibilityTimeout: 0, RedrivePolicy: { deadLetterTargetArn: sqs.queue('dead').arn, maxReceiveCount: 1 } });
    sqs.queue('jobs').send({ body: 'poison', senderId: 'tester' });
    await sqs.queue('jobs').receive();
    await sqs.queue('jobs').receive();
    await aws(sqs.endpoint, 'sqs', 'start-message-move-task', '--source-arn', sqs.queue('dead').arn);
    expect(await sqs.queue('jobs').receive()).toMatchObject([{ body: 'poison' }]);
  });

  it('puts an event', async () => {
    const received: unknown[] = [];
    bridge.addRule({ name: 'rule', pattern: { source: ['app'] }, targets: [{ id: 'target', deliver: async (event) => void received.push(event) }] });
    const result = await aws(bridge.endpoint, 'events', 'put-events', '--entries', '[{"Source":"app","DetailType":"Done","Detail":"{\\"n\\":1}"}]');
    await bridge.settled();
    expect(result).toMatchObject({ FailedEntryCount: 0 });
    expect(received).toMatchObject([{ 'source': 'app', 'detail-type': 'Done', 'detail': { n: 1 } }]);
  });
});
