/** What the worlds of one process share: the loaded handlers, the tables' server, a directory. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { ExecutionEnvironment } from './execution-environment';
import type { HandlerName } from './faults';
import { Tables, temporaryDirectory } from './services';
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

/** SDK clients stop repeating calls after about fifty that failed in a row; nothing of one world's faults may reach another. */
const FAULTS_PER_ENVIRONMENT = 12;

/** An environment keeps some 10 MB. */
const MAX_IDLE = 40;

const START = Date.UTC(2026, 0, 1);
const DAY_MS = 86_400_000;

export async function startSimulation(): Promise<Simulation> {
  const tables = new Tables();
  await tables.create();
  const directory = temporaryDirectory();
  const pool = new EnvironmentPool();
  let start = START;
  return {
    world: (options) => new World(options, start, {
      tables,
      directory,
      pool,
      // A handler may remember something for some minutes: to the next world it is long ago.
      onClose: (now) => {
        start += DAY_MS * Math.ceil(1 + (now - start) / DAY_MS);
      },
    }),
    close: () => rmSync(directory, { recursive: true, force: true }),
  };
}

/** Loading a handler takes ten times as long as most of its invocations: it is kept for other worlds, by code and environment variables. */
export class EnvironmentPool {
  private readonly idle: Array<{ key: string; environment: ExecutionEnvironment }> = [];
  private readonly faults = new WeakMap<ExecutionEnvironment, number>();

  take(key: EnvironmentKey): ExecutionEnvironment {
    const name = JSON.stringify(key);
    const found = this.idle.findIndex((one) => one.key === name);
    return found < 0 ? new ExecutionEnvironment(key.file ?? join(ASSETS, key.handler, 'index.js'), key.variables) : this.idle.splice(found, 1)[0].environment;
  }

  /** `faults`: how many it has seen since it was taken. */
  give(key: EnvironmentKey, environment: ExecutionEnvironment, faults: number): void {
    const sum = (this.faults.get(environment) ?? 0) + faults;
    this.faults.set(environment, sum);
    if (sum < FAULTS_PER_ENVIRONMENT) {
      this.idle.push({ key: JSON.stringify(key), environment });
      if (this.idle.length > MAX_IDLE) this.idle.shift();
    }
  }
}
