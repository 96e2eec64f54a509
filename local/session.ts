/**
 * What every command of the local run has around it: a folder for temporary files, the git server, the stack of a template with its pipeline, the
 * lines on the terminal, and reports of deployments that have ended. `close` leaves nothing behind.
 */
import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { GIT_HOST, startGitServer, type GitServer } from './git-server';
import { generatePrivateKey, type GitHubDouble, startGitHubDouble } from './github-double';
import { prepareImage } from './image';
import { findPipeline, type Pipeline } from './pipeline';
import { Progress } from './progress';
import { DeploymentReport, describe, reportOf, verdict } from './report';
import type { Phase } from './services/codebuild';
import { secretNameOf } from './services/secrets-manager';
import type { Source } from './source';
import { startStack, type LocalStack } from './stack';
import { lockState } from './state-directory';
import { synthesizeExample, type Example } from './synthesize';
import { readAssembly } from './template/assembly';
import { functionsOf } from './template/functions';
import { UsageError } from './usage-error';
import type { DeploymentRecord } from '../src/contract/deployment';
import { forApps, LOCAL_BUILD_ENVIRONMENT } from '../src/contract/environment';
import { STATUS_ENV } from '../src/contract/github-status';

export interface SessionOptions {
  readonly environment: Readonly<Record<string, string>>;
  /** A cdk.out with one pipeline in it. */
  readonly template?: string;
  /** Synthesized if there is no template. */
  readonly example: Example;
  readonly state?: string;
  /** A JSON file: values of secrets by their names. */
  readonly secrets?: string;
  /** Where logs of builds are kept beside `state`; without either they are not. */
  readonly logDirectory?: string;
}

export interface Running {
  readonly stack: LocalStack;
  readonly pipeline: Pipeline;
}

/** What fits on a screen or two; the rest is in the log. */
const LOG_TAIL_LINES = 60;

export async function withSession<T>(
  options: SessionOptions, write: (line: string) => void, signal: AbortSignal, run: (session: Session) => Promise<T>,
): Promise<T> {
  const cleanUp: (() => Promise<unknown>)[] = [];
  try {
    if (options.state) cleanUp.push(await lockState(path.resolve(options.state)));
    const workDirectory = await mkdtemp(path.join(tmpdir(), 'nextjs-builds-'));
    cleanUp.push(() => rm(workDirectory, { recursive: true, force: true, maxRetries: 3 }));
    const secrets = await readSecrets(options.secrets);
    const gitServer = await startGitServer();
    cleanUp.push(() => gitServer.close());
    return await run(new Session(options, write, signal, workDirectory, secrets, gitServer, cleanUp));
  } finally {
    for (const step of cleanUp.reverse()) {
      await step().catch((error: Error) => write(`Note: cleaning up: ${error.message}`));
    }
  }
}

/** A secret may be written as the text that it is, or as the JSON object that its text stands for. */
async function readSecrets(file: string | undefined): Promise<[string, string][]> {
  if (file === undefined) return [];
  const expected = '--secrets takes a JSON file such as {"builds/install/web": {"NPM_TOKEN": "…"}}: values of secrets by their names';
  const secrets: unknown = await readFile(file, 'utf8').then(JSON.parse).catch((error: Error) => {
    // Not the parser's own words: they quote what it has read.
    throw new UsageError(error instanceof SyntaxError ? `${expected}; ${file} is not JSON.` : `--secrets: ${error.message}`);
  });
  if (typeof secrets !== 'object' || secrets === null || Array.isArray(secrets)) throw new UsageError(`${expected}; ${file} holds something else.`);
  return Object.entries(secrets).map(([name, value]) => [name, typeof value === 'string' ? value : JSON.stringify(value)]);
}

export class Session {
  readonly progress: Progress;
  private readonly phases = new Map<string, Phase[]>();
  private readonly stateDirectory: string;
  private functionNames = new Map<string, string>();
  private stack?: LocalStack;

  constructor(
    private readonly options: SessionOptions,
    readonly write: (line: string) => void,
    readonly signal: AbortSignal,
    readonly workDirectory: string,
    private readonly secrets: readonly [string, string][],
    readonly gitServer: GitServer,
    private readonly cleanUp: (() => Promise<unknown>)[],
  ) {
    this.progress = new Progress(write);
    this.stateDirectory = options.state ? path.resolve(options.state) : path.join(workDirectory, 'state');
  }

  async start({ repoUrl }: Pick<Source, 'repoUrl'>): Promise<Running> {
    const github = await startGitHubDouble(URL.canParse(repoUrl) ? new URL(repoUrl).hostname : GIT_HOST, (what) => this.progress.step('GitHub', what));
    this.cleanUp.push(() => github.close());
    const stack = this.stack = await this.startStack(github);
    this.cleanUp.push(() => stack.close(), () => stack.dynamodb.save());
    await this.introduceStatusFunction(stack);
    for (const [name, value] of this.secrets) stack.secretsManager.putSecret(name, value);
    const pipeline = await findPipeline(stack);
    this.cleanUp.push(async () => pipeline.close());
    this.name([pipeline.orchestratorName, 'orchestrator'], [pipeline.finalizerName, 'finalizer'], [pipeline.reconcilerName, 'reconciler']);
    return { stack, pipeline };
  }

  /** How functions are called on the terminal. */
  name(...names: readonly [functionName: string, shown: string][]): void {
    this.functionNames = new Map([...this.functionNames, ...names]);
  }

  async report(stack: LocalStack, pipeline: Pipeline, record: DeploymentRecord): Promise<DeploymentReport> {
    const prefixes = record.artifacts ? [record.artifacts.artifactsPrefix, record.artifacts.staticPrefix] : [];
    const artifacts = (await Promise.all(prefixes.map((prefix) => pipeline.objects(prefix)))).flat();
    const logFile = await this.keepLog(record.buildId && stack.logFileOf(record.buildId), record.deploymentId);
    return reportOf(record, this.phases.get(record.buildId ?? '') ?? [], artifacts, logFile);
  }

  /** How it went, and for one that failed the end of its log. */
  async show(stack: LocalStack, record: DeploymentRecord, report: DeploymentReport): Promise<void> {
    const log = record.status === 'failed' && record.buildId ? await tail(stack.logFileOf(record.buildId)) : [];
    this.write('');
    describe(record, report).forEach((line) => this.write(line));
    const consequence = verdict(record);
    if (consequence) this.write(`\n${consequence}`);
    if (record.status !== 'failed' || !record.buildId) return;
    log.forEach((line) => this.write(`  | ${line}`));
    this.write(report.logFile ? `The whole log: ${report.logFile}` : 'The whole log is kept with --state or --json.');
  }

  private async startStack(github: GitHubDouble): Promise<LocalStack> {
    const template = this.options.template ?? path.join(this.workDirectory, 'cdk.out');
    if (!this.options.template) await synthesizeExample(this.options.example, template, this.signal);
    this.signal.throwIfAborted();
    const image = await prepareImage({ directory: path.join(this.workDirectory, 'image'), signal: this.signal });
    this.signal.throwIfAborted();
    image.notes.forEach((note) => this.write(`Note: ${note}`));
    return startStack({
      assembly: await readAssembly(template),
      stateDirectory: this.stateDirectory,
      workDirectory: this.workDirectory,
      imageEnvironment: { ...image.environment, ...this.gitServer.buildEnvironment },
      buildEnvironment: forApps(this.options.environment, LOCAL_BUILD_ENVIRONMENT),
      functionSettings: (variables) => github.settingsOf(variables),
      observer: {
        onNote: (note) => this.write(`Note: ${note}`),
        onAccessDenied: ({ reason }) => this.progress.step('IAM', `denied: ${reason}`),
        onInvoke: (name) => this.progress.step(this.functionNames.get(name) ?? name, 'invoked'),
        onFunctionLog: (name, line) => this.showFunctionLog(name, line),
        onFunctionError: (name, error) => this.progress.step(this.functionNames.get(name) ?? name, `error: ${String(error)}`),
        onBuildPhase: (buildId, phase) => this.showPhase(buildId, phase),
      },
    });
  }

  /** GitHub's double takes any key; a source fetcher that has the same app needs the real one, which `--secrets` brings. */
  private async introduceStatusFunction(stack: LocalStack): Promise<void> {
    for (const { name, variables } of functionsOf(stack.resolvers)) {
      if (!variables[STATUS_ENV.appId]) continue;
      this.name([name, 'status']);
      stack.secretsManager.putSecret(secretNameOf(variables[STATUS_ENV.privateKeySecret]), await generatePrivateKey());
    }
  }

  private showPhase(buildId: string, phase: Phase): void {
    if (!this.phases.has(buildId) && this.stack) this.progress.step('build', `its log: ${this.stack.logFileOf(buildId)}`);
    this.phases.set(buildId, [...(this.phases.get(buildId) ?? []).filter(({ phaseType }) => phaseType !== phase.phaseType), phase]);
    if (phase.phaseStatus) {
      const seconds = ((phase.endTime!.getTime() - phase.startTime.getTime()) / 1000).toFixed(1);
      this.progress.step('build', `${phase.phaseType} ${phase.phaseStatus.toLowerCase()} (${seconds} s)`);
    }
  }

  /** Handlers log JSON lines; what is worth a line on the terminal is a warning or worse, and what a delivery was answered. */
  private showFunctionLog(name: string, line: string): void {
    try {
      const { level, message, error, outcome, problem } = JSON.parse(line) as Record<string, unknown> & { error?: { message?: string } };
      if (level === 'WARN' || level === 'ERROR' || outcome !== undefined) {
        this.progress.step(this.functionNames.get(name) ?? name, [message, problem, error?.message].filter(Boolean).join(': '));
      }
    } catch {
      this.progress.step(this.functionNames.get(name) ?? name, line);
    }
  }

  /** Beside the state, or where the command says; without either nothing is kept. */
  private async keepLog(buildLog: string | undefined, deploymentId: string): Promise<string | undefined> {
    const directory = this.options.state ? path.join(this.stateDirectory, 'logs') : this.options.logDirectory;
    if (!directory || !buildLog || !existsSync(buildLog)) return undefined;
    await mkdir(directory, { recursive: true });
    const logFile = path.join(directory, `${deploymentId}.log`);
    await copyFile(buildLog, logFile);
    return logFile;
  }
}

/** From the beginning of the last phase: what comes before is mostly the text of scripts. */
async function tail(file: string): Promise<string[]> {
  if (!existsSync(file)) return [];
  const lines = (await readFile(file, 'utf8')).trimEnd().split('\n');
  const begin = Math.max(0, ...lines.flatMap((line, index) => /^\[Container\] \S+ \S+ Entering phase /.test(line) ? [index] : []));
  return lines.slice(Math.max(begin, lines.length - LOG_TAIL_LINES));
}
