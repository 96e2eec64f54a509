/** Builds of the local CodeBuild as the current AWS SDK sees them: from their start to their end, with queue and events. */
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { StopBuildCommand, type Build } from '@aws-sdk/client-codebuild';
import {
  accountId, region, UUID, directory, codeBuild, client, events, logs, start, project, startBuild, get, completed, until, output,
} from './codebuild-support';
import { processesOf } from '../../../local/services/codebuild/processes';

describe('a build', () => {
  test('is started, runs, and is reported with every phase', async () => {
    await start();
    codeBuild.createProject(project(['echo hello'], { logGroupName: '/my/builds', queuedTimeoutInMinutes: 5 }));
    const started = await startBuild({ sourceVersion: 'abc' });
    expect(started.id).toMatch(new RegExp(`^builds:${UUID}$`));
    expect(started).toMatchObject({
      arn: `arn:aws:codebuild:${region}:${accountId}:build/${started.id}`,
      buildNumber: 1,
      projectName: 'builds',
      buildStatus: 'IN_PROGRESS',
      buildComplete: false,
      sourceVersion: 'abc',
      initiator: 'AKIDORCHESTRATOR',
    });
    expect(Math.abs(started.startTime!.getTime() - Date.now())).toBeLessThan(10_000);

    const build = await completed(started.id!);
    const uuid = started.id!.split(':')[1];
    const logFile = join(directory, 'logs', `${uuid}.log`);
    expect(build).toMatchObject({
      buildStatus: 'SUCCEEDED',
      currentPhase: 'COMPLETED',
      timeoutInMinutes: 30,
      queuedTimeoutInMinutes: 5,
      serviceRole: `arn:aws:iam::${accountId}:role/builds`,
      logs: { groupName: '/my/builds', streamName: uuid, deepLink: `file://${logFile}` },
    });
    expect(build.endTime!.getTime()).toBeGreaterThanOrEqual(build.startTime!.getTime());
    expect(build.phases!.map(({ phaseType, phaseStatus }) => [phaseType, phaseStatus])).toEqual([
      ...['SUBMITTED', 'QUEUED', 'PROVISIONING', 'DOWNLOAD_SOURCE', 'INSTALL', 'PRE_BUILD', 'BUILD', 'POST_BUILD', 'UPLOAD_ARTIFACTS', 'FINALIZING']
        .map((type) => [type, 'SUCCEEDED']),
      ['COMPLETED', undefined],
    ]);
    expect(output()).toEqual(['hello']);
    expect((await readFile(logFile, 'utf8')).split('\n')).toEqual([...logs, '']);
  });

  test('sees the environment of CodeBuild and of the image, nothing of this process', async () => {
    process.env.FROM_THIS_PROCESS = 'leaked';
    await start();
    codeBuild.createProject(project(['env', 'ls -A "$HOME" "$CODEBUILD_SRC_DIR"', 'pwd']));
    const { id, arn } = await startBuild();
    await completed(id!);
    delete process.env.FROM_THIS_PROCESS;
    const environment = Object.fromEntries(output().map((line) => line.split(/=(.*)/s)));
    const uuid = id!.split(':')[1];
    expect(environment).toMatchObject({
      CODEBUILD_BUILD_ARN: arn,
      CODEBUILD_BUILD_ID: id,
      CODEBUILD_SRC_DIR: join(directory, 'work', uuid, 'src'),
      CODEBUILD_RESOLVED_SOURCE_VERSION: '',
      CODEBUILD_LOG_PATH: uuid,
      CODEBUILD_INITIATOR: 'AKIDORCHESTRATOR',
      CODEBUILD_BUILD_SUCCEEDING: '1',
      AWS_REGION: region,
      AWS_DEFAULT_REGION: region,
      AWS_ACCESS_KEY_ID: 'AKIDBUILDROLE',
      AWS_SECRET_ACCESS_KEY: 'secret',
      CI: 'true',
      HOME: join(directory, 'work', uuid, 'home'),
      TMPDIR: join(tmpdir(), `build-${uuid.slice(0, 8)}`),
      FROM_IMAGE: 'image',
    });
    expect(environment).not.toHaveProperty('FROM_THIS_PROCESS');
    expect(output().at(-1)).toBe(environment.CODEBUILD_SRC_DIR);
  });

  test('takes a variable from StartBuild, else from the project, else from the buildspec', async () => {
    await start();
    codeBuild.createProject(project(['echo "$LAYER $SPEC"'], { environmentVariables: [{ name: 'LAYER', value: 'project' }] }));
    await completed((await startBuild()).id!);
    const overridden = await completed((await startBuild({ environmentVariablesOverride: [{ name: 'LAYER', value: 'start' }, { name: 'SPEC', value: 'start' }] })).id!);
    expect(output()).toEqual(['project spec', 'start start']);
    expect(overridden.environment!.environmentVariables).toEqual([
      { name: 'LAYER', value: 'start', type: 'PLAINTEXT' }, { name: 'SPEC', value: 'start', type: 'PLAINTEXT' },
    ]);
  });

  test('fails with the context of the command that failed', async () => {
    await start();
    codeBuild.createProject(project(['bash -c "exit 21"']));
    const build = await completed((await startBuild()).id!);
    expect(build.buildStatus).toBe('FAILED');
    expect(build.phases!.find(({ phaseType }) => phaseType === 'BUILD')).toMatchObject({
      phaseStatus: 'FAILED',
      contexts: [{ statusCode: 'COMMAND_EXECUTION_ERROR', message: 'Error while executing command: bash -c "exit 21". Reason: exit status 21' }],
    });
  });

  test('fails in DOWNLOAD_SOURCE when its buildspec is invalid', async () => {
    await start();
    codeBuild.createProject(project([], { buildspec: 'version: 0.2' }));
    const build = await completed((await startBuild()).id!);
    expect(build.buildStatus).toBe('FAILED');
    expect(build.phases!.at(-3)).toMatchObject({ phaseType: 'DOWNLOAD_SOURCE', phaseStatus: 'FAILED', contexts: [{ statusCode: 'YAML_FILE_ERROR' }] });
  });

  test('is a FAULT when this machine cannot run it', async () => {
    await start({ baseEnvironment: { PATH: '/nonexistent' } });
    codeBuild.createProject(project(['true']));
    const build = await completed((await startBuild()).id!);
    expect(build.buildStatus).toBe('FAULT');
    expect(logs.join('\n')).toMatch(/could not run this build: .*ENOENT/);
  });

  test('leaves no directory behind, not even a read-only one', async () => {
    await start();
    codeBuild.createProject(project(['mkdir -p a/b && touch a/b/c && chmod -R a-w a', 'touch "$TMPDIR/left"', 'echo "TMPDIR is $TMPDIR"']));
    const { id } = await startBuild();
    expect((await completed(id!)).buildStatus).toBe('SUCCEEDED');
    await codeBuild.close(); // the removal goes on after the build's end
    expect(existsSync(join(directory, 'work', id!.split(':')[1]))).toBe(false);
    const [, temporary] = /TMPDIR is (\S+)/.exec(output().join('\n'))!;
    expect(temporary).not.toBe(tmpdir());
    expect(existsSync(temporary)).toBe(false);
  });
});

describe('stop and timeout', () => {
  async function running(): Promise<string> {
    const { id } = await startBuild();
    await until(() => output().includes('started'));
    return id!;
  }

  async function expectNoProcesses(id: string): Promise<void> {
    expect(await processesOf({ groups: new Set(), marker: `CODEBUILD_BUILD_ID=${id}` })).toEqual([]);
  }

  test('StopBuild ends a running build and all its processes', async () => {
    await start();
    codeBuild.createProject(project(['sleep 60 & bash -c "echo started; sleep 60"']));
    const id = await running();
    await client.send(new StopBuildCommand({ id }));
    const build = await completed(id);
    expect(build.buildStatus).toBe('STOPPED');
    expect(build.phases!.find(({ phaseType }) => phaseType === 'BUILD')!.phaseStatus).toBe('STOPPED');
    await expectNoProcesses(id);
    expect((await client.send(new StopBuildCommand({ id }))).build!.buildStatus).toBe('STOPPED');
    expect(events.map(({ detail }) => detail['build-status'])).toEqual(['IN_PROGRESS', 'STOPPED']);
  });

  test('a build that takes longer than the project\'s timeout is TIMED_OUT', async () => {
    await start();
    codeBuild.createProject(project(['echo started; sleep 60'], { timeoutInMinutes: 1 / 60 }));
    const id = await running();
    const build = await completed(id);
    expect(build.buildStatus).toBe('TIMED_OUT');
    expect(build.phases!.find(({ phaseType }) => phaseType === 'BUILD')).toMatchObject({ phaseStatus: 'TIMED_OUT', contexts: [{ statusCode: 'BUILD_TIMED_OUT' }] });
    await expectNoProcesses(id);
  });

  test('close ends running and queued builds, and tells their status', async () => {
    await start({ concurrentBuildLimit: 1 });
    codeBuild.createProject(project(['echo started; sleep 60']));
    const id = await running();
    await startBuild();
    await codeBuild.close();
    await expectNoProcesses(id);
    expect(events.map(({ detail }) => detail['build-status'])).toEqual(['IN_PROGRESS', 'IN_PROGRESS', 'STOPPED', 'STOPPED']);
  });

  test('an unknown build cannot be stopped', async () => {
    await start();
    await expect(client.send(new StopBuildCommand({ id: 'builds:unknown' }))).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
  });
});

describe('the queue', () => {
  test('holds builds over the limit, five times as many as may run, and refuses more', async () => {
    await start({ concurrentBuildLimit: 1 });
    const gate = join(directory, 'gate');
    codeBuild.createProject(project(['while [ ! -e "$GATE" ]; do sleep 0.05; done'], { environmentVariables: [{ name: 'GATE', value: gate }] }));
    const builds: Build[] = [];
    for (let index = 0; index < 6; index++) {
      builds.push(await startBuild());
    }
    await expect(startBuild()).rejects.toMatchObject({
      name: 'AccountLimitExceededException', message: 'Cannot have more than 5 builds in queue for the account',
    });
    expect((await get(builds[1].id!)).currentPhase).toBe('QUEUED');
    await client.send(new StopBuildCommand({ id: builds[2].id }));
    expect(await completed(builds[2].id!)).toMatchObject({ buildStatus: 'STOPPED', phases: expect.arrayContaining([expect.objectContaining({ phaseType: 'QUEUED', phaseStatus: 'STOPPED' })]) });
    expect(events.filter(({ resources }) => resources[0] === builds[2].arn).map(({ detail }) => detail['build-status'])).toEqual(['IN_PROGRESS', 'STOPPED']);
    await writeFile(gate, '');
    const statuses = await Promise.all(builds.map(async ({ id }) => (await completed(id!)).buildStatus));
    expect(statuses).toEqual(['SUCCEEDED', 'SUCCEEDED', 'STOPPED', 'SUCCEEDED', 'SUCCEEDED', 'SUCCEEDED']);
  });

  test('a build that waits longer than the queue\'s timeout is TIMED_OUT', async () => {
    await start({ concurrentBuildLimit: 1 });
    codeBuild.createProject(project(['sleep 60'], { queuedTimeoutInMinutes: 0.2 / 60 }));
    await startBuild();
    const build = await completed((await startBuild()).id!);
    expect(build).toMatchObject({ buildStatus: 'TIMED_OUT' });
    expect(build.phases!.at(-2)).toMatchObject({ phaseType: 'QUEUED', phaseStatus: 'TIMED_OUT' });
    expect(events.filter(({ resources }) => resources[0] === build.arn).map(({ detail }) => detail['build-status'])).toEqual(['IN_PROGRESS', 'TIMED_OUT']);
  });
});

describe('events', () => {
  test('carry each status in the envelope of EventBridge', async () => {
    await start();
    codeBuild.createProject(project(['(exit 21)'], { environmentVariables: [{ name: 'A', value: '1' }] }));
    const { id, arn } = await startBuild({ environmentVariablesOverride: [{ name: 'DEPLOYMENT_ID', value: 'd-1' }] });
    await completed(id!);
    const date = expect.stringMatching(/^[A-Z][a-z]{2} \d{1,2}, \d{4} \d{1,2}:\d\d:\d\d [AP]M$/);
    expect(events).toHaveLength(2);
    expect(events[0]).toMatchObject({
      'version': '0',
      'id': expect.stringMatching(new RegExp(`^${UUID}$`)),
      'detail-type': 'CodeBuild Build State Change',
      'source': 'aws.codebuild',
      'account': accountId,
      'time': expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
      region,
      'resources': [arn],
      'detail': { 'build-status': 'IN_PROGRESS', 'project-name': 'builds', 'build-id': arn, 'current-phase': 'SUBMITTED', 'current-phase-context': '[]', 'version': '1' },
    });
    expect(events[1].detail).toMatchObject({
      'build-status': 'FAILED',
      'current-phase': 'COMPLETED',
      'additional-information': {
        'artifact': { location: '' },
        'timeout-in-minutes': 30,
        'build-complete': true,
        'initiator': 'AKIDORCHESTRATOR',
        'build-start-time': date,
        'source': { type: 'NO_SOURCE' },
        'environment': {
          'image': 'aws/codebuild/standard:7.0',
          'privileged-mode': false,
          'compute-type': 'BUILD_GENERAL1_SMALL',
          'type': 'LINUX_CONTAINER',
          'environment-variables': [{ name: 'A', value: '1', type: 'PLAINTEXT' }, { name: 'DEPLOYMENT_ID', value: 'd-1', type: 'PLAINTEXT' }],
        },
        'logs': { 'group-name': '/aws/codebuild/builds', 'stream-name': id!.split(':')[1] },
        'phases': expect.arrayContaining([{
          'phase-type': 'BUILD',
          'phase-status': 'FAILED',
          'phase-context': ['COMMAND_EXECUTION_ERROR: Error while executing command: (exit 21). Reason: exit status 21'],
          'start-time': date,
          'end-time': date,
          'duration-in-seconds': expect.any(Number),
        }, { 'phase-type': 'COMPLETED', 'phase-context': [], 'start-time': date }]),
      },
    });
  });
});
