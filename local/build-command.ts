/** `npm run local -- build`: one app through the whole pipeline, as often as asked. */
import { randomBytes } from 'node:crypto';
import { mkdir, stat, writeFile } from 'node:fs/promises';
import * as path from 'node:path';
import { DeploymentReport, describeStatus } from './report';
import { type Running, type Session, withSession } from './session';
import { isRemote, prepareSource } from './source';
import { liesIn } from './state-directory';
import { UsageError } from './usage-error';
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
export interface RunningPipeline extends Running {
  readonly records: readonly DeploymentRecord[];
}

/** Beyond the build itself: starting it, promoting its output, and a laptop that is busy with other things. */
const MARGIN_MS = 10 * 60_000;

/** After the end of a deployment the pipeline tidies up: its staging area, its entry among the open ones. It takes less than a second. */
const SETTLE_MS = 5_000;

export async function runBuilds(
  command: BuildCommand, write: (line: string) => void, signal: AbortSignal, whenEnded?: (running: RunningPipeline) => Promise<void>,
): Promise<BuildResult> {
  await checkPaths(command);
  const { environment, json, secrets, state, template } = command;
  const logDirectory = json && path.dirname(path.resolve(json));
  return withSession({ environment, secrets, state, template, example: 'app', logDirectory }, write, signal, (session) => new Builds(command, session).run(whenEnded));
}

/** What would fail only after minutes, or spoil the next build. */
export async function checkPaths({ source, template, state, json }: Pick<BuildCommand, 'source' | 'template' | 'state' | 'json'>): Promise<void> {
  const isDirectory = async (file: string) => (await stat(file).catch(() => undefined))?.isDirectory();
  if (json && await isDirectory(json)) throw new UsageError(`--json: ${json} is a folder. Name a file.`);
  if (template && !await isDirectory(template)) throw new UsageError(`--template: there is no folder ${template}. Name the output directory of "cdk synth".`);
  if (!state) return;
  if (await isDirectory(state) === false) throw new UsageError(`--state: ${state} is a file. Name a folder.`);
  if (!isRemote(source) && await isDirectory(source) && await liesIn(source, state)) {
    throw new UsageError(`--state: ${state} lies in the folder that is built, and would be part of the next build. Name a folder outside of ${source}.`);
  }
}

class Builds {
  private readonly reports: DeploymentReport[] = [];
  private readonly records: DeploymentRecord[] = [];

  constructor(private readonly command: BuildCommand, private readonly session: Session) {}

  public async run(whenEnded?: (running: RunningPipeline) => Promise<void>): Promise<BuildResult> {
    const { gitServer, signal, workDirectory } = this.session;
    const { commit, forceBuild, repeat, rootDirectory, withoutCache } = this.command;
    const source = await prepareSource(this.command.source, { commit, gitServer, scratchDirectory: workDirectory, signal });
    this.session.write(`Building ${source.description}`);
    const running = await this.session.start(source);
    try {
      for (let count = 1; count <= repeat; count += 1) {
        signal.throwIfAborted();
        this.session.write(repeat > 1 ? `\nDeployment ${count} of ${repeat}` : '');
        const { projectId = source.name } = this.command;
        const { repoUrl, commitSha, branch } = source;
        await this.deploy(running, { deploymentId: newDeploymentId(), projectId, commitSha, repoUrl, branch, rootDirectory, forceBuild, withoutCache });
        await running.stack.settled(SETTLE_MS);
        await running.stack.dynamodb.save();
      }
    } finally {
      await this.writeJson();
    }
    await whenEnded?.({ ...running, records: this.records });
    return { reports: this.reports };
  }

  private async deploy(running: Running, request: BuildRequest): Promise<void> {
    const { deploymentId } = request;
    const { pipeline, stack } = running;
    const { progress, signal } = this.session;
    progress.restart();
    await pipeline.send(request);
    progress.step('queue', `request of deployment ${deploymentId} sent`);
    const record = await pipeline.ended(deploymentId, {
      timeoutMs: pipeline.buildTimeoutMinutes * 60_000 + MARGIN_MS,
      signal,
      onStatus: (current) => progress.step('record', describeStatus(current)),
    }).catch(async (error: Error) => {
      // Stopped, or out of time: what is known so far is worth a report.
      const unfinished = await pipeline.deployment(deploymentId);
      if (unfinished) await this.report(running, unfinished);
      throw error;
    });
    await this.session.show(stack, record, await this.report(running, record));
  }

  private async report({ pipeline, stack }: Running, record: DeploymentRecord): Promise<DeploymentReport> {
    const report = await this.session.report(stack, pipeline, record);
    this.reports.push(report);
    this.records.push(record);
    return report;
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
