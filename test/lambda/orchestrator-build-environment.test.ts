/** A request's `buildEnvironment` reaches its build by the handover, however long the request has waited, and stands nowhere else. */
import { GetObjectCommand, NoSuchKey, PutObjectCommand } from '@aws-sdk/client-s3';
import { orchestrator } from './orchestrator-support';
import type { BuildRequest } from '../../src/contract/build-request';
import type { Handover } from '../../src/contract/handover';
import { buildEnvironmentKey, handoverKey } from '../../src/contract/keys';
import { advanceClock } from '../support/clock';
import { answered } from '../support/codebuild';

const pipeline = orchestrator();
const { codeBuild, s3 } = pipeline;

const BUILD_ENVIRONMENT = { DATABASE_URL: 'postgres://s3cret', NEXT_PUBLIC_NAME: 'it\'s\n"quoted"' };
const objects = new Map<string, string>();

let request: BuildRequest;

beforeEach(() => {
  objects.clear();
  s3.on(PutObjectCommand).callsFake(({ Body, Key }) => { objects.set(Key, Body); return {}; });
  s3.on(GetObjectCommand).callsFake(({ Key }) => {
    const text = objects.get(Key);
    if (text === undefined) throw new NoSuchKey({ message: 'no such key', $metadata: {} });
    return { Body: { transformToString: async () => text } };
  });
  request = { ...pipeline.request, buildEnvironment: BUILD_ENVIRONMENT };
});

const handover = () => JSON.parse(objects.get(handoverKey(request.deploymentId))!) as Handover;
const noCapacity = () => codeBuild.failNext('before', answered('AccountLimitExceededException'));

/** The request waits, and its turn comes by a hint, which knows what the record knows. */
async function waitAndBeCalled(): Promise<string[]> {
  noCapacity();
  await pipeline.receive(pipeline.message(request));
  advanceClock(300);
  const { buildEnvironment, ...known } = request;
  return pipeline.receive(pipeline.hint(known));
}

test('it is handed over to the build', async () => {
  expect(await pipeline.receive(pipeline.message(request))).toEqual([]);
  expect(handover().buildEnvironment).toEqual(BUILD_ENVIRONMENT);
  expect([...objects.keys()]).toEqual([handoverKey(request.deploymentId)]);
});

test('it stands in no record, event or variable of the build, and in no copy but the message\'s own', async () => {
  noCapacity();
  await pipeline.receive(pipeline.message(request));
  expect(JSON.stringify(pipeline.copies)).toContain('s3cret');
  advanceClock(300);
  await pipeline.receive(pipeline.delivered(pipeline.copies[0]));
  expect(await pipeline.record()).toMatchObject({ status: 'building', hasBuildEnvironment: true });
  expect(JSON.stringify([await pipeline.record(), await pipeline.open(), pipeline.announced, codeBuild.builds, pipeline.hints])).not.toContain('s3cret');
});

test('a request that waited and is called has it, too', async () => {
  expect(await waitAndBeCalled()).toEqual([]);
  expect(await pipeline.status()).toBe('building');
  expect(handover().buildEnvironment).toEqual(BUILD_ENVIRONMENT);
});

test('when it is gone, the one who is called goes on waiting for the message that has it', async () => {
  s3.on(GetObjectCommand).rejects(Object.assign(new Error('Access Denied'), { name: 'AccessDenied' }));
  expect(await waitAndBeCalled()).toEqual([]);
  expect([await pipeline.status(), codeBuild.builds]).toEqual(['queued', []]);
  expect(await pipeline.receive(pipeline.delivered(pipeline.copies[0]))).toEqual([]);
  expect(await pipeline.status()).toBe('building');
  expect(handover().buildEnvironment).toEqual(BUILD_ENVIRONMENT);
});

test('when the message is lost with it, the request that the reconciler sends again fails, rather than be built without', async () => {
  codeBuild.failNext('before', answered('AccessDeniedException'));
  await pipeline.receive(pipeline.message(request));
  advanceClock(3600);
  const { buildEnvironment, ...known } = request;
  expect(await pipeline.receive(pipeline.message(known))).toEqual(['message-1']);
  expect(await pipeline.record()).toMatchObject({ status: 'failed', failureCode: 'START_FAILED', failureMessage: expect.stringContaining('Its buildEnvironment was lost') });
});

test('when it cannot be kept, the request does not wait for a turn that it could not take: it comes again', async () => {
  s3.on(PutObjectCommand).rejects(Object.assign(new Error('Slow Down'), { name: 'SlowDown', $fault: 'server', $metadata: { httpStatusCode: 503 } }));
  noCapacity();
  expect(await pipeline.receive(pipeline.message(request))).toEqual(['message-1']);
  expect(pipeline.copies).toEqual([]);
});

test('a build that needs it is not started without its handover: the request comes again', async () => {
  s3.on(PutObjectCommand).rejects(Object.assign(new Error('Access Denied'), { name: 'AccessDenied', $fault: 'client', $metadata: { httpStatusCode: 403 } }));
  expect(await pipeline.receive(pipeline.message(request))).toEqual(['message-1']);
  expect([await pipeline.status(), codeBuild.builds]).toEqual(['queued', []]);
});

test('a deployment without one gets none', async () => {
  await pipeline.receive(pipeline.message(pipeline.request));
  expect(handover()).not.toHaveProperty('buildEnvironment');
  expect(await pipeline.record()).not.toHaveProperty('hasBuildEnvironment');
  expect([...objects.keys()]).not.toContain(buildEnvironmentKey(request.deploymentId));
});

test.each([
  ['a list', ['s3cret']],
  ['a number', 5],
  ['a value that is no string', { TOKEN: { s3cret: 1 } }],
  ['a name of the pipeline\'s own', { HANDOVER_URL: 's3cret' }],
])('%s fails the deployment without a word of the value', async (_, buildEnvironment) => {
  expect(await pipeline.receive(pipeline.message({ ...pipeline.request, buildEnvironment }))).toEqual(['message-1']);
  const record = (await pipeline.record())!;
  expect(record).toMatchObject({ status: 'failed', failureCode: 'INVALID_REQUEST', failureMessage: expect.stringContaining('buildEnvironment') });
  expect(JSON.stringify([record, pipeline.announced])).not.toContain('s3cret');
});
