import { execFile } from 'node:child_process';
import { chmod, cp, mkdir, mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { promisify } from 'node:util';
import { parse } from 'yaml';
import { packedSteps, renderBuildSpec } from '../../src/buildspec';
import { EXIT_CODES, type FailureCode } from '../../src/contract/failure-codes';

export interface StepResult {
  readonly status: number;
  readonly output: string;
  /** The failure that the exit status stands for. */
  readonly failure: FailureCode | undefined;
}

export interface BuildMachineOptions {
  /** Those of buildspec/steps as they are now, `packed`: those that the buildspec brings. */
  readonly steps?: 'packed';
  /** Whose the machine is. Default: whoever runs the tests. */
  readonly uid?: number;
}

const STEPS = path.join(__dirname, '..', '..', 'buildspec', 'steps');

/** Steps that run no code of the app, and keep what they know to themselves. */
const TRUSTED_STEPS = ['prepare', 'upload'];

/**
 * What CodeBuild gives to a build, in a temporary directory: the rendered steps, an environment, commands that stand in for real ones. A step
 * that is run by itself runs as whoever runs the tests, with the environment of the test, as if prepare.sh had found no other user.
 */
export class BuildMachine {
  static async start(environment: Record<string, string> = {}, { steps, uid }: BuildMachineOptions = {}): Promise<BuildMachine> {
    const directory = await realpath(await mkdtemp(path.join(tmpdir(), 'build-machine-')));
    const machine = new BuildMachine(directory, environment, uid);
    await chmod(directory, 0o755); // another user's steps are below it
    for (const name of ['archives', 'output', 'state']) await mkdir(path.join(machine.source, name), { recursive: true });
    await mkdir(machine.path('bin'));
    await mkdir(machine.path('tmp'));
    await chmod(machine.path('tmp'), 0o1777);
    for (const [name, value] of Object.entries({ 'work': machine.source, 'build-user': '', 'temporary': directory })) await write(machine.path('trusted', name), value);
    await mkdir(machine.path('trusted', 'for'));
    if (uid !== undefined) await promisify(execFile)('chown', ['-R', String(uid), directory]);
    const commands: string[] = parse(renderBuildSpec()).phases.install.commands;
    const install = await machine.bash(commands.join('\n'));
    if (install.status !== 0) throw new Error(`The install phase failed: ${install.output}`);
    if (steps !== 'packed') await cp(STEPS, path.join(machine.source, 'steps'), { recursive: true });
    return machine;
  }

  readonly source: string;

  private constructor(readonly directory: string, private readonly environment: Record<string, string>, private readonly uid?: number) {
    this.source = path.join(directory, 'src');
  }

  path(...parts: string[]): string {
    return path.join(this.directory, ...parts);
  }

  /** A command that comes before the machine's own. */
  async command(name: string, script: string, directory = this.path('bin')): Promise<void> {
    await write(path.join(directory, name), `#!/usr/bin/env bash\n${script}\n`);
    await chmod(path.join(directory, name), 0o755);
  }

  /** What earlier steps found out. */
  async state(facts: Record<string, string>): Promise<void> {
    for (const [name, value] of Object.entries(facts)) await write(path.join(this.source, 'state', name), value);
  }

  async fact(name: string): Promise<string> {
    return readFile(path.join(this.source, 'state', name), 'utf8');
  }

  async files(directory: string, files: Record<string, string | Buffer>): Promise<void> {
    for (const [name, content] of Object.entries(files)) await write(this.path(directory, name), content);
  }

  /** `input`: what the step knows of what was handed over. */
  step(name: string, environment: Record<string, string> = {}, input = ''): Promise<StepResult> {
    const script = `bash "$STEPS/${name}.sh"`;
    return TRUSTED_STEPS.includes(name) ? this.trusted(script, environment) : this.bash(script, environment, input);
  }

  /** As the commands of the buildspec run. */
  trusted(script: string, environment: Record<string, string> = {}): Promise<StepResult> {
    return this.bash(script, { STATE: this.path('trusted'), ...environment });
  }

  bash(script: string, environment: Record<string, string> = {}, input = ''): Promise<StepResult> {
    const env = {
      PATH: `${this.path('bin')}:${process.env.PATH}`,
      HOME: this.directory,
      TMPDIR: this.path('tmp'),
      STEPS: path.join(this.source, 'steps'),
      STATE: path.join(this.source, 'state'),
      CODEBUILD_SRC_DIR: this.source,
      CODEBUILD_BUILD_ARN: 'arn:aws:codebuild:eu-central-1:123456789012:build/builds:1-2-3',
      ARTIFACTS_BUCKET_NAME: 'artifacts-bucket',
      NODE_VERSION: '22',
      PACKED_STEPS: packedSteps().variable,
      OPEN_NEXT_VERSION: '',
      DEPLOYMENT_ID: 'deployment-1',
      PROJECT_ID: 'project-1',
      COMMIT_SHA: 'a'.repeat(40),
      REPO_URL: 'https://git.example/app.git',
      BRANCH: 'main',
      ROOT_DIRECTORY: '',
      ...this.environment,
      ...environment,
    };
    const [command, ...args] = [...this.uid === undefined ? [] : ['setpriv', `--reuid=${this.uid}`, `--regid=${this.uid}`, '--clear-groups'], 'bash', '-c', script];
    return new Promise((resolve) => {
      const child = execFile(command, args, { cwd: this.source, env, maxBuffer: 1e8 }, (error, stdout, stderr) => {
        const status = typeof error?.code === 'number' ? error.code : error ? -1 : 0;
        const failure = (Object.keys(EXIT_CODES) as FailureCode[]).find((code) => EXIT_CODES[code] === status);
        resolve({ status, output: stdout + stderr, failure });
      });
      child.stdin!.on('error', () => undefined); // it did not read it
      child.stdin!.end(input);
    });
  }

  async stop(): Promise<void> {
    await this.bash('for job in "$STATE"/background/*; do [ ! -f "$job" ] || kill "$(<"$job")" 2> /dev/null; done');
    await rm(this.directory, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function write(file: string, content: string | Buffer): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, content);
}
