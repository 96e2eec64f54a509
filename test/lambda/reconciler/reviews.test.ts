/** What the reconciler repairs, in the way that the decisions say. */
import { BatchGetBuildsCommand, ListBuildsForProjectCommand, StopBuildCommand } from '@aws-sdk/client-codebuild';
import { PutEventsCommand } from '@aws-sdk/client-eventbridge';
import { InvokeCommand } from '@aws-sdk/client-lambda';
import { SendMessageCommand } from '@aws-sdk/client-sqs';
import { NOW, NOW_SECONDS, reconciler, RETENTION_SECONDS } from './reconciler-support';
import { DeploymentStore } from '../../../lambda/shared/deployment-store';
import type { BuildRequest } from '../../../src/contract/build-request';
import { branchKey, openDeploymentKey, STATE_KINDS } from '../../../src/contract/state-table';
import { answered, buildArn, buildOf, unanswered } from '../../support/codebuild';

const pipeline = reconciler();
const { codeBuild } = pipeline;

const started = new Date(NOW - 300_000);
const building = (deploymentId: string) => ({ status: 'building' as const, version: 2, buildId: `builds:${deploymentId}`, buildStartedAt: started.toISOString(), logsUrl: 'https://log' });
const runs = (deploymentId: string, change: object = {}) => codeBuild.builds.push(buildOf(deploymentId, { startTime: started, ...change }));
const CREATED_AT = new Date(NOW - 3600_000).toISOString();
const entryOf = async (request: BuildRequest) => pipeline.tables.state(STATE_KINDS.open, openDeploymentKey({ ...request, createdAt: CREATED_AT }));
const cursor = async () => pipeline.tables.state(STATE_KINDS.cursor, 'open deployments');

test('nothing is open: nothing happens', async () => {
  await pipeline.run();
  expect([pipeline.finalized, pipeline.sent, pipeline.announced, codeBuild.stopped]).toEqual([[], [], [], []]);
});

describe('an open deployment', () => {
  test('whose build runs is left alone', async () => {
    await pipeline.open('d', building('d'), { buildId: 'builds:d' });
    runs('d');
    const before = await pipeline.tables.record('d');
    await pipeline.run();
    expect(await pipeline.tables.record('d')).toEqual(before);
    expect([pipeline.finalized, codeBuild.stopped, await pipeline.openIds()]).toEqual([[], [], ['d']]);
  });

  test.each(['SUCCEEDED', 'FAILED', 'FAULT', 'STOPPED', 'TIMED_OUT'] as const)('whose build has ended (%s) is handed to the finalizer, as the event would have done', async (buildStatus) => {
    await pipeline.open('d', building('d'));
    runs('d', { buildStatus, endTime: new Date(NOW - 5000) });
    await pipeline.run();
    expect(pipeline.finalized).toEqual([[buildArn('builds:d'), buildStatus]]);
    expect(pipeline.lambda.commandCalls(InvokeCommand)[0].args[0].input).toMatchObject({ FunctionName: 'finalizer', InvocationType: 'Event' });
    expect(await pipeline.tables.record('d')).toMatchObject({ status: 'building' });
    expect(await pipeline.openIds()).toEqual(['d']);
  });

  test('whose build CodeBuild does not know any more has failed', async () => {
    const { projectId } = await pipeline.open('d', { ...building('d'), buildStartedAt: new Date(NOW - 3600_000).toISOString() });
    await pipeline.takePlace(projectId, 'd');
    await pipeline.run();
    expect(await pipeline.tables.record('d')).toMatchObject({ status: 'failed', failureCode: 'CODEBUILD_FAULT', version: 3, buildId: 'builds:d' });
    expect([pipeline.announced, await pipeline.openIds(), await pipeline.places(projectId)]).toEqual([['d failed 3'], [], []]);
  });

  test('whose artifacts could not be promoted for a day has failed; what it stored is the finalizer\'s to remove', async () => {
    const { projectId } = await pipeline.open('d', building('d'));
    await pipeline.takePlace(projectId, 'd');
    runs('d', { buildStatus: 'SUCCEEDED', endTime: new Date(NOW - 25 * 3600_000) });
    await pipeline.run();
    expect(await pipeline.tables.record('d')).toMatchObject({ status: 'failed', failureCode: 'PROMOTION_FAILED' });
    expect([await pipeline.openIds(), await pipeline.places(projectId)]).toEqual([['d'], []]);
    await pipeline.run();
    expect(pipeline.finalized).toEqual([[buildArn('builds:d'), 'SUCCEEDED']]);
  });

  test('whose build runs past its deadline: it is stopped', async () => {
    await pipeline.open('d', building('d'));
    runs('d', { startTime: new Date(NOW - 12 * 3600_000), timeoutInMinutes: 30 });
    await pipeline.run();
    expect(codeBuild.stopped).toEqual(['builds:d']);
  });

  test('that was deleted is closed, its build is stopped, its place is free', async () => {
    const { projectId } = await pipeline.open('d', null, { buildId: 'builds:d' });
    await pipeline.takePlace(projectId, 'd');
    runs('d');
    await pipeline.run();
    expect(codeBuild.stopped).toContain('builds:d');
    codeBuild.builds = [];
    await pipeline.run();
    expect([await pipeline.openIds(), await pipeline.places(projectId)]).toEqual([[], []]);
  });

  test('whose record was removed and begun anew is closed: the new record has an entry of its own', async () => {
    await pipeline.open('d', building('d'));
    const { projectId } = await pipeline.open('d', { ...building('d'), createdAt: new Date(NOW - 600_000).toISOString() });
    runs('d');
    await pipeline.run();
    expect(await pipeline.tables.stateIds(STATE_KINDS.open)).toEqual([`${projectId}#${new Date(NOW - 600_000).toISOString()}#d`]);
    expect(codeBuild.stopped).toEqual([]);
  });

  test('that has ended is closed when its event was sent, and stays until then', async () => {
    await pipeline.open('d', { status: 'superseded', version: 2, supersededBy: 'newer', announcedVersion: 1 });
    pipeline.eventBridge.on(PutEventsCommand).rejectsOnce(unanswered()).resolves({ FailedEntryCount: 0 });
    await pipeline.run();
    expect(await pipeline.openIds()).toEqual(['d']);
    await pipeline.run();
    expect([await pipeline.openIds(), pipeline.announced]).toEqual([[], ['d superseded 2', 'd superseded 2']]);
  });

  test('of which an event was not sent: it is sent, once', async () => {
    await pipeline.open('d', { ...building('d'), announcedVersion: 1 });
    runs('d');
    await pipeline.run();
    await pipeline.run();
    expect(pipeline.announced).toEqual(['d building 2']);
  });

  test('that a newer one has overtaken ends as superseded, or is marked if it runs', async () => {
    for (const [id, record] of [['waiting', {}], ['running', building('running')]] as const) {
      const request = await pipeline.open(id, record);
      await pipeline.tables.putState(STATE_KINDS.branch, branchKey(request), { deploymentId: 'newer', createdAt: new Date(NOW).toISOString() });
    }
    runs('running');
    await pipeline.run();
    expect(await pipeline.tables.record('waiting')).toMatchObject({ status: 'superseded', supersededBy: 'newer' });
    expect(await pipeline.tables.record('running')).toMatchObject({ status: 'building', supersededBy: 'newer' });
    expect([await pipeline.openIds(), codeBuild.stopped]).toEqual([['running'], []]);
  });

  test('that waits duly is not even looked at', async () => {
    const get = jest.spyOn(DeploymentStore.prototype, 'get');
    await pipeline.open('d', { waitingReason: 'ACCOUNT_CAPACITY' }, { waits: true });
    await pipeline.run();
    expect(get).not.toHaveBeenCalled();
  });

  describe('that was to be started, by an invocation that died', () => {
    const unknown = { startAttemptedAt: NOW_SECONDS - 400, claimExpiresAt: NOW_SECONDS - 340 };

    test('and has a build: the finalizer is told', async () => {
      await pipeline.open('d', unknown);
      runs('d');
      await pipeline.run();
      expect(pipeline.finalized).toContainEqual([buildArn('builds:d'), 'IN_PROGRESS']);
      expect(await pipeline.openIds()).toEqual(['d']);
    });

    test('and has none, while its message may still be there', async () => {
      await pipeline.open('d', unknown);
      await pipeline.run();
      expect([pipeline.finalized, pipeline.sent]).toEqual([[], []]);
      expect(await pipeline.tables.record('d')).toMatchObject({ status: 'queued', ...unknown });
    });

    test('and has none, and its message is lost: it is sent again', async () => {
      await pipeline.open('d', unknown, { seenAt: NOW_SECONDS - 4000 });
      await pipeline.run();
      expect(pipeline.sent).toHaveLength(1);
    });

    test('and CodeBuild does not say: nothing is decided', async () => {
      await pipeline.open('d', unknown, { seenAt: NOW_SECONDS - 4000 });
      codeBuild.mock.on(ListBuildsForProjectCommand).rejects(answered('ThrottlingException'));
      await expect(pipeline.run()).rejects.toThrow();
      expect(pipeline.sent).toEqual([]);
    });
  });

  test('whose message is lost: its request is sent again, once, and may wait as long as from the beginning', async () => {
    const request = await pipeline.open('d', {}, { seenAt: NOW_SECONDS - 4000 });
    await pipeline.run();
    await pipeline.run();
    expect(pipeline.sent).toEqual([{
      QueueUrl: 'https://queue',
      MessageBody: JSON.stringify(request),
      MessageGroupId: request.projectId,
      MessageAttributes: { firstSentAt: { DataType: 'Number', StringValue: String(NOW - 3600_000) } },
    }]);
  });

  describe('that its producer has recorded, and not sent', () => {
    const unsent = { unsent: true, seenAt: NOW_SECONDS - 300 };
    const recorded = { version: undefined, announcedVersion: undefined };

    test('is sent, once, as its producer would have done it, and nobody is told before somebody has received it', async () => {
      const request = await pipeline.open('d', recorded, unsent);
      await pipeline.run();
      await pipeline.run();
      expect(pipeline.sent).toEqual([{ QueueUrl: 'https://queue', MessageBody: JSON.stringify(request), MessageGroupId: request.projectId }]);
      expect(await entryOf(request)).toEqual(expect.objectContaining({ seenAt: NOW_SECONDS }));
      expect(await entryOf(request)).not.toHaveProperty('unsent');
      expect(pipeline.announced).toEqual([]);
    });

    test('is tried again if it cannot be sent', async () => {
      const request = await pipeline.open('d', recorded, unsent);
      pipeline.sqs.on(SendMessageCommand).rejectsOnce(unanswered()).resolves({});
      await expect(pipeline.run()).rejects.toThrow();
      expect(await entryOf(request)).toMatchObject(unsent);
      await pipeline.run();
      expect(await entryOf(request)).not.toHaveProperty('unsent');
    });

    test('is not called when a place of its project becomes free: there is no message yet that would wait', async () => {
      const { projectId } = await pipeline.open('d', recorded, { ...unsent, seenAt: NOW_SECONDS });
      await pipeline.tables.putState(STATE_KINDS.project, projectId, { waitingSince: 1, waits: 1 });
      await pipeline.run();
      expect(pipeline.sent).toEqual([]);
    });

    test('ends as superseded, unsent, if a newer one was: its first event', async () => {
      const request = await pipeline.open('d', recorded, unsent);
      await pipeline.tables.putState(STATE_KINDS.branch, branchKey(request), { deploymentId: 'newer', createdAt: new Date(NOW).toISOString() });
      await pipeline.run();
      expect([pipeline.sent, pipeline.announced, await pipeline.openIds()]).toEqual([[], ['d superseded 1'], []]);
    });
  });

  describe('that its producer has not even recorded', () => {
    const unrecorded = (seconds: number) => pipeline.open('d', null, { unsent: true, seenAt: NOW_SECONDS - seconds });

    test('is kept in mind as long as it may still come', async () => {
      await unrecorded(600);
      await pipeline.run();
      expect(await pipeline.openIds()).toEqual(['d']);
    });

    test('is forgotten then', async () => {
      await unrecorded(601);
      await pipeline.run();
      expect([await pipeline.openIds(), pipeline.sent]).toEqual([[], []]);
    });

    test('is kept in mind if a producer has come back to it in this very moment', async () => {
      const { deploymentId, projectId } = await unrecorded(601);
      const [key] = await pipeline.tables.stateIds(STATE_KINDS.open);
      const { get } = DeploymentStore.prototype;
      jest.spyOn(DeploymentStore.prototype, 'get').mockImplementationOnce(async function (this: DeploymentStore, id) {
        const record = await get.call(this, id);
        await pipeline.tables.putState(STATE_KINDS.open, key, { deploymentId, projectId, createdAt: key.split('#')[1], unsent: true, seenAt: NOW_SECONDS });
        return record;
      });
      await pipeline.run();
      expect(await pipeline.openIds()).toEqual(['d']);
    });
  });

  test('whose id another project was faster to take is closed: that one has an entry of its own', async () => {
    const { projectId } = await pipeline.open('d', {});
    const stray = { deploymentId: 'd', projectId: 'another', createdAt: CREATED_AT };
    await pipeline.tables.putState(STATE_KINDS.open, openDeploymentKey(stray), { ...stray, seenAt: NOW_SECONDS - 300, unsent: true });
    await pipeline.run();
    expect((await pipeline.tables.stateIds(STATE_KINDS.open)).map((id) => id.split('#')[0])).toEqual([projectId]);
    expect(pipeline.sent).toEqual([]);
  });

  test.each([['START_FAILED', {}], ['NO_CAPACITY', { waitingReason: 'PROJECT_LIMIT' }]] as const)('whose message was lost for as long as SQS keeps one has failed: %s', async (failureCode, change) => {
    await pipeline.open('d', change, { seenAt: NOW_SECONDS - RETENTION_SECONDS - 1 });
    await pipeline.run();
    expect(await pipeline.tables.record('d')).toMatchObject({ status: 'failed', failureCode, version: 2 });
    expect([pipeline.announced, await pipeline.openIds()]).toEqual([['d failed 2'], []]);
  });

  test('that is queued and holds a place that its holder forgot: the place is given back', async () => {
    const { projectId } = await pipeline.open('d', {});
    await pipeline.takePlace(projectId, 'd');
    await pipeline.run();
    expect(await pipeline.places(projectId)).toEqual([]);
  });
});

describe('a build that no open deployment knows', () => {
  test('and whose deployment waits for one: the finalizer makes it known', async () => {
    await pipeline.tables.putRecord({ deploymentId: 'd', status: 'queued', version: 1, startAttemptedAt: 1, claimExpiresAt: 2 });
    runs('d');
    await pipeline.run();
    expect(pipeline.finalized).toEqual([[buildArn('builds:d'), 'IN_PROGRESS']]);
  });

  test.each<[string, object | undefined]>([
    ['was deleted', undefined],
    ['has ended', { status: 'failed', version: 2 }],
    ['has another build', { status: 'building', version: 2, buildId: 'builds:another' }],
    ['was superseded', { status: 'superseded', version: 2 }],
  ])('and whose deployment %s: it is stopped', async (_, record) => {
    if (record) await pipeline.tables.putRecord({ deploymentId: 'd', ...record });
    runs('d');
    await pipeline.run();
    expect(codeBuild.stopped).toEqual(['builds:d']);
  });

  test('and that somebody started by hand is none of its business', async () => {
    codeBuild.builds.push(buildOf(undefined, { id: 'builds:by-hand' }));
    await pipeline.run();
    expect([codeBuild.stopped, pipeline.finalized]).toEqual([[], []]);
  });

  test('is found behind a page of others that run, and not looked for behind a page of builds that have ended', async () => {
    for (let index = 0; index < 250; index += 1) runs(`old-${index}`, { buildStatus: 'SUCCEEDED' });
    runs('lost');
    for (let index = 0; index < 120; index += 1) {
      runs(`known-${index}`);
      await pipeline.tables.putRecord({ deploymentId: `known-${index}`, status: 'building', buildId: `builds:known-${index}` });
    }
    await pipeline.run();
    expect(codeBuild.stopped).toEqual(['builds:lost']);
    expect(codeBuild.listCalls).toBe(3);
  });
});

describe('many open deployments', () => {
  const ids = (count: number) => Array.from({ length: count }, (_, index) => `d-${String(index).padStart(3, '0')}`);

  test('are all gone through, a page at a time, and the next run begins anew', async () => {
    await Promise.all(ids(230).map((id) => pipeline.open(id, { status: 'superseded', version: 2, supersededBy: 'newer' })));
    await pipeline.run();
    expect(await pipeline.openIds()).toEqual([]);
    expect(await cursor()).toEqual({});
  });

  test('where its time ends, the next run goes on', async () => {
    await Promise.all(ids(230).map((id) => pipeline.open(id, { status: 'superseded', version: 2, supersededBy: 'newer' })));
    for (const left of [130, 30, 0]) {
      await pipeline.run(20);
      expect(await pipeline.openIds()).toHaveLength(left);
    }
    expect(await cursor()).toEqual({});
  });

  test('one that cannot be repaired does not stop the others', async () => {
    for (const id of ids(5)) {
      await pipeline.open(id, building(id));
      runs(id, { buildStatus: 'SUCCEEDED', endTime: started });
    }
    pipeline.lambda.on(InvokeCommand).rejectsOnce(unanswered()).resolves({});
    await pipeline.run();
    expect(pipeline.finalized).toHaveLength(5);
  });

  test('none of which can be repaired is an error of the function', async () => {
    await pipeline.open('d', building('d'));
    runs('d', { buildStatus: 'SUCCEEDED', endTime: started });
    pipeline.lambda.on(InvokeCommand).rejects(unanswered());
    await expect(pipeline.run()).rejects.toThrow('no answer');
  });
});

test('what fails in one part does not keep the others from their work', async () => {
  await pipeline.open('d', { status: 'superseded', version: 2, supersededBy: 'newer' });
  codeBuild.mock.on(ListBuildsForProjectCommand).rejects(answered('ThrottlingException'));
  await expect(pipeline.run()).rejects.toThrow('CodeBuild\'s own words');
  expect(await pipeline.openIds()).toEqual([]);
});

test('CodeBuild does not say what became of the builds: nobody is failed, the error is shown, and the pages behind are looked at all the same', async () => {
  await pipeline.open('d', { ...building('d'), buildStartedAt: new Date(NOW - 3600_000).toISOString() });
  codeBuild.mock.on(BatchGetBuildsCommand).rejects(answered('ThrottlingException'));
  await expect(pipeline.run()).rejects.toThrow();
  expect(await pipeline.tables.record('d')).toMatchObject({ status: 'building' });
  // The last page was the only one: the next run begins anew.
  expect(await cursor()).not.toHaveProperty('after');
});

test('a stop that fails is tried again by the next run', async () => {
  await pipeline.open('d', building('d'));
  runs('d', { startTime: new Date(NOW - 12 * 3600_000) });
  codeBuild.mock.on(StopBuildCommand).rejectsOnce(answered('ThrottlingException')).resolves({});
  await expect(pipeline.run()).rejects.toThrow();
  await pipeline.run();
  expect(codeBuild.stopped).toEqual(['builds:d', 'builds:d']);
});

test('a place that was taken when its deployment had ended is given back; that of a build is kept', async () => {
  await pipeline.tables.putRecord({ deploymentId: 'ended', status: 'success', version: 3 });
  await pipeline.tables.putRecord({ deploymentId: 'built', status: 'building', version: 2 });
  await pipeline.tables.putState(STATE_KINDS.project, 'p', { building: new Set(['ended', 'deleted', 'built']) });
  await pipeline.run();
  expect(await pipeline.places('p')).toEqual(['built']);
});

test('somebody waits, and nobody calls: the next is called', async () => {
  const request = await pipeline.open('d', { waitingReason: 'ACCOUNT_CAPACITY' });
  await pipeline.tables.putState(STATE_KINDS.project, request.projectId, { waitingSince: 1, waits: 1 });
  await pipeline.run();
  expect(pipeline.sqs.commandCalls(SendMessageCommand).map(({ args }) => args[0].input.MessageAttributes)).toEqual([{ wake: { DataType: 'Number', StringValue: '1' } }]);
});
