/** `npm run local -- build`: one app through the whole pipeline, as often as asked. */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { GetObjectCommand } from '@aws-sdk/client-s3';
import { startGitServer } from './git-server';
import { prepareImage } from './image';
import { findPipeline, type Pipeline } from './pipeline';
import { Progress } from './progress';
import { DeploymentReport, describe, reportOf } from './report';
import type { Phase } from './services/codebuild';
import { prepareSource } from './source';
import { startStack, type LocalStack } from './stack';
import { synthesizeExample } from './synthesize';
import { readAssembly } from './template/assembly';
import type { BuildRequest } from '../src/contract/build-request';
import type { DeploymentRecord } from '../src/contract/deployment';

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

const LOG_TAIL_LINES = 40;

export async function runBuilds(
  command: BuildCommand, write: (line: string) => void, signal: AbortSignal, whenEnded?: (running: RunningPipeline) => Promise<void>,
): Promise<BuildResult> {
  const workDirectory = await mkdtemp(path.join(tmpdir(), 'nextjs-builds-'));
  const cleanUp: (() => Promise<unknown>)[] = [() => rm(workDirectory, { recursive: true, force: true, maxRetries: 3 })];
  try {
    return await new LocalRun(command, write, signal, workDirectory, cleanUp).run(whenEnded);
  } finally {
    for (const step of cleanUp.reverse()) await step();
  }
}

class LocalRun {
  private readonly phases = new Map<string, Phase[]>();
  private readonly progress: Progress;
  private readonly stateDirectory: string;
  private functionNames = new Map<string, string>();

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
    const gitServer = await startGitServer();
    this.cleanUp.push(() => gitServer.close());
    const source = await prepareSource(this.command.source, { commit: this.command.commit, gitServer, scratchDirectory: this.workDirectory });
    this.write(`Building ${source.description}`);

    const stack = await this.startStack(gitServer.buildEnvironment);
    this.cleanUp.push(() => stack.close(), () => stack.dynamodb.save());
    const pipeline = await findPipeline(stack);
    this.cleanUp.push(async () => pipeline.close());
    this.functionNames = new Map([[pipeline.orchestratorName, 'orchestrator'], [pipeline.finalizerName, 'finalizer']]);
    this.signal.throwIfAborted();

    const reports: DeploymentReport[] = [];
    const records: DeploymentRecord[] = [];
    for (let count = 1; count <= this.command.repeat; count += 1) {
      this.write(this.command.repeat > 1 ? `\nDeployment ${count} of ${this.command.repeat}` : '');
      const { rootDirectory, projectId = source.name } = this.command;
      const { repoUrl, commitSha, branch } = source;
      const request = { deploymentId: newDeploymentId(), projectId, commitSha, repoUrl, branch, ...(rootDirectory === undefined ? {} : { rootDirectory }) };
      const { record, report } = await this.deploy(stack, pipeline, request);
      reports.push(report);
      records.push(record);
      await stack.dynamodb.save();
    }
    await this.writeJson(reports);
    await whenEnded?.({ stack, pipeline, records });
    return { reports };
  }

  private async startStack(gitEnvironment: Readonly<Record<string, string>>): Promise<LocalStack> {
    const template = this.command.template ?? path.join(this.workDirectory, 'cdk.out');
    if (!this.command.template) await synthesizeExample(template);
    const image = await prepareImage({ directory: path.join(this.workDirectory, 'image') });
    image.notes.forEach((note) => this.write(`Note: ${note}`));
    return startStack({
      assembly: await readAssembly(template),
      stateDirectory: this.stateDirectory,
      workDirectory: this.workDirectory,
      imageEnvironment: { ...image.environment, ...gitEnvironment },
      buildEnvironment: this.command.environment,
      observer: {
        onNote: (note) => this.write(`Note: ${note}`),
        onInvoke: (name) => this.progress.step(this.functionNames.get(name) ?? name, 'invoked'),
        onFunctionLog: (name, line) => this.showFunctionLog(name, line),
        onFunctionError: (name, error) => this.progress.step(this.functionNames.get(name) ?? name, `error: ${String(error)}`),
        onBuildPhase: (buildId, phase) => this.showPhase(buildId, phase),
      },
    });
  }

  private async deploy(stack: LocalStack, pipeline: Pipeline, request: BuildRequest): Promise<{ record: DeploymentRecord; report: DeploymentReport }> {
    this.progress.restart();
    await pipeline.send(request);
    this.progress.step('queue', `request of deployment ${request.deploymentId} sent`);
    const record = await pipeline.ended(request.deploymentId, {
      timeoutMs: pipeline.buildTimeoutMinutes * 60_000 + MARGIN_MS,
      signal: this.signal,
      onStatus: ({ status, failureCode }) => this.progress.step('record', failureCode ? `${status}: ${failureCode}` : status),
    });
    const prefixes = record.artifacts ? [record.artifacts.artifactsPrefix, record.artifacts.staticPrefix] : [];
    const artifacts = (await Promise.all(prefixes.map((prefix) => pipeline.objects(prefix)))).flat();
    const buildLog = record.buildId && stack.logFileOf(record.buildId);
    const report = reportOf(record, this.phases.get(record.buildId ?? '') ?? [], artifacts, await this.keepLog(buildLog, record.deploymentId));
    this.write('');
    describe(record, report, await stepsOf(pipeline, record)).forEach((line) => this.write(line));
    if (record.status !== 'success') {
      this.write(`\nFAILED ${record.failureCode}: ${record.failureMessage}`);
      if (buildLog) (await tail(buildLog)).forEach((line) => this.write(`  | ${line}`));
    }
    return { record, report };
  }

  private showPhase(buildId: string, phase: Phase): void {
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

  private async writeJson(deployments: readonly DeploymentReport[]): Promise<void> {
    if (!this.command.json) return;
    await mkdir(path.dirname(path.resolve(this.command.json)), { recursive: true });
    await writeFile(this.command.json, `${JSON.stringify({ deployments }, undefined, 2)}\n`);
  }
}

/** Sortable by time, and different from all others in a kept state. */
function newDeploymentId(): string {
  return `local-${new Date().toISOString().replace(/\D/g, '').slice(0, 14)}-${randomBytes(3).toString('hex')}`;
}

async function stepsOf({ s3, artifactsBucket }: Pipeline, record: DeploymentRecord): Promise<Record<string, number> | undefined> {
  if (!record.artifacts) return undefined;
  const { Body } = await s3.send(new GetObjectCommand({ Bucket: artifactsBucket, Key: record.artifacts.manifestKey }));
  return (JSON.parse(await Body!.transformToString()) as { steps?: Record<string, number> }).steps;
}

async function tail(file: string): Promise<string[]> {
  if (!existsSync(file)) return [];
  return (await readFile(file, 'utf8')).trimEnd().split('\n').slice(-LOG_TAIL_LINES);
}
