/** A local CodeBuild for each test, and the current AWS SDK's client for it. */
import { mkdtemp, readdir, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { BatchGetBuildsCommand, CodeBuildClient, StartBuildCommand, type Build, type StartBuildCommandInput } from '@aws-sdk/client-codebuild';
import { startCodeBuild, type BuildStateChangeEvent, type CodeBuild, type CodeBuildOptions, type ProjectDefinition } from '../../../local/services/codebuild';
import { type ApiCall } from '../../../local/services/service';

export const accountId = '123456789012';
export const region = 'eu-central-1';
export const UUID = '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}';

export let directory: string;
export let codeBuild: CodeBuild;
export let client: CodeBuildClient;
export let calls: ApiCall[];
export let events: BuildStateChangeEvent[];
export let logs: string[];

export async function start(options: Partial<CodeBuildOptions> = {}): Promise<void> {
  codeBuild = await startCodeBuild({
    directory,
    accountId,
    region,
    baseEnvironment: { PATH: process.env.PATH!, FROM_IMAGE: 'image', LAYER: 'image' },
    onCall: (call) => void calls.push(call),
    onEvent: (event) => void events.push(event),
    onLog: (_, line) => void logs.push(line),
    ...options,
  });
  client = new CodeBuildClient({
    endpoint: codeBuild.endpoint, region, credentials: { accessKeyId: 'AKIDORCHESTRATOR', secretAccessKey: 'x' }, maxAttempts: 1,
  });
}

export function project(commands: unknown[], overrides: Partial<ProjectDefinition> = {}): ProjectDefinition {
  return {
    name: 'builds',
    buildspec: JSON.stringify({ version: 0.2, env: { shell: 'bash', variables: { LAYER: 'buildspec', SPEC: 'spec' } }, phases: { build: { commands } } }),
    environmentVariables: [],
    timeoutInMinutes: 30,
    environment: { image: 'aws/codebuild/standard:7.0', computeType: 'BUILD_GENERAL1_SMALL', type: 'LINUX_CONTAINER', privilegedMode: false },
    credentialsFor: () => ({ accessKeyId: 'AKIDBUILDROLE', secretAccessKey: 'secret' }),
    serviceRole: `arn:aws:iam::${accountId}:role/builds`,
    ...overrides,
  };
}

export async function startBuild(input: Partial<StartBuildCommandInput> = {}): Promise<Build> {
  return (await client.send(new StartBuildCommand({ projectName: 'builds', ...input }))).build!;
}

export async function get(id: string): Promise<Build> {
  return (await client.send(new BatchGetBuildsCommand({ ids: [id] }))).builds![0];
}

export async function completed(id: string): Promise<Build> {
  return until(async () => {
    const build = await get(id);
    return build.buildComplete ? build : undefined;
  });
}

export async function until<T>(ask: () => Promise<T | undefined> | T | undefined): Promise<T> {
  for (const deadline = Date.now() + 20_000; Date.now() < deadline; await sleep(20)) {
    const answer = await ask();
    if (answer) {
      return answer;
    }
  }
  throw new Error('It did not happen within 20 s.');
}

export function output(): string[] {
  return logs.filter((line) => !line.startsWith('[Container]'));
}

beforeEach(async () => {
  directory = await realpath(await mkdtemp(join(tmpdir(), 'codebuild-')));
  calls = [];
  events = [];
  logs = [];
});

afterEach(async () => {
  client.destroy();
  await codeBuild.close();
  expect(await readdir(join(directory, 'work'))).toEqual([]);
  await rm(directory, { recursive: true, force: true });
});
