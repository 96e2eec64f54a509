/**
 * A pipeline with an attacker and a neighbour on it. An attacker's projects have names that begin with `attacker`; all else is not his, and
 * `outside` tells what it is, byte for byte.
 */
import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { cp, mkdtemp, readFile, realpath, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { promisify } from 'node:util';
import { DeleteObjectCommand } from '@aws-sdk/client-s3';
import { paginateScan } from '@aws-sdk/lib-dynamodb';
import { commitApp, type HostileApp } from './hostile-app';
import { INSTALL_SECRETS_PREFIX, moveIn, type Neighbour } from './neighbour';
import { startGitServer, type GitServer } from '../../local/git-server';
import { ACCOUNT_ID, REGION } from '../../local/template/resolver';
import type { BuildRequest } from '../../src/contract/build-request';
import type { DeploymentRecord } from '../../src/contract/deployment';
import { HANDLER_ENV } from '../../src/contract/environment';
import { EVENT_SOURCE } from '../../src/contract/events';
import { ARTIFACTS_ROOT, CACHE_ROOT, STAGING_ROOT, stagingPrefix, STATIC_ROOT } from '../../src/contract/keys';
import { LocalPipeline, until } from '../support/local-pipeline';
import { buildRequest } from '../support/requests';

/** What an attacker found out or tried, as his tools print it. */
export interface LootLine {
  /** Who he claimed to be. */
  readonly as: 'anonymous' | 'build' | 'guess' | 'URL' | 'nobody';
  readonly what: string;
  /** `403 AccessDenied`, for example. */
  readonly answer: string;
}

export interface Attack {
  readonly record: DeploymentRecord;
  /** Of the build; empty if none was started. */
  readonly log: string;
  readonly loot: readonly LootLine[];
}

/** Everything that is not the attacker's. */
export interface Outside {
  /** Hash and time of the content by key. */
  readonly objects: Readonly<Record<string, string>>;
  readonly items: readonly string[];
  readonly deadLetters: readonly string[];
  /** Events about deployments of others. */
  readonly events: readonly unknown[];
}

interface StatusEvent {
  readonly detail: { readonly deploymentId?: string };
}

/** Answers that give an attacker nothing. */
export const REFUSED = /AccessDenied|SignatureDoesNotMatch|InvalidAccessKeyId|InvalidSignature|IncompleteSignature|UnrecognizedClient|^closed$/;

/** A seized machine runs nothing but the attacker's module; he need not bother about the steps. It has the credentials of every build. */
const SEIZED = JSON.stringify({ version: 0.2, phases: { build: { commands: ['node "$ATTACKS/$DEPLOYMENT_ID.mjs"'] } } });

/** The finalizer promotes and removes a few objects. */
const SETTLED_MS = 30_000;

const OWN = new RegExp(`^(${ARTIFACTS_ROOT}|${STATIC_ROOT}|${CACHE_ROOT})attacker`);

export class Platform {
  /** `seized`: builds are run by `seize` only. */
  static async start({ seized = false }: { seized?: boolean } = {}): Promise<Platform> {
    const directory = await realpath(await mkdtemp(path.join(tmpdir(), 'hostile-')));
    const gitServer = await startGitServer();
    try {
      const pipeline = await LocalPipeline.start({
        props: { installSecretsPrefix: INSTALL_SECRETS_PREFIX },
        imageEnvironment: gitServer.buildEnvironment,
        ...seized ? { buildspec: SEIZED, buildEnvironment: { ATTACKS: directory } } : {},
      });
      const stateTable = variablesOf(pipeline)[HANDLER_ENV.stateTable];
      const platform = new Platform(directory, gitServer, pipeline, stateTable, await moveIn(pipeline, stateTable));
      await cp(path.join(__dirname, 'attacker'), directory, { recursive: true });
      await writeFile(path.join(directory, 'target.json'), JSON.stringify(platform.target()));
      return platform;
    } catch (error) {
      await gitServer.close();
      await rm(directory, { recursive: true, force: true });
      throw error;
    }
  }

  private readonly events: StatusEvent[] = [];

  private constructor(
    readonly directory: string,
    private readonly gitServer: GitServer,
    readonly pipeline: LocalPipeline,
    private readonly stateTable: string,
    private readonly neighbour: Neighbour,
  ) {
    pipeline.stack.events.addRule({
      name: 'a-platform-that-listens',
      pattern: { source: [EVENT_SOURCE] },
      targets: [{ id: 'test', deliver: async (event) => { this.events.push(event as StatusEvent); } }],
    });
  }

  /** The app through the pipeline's own steps. */
  async deploy(app: HostileApp, request: Partial<BuildRequest> = {}): Promise<Attack> {
    return this.attack({ deploymentId: this.newId(app.name), projectId: app.name, ...await this.commit(app), ...request });
  }

  /** A commit of the app, to be deployed more than once. */
  async commit(app: HostileApp): Promise<Awaited<ReturnType<typeof commitApp>>> {
    return commitApp(app, await mkdtemp(path.join(this.directory, 'app-')), this.gitServer, this.target());
  }

  /** A build whose machine is the attacker's from its first command on. `script`: a module beside the attacker's tools. */
  async seize(name: string, script: string, request: Partial<BuildRequest> = {}, timeoutMs?: number): Promise<Attack> {
    const deploymentId = this.newId(name);
    await writeFile(path.join(this.directory, `${deploymentId}.mjs`), script);
    // The same commit again and again.
    return this.attack({ deploymentId, projectId: name, forceBuild: true, ...request }, timeoutMs);
  }

  /** Sends a request and waits until the pipeline has done all that follows from it. */
  async attack(request: Partial<BuildRequest>, timeoutMs?: number): Promise<Attack> {
    const { pipeline } = this.pipeline;
    const whole = buildRequest(request);
    await pipeline.send(whole);
    const record = await this.pipeline.ended(whole.deploymentId, timeoutMs);
    // First, because to list a flood again and again takes its time.
    await this.pipeline.stack.settled(timeoutMs ?? SETTLED_MS);
    if (record.buildId === undefined) return { record, log: '', loot: [] };
    const staged = stagingPrefix(`arn:aws:codebuild:${REGION}:${ACCOUNT_ID}:build/${record.buildId}`);
    await until('what the build has staged is removed', async () => (await pipeline.objects(staged)).length === 0, timeoutMs);
    const log = await this.pipeline.buildLog(record.buildId);
    return { record, log, loot: lootIn(log) };
  }

  async outside(): Promise<Outside> {
    const { dynamodb } = this.pipeline.stack;
    const objects = (await this.pipeline.pipeline.objects('')).filter(({ key }) => !OWN.test(key));
    const items: string[] = [];
    for (const TableName of [this.pipeline.tableName, this.stateTable]) {
      for await (const { Items = [] } of paginateScan({ client: dynamodb.client }, { TableName })) items.push(...Items.map((item) => JSON.stringify(item)));
    }
    return {
      objects: await this.fingerprints(objects.map(({ key }) => key)),
      items: items.filter((item) => !item.includes('"attacker')).sort(),
      deadLetters: (await this.deadLetters()).filter((body) => !body.includes('"attacker')),
      events: this.events.filter(({ detail }) => !detail.deploymentId?.startsWith('attacker')),
    };
  }

  /** Keys of what the attacker has, of all his projects. */
  async booty(): Promise<string[]> {
    return (await this.pipeline.pipeline.objects('')).map(({ key }) => key).filter((key) => OWN.test(key));
  }

  /** What it is, likewise. */
  async bootyFingerprints(): Promise<Outside['objects']> {
    return this.fingerprints(await this.booty());
  }

  /** Of an object. */
  async content(key: string): Promise<string> {
    return readFile(path.join(this.bucketDirectory, key), 'utf8');
  }

  /** A module of the attacker's beside his tools, in a process that has nothing to do with any build. */
  async runElsewhere(script: string): Promise<LootLine[]> {
    const file = path.join(this.directory, 'elsewhere.mjs');
    await writeFile(file, script);
    const { stdout } = await promisify(execFile)(process.execPath, [file], { env: { PATH: process.env.PATH }, maxBuffer: 1e8 });
    return lootIn(stdout);
  }

  /** What builds of attackers have left in staging/. */
  async removeStaged(): Promise<void> {
    const { artifactsBucket: Bucket, objects, s3 } = this.pipeline.pipeline;
    for (const { key: Key } of await objects(STAGING_ROOT)) {
      if (!(Key in this.neighbour.objects)) await s3.send(new DeleteObjectCommand({ Bucket, Key }));
    }
  }

  /** As `BuildsBuildRole dynamodb:Scan`: what was denied so far, and to whom. */
  denials(): string[] {
    return this.pipeline.stack.denials.map(({ action, caller }) => `${caller.replace(/^.*:role\//, '').replace(/-?[0-9A-F]{8}.*$/, '')} ${action}`);
  }

  async close(): Promise<void> {
    await this.pipeline.close();
    await this.gitServer.close();
    await rm(this.directory, { recursive: true, force: true, maxRetries: 3 });
  }

  private get bucketDirectory(): string {
    return path.join(this.pipeline.directory, 'state', 's3', this.pipeline.pipeline.artifactsBucket);
  }

  /** No other run on this machine has it: attackers recognise their own processes by it. */
  private newId(name: string): string {
    return `${name}-${randomBytes(4).toString('hex')}`;
  }

  /** All that is no secret. */
  private target(): object {
    const { deadLetterQueueUrl, pipeline, projectName, queueUrl, stack, tableName } = this.pipeline;
    const { endpoints } = stack;
    return {
      bucket: pipeline.artifactsBucket,
      bucketDirectory: this.bucketDirectory,
      endpoints: {
        s3: endpoints.AWS_ENDPOINT_URL_S3,
        sqs: endpoints.AWS_ENDPOINT_URL_SQS,
        dynamodb: endpoints.AWS_ENDPOINT_URL_DYNAMODB,
        events: endpoints.AWS_ENDPOINT_URL_EVENTBRIDGE,
        secretsmanager: endpoints.AWS_ENDPOINT_URL_SECRETS_MANAGER,
        codebuild: endpoints.AWS_ENDPOINT_URL_CODEBUILD,
        lambda: endpoints.AWS_ENDPOINT_URL_LAMBDA,
        other: endpoints.AWS_ENDPOINT_URL,
      },
      functions: [pipeline.orchestratorName, pipeline.finalizerName, pipeline.reconcilerName],
      neighbour: this.neighbour,
      project: projectName,
      queues: [queueUrl, deadLetterQueueUrl],
      secret: INSTALL_SECRETS_PREFIX + this.neighbour.projectId,
      tables: [tableName, this.stateTable],
    };
  }

  /** Looks at them, and leaves them where they are. */
  private async deadLetters(): Promise<string[]> {
    const queue = this.pipeline.stack.sqs.queue(this.pipeline.deadLetterQueueUrl);
    const seen: Awaited<ReturnType<typeof queue.receive>>[number][] = [];
    for (;;) {
      const messages = await queue.receive({ maxMessages: 10, waitSeconds: 0 });
      if (messages.length === 0) break;
      seen.push(...messages);
    }
    seen.forEach(({ receiptHandle }) => queue.changeVisibility(receiptHandle, 0));
    return seen.map(({ body }) => body).sort();
  }

  private async fingerprints(keys: readonly string[]): Promise<Outside['objects']> {
    return Object.fromEntries(await Promise.all(keys.map(async (key) => [key, await this.fingerprint(key)])));
  }

  private async fingerprint(key: string): Promise<string> {
    const file = path.join(this.bucketDirectory, key);
    const content = await readFile(file).catch(() => undefined);
    // With its time: not even written anew. What nobody put there before the attack may have any name, and is enough to be found.
    return content ? `${createHash('sha256').update(content).digest('hex')} of ${(await stat(file)).mtimeMs}` : 'there';
  }
}

function lootIn(text: string): LootLine[] {
  return [...text.matchAll(/^LOOT (.*)$/gm)].map(([, line]) => JSON.parse(line) as LootLine);
}

function variablesOf({ pipeline, stack: { resolvers: [resolver] } }: LocalPipeline): Record<string, string> {
  const orchestrator = resolver.resourcesOfType('AWS::Lambda::Function').find(({ logicalId }) => resolver.physicalName(logicalId) === pipeline.orchestratorName)!;
  return (orchestrator.properties.Environment as { Variables: Record<string, string> }).Variables;
}
