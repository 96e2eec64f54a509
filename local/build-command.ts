/** `npm run local -- build`: one app through the whole pipeline, as often as asked. */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { startGitServer } from './git-server';
import { prepareImage } from './image';
import { findPipeline, type Pipeline, type StoredObject } from './pipeline';
import { Progress } from './progress';
import { DeploymentReport, describe, describeStatus, reportOf, verdict } from './report';
import type { Phase } from './services/codebuild';
import { isRemote, prepareSource } from './source';
import { startStack, type LocalStack } from './stack';
import { liesIn, lockState } from './state-directory';
import { synthesizeExample } from './synthesize';
import { readAssembly } from './template/assembly';
import { UsageError } from './usage-error';
import type { BuildRequest } from '../src/contract/build-request';
import type { DeploymentRecord } from '../src/contract/deployment';
import { forApps, LOCAL_BUILD_ENVIRONMENT } from '../src/contract/environment';

export interface BuildCommand {
  /** Folder or git URL. */
  readonly source: string;
  readonly commit?: string;
  readonly rootDirectory?: string;
  readonly projectId?: string;
  readonly repeat: number;
  readonly environment: Readonly<Record<string, string>>;
  /** A cdk.out with one pipeline in it; without it the example stack is synthesized. */
  readonly template?: string;
  readonly state?: string;
  readonly json?: string;
  /** Build what has been built before with the same settings. */
  readonly forceBuild?: boolean;
  readonly withoutCache?: boolean;
  /** A JSON file: values of secrets by their names. */
  readonly secrets?: string;
}

export interface BuildResult {
  readonly reports: readonly DeploymentReport[];
}

/** What runs while the command runs; the demo looks into it when the deployments have ended. */
export interface RunningPipeline {
  readonly stack: LocalStack;
  readonly pipeline: Pipeline;
  readonly records: readonly DeploymentRecord[];
}

/** Beyond the build itself: starting it, promoting its output, and a laptop that is busy with other things. */
const MARGIN_MS = 10 * 60_000;

/** After the end of a deployment the pipeline tidies up: its staging area, its entry among the open ones. It takes less than a second. */
const SETTLE_MS = 5_000;

/** What fits on a screen or two; the rest is in the log. */
const LOG_TAIL_LINES = 60;

export async function runBuilds(
  command: BuildCommand, write: (line: string) => void, signal: AbortSignal, whenEnded?: (running: RunningPipeline) => Promise<void>,
): Promise<BuildResult> {
  await checkPaths(command);
  const cleanUp: (() => Promise<unknown>)[] = [];
  try {
    if (command.state) cleanUp.push(await lockState(path.resolve(command.state)));
    const workDirectory = await mkdtemp(path.join(tmpdir(), 'nextjs-builds-'));
    cleanUp.push(() => rm(workDirectory, { recursive: true, force: true, maxRetries: 3 }));
    return await new LocalRun(command, write, signal, workDirectory, cleanUp).run(whenEnded);
  } finally {
    for (const step of cleanUp.reverse()) {
      await step().catch((error: Error) => write(`Note: cleaning up: ${error.message}`));
    }
  }
}

/** What would fail only after minutes, or spoil the next build. */
async function checkPaths({ source, template, state, json }: BuildCommand): Promise<void> {
  const isDirectory = async (file: string) => (await stat(file).catch(() => undefined))?.isDirectory();
  if (json && await isDirectory(json)) throw new UsageError(`--json: ${json} is a folder. Name a file.`);
  if (template && !await isDirectory(template)) throw new UsageError(`--template: there is no folder ${template}. Name the output directory of "cdk synth".`);
  if (!state) return;
  if (await isDirectory(state) === false) throw new UsageError(`--state: ${state} is a file. Name a folder.`);
  if (!isRemote(source) && await isDirectory(source) && await liesIn(source, state)) {
    throw new UsageError(`--state: ${state} lies in the folder that is built, and would be part of the next build. Name a folder outside of ${source}.`);
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

class LocalRun {
  private readonly phases = new Map<string, Phase[]>();
  private readonly progress: Progress;
  private readonly stateDirectory: string;
  private readonly reports: DeploymentReport[] = [];
  private readonly records: DeploymentRecord[] = [];
  private functionNames = new Map<string, string>();
  private stack?: LocalStack;

  constructor(
    private readonly command: BuildCommand,
    private readonly write: (line: string) => void,
    private readonly signal: AbortSignal,
    private readonly workDirectory: string,
    private readonly cleanUp: (() => Promise<unknown>)[],
  ) {
    this.progress = new Progress(write);
    this.stateDirectory = command.state ? path.resolve(command.state) : path.join(workDirectory, 'state');
  }

  public async run(whenEnded?: (running: RunningPipeline) => Promise<void>): Promise<BuildResult> {
    const secrets = await readSecrets(this.command.secrets);
    const gitServer = await startGitServer();
    this.cleanUp.push(() => gitServer.close());
    const { commit, forceBuild, repeat, rootDirectory, withoutCache } = this.command;
    const source = await prepareSource(this.command.source, { commit, gitServer, scratchDirectory: this.workDirectory, signal: this.signal });
    this.write(`Building ${source.description}`);

    const stack = this.stack = await this.startStack(gitServer.buildEnvironment);
    this.cleanUp.push(() => stack.close(), () => stack.dynamodb.save());
    for (const [name, value] of secrets) stack.secretsManager.putSecret(name, value);
    const pipeline = await findPipeline(stack);
    this.cleanUp.push(async () => pipeline.close());
    this.functionNames = new Map([
      [pipeline.orchestratorName, 'orchestrator'], [pipeline.finalizerName, 'finalizer'], [pipeline.reconcilerName, 'reconciler'],
    ]);

    try {
      for (let count = 1; count <= repeat; count += 1) {
        this.signal.throwIfAborted();
        this.write(repeat > 1 ? `\nDeployment ${count} of ${repeat}` : '');
        const { projectId = source.name } = this.command;
        const { repoUrl, commitSha, branch } = source;
        const request = { deploymentId: newDeploymentId(), projectId, commitSha, repoUrl, branch, rootDirectory, forceBuild, withoutCache };
        await this.deploy(stack, pipeline, request);
        await stack.settled(SETTLE_MS);
        await stack.dynamodb.save();
      }
    } finally {
      await this.writeJson();
    }
    await whenEnded?.({ stack, pipeline, records: this.records });
    return { reports: this.reports };
  }

  private async startStack(gitEnvironment: Readonly<Record<string, string>>): Promise<LocalStack> {
    const template = this.command.template ?? path.join(this.workDirectory, 'cdk.out');
    if (!this.command.template) await synthesizeExample(template, this.signal);
    this.signal.throwIfAborted();
    const image = await prepareImage({ directory: path.join(this.workDirectory, 'image'), signal: this.signal });
    this.signal.throwIfAborted();
    image.notes.forEach((note) => this.write(`Note: ${note}`));
    return startStack({
      assembly: await readAssembly(template),
      stateDirectory: this.stateDirectory,
      workDirectory: this.workDirectory,
      imageEnvironment: { ...image.environment, ...gitEnvironment },
      buildEnvironment: forApps(this.command.environment, LOCAL_BUILD_ENVIRONMENT),
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

  private async deploy(stack: LocalStack, pipeline: Pipeline, request: BuildRequest): Promise<void> {
    const { deploymentId } = request;
    this.progress.restart();
    await pipeline.send(request);
    this.progress.step('queue', `request of deployment ${deploymentId} sent`);
    const record = await pipeline.ended(deploymentId, {
      timeoutMs: pipeline.buildTimeoutMinutes * 60_000 + MARGIN_MS,
      signal: this.signal,
      onStatus: (current) => this.progress.step('record', describeStatus(current)),
    }).catch(async (error: Error) => {
      // Stopped, or out of time: what is known so far is worth a report.
      const unfinished = await pipeline.deployment(deploymentId);
      if (unfinished) await this.report(stack, unfinished, []);
      throw error;
    });
    const prefixes = record.artifacts ? [record.artifacts.artifactsPrefix, record.artifacts.staticPrefix] : [];
    const artifacts = (await Promise.all(prefixes.map((prefix) => pipeline.objects(prefix)))).flat();
    const report = await this.report(stack, record, artifacts);
    this.write('');
    describe(record, report).forEach((line) => this.write(line));
    const consequence = verdict(record);
    if (consequence) this.write(`\n${consequence}`);
    if (record.status === 'failed') {
      if (record.buildId) (await tail(stack.logFileOf(record.buildId))).forEach((line) => this.write(`  | ${line}`));
      if (record.buildId) this.write(report.logFile ? `The whole log: ${report.logFile}` : 'The whole log is kept with --state or --json.');
    }
  }

  private async report(stack: LocalStack, record: DeploymentRecord, artifacts: readonly StoredObject[]): Promise<DeploymentReport> {
    const logFile = await this.keepLog(record.buildId && stack.logFileOf(record.buildId), record.deploymentId);
    const report = reportOf(record, this.phases.get(record.buildId ?? '') ?? [], artifacts, logFile);
    this.reports.push(report);
    this.records.push(record);
    return report;
  }

  private showPhase(buildId: string, phase: Phase): void {
    if (!this.phases.has(buildId) && this.stack) this.progress.step('build', `its log: ${this.stack.logFileOf(buildId)}`);
    this.phases.set(buildId, [...(this.phases.get(buildId) ?? []).filter(({ phaseType }) => phaseType !== phase.phaseType), phase]);
    if (phase.phaseStatus) {
      const seconds = ((phase.endTime!.getTime() - phase.startTime.getTime()) / 1000).toFixed(1);
      this.progress.step('build', `${phase.phaseType} ${phase.phaseStatus.toLowerCase()} (${seconds} s)`);
    }
  }

  /** Handlers log JSON lines; what is worth a line on the terminal is a warning or worse. */
  private showFunctionLog(name: string, line: string): void {
    try {
      const { level, message, error, problem } = JSON.parse(line) as Record<string, unknown> & { error?: { message?: string } };
      if (level === 'WARN' || level === 'ERROR') {
        this.progress.step(this.functionNames.get(name) ?? name, [message, problem, error?.message].filter(Boolean).join(': '));
      }
    } catch {
      this.progress.step(this.functionNames.get(name) ?? name, line);
    }
  }

  /** Beside the state, or beside the JSON report; without either nothing is kept. */
  private async keepLog(buildLog: string | undefined, deploymentId: string): Promise<string | undefined> {
    const directory = this.command.state ? path.join(this.stateDirectory, 'logs') : this.command.json && path.dirname(path.resolve(this.command.json));
    if (!directory || !buildLog || !existsSync(buildLog)) return undefined;
    await mkdir(directory, { recursive: true });
    const logFile = path.join(directory, `${deploymentId}.log`);
    await copyFile(buildLog, logFile);
    return logFile;
  }

  private async writeJson(): Promise<void> {
    if (!this.command.json) return;
    await mkdir(path.dirname(path.resolve(this.command.json)), { recursive: true });
    await writeFile(this.command.json, `${JSON.stringify({ deployments: this.reports }, undefined, 2)}\n`);
  }
}

/** Sortable by time, and different from all others in a kept state. */
function newDeploymentId(): string {
  return `local-${new Date().toISOString().replace(/\D/g, '').slice(0, 14)}-${randomBytes(3).toString('hex')}`;
}

/** From the beginning of the last phase: what comes before is mostly the text of scripts. */
async function tail(file: string): Promise<string[]> {
  if (!existsSync(file)) return [];
  const lines = (await readFile(file, 'utf8')).trimEnd().split('\n');
  const begin = Math.max(0, ...lines.flatMap((line, index) => /^\[Container\] \S+ \S+ Entering phase /.test(line) ? [index] : []));
  return lines.slice(Math.max(begin, lines.length - LOG_TAIL_LINES));
}
