/** What the worlds of one process share: the loaded handlers, the tables' server, a directory. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { buildSync } from 'esbuild';
import { ExecutionEnvironment } from './execution-environment';
import type { HandlerName } from './faults';
import { Bucket, Tables, temporaryDirectory } from './services';
import { World, type WorldOptions } from './world';

export interface Simulation {
  world(options: WorldOptions): World;
  close(): void;
}

export interface EnvironmentKey {
  readonly handler: HandlerName;
  readonly variables: Readonly<Record<string, string>>;
  /** In place of the bundled handler. */
  readonly file?: string;
}

const ASSETS = join(__dirname, '..', '..', 'assets');

/**
 * An SDK client has 500 tokens for repeating calls: a repetition that fails costs up to 14, a call that succeeds gives one back. An
 * environment that may have spent much of it is thrown away, so that the faults of one world do not reach the next.
 */
const REPETITION_COST = 14;
const MOST_SPENT = 150;

/** An environment keeps some 10 MB. */
const MAX_IDLE = 40;

/** dynalite keeps something of every query that it has ever answered. */
const WORLDS_PER_TABLES = 100;

const START = Date.UTC(2026, 0, 1);
const DAY_MS = 86_400_000;

export async function startSimulation(): Promise<Simulation> {
  let tables = await Tables.create();
  let worlds = 0;
  const directory = temporaryDirectory();
  const bucket = new Bucket(directory);
  const pool = new EnvironmentPool();
  let producer: string | undefined;
  let start = START;
  return {
    world: (options) => new World(options, start, {
      tables,
      bucket,
      pool,
      producerFile: () => {
        producer ??= bundleProducer(directory);
        return producer;
      },
      // A handler may remember something for some minutes: to the next world it is long ago.
      onClose: async (now) => {
        start += DAY_MS * Math.ceil(1 + (now - start) / DAY_MS);
        worlds += 1;
        if (worlds % WORLDS_PER_TABLES === 0) tables = await Tables.create();
      },
    }),
    close: () => rmSync(directory, { recursive: true, force: true }),
  };
}

/** The pipeline's own handlers are bundled by scripts/bundle-handlers.mjs; this one is nobody's but the simulation's. */
function bundleProducer(directory: string): string {
  const outfile = join(directory, 'producer.js');
  buildSync({
    entryPoints: [join(__dirname, 'producer.ts')], outfile, bundle: true, minify: true, platform: 'node', mainFields: ['module', 'main'], target: 'node20', format: 'cjs',
  });
  return outfile;
}

/** Loading a handler takes long, and a young one is slow: it is kept for other worlds, by code and environment variables. */
export class EnvironmentPool {
  private readonly idle: Array<{ key: string; environment: ExecutionEnvironment }> = [];
  private readonly spent = new WeakMap<ExecutionEnvironment, number>();

  take(key: EnvironmentKey): ExecutionEnvironment {
    const name = JSON.stringify(key);
    const found = this.idle.findIndex((one) => one.key === name);
    return found < 0 ? new ExecutionEnvironment(key.file ?? join(ASSETS, key.handler, 'index.js'), key.variables) : this.idle.splice(found, 1)[0].environment;
  }

  /** `calls` and `faults` since it was taken. */
  give(key: EnvironmentKey, environment: ExecutionEnvironment, calls: number, faults: number): void {
    const spent = Math.max(0, (this.spent.get(environment) ?? 0) + REPETITION_COST * faults - calls);
    this.spent.set(environment, spent);
    environment.release();
    if (spent < MOST_SPENT) {
      this.idle.push({ key: JSON.stringify(key), environment });
      if (this.idle.length > MAX_IDLE) this.idle.shift();
    }
  }
}
