/**
 * CodeBuild in virtual time: builds that last as long as they are told to and end as they are told to. Speaks the API and sends the
 * events of the real one, and lets a build store its files below its own staging prefix before it ends.
 */
import type { HttpAnswer, HttpRequest } from './execution-environment';
import type { Random } from './random';
import { ACCOUNT_ID, answerAwsJson, REGION, type Bucket } from './services';
import type { Appointment, Timeline } from './timeline';
import type { JsonObject } from '../../local/services/aws-json';
import { CodeBuildError } from '../../local/services/codebuild/errors';
import { BUILD_ENV, HANDOVER_ENV } from '../../src/contract/environment';
import type { Handover } from '../../src/contract/handover';
import { handoverKey, stagingPrefix } from '../../src/contract/keys';
import { ZIP } from '../support/zip-file';

export const BUILD_PROJECT = 'builds';
export const BUILD_PROJECT_ARN = `arn:aws:codebuild:${REGION}:${ACCOUNT_ID}:project/${BUILD_PROJECT}`;

export type BuildStatus = 'IN_PROGRESS' | 'SUCCEEDED' | 'FAILED' | 'FAULT' | 'STOPPED' | 'TIMED_OUT';

/** What will become of a build if nobody stops it. */
export interface BuildPlan {
  /** From the start of the container to the end of the build. */
  readonly seconds: number;
  readonly status: Exclude<BuildStatus, 'IN_PROGRESS'>;
  /** The phase that ends with `status`; by default BUILD. `QUEUED`: CodeBuild never finds a machine for it. */
  readonly phase?: string;
  /** Of the command that failed. */
  readonly exitCode?: number;
  /** What it stores, by name below its staging prefix; by default everything that a good build stores. */
  readonly files?: readonly string[];
}

export const CACHE_FILES: readonly string[] = ['cache/dependencies', 'cache/next'];
export const GOOD_FILES: readonly string[] = ['artifacts/lambda.zip', 'artifacts/open-next.output.json', 'static/_next/static/main.js', 'artifacts/manifest.json'];

const REPORT = { timings: { build: 20 }, cache: { dependencies: { result: 'miss', workSeconds: 30, saveSeconds: 2 }, next: { result: 'hit', workSeconds: 20 } } };

export interface SimulatedBuild {
  readonly id: string;
  readonly arn: string;
  readonly deploymentId: string;
  readonly environment: ReadonlyArray<{ readonly name: string; readonly value: string; readonly type?: string }>;
  /** What it finds behind the URL that it is given. */
  readonly handover?: Handover;
  readonly plan: BuildPlan;
  readonly submittedAt: number;
  startedAt?: number;
  endedAt?: number;
  status: BuildStatus;
  phase: string;
}

export interface CodeBuildOptions {
  /** Builds of the account that run at the same time. */
  readonly concurrentBuilds: number;
  /** Builds that CodeBuild itself lets wait beyond that; with 0 it refuses them at once. */
  readonly queuedBuilds: number;
  readonly plan: (deploymentId: string) => BuildPlan;
  readonly onEvent: (event: BuildEvent) => void;
}

/** "CodeBuild Build State Change", as far as it differs between builds. */
export interface BuildEvent {
  readonly 'source': 'aws.codebuild';
  readonly 'detail-type': 'CodeBuild Build State Change';
  readonly 'id': string;
  readonly 'time': string;
  readonly 'account': string;
  readonly 'region': string;
  readonly 'resources': readonly string[];
  readonly 'detail': {
    readonly 'build-status': BuildStatus;
    readonly 'project-name': string;
    readonly 'build-id': string;
    readonly 'current-phase': string;
    readonly 'additional-information': Readonly<Record<string, unknown>>;
  };
}

const TOKEN_VALID_MS = 5 * 60_000;
const PAGE_SIZE = 100;
const PHASES = ['SUBMITTED', 'QUEUED', 'PROVISIONING', 'DOWNLOAD_SOURCE', 'INSTALL', 'PRE_BUILD', 'BUILD', 'POST_BUILD', 'UPLOAD_ARTIFACTS', 'FINALIZING', 'COMPLETED'];
/** A build gives up its place in CodeBuild's own queue after this time. */
const QUEUED_TIMEOUT_MS = 3_600_000;

export class CodeBuild {
  /** Oldest first. */
  readonly builds: SimulatedBuild[] = [];
  /** Calls of StartBuild that CodeBuild has seen, by how it answered. */
  readonly starts = { started: 0, repeated: 0, refused: 0 };
  private readonly byId = new Map<string, SimulatedBuild>();
  private readonly tokens = new Map<string, { build: SimulatedBuild; parameters: string; expiresAt: number }>();
  private readonly appointments = new Map<SimulatedBuild, Appointment>();
  private readonly stopping = new Set<SimulatedBuild>();
  private running = 0;
  private readonly waiting: SimulatedBuild[] = [];

  constructor(
    private readonly options: CodeBuildOptions, private readonly timeline: Timeline, private readonly random: Random, private readonly bucket: Bucket,
  ) {}

  get runningBuilds(): number {
    return this.running;
  }

  async handle(request: HttpRequest): Promise<HttpAnswer> {
    return answerAwsJson('CodeBuild_20161006', '1.1', request, async (operation, input) => {
      switch (operation) {
        case 'StartBuild': return { build: describe(this.start(input)) };
        case 'StopBuild': return { build: describe(this.stop(this.find(String(input.id)))) };
        case 'BatchGetBuilds': return this.batchGet(input.ids as string[]);
        case 'ListBuildsForProject': return this.list(input);
        case 'BatchGetProjects': return { projects: [{ name: BUILD_PROJECT, source: { buildspec: 'version: 0.2' }, environment: { image: 'image' } }] };
        default: throw new CodeBuildError('InvalidInputException', `The simulated CodeBuild has no ${operation}.`);
      }
    });
  }

  /** Somebody starts a build in the console, if there is room: of this pipeline's project, and of none of its deployments. */
  startByHand(): void {
    if (this.isFull()) return;
    this.start({ projectName: BUILD_PROJECT });
  }

  /** As a person in the console would. */
  stop(build: SimulatedBuild): SimulatedBuild {
    if (build.status === 'IN_PROGRESS' && !this.stopping.has(build)) {
      this.stopping.add(build);
      // CodeBuild answers at once and takes a moment to do it.
      this.timeline.after(this.random.between(100, 5000), async () => this.end(build, 'STOPPED'));
    }
    return build;
  }

  private start(input: JsonObject): SimulatedBuild {
    if (input.projectName !== BUILD_PROJECT) {
      throw new CodeBuildError('ResourceNotFoundException', `Project cannot be found: ${String(input.projectName)}`);
    }
    const parameters = JSON.stringify(Object.entries(input).sort(([a], [b]) => (a < b ? -1 : 1)));
    const token = input.idempotencyToken as string | undefined;
    const earlier = token === undefined ? undefined : this.tokens.get(token);
    if (earlier && earlier.expiresAt > this.timeline.now) {
      if (earlier.parameters !== parameters) {
        throw new CodeBuildError('InvalidInputException', 'Parameter mismatch for given idempotency token');
      }
      this.starts.repeated += 1;
      return earlier.build;
    }
    if (this.isFull()) {
      this.starts.refused += 1;
      throw new CodeBuildError('AccountLimitExceededException', `Cannot have more than ${this.options.queuedBuilds} builds in queue for the account`);
    }
    this.starts.started += 1;
    const environment = (input.environmentVariablesOverride ?? []) as SimulatedBuild['environment'];
    const deploymentId = environment.find(({ name }) => name === BUILD_ENV.deploymentId)?.value ?? '';
    const isHandedOver = environment.some(({ name }) => name === HANDOVER_ENV.url);
    const id = `${BUILD_PROJECT}:${this.random.uuid()}`;
    const build: SimulatedBuild = {
      id,
      arn: `arn:aws:codebuild:${REGION}:${ACCOUNT_ID}:build/${id}`,
      deploymentId,
      environment,
      handover: isHandedOver ? JSON.parse(this.bucket.text(handoverKey(deploymentId))!) as Handover : undefined,
      plan: this.options.plan(deploymentId),
      submittedAt: this.timeline.now,
      status: 'IN_PROGRESS',
      phase: 'QUEUED',
    };
    this.builds.push(build);
    this.byId.set(id, build);
    if (token !== undefined) {
      this.tokens.set(token, { build, parameters, expiresAt: this.timeline.now + TOKEN_VALID_MS });
    }
    this.emit(build);
    this.waiting.push(build);
    this.appointments.set(build, this.timeline.after(QUEUED_TIMEOUT_MS, async () => this.end(build, 'TIMED_OUT')));
    this.admit();
    return build;
  }

  private isFull(): boolean {
    return this.running >= this.options.concurrentBuilds && this.waiting.length >= this.options.queuedBuilds;
  }

  private admit(): void {
    // What is planned never to find a machine stays behind, and takes no machine from others.
    for (const build of [...this.waiting]) {
      if (this.running >= this.options.concurrentBuilds) return;
      if (build.plan.phase === 'QUEUED') continue;
      this.waiting.splice(this.waiting.indexOf(build), 1);
      this.running += 1;
      build.startedAt = this.timeline.now;
      build.phase = build.plan.phase ?? 'BUILD';
      this.appointments.get(build)!.cancelled = true;
      this.appointments.set(build, this.timeline.after(1000 * build.plan.seconds, async () => this.end(build, build.plan.status)));
    }
  }

  private async end(build: SimulatedBuild, status: Exclude<BuildStatus, 'IN_PROGRESS'>): Promise<void> {
    if (build.status !== 'IN_PROGRESS') return;
    this.appointments.get(build)!.cancelled = true;
    if (build.startedAt === undefined) {
      this.waiting.splice(this.waiting.indexOf(build), 1);
    } else {
      // A build that was stopped has stored a part of its files.
      const files = build.plan.files ?? (status === 'SUCCEEDED' ? [...CACHE_FILES, ...GOOD_FILES] : GOOD_FILES.slice(0, 1));
      for (const file of files) {
        const content = { of: build.id, file, ...(file === 'artifacts/manifest.json' ? REPORT : {}) };
        await this.bucket.put(stagingPrefix(build.arn) + file, file.endsWith('.zip') ? ZIP : JSON.stringify(content));
      }
      this.running -= 1;
    }
    build.status = status;
    build.endedAt = this.timeline.now;
    this.emit(build);
    this.admit();
  }

  private find(idOrArn: string): SimulatedBuild {
    const build = this.byId.get(idOrArn.replace(/^arn:[^/]*:build\//, ''));
    if (!build) {
      throw new CodeBuildError('ResourceNotFoundException', `Build cannot be found: ${idOrArn}`);
    }
    return build;
  }

  private batchGet(ids: string[]): object {
    if (ids.length < 1 || ids.length > PAGE_SIZE) {
      throw new CodeBuildError('InvalidInputException', `Expected 1 to ${PAGE_SIZE} ids, got ${ids.length}.`);
    }
    const known = (id: string) => this.byId.get(id.replace(/^arn:[^/]*:build\//, ''));
    return { builds: ids.flatMap((id) => known(id) ?? []).map(describe), buildsNotFound: ids.filter((id) => !known(id)) };
  }

  private list(input: JsonObject): object {
    const newestFirst = [...this.builds].reverse();
    const ids = (input.sortOrder === 'ASCENDING' ? this.builds : newestFirst).map(({ id }) => id);
    const offset = Number(input.nextToken ?? 0);
    const next = offset + PAGE_SIZE;
    return { ids: ids.slice(offset, next), nextToken: next < ids.length ? String(next) : undefined };
  }

  private emit(build: SimulatedBuild): void {
    this.options.onEvent({
      'source': 'aws.codebuild',
      'detail-type': 'CodeBuild Build State Change',
      'id': this.random.uuid(),
      'time': new Date(this.timeline.now).toISOString(),
      'account': ACCOUNT_ID,
      'region': REGION,
      'resources': [build.arn],
      'detail': {
        'build-status': build.status,
        'project-name': BUILD_PROJECT,
        'build-id': build.arn,
        'current-phase': build.status === 'IN_PROGRESS' ? 'SUBMITTED' : 'COMPLETED',
        'additional-information': { 'build-complete': build.status !== 'IN_PROGRESS', 'environment': { 'environment-variables': build.environment } },
      },
    });
  }
}

/** As the API shows a build. */
function describe(build: SimulatedBuild): Record<string, unknown> {
  const { id, arn, status, submittedAt, endedAt, environment } = build;
  return {
    id,
    arn,
    projectName: BUILD_PROJECT,
    startTime: submittedAt / 1000,
    endTime: endedAt && endedAt / 1000,
    currentPhase: status === 'IN_PROGRESS' ? build.phase : 'COMPLETED',
    buildStatus: status,
    buildComplete: status !== 'IN_PROGRESS',
    environment: { environmentVariables: environment },
    phases: phasesOf(build),
    timeoutInMinutes: 30,
    queuedTimeoutInMinutes: QUEUED_TIMEOUT_MS / 60_000,
  };
}

function phasesOf({ status, phase, plan, startedAt }: SimulatedBuild): object[] {
  const last = PHASES.indexOf(phase);
  const before = PHASES.slice(0, last).map((phaseType) => ({ phaseType, phaseStatus: 'SUCCEEDED', endTime: startedAt! / 1000 }));
  if (status === 'IN_PROGRESS') return [...before, { phaseType: phase }];
  if (status === 'SUCCEEDED') return PHASES.slice(0, -1).map((phaseType) => ({ phaseType, phaseStatus: 'SUCCEEDED' })).concat({ phaseType: 'COMPLETED', phaseStatus: 'SUCCEEDED' });
  const message = plan.exitCode === undefined ? '' : `Error while executing command: bash. Reason: exit status ${plan.exitCode}`;
  return [...before, { phaseType: phase, phaseStatus: status, contexts: [{ statusCode: 'COMMAND_EXECUTION_ERROR', message }] }, { phaseType: 'COMPLETED' }];
}
