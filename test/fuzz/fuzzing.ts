/**
 * How many inputs a property is tried with, and which.
 *
 *     FUZZ_RUNS=100000 npx jest test/fuzz   a long run: so many for each property, of inputs that nobody has seen before
 *     FUZZ_SEED=<seed> FUZZ_PATH=<path> npx jest <test file> -t <test>   one that failed, as its report names it
 *
 * Properties that start programs get fewer, in both runs: the share that `inputs` is told.
 */
import type * as fc from 'fast-check';

const { FUZZ_RUNS, FUZZ_SEED, FUZZ_PATH } = process.env;

/** In an ordinary run of the tests: seconds for a file. */
const ORDINARY = 2000;

const RUNS = Number(FUZZ_RUNS ?? ORDINARY);

// Hours are more than a long run takes for one property; minutes are for an ordinary one on a busy machine.
jest.setTimeout(FUZZ_RUNS === undefined ? 240_000 : 36_000_000);

/** An ordinary run must give the same result tomorrow; a long one is a search. */
export function inputs(share = 1): fc.Parameters<unknown> {
  const seed = FUZZ_SEED === undefined ? FUZZ_RUNS === undefined ? 1 : Date.now() % 1_000_000_000 : Number(FUZZ_SEED);
  return FUZZ_PATH === undefined ? { numRuns: Math.ceil(RUNS * share), seed } : { numRuns: 1, seed, path: FUZZ_PATH, endOnFailure: true };
}
