/** 10,000 requests of 200 projects: one sends half of them at once, the others send theirs over a working day. */
import type { BuildRequest } from '../../src/contract/build-request';
import { Random } from '../../test/simulation';
import type { BuildPlan } from '../../test/simulation';

export interface Arrival {
  /** Milliseconds after the beginning. */
  readonly at: number;
  readonly isNoisy: boolean;
  readonly request: BuildRequest;
}

export interface Workload {
  readonly arrivals: readonly Arrival[];
  readonly planOf: (deploymentId: string) => BuildPlan;
}

export const PROJECTS = 200;
export const ACCOUNT_LIMIT = 20;

const NOISY_MINUTES = 10;
/** Of the capacity, the quiet projects then need about 60 %: they could all be served at once if it were not for the noisy one. */
const QUIET_HOURS_PER_10_000 = 14;

export function workload(requests: number, seed: number): Workload {
  const random = new Random(seed);
  const noisy = Math.floor(requests / 2);
  const quietMs = QUIET_HOURS_PER_10_000 * 3_600_000 * requests / 10_000;
  const arrivals = Array.from({ length: requests }, (_, index): Arrival => {
    const isNoisy = index < noisy;
    const projectId = isNoisy ? 'noisy' : `quiet-${index % (PROJECTS - 1)}`;
    return {
      at: random.between(0, isNoisy ? NOISY_MINUTES * 60_000 : quietMs),
      isNoisy,
      request: {
        deploymentId: `deployment-${index}`,
        projectId,
        commitSha: index.toString(16).padStart(40, '0'),
        repoUrl: `https://git.example.com/${projectId}.git`,
        // Each its own: of one branch, only the newest would be built.
        branch: `change-${index}`,
      },
    };
  });
  const plans = new Map(arrivals.map(({ request }) => [request.deploymentId, plan(random)]));
  return { arrivals: arrivals.sort((a, b) => a.at - b.at), planOf: (deploymentId) => plans.get(deploymentId)! };
}

/** Like real builds: most last one to three minutes, a few much longer; one in twenty fails, and then sooner. */
function plan(random: Random): BuildPlan {
  const normal = Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
  const seconds = Math.min(1500, Math.max(40, 110 * Math.exp(0.45 * normal)));
  return random.chance(0.05) ? { seconds: seconds / 2, status: 'FAILED', exitCode: 31 } : { seconds, status: 'SUCCEEDED' };
}
