/**
 * Generated scenarios, as tests of 50 each. Each way of setting the pipeline up has its own test file, so that they run beside each other.
 *
 *     FAULT_SCENARIOS=100000 npx jest test/faults/generated   a long run, of scenarios that nobody has seen before
 *     FAULT_SEED=<seed> FAULT_PATH=<path> npx jest <test file>   one that failed, as its report names it
 */
import * as fc from 'fast-check';
import { violations } from './invariants';
import { play, scenarios, type Scenario, type Settings } from './scenario';
import { startSimulation, type Simulation } from '../simulation';

const BATCH = 50;

/** In an ordinary run of the tests, beside the single faults, of which there are some 1,800. */
const SCENARIOS = 800;

/** A scenario takes a fifth of a second; ten times that is for machines that are busy with something else. */
const MS_PER_SCENARIO = 2000;

const { FAULT_SCENARIOS, FAULT_SEED, FAULT_PATH } = process.env;

/** Files that call it. */
const FILES = 4;

export function describeGenerated(name: string, settings: Settings): void {
  describe(`generated scenarios, ${name}`, () => {
    let simulation: Simulation;
    beforeAll(async () => {
      simulation = await startSimulation();
    });
    afterAll(() => simulation.close());

    const property = fc.asyncProperty(scenarios(settings), async (scenario) => check(simulation, scenario));

    if (FAULT_SEED !== undefined) {
      const numRuns = FAULT_PATH === undefined ? BATCH : 1;
      test(`seed ${FAULT_SEED}`, async () => fc.assert(property, { seed: Number(FAULT_SEED), path: FAULT_PATH, numRuns, endOnFailure: true }), 600_000);
      return;
    }
    const count = Math.ceil(Number(FAULT_SCENARIOS ?? SCENARIOS) / BATCH / FILES);
    // A long run is a search; an ordinary one must give the same result tomorrow.
    const first = FAULT_SCENARIOS === undefined ? 0 : Date.now() % 1_000_000_000;
    const seeds = Array.from({ length: count }, (_, index) => first + index);
    test.each(seeds)('seed %i', async (seed) => fc.assert(property, { seed, numRuns: BATCH }), BATCH * MS_PER_SCENARIO);
  });
}

/** Throws with what it found, and with the course of events. */
export async function check(simulation: Simulation, scenario: Scenario, furtherViolations: typeof violations = async () => []): Promise<void> {
  const found = await violationsOf(simulation, scenario, furtherViolations);
  if (found.problems.length === 0) return;
  const { trace } = await violationsOf(simulation, scenario, furtherViolations, true);
  throw new Error(`${found.problems.join('\n')}\n\n${trace.map((line) => line.slice(0, MAX_LINE)).slice(0, MAX_LINES).join('\n')}`);
}

const MAX_LINE = 240;
const MAX_LINES = 400;

async function violationsOf(simulation: Simulation, scenario: Scenario, furtherViolations: typeof violations, trace = false) {
  const played = await play(simulation, scenario, { trace });
  try {
    return { problems: [...await violations(scenario, played), ...await furtherViolations(scenario, played)], trace: played.world.trace };
  } finally {
    await played.world.close();
  }
}
