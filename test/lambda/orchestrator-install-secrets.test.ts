/** With `installSecretsPrefix`: a project's own secret goes into its builds' handovers, and nowhere else. */
import { StartBuildCommand } from '@aws-sdk/client-codebuild';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import {
  GetSecretValueCommand, InvalidRequestException, SecretsManagerClient,
  type SecretsManagerClientResolvedConfig, type ServiceInputTypes, type ServiceOutputTypes,
} from '@aws-sdk/client-secrets-manager';
import { type AwsStub, mockClient } from 'aws-sdk-client-mock';
import { orchestrator } from './orchestrator-support';
import { startSecretsManager, type SecretsManager } from '../../local/services/secrets-manager';
import type { Handover } from '../../src/contract/handover';

const PREFIX = 'builds/install/';

let secretsManager: SecretsManager;

// Before the handler is loaded, which looks for it then.
beforeAll(async () => {
  secretsManager = await startSecretsManager({ accountId: '111122223333', region: 'eu-central-1' });
  process.env.AWS_ENDPOINT_URL_SECRETS_MANAGER = secretsManager.endpoint;
});

afterAll(() => secretsManager.close());

const pipeline = orchestrator({ installSecretsPrefix: PREFIX });
const { codeBuild, s3 } = pipeline;

const secret = (value: unknown) => secretsManager.putSecret(PREFIX + pipeline.request.projectId, typeof value === 'string' ? value : JSON.stringify(value));
const start = (receives = 1) => pipeline.receive(pipeline.message(pipeline.request, receives));
const handover = () => JSON.parse(s3.commandCalls(PutObjectCommand).at(-1)!.args[0].input.Body as string) as Handover;

test('the variables of the project\'s secret are handed over to its build', async () => {
  secret({ NPM_TOKEN: 'npm_s3cret', OTHER: 'it\'s "quoted"\n' });
  expect(await start()).toEqual([]);
  expect(handover().installEnvironment).toEqual({ NPM_TOKEN: 'npm_s3cret', OTHER: 'it\'s "quoted"\n' });
  expect(handover().cache.dependencies!.urls).toHaveLength(1);
});

test('no secret stands in the build\'s environment, in the record or in an event', async () => {
  secret({ NPM_TOKEN: 'npm_s3cret' });
  await start();
  expect(JSON.stringify(codeBuild.mock.commandCalls(StartBuildCommand).map(({ args }) => args[0].input))).not.toContain('s3cret');
  expect(JSON.stringify(pipeline.eventBridge.calls().map(({ args }) => args[0].input))).not.toContain('s3cret');
  expect(JSON.stringify(await pipeline.record())).not.toContain('s3cret');
});

test('another project\'s secret is not', async () => {
  secretsManager.putSecret(`${PREFIX}${pipeline.request.projectId}-admin`, '{"NPM_TOKEN":"another"}');
  expect(await start()).toEqual([]);
  expect(handover()).not.toHaveProperty('installEnvironment');
  expect(await pipeline.status()).toBe('building');
});

test.each([
  ['s3cret', 'is not JSON'],
  ['"s3cret"', 'is not a JSON object'],
  [['s3cret'], 'is not a JSON object'],
  [{ NPM_TOKEN: ['s3cret'] }, 'has a variable "NPM_TOKEN" that is not a string'],
  [{ 'npm-token': 's3cret' }, '"npm-token" that is not a name that a shell can export'],
  [{ NODE_OPTIONS: 's3cret' }, '"NODE_OPTIONS" that is reserved'],
  [{ TOKEN: 's3cret\0' }, '"TOKEN" that has a NUL character'],
])('a secret %j fails the deployment and says why, without a word of its value', async (value, why) => {
  secret(value);
  expect(await start()).toEqual(['message-1']);
  const { status, failureCode, failureMessage } = (await pipeline.record())!;
  expect({ status, failureCode }).toEqual({ status: 'failed', failureCode: 'INVALID_INSTALL_SECRETS' });
  expect(failureMessage).toContain(`The secret ${PREFIX}${pipeline.request.projectId}`);
  expect(failureMessage).toContain(why);
  expect(JSON.stringify(pipeline.announced) + failureMessage).not.toContain('s3cret');
  expect(codeBuild.builds).toEqual([]);
});

test('without its handover a build that needs secrets is not started: the request comes again', async () => {
  secret({ NPM_TOKEN: 'npm_s3cret' });
  s3.on(PutObjectCommand).rejects(Object.assign(new Error('Access Denied'), { name: 'AccessDenied', $fault: 'client', $metadata: { httpStatusCode: 403 } }));
  expect(await start()).toEqual(['message-1']);
  expect(codeBuild.builds).toEqual([]);
  expect(await pipeline.status()).toBe('queued');
});

describe('when Secrets Manager', () => {
  let mock: AwsStub<ServiceInputTypes, ServiceOutputTypes, SecretsManagerClientResolvedConfig>;
  beforeEach(() => { mock = mockClient(SecretsManagerClient); });
  afterEach(() => mock.restore());

  test('does not answer, the request comes again', async () => {
    mock.on(GetSecretValueCommand).rejects(Object.assign(new Error('Rate exceeded'), { name: 'ThrottlingException', $fault: 'client', $metadata: { httpStatusCode: 400 } }));
    expect(await start()).toEqual(['message-1']);
    expect(codeBuild.builds).toEqual([]);
    expect(await pipeline.status()).toBe('queued');
  });

  test('says that the secret is marked for deletion, the project has none', async () => {
    mock.on(GetSecretValueCommand).rejects(new InvalidRequestException({ message: 'marked for deletion', $metadata: { httpStatusCode: 400 } }));
    expect(await start()).toEqual([]);
    expect(handover()).not.toHaveProperty('installEnvironment');
  });
});
