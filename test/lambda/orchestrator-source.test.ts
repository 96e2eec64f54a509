/** With source providers: the source of a private repository is fetched while its build is started, and handed over to that build alone. */
import { StartBuildCommand } from '@aws-sdk/client-codebuild';
import { InvokeCommand, LambdaClient, ServiceException } from '@aws-sdk/client-lambda';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { mockClient } from 'aws-sdk-client-mock';
import { BUCKET, orchestrator, waitForClaim } from './orchestrator-support';
import type { BuildRequest } from '../../src/contract/build-request';
import { HANDOVER_ENV } from '../../src/contract/environment';
import type { Handover } from '../../src/contract/handover';
import { sourceKeys } from '../../src/contract/keys';
import type { SourceRequest } from '../../src/contract/source';
import { answered, unanswered } from '../support/codebuild';

const pipeline = orchestrator({ sourceFetcherFunction: 'source-fetcher', sourceHosts: 'github.com,gitlab.example.com:8443' });
const { codeBuild, s3 } = pipeline;
const lambda = mockClient(LambdaClient);

beforeEach(() => {
  lambda.reset();
  lambda.on(InvokeCommand).resolves({ StatusCode: 202 });
});

const start = (change: Partial<BuildRequest> = {}, receives = 1) => pipeline.receive(pipeline.message({ ...pipeline.request, ...change }, receives));
const calls = () => lambda.commandCalls(InvokeCommand).map(({ args: [{ input }] }) => input);
const requests = () => calls().map(({ Payload }) => JSON.parse(String(Payload)) as SourceRequest);
const handover = () => JSON.parse(s3.commandCalls(PutObjectCommand).at(-1)!.args[0].input.Body as string) as Handover;
const environment = () => {
  const { environmentVariablesOverride = [] } = codeBuild.mock.commandCalls(StartBuildCommand).at(-1)!.args[0].input;
  return Object.fromEntries(environmentVariablesOverride.map(({ name, value }) => [name!, value]));
};
/** What a presigned URL is good for. */
const object = (url: string) => decodeURIComponent(new URL(url).pathname).replace(new RegExp(`^/(${BUCKET}/)?`), '');

test('the fetcher is called, without waiting for it, and the build is told where its answer will lie', async () => {
  expect(await start()).toEqual([]);
  expect(calls()).toEqual([expect.objectContaining({ FunctionName: 'source-fetcher', InvocationType: 'Event' })]);
  const { deploymentId, commitSha, repoUrl } = pipeline.request;
  const [request] = requests();
  expect(request).toEqual({ deploymentId, commitSha, repoUrl, attempt: expect.stringMatching(/^[0-9a-f-]{36}$/) });
  const { packUrl, statusUrl, waitSeconds } = handover().source!;
  expect({ pack: object(packUrl), status: object(statusUrl) }).toEqual(sourceKeys(request));
  expect(sourceKeys(request).pack).toBe(`staging/source/${deploymentId}/${request.attempt}.pack`);
  expect(waitSeconds).toBe(660);
  expect(environment()[HANDOVER_ENV.source]).toBe('handover');
  expect(await pipeline.status()).toBe('building');
});

test.each([
  ['https://elsewhere.example/acme/shop.git', 0], ['https://GitHub.com/acme/shop.git', 1], ['https://github.com:443/acme/shop.git', 1], ['https://github.com:8443/acme/shop.git', 0],
  ['https://gitlab.example.com:8443/acme/shop.git', 1], ['https://gitlab.example.com/acme/shop.git', 0], ['https://github.com.elsewhere.example/acme/shop.git', 0],
])('%s is fetched %i times', async (repoUrl, times) => {
  expect(await start({ repoUrl })).toEqual([]);
  expect(requests()).toHaveLength(times);
  expect('source' in handover()).toBe(times === 1);
  expect(HANDOVER_ENV.source in environment()).toBe(times === 1);
});

test('if Lambda does not take the call, no build is started that would wait for nothing: the request comes again', async () => {
  lambda.on(InvokeCommand).rejects(new ServiceException({ message: 'Rate exceeded', $metadata: { httpStatusCode: 429 } }));
  expect(await start()).toEqual(['message-1']);
  expect(codeBuild.builds).toEqual([]);
  expect(await pipeline.status()).toBe('queued');
});

test('without its handover the build is not started either', async () => {
  s3.on(PutObjectCommand).rejects(Object.assign(new Error('Access Denied'), { name: 'AccessDenied', $fault: 'client', $metadata: { httpStatusCode: 403 } }));
  expect(await start()).toEqual(['message-1']);
  expect(codeBuild.builds).toEqual([]);
});

test('a build that has to be started once more waits for a fetch of its own, not for what an earlier one says', async () => {
  codeBuild.failNext('before', answered('InvalidInputException'));
  expect(await start()).toEqual(['message-1']);
  expect(await start({}, 2)).toEqual([]);
  const [first, second] = requests();
  expect(second.attempt).not.toBe(first.attempt);
  expect(object(handover().source!.statusUrl)).toBe(sourceKeys(second).status);
});

test('a build whose start was not answered has its source on the way all the same, for that was asked for first', async () => {
  codeBuild.failNext('after', unanswered());
  expect(await start()).toEqual(['message-1']);
  waitForClaim();
  expect(await start({}, 2)).toEqual([]);
  expect(await pipeline.status()).toBe('building');
  expect(requests()).toHaveLength(1);
  expect(object(handover().source!.statusUrl)).toBe(sourceKeys(requests()[0]).status);
});

test('while CodeBuild is known to be full, nothing is fetched for those who wait', async () => {
  codeBuild.failNext('before', answered('AccountLimitExceededException'));
  await start();
  expect(requests()).toHaveLength(1);
  await start();
  expect(await pipeline.record()).toMatchObject({ status: 'queued', waitingReason: 'ACCOUNT_CAPACITY' });
  expect(requests()).toHaveLength(1);
});
