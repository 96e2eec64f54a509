/** What must be true of the pipeline whatever has happened. Each check says in a sentence what it found. */
import { ENDINGS, requestOf, type Played, type Scenario } from './scenario';
import { TERMINAL_STATUSES, type DeploymentRecord, type DeploymentStatus } from '../../src/contract/deployment';
import { PUBLIC_RECORD_FIELDS } from '../../src/contract/events';
import type { FailureCode } from '../../src/contract/failure-codes';
import { artifactsPrefix, LAMBDA_ZIP, MANIFEST, stagingPrefix, staticPrefix } from '../../src/contract/keys';
import { branchKey, STATE_KINDS } from '../../src/contract/state-table';
import { GOOD_FILES, type SimulatedBuild } from '../simulation';
import { BUILD_PROJECT_ARN } from '../simulation/code-build';

interface Deployment {
  readonly id: string;
  readonly plan: Scenario['deployments'][number];
  readonly request: ReturnType<typeof requestOf>;
  readonly record: DeploymentRecord | undefined;
  readonly builds: readonly SimulatedBuild[];
}

/** The claim of one invocation of the orchestrator: so long after a newer deployment was registered an older one may still be started. */
const CLAIM_MS = 61_000;

export async function violations(scenario: Scenario, played: Played): Promise<string[]> {
  const { world } = played;
  const records = new Map((await world.records()).map((record) => [record.deploymentId, record]));
  const deployments = scenario.deployments.map((plan, index): Deployment => {
    const request = requestOf(plan, index);
    const id = request.deploymentId;
    return { id, plan, request, record: records.get(id), builds: world.codeBuild.builds.filter(({ deploymentId }) => deploymentId === id) };
  });
  const found = [
    ...played.isQuiet ? [] : ['the pipeline did not come to rest'],
    // A record that was removed says nothing, and a duplicate of its message begins it anew. It must leave nothing behind all the same.
    ...deployments.filter(({ plan }) => plan.deletedAfter === undefined).flatMap((deployment) => [
      ...builtOnce(deployment),
      ...pushAnsweredRightly(deployment, played),
      ...builtWithItsEnvironment(deployment),
      ...endedRightly(deployment, deployments, scenario, played),
      ...movedForward(deployment, played),
      ...announced(deployment, played, deployments),
      ...supersededNotOvertaking(deployment, played),
    ].map((problem) => `${deployment.id}: ${problem}`)),
    ...byHandLeftAlone(played),
    ...await promotedRightly(deployments, played),
    ...limitKept(deployments, scenario),
    ...await stateIsClean(played),
    ...neverBackwards(played),
  ];
  return found;
}

function builtOnce({ builds }: Deployment): string[] {
  return builds.length <= 1 ? [] : [`built ${builds.length} times`];
}

/** Whoever pushed is told the truth, and the deployment is of the second of the push, whenever it was delivered. */
function pushAnsweredRightly({ id, plan, record }: Deployment, { world }: Played): string[] {
  if (!plan.deliveries) return [];
  const answers = world.observed.pushAnswers.filter(({ deploymentId }) => deploymentId === id);
  const told = answers.flatMap(({ outcome }) => ('returned' in outcome ? [outcome.returned] : []));
  const pushedAt = world.start + plan.at;
  const ageMs = record ? Date.parse(record.createdAt) - pushedAt : 0;
  return [
    ...answers.length === plan.deliveries.length ? [] : [`${plan.deliveries.length} deliveries of its push had ${answers.length} answers`],
    ...told.every((answer) => answer === 'enqueued' || answer === 'already') ? [] : [`its push was answered with ${told.join()}`],
    ...told.length > 0 && !record ? ['its push was accepted, and is lost'] : [],
    ...ageMs >= 0 && ageMs < 1000 ? [] : [`was pushed at ${new Date(pushedAt).toISOString()}, and says ${record!.createdAt}`],
  ];
}

function builtWithItsEnvironment({ builds, record, request }: Deployment): string[] {
  const wanted = JSON.stringify(request.buildEnvironment);
  return [
    ...builds.some(({ handover }) => JSON.stringify(handover?.buildEnvironment) !== wanted) ? ['was built without its environment'] : [],
    ...JSON.stringify(record ?? '').includes('s3cret') ? ['has its environment in the record'] : [],
  ];
}

function endedRightly(deployment: Deployment, deployments: readonly Deployment[], scenario: Scenario, played: Played): string[] {
  const { builds: [build], plan, record, request } = deployment;
  if (plan.invalid !== undefined) return invalidEndedRightly(deployment);
  if (!record && plan.deliveries && !build) return [];
  if (!record) return ['has no record: its request is lost'];
  const { failureCode, status, supersededBy } = record;
  if (!TERMINAL_STATUSES.includes(status)) return [`is ${status} for ever`];
  const says = `${status}${failureCode ? ` ${failureCode}` : ''}`;
  if (record.completedAt === undefined) return ['has ended, and no completedAt'];
  if (supersededBy !== undefined && !isNewer(deployments, supersededBy, record)) return [`is superseded by ${supersededBy}, which is not newer`];
  if (!build) {
    if (record.buildId !== undefined) return [`has the build ${record.buildId}, which does not exist`];
    if (status === 'superseded') return supersededBy === undefined ? ['is superseded by nobody'] : [];
    if (status === 'success') return reusedRightly(deployment, deployments);
    if (status === 'failed' && failureCode === 'NO_CAPACITY' && hasWaitedLong(record, scenario)) return [];
    if (status !== 'failed' || failureCode !== 'START_FAILED') return [`says ${says} and was never built`];
    // Only a message has the environment: when that is lost, there is nothing to redrive.
    if (scenario.redrive && !record.failureMessage?.includes('buildEnvironment was lost')) return ['is START_FAILED after the redrive'];
    return played.deadLettered.has(request.deploymentId) ? [] : ['is START_FAILED, and its message is not in the dead-letter queue'];
  }
  if (record.buildId !== build.id) return [`says ${says} and ${record.buildId ?? 'no build'}, but its build is ${build.id}`];
  if (record.buildStartedAt === undefined || record.logsUrl === undefined) return ['has a build, and no buildStartedAt or logsUrl'];
  const { plan: { status: plannedStatus } } = ENDINGS[plan.ending];
  const ofPlan = failureOf(plan, build);
  // It may have waited in CodeBuild's own queue, behind builds that CodeBuild forgot, until CodeBuild gave it up.
  const planned = build.status === 'TIMED_OUT' && build.startedAt === undefined ? 'QUEUE_TIMED_OUT' : ofPlan;
  if (build.status === 'STOPPED' && plannedStatus !== 'STOPPED' && planned !== 'TIMED_OUT') {
    // Somebody's StopBuild: only a newer deployment is a reason, and only with that prop.
    return status === 'superseded' && scenario.stopSupersededBuilds ? [] : [`its build was stopped, and it says ${says}`];
  }
  if (build.status === 'STOPPED' && status === 'superseded') {
    return supersededBy === undefined ? ['is superseded by nobody'] : [];
  }
  if (planned === undefined) return status === 'success' ? [] : [`its build succeeded, and it says ${says}`];
  return status === 'failed' && failureCode === planned ? [] : [`its build ended with ${planned}, and it says ${says}`];
}

/** What runs past its deadline is stopped, unless it was done before anybody looked. */
function failureOf({ ending }: Deployment['plan'], build: SimulatedBuild): FailureCode | undefined {
  const { failureCode, seconds } = ENDINGS[ending];
  return seconds !== undefined && build.status === 'SUCCEEDED' ? undefined : failureCode;
}

/** Without a build there is a success only of another one's, of the same commit and made from the same. */
function reusedRightly({ record, request }: Deployment, deployments: readonly Deployment[]): string[] {
  const other = deployments.find(({ id }) => id === record!.reusedFrom);
  const isSame = (['projectId', 'commitSha', 'branch'] as const).every((field) => other?.request[field] === request[field]);
  const hasSucceeded = other?.builds.some((build) => failureOf(other.plan, build) === undefined && build.endedAt! <= Date.parse(record!.completedAt!));
  return isSame && hasSucceeded ? [] : [`says success, was never built, and used ${record!.reusedFrom ?? 'nothing'} again`];
}

function hasWaitedLong({ completedAt, createdAt }: DeploymentRecord, { messageRetentionSeconds = 14 * 86_400 }: Scenario): boolean {
  return Date.parse(completedAt!) - Date.parse(createdAt) >= 1000 * messageRetentionSeconds;
}

function invalidEndedRightly({ builds, plan, record }: Deployment): string[] {
  if (builds.length > 0) return ['was built from an invalid request'];
  if (plan.invalid === 'not JSON') return record ? ['nobody could know of it, and it has a record'] : [];
  return record?.status === 'failed' && record.failureCode === 'INVALID_REQUEST' ? [] : [`its request is invalid, and it says ${record?.status} ${record?.failureCode}`];
}

function isNewer(deployments: readonly Deployment[], deploymentId: string, than: DeploymentRecord): boolean {
  const other = deployments.find(({ id }) => id === deploymentId);
  if (other?.request.projectId !== than.projectId || other.request.branch !== than.branch) return false;
  // When a record was removed, nobody knows any more how old its deployment was.
  if (other.plan.deletedAfter !== undefined || !other.record) return true;
  return other.record.createdAt > than.createdAt || (other.record.createdAt === than.createdAt && deploymentId > than.deploymentId);
}

const RANK: Readonly<Record<DeploymentStatus, number>> = { queued: 0, building: 1, success: 2, failed: 2, superseded: 2 };

/** What an ended deployment says for good. A newer deployment may still be noted by nobody, so supersededBy is among it. */
const FINAL: readonly (keyof DeploymentRecord)[] = ['status', 'failureCode', 'failureMessage', 'completedAt', 'buildId', 'artifacts', 'reusedFrom', 'supersededBy'];

function movedForward({ id }: Deployment, { world }: Played): string[] {
  const history = world.observed.history.get(id) ?? [];
  return history.slice(1).flatMap(({ record: after }, index) => {
    const before = history[index].record;
    const [was, is] = [before.version ?? 0, after.version ?? 0];
    const step = `${before.status} (version ${was}) -> ${after.status} (version ${is})`;
    if (is < was) return [`its version went back: ${step}`];
    if (after.createdAt !== before.createdAt) return [`its createdAt changed: ${before.createdAt} -> ${after.createdAt}`];
    const isReopened = before.status === 'failed' && before.buildId === undefined && after.status === 'queued';
    if (before.status !== after.status) {
      if (is <= was) return [`its status changed without a new version: ${step}`];
      return RANK[after.status] > RANK[before.status] || isReopened ? [] : [`its status went back: ${step}`];
    }
    if (!TERMINAL_STATUSES.includes(after.status)) return [];
    const changed = FINAL.find((field) => JSON.stringify(after[field]) !== JSON.stringify(before[field]));
    return changed ? [`it had ended, and its ${changed} changed`] : [];
  });
}

function announced({ id, record }: Deployment, { world }: Played, deployments: readonly Deployment[]): string[] {
  if (!record || record.version === undefined) return [];
  const publicPart = (one: DeploymentRecord) => canonical(Object.fromEntries(PUBLIC_RECORD_FIELDS.map((name) => [name, one[name]])));
  const events = world.observed.statusEvents.filter(({ detail }) => detail.deploymentId === id);
  const states = new Set((world.observed.history.get(id) ?? []).map((entry) => publicPart(entry.record)));
  // Of a success it may say, beyond the record, which deployment has overtaken it since.
  const said = events.map(({ detail }) => {
    const isOvertaken = detail.status === 'success' && record.supersededBy === undefined && isNewer(deployments, detail.supersededBy!, record);
    return canonical(isOvertaken ? { ...detail, supersededBy: undefined } : detail);
  });
  const stray = said.find((state) => !states.has(state));
  if (stray) return [`an event says what its record never said: ${stray}`];
  if (events.some(({ resources }) => resources.join() !== BUILD_PROJECT_ARN)) return ['an event does not name the pipeline'];
  return said.includes(publicPart(record)) ? [] : [`no event tells its end (version ${record.version})`];
}

/** JSON with its fields in order, and without those that are undefined. */
function canonical(value: object): string {
  return JSON.stringify(value, (_, part: unknown) => (
    typeof part === 'object' && part !== null && !Array.isArray(part) ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1))) : part
  ));
}

/** As soon as the newest deployment of a branch is known, an older one does not begin, and does not succeed without saying so. */
function supersededNotOvertaking({ builds: [build], id, record }: Deployment, { world }: Played): string[] {
  if (!record) return [];
  const newer = world.observed.branchHeads.find((head) => head.branchKey === branchKey(record) && head.deploymentId !== id
    && (head.createdAt > record.createdAt || (head.createdAt === record.createdAt && head.deploymentId > id)));
  if (!newer) return [];
  const problems = [];
  if (build && build.submittedAt > newer.at + CLAIM_MS) problems.push(`was started ${(build.submittedAt - newer.at) / 1000} s after ${newer.deploymentId} was queued`);
  const success = (world.observed.history.get(id) ?? []).find((entry) => entry.record.status === 'success');
  if (success && success.at > newer.at + READ_TO_WRITE_MS && success.record.supersededBy === undefined) {
    problems.push(`succeeded ${(success.at - newer.at) / 1000} s after ${newer.deploymentId} was queued, and does not say so`);
  }
  return problems;
}

/** Between the last look at the branch and the write of the success there is nothing but the two calls, with their repetitions. */
const READ_TO_WRITE_MS = 45_000;

async function promotedRightly(deployments: readonly Deployment[], { world }: Played): Promise<string[]> {
  const keys = await world.bucket.keys();
  // Of builds that belong to nobody the pipeline may learn nothing: the bucket's lifecycle rule removes what they have stored.
  const owned = deployments.filter(({ plan }) => plan.deletedAfter === undefined).flatMap(({ builds }) => builds);
  const left = keys.filter((key) => owned.some(({ arn }) => key.startsWith(stagingPrefix(arn))));
  return [
    ...left.length > 0 ? [`${left.length} objects are left in staging, ${left[0]} for one`] : [],
    ...deployments.flatMap(({ id, record, request }) => {
      const history = world.observed.history.get(id) ?? [];
      const success = history.find((entry) => entry.record.status === 'success');
      if (!success) return [];
      const built = { ...request, deploymentId: success.record.reusedFrom ?? id };
      const [artifacts, statics] = [artifactsPrefix(built), staticPrefix(built)];
      const expected = GOOD_FILES.map((name) => name.replace(/^artifacts\//, artifacts).replace(/^static\//, statics));
      const missing = expected.filter((key) => !keys.includes(key) || !world.observed.copies.some((copy) => copy.key === key && copy.at <= success.at));
      const late = success.record.reusedFrom === undefined && world.observed.copies.find(({ at, key }) => at > success.at && expected.includes(key));
      return [
        ...missing.length > 0 ? [`${id}: said success before ${missing[0]} was there`] : [],
        ...late ? [`${id}: ${late.key} was promoted again after the success`] : [],
        ...record?.artifacts?.lambdaKey !== artifacts + LAMBDA_ZIP || record.artifacts.manifestKey !== artifacts + MANIFEST ? [`${id}: its artifacts are not described`] : [],
      ];
    }),
  ];
}

function byHandLeftAlone({ world }: Played): string[] {
  return world.codeBuild.builds.filter(({ deploymentId, status }) => deploymentId === '' && status !== 'SUCCEEDED' && status !== 'TIMED_OUT')
    .map(({ status }) => `a build that somebody started by hand is ${status}`);
}

function limitKept(deployments: readonly Deployment[], { maxConcurrentBuildsPerProject: limit }: Scenario): string[] {
  if (limit === undefined) return [];
  // A record that is removed while its build runs takes its place in the count with it.
  if (deployments.some(({ plan }) => plan.deletedAfter !== undefined)) return [];
  const all = deployments.flatMap(({ builds, request }) => builds.map((build) => ({ ...build, projectId: request.projectId })));
  return all.flatMap((build) => {
    const runsAt = (time: number) => ({ submittedAt, endedAt = Infinity }: SimulatedBuild) => submittedAt <= time && endedAt > time;
    const beside = all.filter(({ projectId }) => projectId === build.projectId).filter(runsAt(build.submittedAt));
    return beside.length > limit ? [`${build.projectId} had ${beside.length} builds at the same time, of ${limit}`] : [];
  });
}

async function stateIsClean({ world }: Played): Promise<string[]> {
  return (await world.stateItems()).flatMap((item) => {
    if (item.kind === STATE_KINDS.open) return [`${String(item.id)} is still among the open deployments`];
    const { building, waitingSince } = item;
    const isLeft = item.kind === STATE_KINDS.project && (building ?? waitingSince) !== undefined;
    return isLeft ? [`${String(item.id)} still has ${JSON.stringify({ building, waitingSince })}`] : [];
  });
}

/** Somebody who goes live on each success that nobody has overtaken, and takes each version of a deployment once. */
function neverBackwards({ world }: Played): string[] {
  const live = new Map<string, string>();
  const seen = new Set<string>();
  return world.observed.statusEvents.flatMap(({ detail }) => {
    const version = `${detail.deploymentId} ${detail.version}`;
    if (detail.status !== 'success' || detail.supersededBy !== undefined || seen.has(version)) return [];
    seen.add(version);
    const branch = branchKey(detail);
    const before = live.get(branch);
    if (before !== undefined && before > detail.createdAt) return [`${branch} went back to ${detail.deploymentId}`];
    live.set(branch, detail.createdAt);
    return [];
  });
}
