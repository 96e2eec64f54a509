/** One app, and everything that is measured about it. */
import { execFile } from 'node:child_process';
import { appendFile, cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import * as path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { BenchApp } from './apps';
import { VARIANTS, type AppFigures, type Variant } from './figures';
import { snapshot, type GitServer } from '../../local/git-server';
import type { BuildRequest } from '../../src/contract/build-request';
import type { DeploymentRecord } from '../../src/contract/deployment';
import { CACHE_ROOT, STAGING_ROOT } from '../../src/contract/keys';
import { lock, packageOf } from '../../test/matrix/package-managers';
import type { LocalPipeline } from '../../test/support/local-pipeline';

const run = promisify(execFile);

/** A large app on a busy machine. */
const TIMEOUT_MS = 30 * 60_000;
const CLEANED_UP_MS = 60_000;
/** Small, and no app of ours has it. */
const ADDED_DEPENDENCY = ['clsx', '2.1.1'] as const;

interface Machine {
  readonly directory: string;
  readonly gitServer: GitServer;
  readonly pipeline: LocalPipeline;
  /** As a build sees it. */
  readonly environment: Readonly<Record<string, string>>;
}

interface Commit {
  readonly repoUrl: string;
  readonly commitSha: string;
  readonly branch: string;
}

export class Contender {
  static async prepare(app: BenchApp, machine: Machine): Promise<Contender> {
    const contender = new Contender(app, machine);
    await mkdir(contender.folder, { recursive: true });
    await app.write(contender.folder);
    if (app.needsLockfile) await contender.lock();
    await cp(contender.folder, contender.workingCopy, { recursive: true });
    return contender;
  }

  readonly name: string;
  private readonly folder: string;
  private readonly workingCopy: string;
  private count = 0;

  private constructor(private readonly app: BenchApp, private readonly machine: Machine) {
    this.name = app.name;
    this.folder = path.join(machine.directory, 'app');
    this.workingCopy = path.join(machine.directory, 'floor');
  }

  /** The last commit, as a request names it. */
  async commit(): Promise<Commit> {
    this.count += 1;
    const { branch, commitSha, repository } = await snapshot(this.folder, path.join(this.machine.directory, `commit-${this.count}`));
    return { branch, commitSha, repoUrl: this.machine.gitServer.addRepository(`${this.name}-${this.count}`, repository) };
  }

  async changeSource(folder = this.folder): Promise<void> {
    this.count += 1;
    await appendFile(path.join(this.packageDirectory(folder), this.app.sourceFile), `// Change ${this.count}\n`);
  }

  async addDependency(): Promise<void> {
    const file = path.join(this.packageDirectory(this.folder), 'package.json');
    const manifest = JSON.parse(await readFile(file, 'utf8')) as { dependencies: Record<string, string> };
    const [name, version] = ADDED_DEPENDENCY;
    await writeFile(file, JSON.stringify({ ...manifest, dependencies: { ...manifest.dependencies, [name]: version } }, undefined, 2));
    await this.lock();
  }

  async removeDependency(): Promise<void> {
    const file = path.join(this.packageDirectory(this.folder), 'package.json');
    const manifest = JSON.parse(await readFile(file, 'utf8')) as { dependencies: Record<string, string> };
    delete manifest.dependencies[ADDED_DEPENDENCY[0]];
    await writeFile(file, JSON.stringify(manifest, undefined, 2));
    await this.lock();
  }

  async deploy(commit: Commit, options: Pick<BuildRequest, 'withoutCache'> = {}): Promise<{ seconds: number; record: DeploymentRecord; started: number }> {
    const { pipeline } = this.machine;
    const deploymentId = `${this.name}-${this.count}-${Math.round(performance.now())}`;
    const before = (await pipeline.builds()).length;
    const began = performance.now();
    await pipeline.pipeline.send({ deploymentId, projectId: this.name, rootDirectory: this.app.rootDirectory, ...commit, ...options });
    const record = await pipeline.ended(deploymentId, TIMEOUT_MS);
    const seconds = (performance.now() - began) / 1000;
    if (record.status !== 'success') throw new Error(`${record.failureCode}: ${record.failureMessage}\n${record.buildId ? await pipeline.buildLog(record.buildId) : ''}`);
    if (record.buildId) await this.expectOneBuild(record.buildId);
    await this.cacheInPlace();
    return { seconds, record, started: (await pipeline.builds()).length - before };
  }

  async naive({ commitSha, repoUrl }: Commit): Promise<number> {
    const directory = path.join(this.machine.directory, 'naive');
    await rm(directory, { recursive: true, force: true });
    await mkdir(directory);
    return this.timed('naive.sh', directory, {
      REPO_URL: repoUrl, COMMIT_SHA: commitSha, ROOT_DIRECTORY: this.app.rootDirectory ?? '', MANAGER: packageOf(this.app.manager), OPEN_NEXT_VERSION: this.app.openNext,
    });
  }

  /** Not measured: what the floor has in place. */
  async prepareFloor(): Promise<void> {
    const { manager } = this.app;
    await this.install(this.toolDirectory, `@opennextjs/aws@${this.app.openNext}`, packageOf(manager));
    const install = { npm: ['ci'], pnpm: ['install', '--frozen-lockfile'], yarn: ['install', '--frozen-lockfile'], bun: ['install'] }[manager.name];
    await run(manager.name, install, { cwd: this.workingCopy, env: { ...this.environment, PATH: `${this.managerBin}:${this.environment.PATH}`, CI: 'true' }, maxBuffer: 1e8 });
    await this.floor();
  }

  async floor(): Promise<number> {
    await this.changeSource(this.workingCopy);
    return this.timed('floor.sh', this.packageDirectory(this.workingCopy), {
      OPEN_NEXT: path.join(this.toolDirectory, 'node_modules/@opennextjs/aws'), MANAGER_BIN: this.managerBin,
    });
  }

  async cacheBytes(): Promise<number> {
    const objects = await this.machine.pipeline.pipeline.objects(`${CACHE_ROOT}${this.name}/`);
    return objects.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** The finalizer sees to the cache after the success is announced, and to the staged objects after that. */
  private async cacheInPlace(): Promise<void> {
    for (const until = performance.now() + CLEANED_UP_MS; performance.now() < until;) {
      if ((await this.machine.pipeline.pipeline.objects(STAGING_ROOT)).length === 0) return;
      await sleep(100);
    }
    throw new Error('The finalizer did not come to its end.');
  }

  private async lock(): Promise<void> {
    await lock(this.folder, this.app.manager, this.machine.environment);
  }

  private async timed(script: string, directory: string, variables: Record<string, string>): Promise<number> {
    const began = performance.now();
    await run('bash', [path.join(__dirname, script)], {
      cwd: directory, env: { ...this.environment, ...variables }, maxBuffer: 1e9, timeout: TIMEOUT_MS,
    }).catch((error: Error & { stdout?: string; stderr?: string }) => {
      throw new Error(`${script} failed: ${error.message}\n${(error.stdout ?? '').slice(-5000)}${(error.stderr ?? '').slice(-5000)}`);
    });
    return (performance.now() - began) / 1000;
  }

  private async install(directory: string, ...packages: string[]): Promise<void> {
    await run('npm', ['install', '--prefix', directory, '--no-audit', '--no-fund', '--legacy-peer-deps', ...packages], { env: this.environment, maxBuffer: 1e8 });
  }

  private async expectOneBuild(buildId: string): Promise<void> {
    const count = (await this.machine.pipeline.buildLog(buildId)).match(/Creating an optimized production build/g)?.length;
    if (count !== 1) throw new Error(`"next build" ran ${count ?? 0} times in ${buildId}; expected once.`);
  }

  private get environment(): Record<string, string> {
    const { environment, gitServer, pipeline } = this.machine;
    return {
      ...environment,
      ...gitServer.buildEnvironment,
      ...pipeline.stack.endpoints,
      AWS_ACCESS_KEY_ID: pipeline.stack.operator.accessKeyId,
      AWS_SECRET_ACCESS_KEY: pipeline.stack.operator.secretAccessKey,
      AWS_REGION: 'us-east-1',
      TARGET: `s3://${pipeline.pipeline.artifactsBucket}/bench/${this.name}`,
    };
  }

  private get toolDirectory(): string {
    return path.join(this.machine.directory, 'tools');
  }

  private get managerBin(): string {
    return path.join(this.toolDirectory, 'node_modules/.bin');
  }

  private packageDirectory(folder: string): string {
    return path.join(folder, this.app.rootDirectory ?? '.');
  }
}

/** A round has a commit for each variant: nothing is measured twice, but for the commit that is sent again. */
export async function measureApp(contender: Contender, rounds: number, tell: (line: string) => void): Promise<AppFigures> {
  const seconds = Object.fromEntries(VARIANTS.map((variant) => [variant, [] as number[]])) as Record<Variant, number[]>;
  const measured = (variant: Variant, value: number, record?: DeploymentRecord) => {
    seconds[variant].push(value);
    const steps = Object.entries(record?.timings ?? {}).map(([step, time]) => `${step} ${time}`).join(', ');
    const layers = Object.entries(record?.cache ?? {}).map(([layer, use]) => `${layer} ${use?.result}`).join(', ');
    tell(`${variant} ${value.toFixed(1)} s${steps ? ` (${steps}; ${layers})` : ''}`);
  };
  const deployed = async (variant: Variant, commit: Commit, options?: Pick<BuildRequest, 'withoutCache'>) => {
    const { record, seconds: value } = await contender.deploy(commit, options);
    measured(variant, value, record);
    return record;
  };
  tell('preparing');
  await contender.prepareFloor();
  let last: DeploymentRecord | undefined;
  for (let round = 1; round <= rounds; round += 1) {
    await contender.changeSource();
    const first = await contender.commit();
    measured('naive', await contender.naive(first));
    await deployed('cold', first, { withoutCache: true });
    await contender.changeSource();
    const second = await contender.commit();
    last = await deployed('warm', second);
    const again = await contender.deploy(second);
    if (again.started !== 0) throw new Error('The same commit was built again.');
    measured('reuse', again.seconds);
    await contender.addDependency();
    await deployed('warmDeps', await contender.commit());
    await contender.removeDependency();
    measured('floor', await contender.floor());
  }
  return { name: contender.name, seconds, cacheBytes: await contender.cacheBytes(), artifactBytes: last!.artifacts!.totalBytes };
}
