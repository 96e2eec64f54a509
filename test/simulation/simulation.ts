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

const ASSETS = join(__dirname, '..', '..', 'assets');

/** SDK clients stop repeating calls after about fifty that failed in a row; nothing of one world's faults may reach another. */
const FAULTS_PER_ENVIRONMENT = 20;

/** An environment keeps some 10 MB. */
const MAX_IDLE = 24;

export async function startSimulation(): Promise<Simulation> {
  const tables = new Tables();
  await tables.create();
  const directory = temporaryDirectory();
  const pool = new EnvironmentPool();
  return {
    world: (options) => new World(options, { tables, directory, pool }),
    close: () => rmSync(directory, { recursive: true, force: true }),
  };
}

/** Loading a handler takes ten times as long as most of its invocations: it is kept, by code and environment variables. */
export class EnvironmentPool {
  private readonly idle: Array<{ key: string; environment: ExecutionEnvironment }> = [];
  private readonly faults = new WeakMap<ExecutionEnvironment, number>();

  take(handler: HandlerName, variables: Readonly<Record<string, string>>, file = join(ASSETS, handler, 'index.js')): ExecutionEnvironment {
    const key = keyOf(file, variables);
    const found = this.idle.findIndex((one) => one.key === key);
    return found < 0 ? new ExecutionEnvironment(file, variables) : this.idle.splice(found, 1)[0].environment;
  }

  give(handler: HandlerName, variables: Readonly<Record<string, string>>, environment: ExecutionEnvironment, faults: number, file = join(ASSETS, handler, 'index.js')): void {
    const sum = (this.faults.get(environment) ?? 0) + faults;
    this.faults.set(environment, sum);
    if (sum < FAULTS_PER_ENVIRONMENT) {
      this.idle.push({ key: keyOf(file, variables), environment });
      if (this.idle.length > MAX_IDLE) this.idle.shift();
    }
  }
}

function keyOf(file: string, variables: Readonly<Record<string, string>>): string {
  return `${file} ${JSON.stringify(variables)}`;
}
