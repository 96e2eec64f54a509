/** What a run comes to. */
import type { Arrival } from './workload';
import type { SimulatedBuild } from '../../test/simulation';
import { percentile } from '../percentile';

export interface Figures {
  /** Requests without a build that are not in the dead-letter queue either. */
  readonly lost: number;
  /** Deployments with more than one build. */
  readonly doubled: number;
  readonly deadLettered: number;
  readonly startCallsPerBuild: number;
  /** Of the builds that the account could have run while there was work. */
  readonly busyShare: number;
  /** Seconds from the request to the start of its build, of those that had one. */
  readonly quietWaitP50: number | null;
  readonly quietWaitP99: number | null;
  readonly noisyWaitP50: number | null;
  readonly noisyWaitP99: number | null;
}

export interface Run {
  /** When the first request could come. */
  readonly beganAt: number;
  readonly arrivals: readonly Arrival[];
  readonly builds: readonly SimulatedBuild[];
  readonly startCalls: number;
  readonly limit: number;
  /** Deployments whose request is in the dead-letter queue. */
  readonly deadLettered: ReadonlySet<string>;
}

export function figuresOf({ beganAt, arrivals, builds, startCalls, limit, deadLettered }: Run): Figures {
  const buildsOf = new Map<string, SimulatedBuild[]>();
  for (const build of builds) buildsOf.set(build.deploymentId, [...buildsOf.get(build.deploymentId) ?? [], build]);
  const waits = (noisy: boolean) => arrivals.filter(({ isNoisy }) => isNoisy === noisy).flatMap(({ at, request }) => {
    const startedAt = buildsOf.get(request.deploymentId)?.[0].startedAt;
    return startedAt === undefined ? [] : [(startedAt - beganAt - at) / 1000];
  }).sort((a, b) => a - b);
  const [quiet, noisy] = [waits(false), waits(true)];
  return {
    lost: arrivals.filter(({ request: { deploymentId } }) => !buildsOf.has(deploymentId) && !deadLettered.has(deploymentId)).length,
    doubled: [...buildsOf.values()].filter(({ length }) => length > 1).length,
    deadLettered: deadLettered.size,
    startCallsPerBuild: startCalls / builds.length,
    busyShare: busyShare(beganAt, arrivals, buildsOf, limit),
    quietWaitP50: percentile(quiet, 0.5),
    quietWaitP99: percentile(quiet, 0.99),
    noisyWaitP50: percentile(noisy, 0.5),
    noisyWaitP99: percentile(noisy, 0.99),
  };
}

/**
 * Build time that was used, of what could have been used: at each moment as many builds as there were requests whose build had not ended,
 * up to the limit. A request that never gets a build is work until the last build has ended.
 */
function busyShare(beganAt: number, arrivals: readonly Arrival[], buildsOf: ReadonlyMap<string, readonly SimulatedBuild[]>, limit: number): number {
  const builds = [...buildsOf.values()].flat();
  const end = Math.max(...builds.map(({ endedAt }) => endedAt!));
  const changes: { at: number; wanted: number; running: number }[] = [];
  for (const { at, request } of arrivals) {
    changes.push({ at: beganAt + at, wanted: 1, running: 0 });
    changes.push({ at: buildsOf.get(request.deploymentId)?.[0].endedAt ?? end, wanted: -1, running: 0 });
  }
  for (const { startedAt, endedAt } of builds) {
    changes.push({ at: startedAt ?? endedAt!, wanted: 0, running: 1 }, { at: endedAt!, wanted: 0, running: -1 });
  }
  changes.sort((a, b) => a.at - b.at);
  let [wanted, running, used, possible, before] = [0, 0, 0, 0, beganAt];
  for (const change of changes) {
    used += running * (change.at - before);
    possible += Math.min(limit, wanted) * (change.at - before);
    before = change.at;
    wanted += change.wanted;
    running += change.running;
  }
  return used / possible;
}
