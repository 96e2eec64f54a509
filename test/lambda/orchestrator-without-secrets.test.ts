/** `withoutSecrets`: code of strangers is built without anything that they must not have, and leaves nothing to those who have it. */
import { BatchGetProjectsCommand, StartBuildCommand } from '@aws-sdk/client-codebuild';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { orchestrator } from './orchestrator-support';
import { startSecretsManager, type SecretsManager } from '../../local/services/secrets-manager';
import type { BuildRequest } from '../../src/contract/build-request';
import { CACHE_LAYERS } from '../../src/contract/cache';
import { HANDOVER_ENV } from '../../src/contract/environment';
import type { Handover } from '../../src/contract/handover';
import { cacheKey } from '../../src/contract/keys';

const PREFIX = 'builds/install/';
const PULL_REQUEST = { branch: 'pull/7/head', defaultBranch: 'main', withoutSecrets: true };

let secretsManager: SecretsManager;

// Before the handler is loaded, which looks for it then.
beforeAll(async () => {
  secretsManager = await startSecretsManager({ accountId: '111122223333', region: 'eu-central-1' });
  process.env.AWS_ENDPOINT_URL_SECRETS_MANAGER = secretsManager.endpoint;
});
afterAll(() => secretsManager.close());

const pipeline = orchestrator({ installSecretsPrefix: PREFIX });
const { codeBuild, s3 } = pipeline;

beforeEach(() => secretsManager.putSecret(PREFIX + pipeline.request.projectId, JSON.stringify({ NPM_TOKEN: 'npm_s3cret' })));

const receive = (change: Partial<BuildRequest>) => pipeline.receive(pipeline.message({ ...pipeline.request, ...change }));
const handover = () => JSON.parse(s3.commandCalls(PutObjectCommand).at(-1)!.args[0].input.Body as string) as Handover;
const restored = () => Object.values(handover().cache).flatMap(({ urls }) => urls).map((url) => decodeURIComponent(new URL(url).pathname).replace(/^.*\/(?=cache\/)/, ''));
const keysOf = (owner: string) => CACHE_LAYERS.map((layer) => cacheKey(pipeline.request.projectId, owner, layer));

async function inputs(change: Partial<BuildRequest>): Promise<string | undefined> {
  await receive(change);
  const [{ input }] = codeBuild.mock.commandCalls(StartBuildCommand).at(-1)!.args;
  return input.environmentVariablesOverride!.find(({ name }) => name === HANDOVER_ENV.inputs)?.value;
}

test('its install gets no secret, and the record and its events say so', async () => {
  expect(await receive(PULL_REQUEST)).toEqual([]);
  expect(handover()).not.toHaveProperty('installEnvironment');
  expect(await pipeline.record()).toMatchObject({ status: 'building', withoutSecrets: true });
  expect(pipeline.announced.map(({ withoutSecrets }) => withoutSecrets)).toEqual([true, true]);
});

test('a request without the field gets them, and so does one that says false', async () => {
  for (const change of [{}, { withoutSecrets: false, ...pipeline.another('b') }]) {
    await receive(change);
    expect(handover().installEnvironment).toEqual({ NPM_TOKEN: 'npm_s3cret' });
  }
});

test('a broken secret is nothing to it', async () => {
  secretsManager.putSecret(PREFIX + pipeline.request.projectId, 'not JSON');
  expect(await receive(PULL_REQUEST)).toEqual([]);
  expect(await pipeline.status()).toBe('building');
});

test('it restores no cache of the default branch, not even as that branch, and none of a branch of its own name', async () => {
  await receive(PULL_REQUEST);
  const ofPullRequest = restored();
  expect(ofPullRequest).toHaveLength(CACHE_LAYERS.length);
  for (const key of ofPullRequest) expect([...keysOf('main'), ...keysOf('pull/7/head')]).not.toContain(key);

  await receive({ ...pipeline.another('as-main'), branch: 'main', withoutSecrets: true });
  for (const key of restored()) expect([...keysOf('main'), ...ofPullRequest]).not.toContain(key);
});

test('and a branch of its name, which may well be there, restores its own and the default branch\'s, and nothing of the pull request\'s', async () => {
  await receive({ ...PULL_REQUEST, withoutSecrets: undefined });
  expect(new Set(restored())).toEqual(new Set([...keysOf('pull/7/head'), ...keysOf('main')]));
});

test('a variable for the app\'s build would be for strangers: the request is refused', async () => {
  expect(await receive({ ...PULL_REQUEST, buildEnvironment: { CMS_TOKEN: 's3cret' } })).toEqual(['message-1']);
  const record = await pipeline.record();
  expect(record).toMatchObject({ status: 'failed', failureCode: 'INVALID_REQUEST', withoutSecrets: true });
  expect(record!.failureMessage).toContain('buildEnvironment cannot be combined with withoutSecrets');
  expect(JSON.stringify(record)).not.toContain('s3cret');
  expect(codeBuild.startCalls).toBe(0);
});

test('what it is built from differs: neither takes the other\'s artifacts for its own', async () => {
  const trusted = await inputs({ ...pipeline.another('1'), branch: 'a' });
  const untrusted = await inputs({ ...pipeline.another('2'), branch: 'a', withoutSecrets: true });
  const saysNo = await inputs({ ...pipeline.another('3'), branch: 'a', withoutSecrets: false });
  expect(codeBuild.mock.commandCalls(BatchGetProjectsCommand).length).toBeGreaterThan(0);
  expect(trusted).toMatch(/^[0-9a-f]{64}$/);
  expect(untrusted).toMatch(/^[0-9a-f]{64}$/);
  expect(untrusted).not.toBe(trusted);
  expect(saysNo).toBe(trusted);
});

test('who waits is called without secrets, too', async () => {
  codeBuild.failNext('before', Object.assign(new Error('full'), { name: 'AccountLimitExceededException', $metadata: { httpStatusCode: 400 } }));
  await receive(PULL_REQUEST);
  expect(JSON.parse(pipeline.copies[0].MessageBody!)).toMatchObject({ withoutSecrets: true });
  await pipeline.receive(pipeline.hint({ ...pipeline.request, ...PULL_REQUEST }));
  expect(handover()).not.toHaveProperty('installEnvironment');
});
