/** The calls of the local CodeBuild, as the current AWS SDK makes them. */
import {
  BatchGetBuildsCommand, BatchGetProjectsCommand, ListBuildsCommand, ListBuildsForProjectCommand, StopBuildCommand, type StartBuildCommandInput,
} from '@aws-sdk/client-codebuild';
import { accountId, calls, client, codeBuild, completed, events, logs, project, region, start, startBuild } from './codebuild-support';
import { type ProjectDefinition } from '../../../local/services/codebuild';
import { AccessDeniedError } from '../../../local/services/service';

describe('StartBuild', () => {
  beforeEach(async () => {
    await start();
    codeBuild.createProject(project(['true']));
  });

  test('the same idempotency token gives the same build, and refuses other parameters', async () => {
    const token = { idempotencyToken: 'token', environmentVariablesOverride: [{ name: 'A', value: '1' }] };
    const first = await startBuild(token);
    expect((await startBuild(token)).id).toBe(first.id);
    await expect(startBuild({ ...token, environmentVariablesOverride: [{ name: 'A', value: '2' }] }))
      .rejects.toMatchObject({ name: 'InvalidInputException', message: expect.stringMatching(/parameter mismatch/i) });
    expect((await startBuild({ ...token, idempotencyToken: 'other' })).id).not.toBe(first.id);
  });

  test('a token is forgotten after five minutes', async () => {
    const first = await startBuild({ idempotencyToken: 'token' });
    const now = Date.now();
    const clock = jest.spyOn(Date, 'now').mockImplementation(() => now + 5 * 60_000 + 1);
    const second = await startBuild({ idempotencyToken: 'token' });
    clock.mockRestore();
    expect(second.id).not.toBe(first.id);
  });

  test.each<[string, Partial<StartBuildCommandInput>, string, RegExp]>([
    ['an unknown project', { projectName: 'unknown' }, 'ResourceNotFoundException', /Project cannot be found: arn:aws:codebuild:eu-central-1:123456789012:project\/unknown/],
    ['overrides that are not implemented', { buildspecOverride: 'x', imageOverride: 'y' }, 'InvalidInputException', /buildspecOverride, imageOverride/],
    ['a value over 4096 characters', { environmentVariablesOverride: [{ name: 'A', value: 'x'.repeat(4097) }] }, 'InvalidInputException',
      /^EnvironmentVariable should be at most 4096 characters$/],
    ['a secret', { environmentVariablesOverride: [{ name: 'A', value: 'x', type: 'SECRETS_MANAGER' }] }, 'InvalidInputException', /only PLAINTEXT .* A is of type/],
  ])('refuses %s', async (_, input, name, message) => {
    await expect(startBuild(input)).rejects.toMatchObject({ name, message: expect.stringMatching(message) });
  });

  test('a value of 4096 characters is accepted', async () => {
    await expect(startBuild({ environmentVariablesOverride: [{ name: 'A', value: 'x'.repeat(4096) }] })).resolves.toBeDefined();
  });
});

describe('reading', () => {
  beforeEach(async () => {
    await start();
    codeBuild.createProject(project(['true']));
    codeBuild.createProject(project(['true'], { name: 'others' }));
  });

  test('builds by id or ARN, and which were not found', async () => {
    const { id, arn } = await startBuild();
    const { builds, buildsNotFound } = await client.send(new BatchGetBuildsCommand({ ids: [id!, arn!, 'builds:unknown'] }));
    expect(builds!.map((build) => build.id)).toEqual([id, id]);
    expect(buildsNotFound).toEqual(['builds:unknown']);
  });

  test('lists of builds, newest first', async () => {
    const ids = [await startBuild(), await startBuild({ projectName: 'others' }), await startBuild()].map(({ id }) => id!);
    expect((await client.send(new ListBuildsCommand({}))).ids).toEqual([...ids].reverse());
    expect((await client.send(new ListBuildsForProjectCommand({ projectName: 'builds' }))).ids).toEqual([ids[2], ids[0]]);
    expect((await client.send(new ListBuildsForProjectCommand({ projectName: 'builds', sortOrder: 'ASCENDING' }))).ids).toEqual([ids[0], ids[2]]);
  });

  test('projects', async () => {
    const { projects, projectsNotFound } = await client.send(new BatchGetProjectsCommand({ names: ['builds', 'unknown'] }));
    expect(projects).toMatchObject([{ name: 'builds', arn: `arn:aws:codebuild:${region}:${accountId}:project/builds`, timeoutInMinutes: 30, queuedTimeoutInMinutes: 480 }]);
    expect(projectsNotFound).toEqual(['unknown']);
  });
});

describe('authorisation', () => {
  test('every call is reported with the project it is about, before anything happens', async () => {
    await start();
    codeBuild.createProject(project(['true']));
    const { id } = await startBuild();
    await client.send(new BatchGetBuildsCommand({ ids: [id!, id!] }));
    await client.send(new StopBuildCommand({ id }));
    await client.send(new ListBuildsForProjectCommand({ projectName: 'builds' }));
    await client.send(new ListBuildsCommand({}));
    await client.send(new BatchGetProjectsCommand({ names: ['builds'] }));
    const resource = `arn:aws:codebuild:${region}:${accountId}:project/builds`;
    expect(calls.filter(({ service }) => service === 'codebuild')).toEqual([
      ['StartBuild', resource], ['BatchGetBuilds', resource], ['StopBuild', resource], ['ListBuildsForProject', resource], ['ListBuilds', '*'], ['BatchGetProjects', resource],
    ].map(([action, on]) => ({ service: 'codebuild', action: `codebuild:${action}`, resource: on, accessKeyId: 'AKIDORCHESTRATOR' })));
  });

  test('a refused call is an AccessDeniedException and starts nothing', async () => {
    await start({
      onCall: () => {
        throw new AccessDeniedError('not allowed');
      },
    });
    codeBuild.createProject(project(['true']));
    await expect(startBuild()).rejects.toMatchObject({ name: 'AccessDeniedException', message: 'not allowed' });
    expect(events).toEqual([]);
  });

  test('of StartBuild it is told what is overridden: of a buildspec only that, of variables the names', async () => {
    await start();
    codeBuild.createProject(project(['true']));
    await startBuild({ environmentVariablesOverride: [{ name: 'A', value: '1' }, { name: 'B', value: '2' }] });
    const others = { buildspecOverride: 'version: 0.2', imageOverride: 'other', privilegedModeOverride: true, serviceRoleOverride: 'arn:aws:iam::1:role/other' };
    await expect(startBuild(others)).rejects.toThrow('does not implement buildspecOverride');
    expect(calls.filter(({ action }) => action === 'codebuild:StartBuild').map(({ context }) => context)).toEqual([
      { 'codebuild:environment.environmentVariables.name': ['A', 'B'] },
      {
        'codebuild:source.buildspec': 'true',
        'codebuild:environment.image': 'other',
        'codebuild:environment.privilegedMode': 'true',
        'codebuild:serviceRole': 'arn:aws:iam::1:role/other',
      },
    ]);
  });

  test('a build begins with the service role, and writes its log with it; where it may not, the build fails and says why', async () => {
    await start({
      onCall: ({ service, action, accessKeyId, resource }) => {
        if (service === 'logs') throw new AccessDeniedError(`${accessKeyId} may not ${action} on ${resource.split(':log-group:')[1].split(':')[0]}`);
      },
    });
    codeBuild.createProject(project(['true']));
    const { phases, buildStatus } = await completed((await startBuild()).id!);
    expect(buildStatus).toBe('FAILED');
    expect(phases!.find(({ phaseStatus }) => phaseStatus === 'FAILED')).toMatchObject({
      phaseType: 'DOWNLOAD_SOURCE', contexts: [{ statusCode: 'ACCESS_DENIED', message: 'AKIDBUILDROLE may not logs:CreateLogStream on /aws/codebuild/builds' }],
    });
  });

  test('each build has credentials of its own', async () => {
    await start();
    const builds: string[] = [];
    codeBuild.createProject(project(['echo "key $AWS_ACCESS_KEY_ID"'], {
      credentialsFor: (buildArn) => ({ accessKeyId: `AKID${builds.push(buildArn)}`, secretAccessKey: 'secret' }),
    }));
    const first = await completed((await startBuild()).id!);
    const second = await completed((await startBuild()).id!);
    expect(builds).toEqual([first.arn, second.arn]);
    expect(logs).toEqual(expect.arrayContaining(['key AKID1', 'key AKID2']));
  });
});

describe('createProject', () => {
  beforeEach(async () => {
    await start();
  });

  const commands = ['true'];

  test.each<[string, Partial<ProjectDefinition>, RegExp]>([
    ['a buildspec over 25,600 characters', { buildspec: '#'.repeat(25_601) }, /Max buildspec length is 25600/],
    ['a buildspec that needs what this CodeBuild does not have', { buildspec: '{ "version": 0.2, "phases": { "build": {} }, "cache": { "paths": ["x"] } }' }, /"cache"/],
    ['a name that CodeBuild does not take', { name: 'a/b' }, /found "a\/b"/],
    ['a long variable', { environmentVariables: [{ name: 'A', value: 'x'.repeat(4097) }] }, /at most 4096/],
  ])('refuses %s', (_, overrides, message) => {
    expect(() => codeBuild.createProject(project(commands, overrides))).toThrow(message);
  });

  test('refuses a second project of the same name', () => {
    codeBuild.createProject(project(commands));
    expect(() => codeBuild.createProject(project(commands))).toThrow(/exists already/);
  });
});

test('an operation that is not implemented says so', async () => {
  await start();
  const response = await fetch(codeBuild.endpoint, { method: 'POST', headers: { 'x-amz-target': 'CodeBuild_20161006.RetryBuild' }, body: '{}' });
  expect(response.status).toBe(400);
  expect(await response.json()).toEqual({ __type: 'UnknownOperationException', message: expect.stringMatching(/RetryBuild/) });
});
