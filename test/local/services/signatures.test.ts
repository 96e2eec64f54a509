/** Every service of a run verifies who has signed a request, and refuses it in its own words. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CodeBuildClient, ListBuildsCommand } from '@aws-sdk/client-codebuild';
import { DynamoDBClient, ListTablesCommand } from '@aws-sdk/client-dynamodb';
import { EventBridgeClient, PutEventsCommand } from '@aws-sdk/client-eventbridge';
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { GetObjectCommand, ListBucketsCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { ListQueuesCommand, SQSClient } from '@aws-sdk/client-sqs';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { errorOf } from './s3-support';
import { startCodeBuild } from '../../../local/services/codebuild';
import { startDynamoDb } from '../../../local/services/dynamodb';
import { startEventBridge } from '../../../local/services/events/event-bridge';
import { startLambdaApi } from '../../../local/services/lambda/lambda-api';
import { startS3, type S3Service } from '../../../local/services/s3';
import { startSecretsManager } from '../../../local/services/secrets-manager';
import { AccessDeniedError, type OnCall } from '../../../local/services/service';
import { startSqs } from '../../../local/services/sqs/sqs-service';
import { presignedUrl, signedHeaders } from '../../support/signing';

const KEY = 'AKIDTEST';
const SECRET = 'secret';
const BUCKET = 'bucket';
const region = 'us-east-1';

let directory: string;
let s3: S3Service;
/** Who called. */
const callers: (string | undefined)[] = [];
const endpoints: Record<string, string> = {};
const running: { close(): Promise<void> }[] = [];

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'signatures-'));
  const onCall: OnCall = ({ accessKeyId }) => {
    callers.push(accessKeyId);
    if (accessKeyId === undefined) throw new AccessDeniedError('User: Anonymous is not authorized.');
  };
  const common = { region, accountId: '000000000000', onCall, secretOf: (id: string) => (id === KEY ? SECRET : undefined) };
  s3 = await startS3({ ...common, directory: join(directory, 's3') });
  await s3.createBucket(BUCKET);
  const services = {
    s3,
    sqs: await startSqs(common),
    dynamodb: await startDynamoDb({ ...common, directory: join(directory, 'dynamodb') }),
    events: await startEventBridge(common),
    secretsmanager: await startSecretsManager(common),
    codebuild: await startCodeBuild({ ...common, directory: join(directory, 'codebuild'), baseEnvironment: {}, onEvent: () => undefined }),
    lambda: await startLambdaApi({ ...common, functions: new Map() }),
  };
  for (const [name, service] of Object.entries(services)) {
    endpoints[name] = service.endpoint;
    running.push(service);
  }
});
beforeEach(() => callers.splice(0));
afterAll(async () => {
  await Promise.all(running.map((service) => service.close()));
  rmSync(directory, { recursive: true, force: true });
});

interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** `clockOffset`: of the client, in milliseconds. */
const config = (service: string, credentials: Credentials, clockOffset = 0) => (
  { endpoint: endpoints[service], region, credentials, maxAttempts: 1, systemClockOffset: clockOffset, forcePathStyle: true }
);

/** A call that each service answers, if only that it does not have what is asked for. */
const CALLS: Readonly<Record<string, (...of: [credentials: Credentials, clockOffset?: number]) => Promise<unknown>>> = {
  s3: (...of) => new S3Client(config('s3', ...of)).send(new ListBucketsCommand({})),
  sqs: (...of) => new SQSClient(config('sqs', ...of)).send(new ListQueuesCommand({})),
  dynamodb: (...of) => new DynamoDBClient(config('dynamodb', ...of)).send(new ListTablesCommand({})),
  events: (...of) => new EventBridgeClient(config('events', ...of)).send(new PutEventsCommand({ Entries: [{ Source: 'a', DetailType: 'b', Detail: '{}' }] })),
  secretsmanager: (...of) => new SecretsManagerClient(config('secretsmanager', ...of)).send(new GetSecretValueCommand({ SecretId: 'x' })),
  codebuild: (...of) => new CodeBuildClient(config('codebuild', ...of)).send(new ListBuildsCommand({})),
  lambda: (...of) => new LambdaClient(config('lambda', ...of)).send(new InvokeCommand({ FunctionName: `arn:aws:lambda:${region}:000000000000:function:fn`, Payload: Buffer.from('{}') })),
};

interface Words {
  readonly answer: string;
  readonly guessed: string;
  readonly unknown: string;
  readonly late: string;
}

const JSON_WORDS: Words = { answer: 'no error', guessed: '400 InvalidSignatureException', unknown: '400 UnrecognizedClientException', late: '400 InvalidSignatureException' };

describe.each<[string, Words]>([
  ['s3', { answer: 'no error', guessed: '403 SignatureDoesNotMatch', unknown: '403 InvalidAccessKeyId', late: '403 RequestTimeTooSkewed' }],
  // Its clients say the names of the older protocol.
  ['sqs', { ...JSON_WORDS, guessed: expect.stringMatching(/^400 (InvalidSignatureException|SignatureDoesNotMatch)$/), unknown: expect.stringMatching(/^400 (UnrecognizedClientException|InvalidClientTokenId)$/), late: expect.stringMatching(/^400 (InvalidSignatureException|SignatureDoesNotMatch)$/) }],
  ['dynamodb', JSON_WORDS],
  ['events', JSON_WORDS],
  ['secretsmanager', { ...JSON_WORDS, answer: '400 ResourceNotFoundException' }],
  ['codebuild', JSON_WORDS],
  ['lambda', { answer: '404 ResourceNotFoundException', guessed: '403 InvalidSignatureException', unknown: '403 UnrecognizedClientException', late: '403 InvalidSignatureException' }],
])('%s', (service, words) => {
  const call = CALLS[service];

  test('lets in who has signed with the secret of his key', async () => {
    expect(await errorOf(call({ accessKeyId: KEY, secretAccessKey: SECRET }))).toBe(words.answer);
    expect(callers).toEqual([KEY]);
  });

  test('refuses another secret, an unknown key and an old signature, before anybody is asked what the key may do', async () => {
    expect(await errorOf(call({ accessKeyId: KEY, secretAccessKey: 'guess' }))).toEqual(words.guessed);
    expect(await errorOf(call({ accessKeyId: 'AKIDNOBODY', secretAccessKey: SECRET }))).toEqual(words.unknown);
    expect(await errorOf(call({ accessKeyId: KEY, secretAccessKey: SECRET }, -20 * 60_000))).toEqual(words.late);
    expect(callers).toEqual([]);
  });

  test('asks what anybody may do for who has not signed', async () => {
    const targets: Record<string, string> = {
      sqs: 'AmazonSQS.ListQueues', dynamodb: 'DynamoDB_20120810.ListTables', codebuild: 'CodeBuild_20161006.ListBuilds', events: 'AWSEvents.PutEvents', secretsmanager: 'secretsmanager.GetSecretValue',
    };
    const path = service === 'lambda' ? '/2015-03-31/functions/fn/invocations' : '/';
    const body = service === 's3' ? undefined : JSON.stringify({ SecretId: 'x', Entries: [{}] });
    const headers: Record<string, string> = targets[service] ? { 'x-amz-target': targets[service], 'content-type': 'application/x-amz-json-1.1' } : {};
    const response = await fetch(endpoints[service] + path, { method: service === 's3' ? 'GET' : 'POST', body, headers });
    expect([400, 403]).toContain(response.status);
    expect((response.headers.get('x-amzn-errortype') ?? '') + await response.text()).toContain('AccessDenied');
    expect(callers).toEqual([undefined]);
  });
});

describe('S3', () => {
  const url = (key: string) => `${endpoints.s3}/${BUCKET}/${key}`;
  const codeOf = async (response: Response) => `${response.status} ${/<Code>(\w+)<\/Code>/.exec(await response.text())?.[1]}`;
  const client = () => new S3Client(config('s3', { accessKeyId: KEY, secretAccessKey: SECRET }));

  beforeAll(async () => {
    await client().send(new PutObjectCommand({ Bucket: BUCKET, Key: 'object', Body: 'content' }));
  });

  test('a URL that the SDK has presigned is good for what it was made for, and nothing else', async () => {
    const presigned = await getSignedUrl(client(), new GetObjectCommand({ Bucket: BUCKET, Key: 'object' }), { expiresIn: 60 });
    expect(await (await fetch(presigned)).text()).toBe('content');
    expect(await codeOf(await fetch(presigned, { method: 'PUT', body: 'forged' }))).toBe('403 SignatureDoesNotMatch');
    expect(await codeOf(await fetch(presigned.replace('/object?', '/other?')))).toBe('403 SignatureDoesNotMatch');
    expect(await codeOf(await fetch(presigned.replace('X-Amz-Expires=60', 'X-Amz-Expires=3600')))).toBe('403 SignatureDoesNotMatch');
    expect(await (await fetch(presigned)).text()).toBe('content');
  });

  test('says what is wrong with a presigned URL', async () => {
    const at = (seconds: number) => presignedUrl(url('object'), { signingDate: new Date(Date.now() + seconds * 1000) });
    const expired = await fetch(await at(-61));
    expect(expired.status).toBe(403);
    expect(await expired.text()).toMatch(/<Code>AccessDenied<\/Code><Message>Request has expired<\/Message><X-Amz-Expires>60<\/X-Amz-Expires><Expires>/);
    expect(await codeOf(await fetch(await at(600)))).toBe('403 AccessDenied');
    expect(await codeOf(await fetch(await presignedUrl(url('object'), { region: 'eu-central-1' })))).toBe('400 AuthorizationQueryParametersError');
    expect(await codeOf(await fetch(`${await at(0)}&x-id=GetObject`))).toBe('403 SignatureDoesNotMatch');
    const copied = await fetch(await presignedUrl(url('copy'), { method: 'PUT' }), { method: 'PUT', headers: { 'x-amz-copy-source': `${BUCKET}/object` } });
    expect(await copied.text()).toContain('<HeadersNotSigned>x-amz-copy-source</HeadersNotSigned>');
  });

  test('a body that is not what was signed is not stored', async () => {
    const headers = await signedHeaders(url('tampered'), { method: 'PUT', body: 'signed' });
    expect(await codeOf(await fetch(url('tampered'), { method: 'PUT', body: 'forged', headers }))).toBe('400 XAmzContentSHA256Mismatch');
    expect((await fetch(url('tampered'), { method: 'PUT', body: 'signed', headers })).status).toBe(200);
  });

  test('of signed chunks, neither content nor trailer can be exchanged', async () => {
    const headers = await signedHeaders(url('chunked'), {
      method: 'PUT',
      headers: { 'content-encoding': 'aws-chunked', 'x-amz-content-sha256': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD', 'x-amz-decoded-content-length': '9' },
    });
    const signature = '0'.repeat(64);
    const body = `9;chunk-signature=${signature}\r\n123456789\r\n0;chunk-signature=${signature}\r\n\r\n`;
    expect(await codeOf(await fetch(url('chunked'), { method: 'PUT', body, headers }))).toBe('403 SignatureDoesNotMatch');
    expect((await fetch(await presignedUrl(url('chunked')))).status).toBe(404);
  });
});
