/**
 * A burst of requests on an account that runs 20 builds at a time, through the bundled handlers on a virtual clock; and the same requests
 * through the naive design (bench/naive), in the same run. Duplicate deliveries of SQS included, one in a thousand.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { Figures, figuresOf } from './figures';
import { ACCOUNT_LIMIT, PROJECTS, Workload, workload } from './workload';
import type { BuildRequest } from '../../src/contract/build-request';
import { startSimulation, type Simulation, type World, type WorldOptions } from '../../test/simulation';

export interface BurstOptions {
  readonly requests: number;
  readonly seed: number;
  /** Builds that CodeBuild lets wait by itself; 0 is the hardest: it refuses what it cannot run at once. */
  readonly codeBuildQueue: number;
  readonly json?: string;
}

const EVERY_DUPLICATE = 1_000;

export async function burst(options: BurstOptions): Promise<void> {
  const { codeBuildQueue, json, requests, seed } = options;
  const work = workload(requests, seed);
  const directory = await mkdtemp(join(tmpdir(), 'bench-burst-'));
  const simulation = await startSimulation();
  try {
    console.log(`${requests} requests of ${PROJECTS} projects, one of which sends half of them; CodeBuild runs ${ACCOUNT_LIMIT} builds at a time`
      + `${codeBuildQueue ? ` and lets ${codeBuildQueue} wait` : ' and refuses more'}.`);
    const ours = await run('ours', simulation, work, options);
    const naive = await run('naive', simulation, work, options, await bundleNaive(directory));
    print({ ours, naive });
    if (json) await writeFile(json, `${JSON.stringify({ ours, naive }, undefined, 2)}\n`);
  } finally {
    simulation.close();
    await rm(directory, { recursive: true, force: true });
  }
}

async function run(
  name: string, simulation: Simulation, { arrivals, planOf }: Workload, { codeBuildQueue, seed }: BurstOptions, handlers?: WorldOptions['handlers'],
): Promise<Figures> {
  const startedAt = performance.now();
  let begun = 0;
  const world = simulation.world({
    seed,
    plan: (deploymentId) => {
      begun += 1;
      if (begun % Math.ceil(arrivals.length / 10) === 0) console.error(`${name}: ${begun} builds have begun`);
      return planOf(deploymentId);
    },
    concurrentBuilds: ACCOUNT_LIMIT,
    queuedBuilds: codeBuildQueue,
    handlers,
    reconcileEverySeconds: handlers ? 0 : undefined,
    // Of DynamoDB and SQS within a Region, one way.
    latency: (random) => random.between(1, 8),
    faults: { onMessage: (delivery) => (delivery % EVERY_DUPLICATE === EVERY_DUPLICATE - 1 ? 'duplicate' : undefined) },
  });
  try {
    const beganAt = world.timeline.now;
    for (const { at, request } of arrivals) world.at(at, () => world.send(request));
    await world.run({ hours: 14 * 24 });
    const figures = figuresOf({
      beganAt,
      arrivals,
      builds: world.codeBuild.builds,
      startCalls: world.codeBuild.starts.started + world.codeBuild.starts.repeated + world.codeBuild.starts.refused,
      limit: ACCOUNT_LIMIT,
      deadLettered: await deadLettersOf(world),
    });
    const [virtualHours, realSeconds] = [(world.timeline.now - beganAt) / 3_600_000, (performance.now() - startedAt) / 1000];
    console.log(`${name}: ${virtualHours.toFixed(1)} h of the pipeline's time, ${world.calls.length} AWS calls, in ${realSeconds.toFixed(0)} s`);
    return figures;
  } finally {
    await world.close();
  }
}

async function deadLettersOf({ deadLetters }: World): Promise<Set<string>> {
  const ids = new Set<string>();
  for (;;) {
    const messages = await deadLetters.receive({ maxMessages: 10, waitSeconds: 0, visibilityTimeout: 43_200 });
    if (messages.length === 0) return ids;
    for (const { body } of messages) ids.add((JSON.parse(body) as BuildRequest).deploymentId);
  }
}

async function bundleNaive(directory: string): Promise<WorldOptions['handlers']> {
  const files = { orchestrator: join(directory, 'orchestrator.js'), finalizer: join(directory, 'finalizer.js') };
  await build({
    entryPoints: { orchestrator: join(__dirname, '..', 'naive', 'orchestrator.ts'), finalizer: join(__dirname, '..', 'naive', 'finalizer.ts') },
    outdir: directory,
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
  });
  return files;
}

function print(results: Record<'ours' | 'naive', Figures>): void {
  const seconds = (value: number | null) => (value === null ? 'none' : `${value.toFixed(0)} s`);
  const rows: [string, (figures: Figures) => string][] = [
    ['builds lost', ({ lost }) => String(lost)],
    ['built twice', ({ doubled }) => String(doubled)],
    ['dead-lettered', ({ deadLettered }) => String(deadLettered)],
    ['StartBuild calls per build', ({ startCallsPerBuild }) => startCallsPerBuild.toFixed(2)],
    ['capacity kept busy', ({ busyShare }) => `${(100 * busyShare).toFixed(1)} %`],
    ['wait of quiet projects, p50', ({ quietWaitP50 }) => seconds(quietWaitP50)],
    ['wait of quiet projects, p99', ({ quietWaitP99 }) => seconds(quietWaitP99)],
    ['wait of the noisy project, p50', ({ noisyWaitP50 }) => seconds(noisyWaitP50)],
    ['wait of the noisy project, p99', ({ noisyWaitP99 }) => seconds(noisyWaitP99)],
    ['noisy p99 / quiet p99', ({ noisyWaitP99, quietWaitP99 }) => (noisyWaitP99 && quietWaitP99 ? (noisyWaitP99 / quietWaitP99).toFixed(1) : 'none')],
  ];
  console.log(`\n${''.padEnd(32)}${'ours'.padStart(12)}${'naive'.padStart(12)}`);
  for (const [label, show] of rows) console.log(`${label.padEnd(32)}${show(results.ours).padStart(12)}${show(results.naive).padStart(12)}`);
}
