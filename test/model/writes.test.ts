/**
 * What the model takes for granted about the pipeline's writes is what they do: each conditional write of a deployment's record, on every record
 * that the model can tell apart, and each change of the pipeline's own table, against DynamoDB.
 */
import { perform, Rules } from './services';
import { changeDeployment, Claim, DeploymentState, FailureKind, initialState, Name, NAMES, RecordState, State, View } from './state';
import { writes } from './writes';
import { DeploymentStore } from '../../lambda/shared/deployment-store';
import { Branches } from '../../lambda/shared/state/branches';
import { OpenDeployments } from '../../lambda/shared/state/open-deployments';
import { Projects } from '../../lambda/shared/state/projects';
import { StateTable } from '../../lambda/shared/state/state-table';
import type { DeploymentRecord } from '../../src/contract/deployment';
import { openDeploymentKey, STATE_KINDS } from '../../src/contract/state-table';
import { startTables, TestTables } from '../support/dynamodb';
import { buildRequest } from '../support/requests';

let tables: TestTables;
let store: DeploymentStore;
let stateTable: StateTable;
let count = 0;

beforeAll(async () => {
  tables = await startTables();
  store = new DeploymentStore(tables.client, tables.tableName);
  stateTable = new StateTable(tables.client, tables.stateTableName);
});
afterAll(() => tables.close());

const NOW = 1000;
const [CREATED, COMPLETED, BEFORE, AFTER] = [1, 3, 2, 4].map((minute) => `2026-11-22T12:0${minute}:00.000Z`);
const BUILD = { buildId: 'builds:1', buildStartedAt: CREATED, logsUrl: 'https://log' };
const ARTIFACTS = { artifactsPrefix: 'a/', staticPrefix: 's/', lambdaKey: 'a/lambda.zip', manifestKey: 'a/manifest.json', objectCount: 3, totalBytes: 9 };
const FAILURES = { 'no-build': 'START_FAILED', 'build': 'BUILD_FAILED', 'artifacts': 'ARTIFACTS_MISSING' } as const;
const failure = (kind: FailureKind) => ({ failureCode: FAILURES[kind], failureMessage: 'It failed.' });

/** claimExpiresAt tells whose a claim is, as no two are made at the same time. */
const CLAIMS: readonly (Claim & { readonly expiresAt: number })[] = [
  { by: 'me', expired: false, expiresAt: NOW + 60 }, { by: 'me', expired: true, expiresAt: NOW },
  { by: 'other', expired: false, expiresAt: NOW + 1 }, { by: 'other', expired: true, expiresAt: NOW - 1 },
];

/** Every combination that the pipeline's writes can leave; what no condition looks at is there or not as a whole. */
function records(): RecordState[] {
  const none: RecordState = {
    status: 'queued', seen: true, hasBuild: false, claim: undefined, claimedBy: undefined, attempted: false, marked: false, waiting: false, failure: undefined,
  };
  const vary = (from: readonly RecordState[], changes: readonly Partial<RecordState>[]) =>
    from.flatMap((record) => changes.map((change) => ({ ...record, ...change })));
  const claimed = vary([none], [undefined, ...CLAIMS.map(({ by, expired }) => ({ by, expired }))].map((claim) => ({ claim })));
  const beingEnded = [{ claimedBy: 'me', hasBuild: true }, { claimedBy: 'other', hasBuild: true }];
  const queued = vary(claimed, [{}, { attempted: true }, ...beingEnded.map((change) => ({ attempted: true, ...change }))]);
  const building = vary(vary(claimed, [{ status: 'building' }]), [{ hasBuild: true }, ...beingEnded]);
  const ended = vary([none], [
    { status: 'success', hasBuild: true }, { status: 'success' }, { status: 'superseded', hasBuild: true }, { status: 'superseded' }, { status: 'failed', failure: 'no-build' },
    { status: 'failed', failure: 'build', hasBuild: true }, { status: 'failed', failure: 'artifacts', hasBuild: true },
  ]);
  return [{ ...none, seen: false }, ...vary(queued, [{}, { marked: true, waiting: true }]), ...vary([...building, ...ended], [{}, { marked: true }])];
}

function itemOf(deploymentId: string, record: RecordState): Record<string, unknown> {
  const { status, seen, hasBuild, claim, claimedBy, attempted, marked, waiting } = record;
  return {
    ...buildRequest({ deploymentId }),
    ...(hasBuild ? BUILD : {}),
    ...(record.failure ? failure(record.failure) : {}),
    status,
    createdAt: CREATED,
    completedAt: ['queued', 'building'].includes(status) ? undefined : COMPLETED,
    version: seen ? 1 : undefined,
    claimExpiresAt: CLAIMS.find(({ by, expired }) => by === claim?.by && expired === claim.expired)?.expiresAt,
    claimedBy,
    startAttemptedAt: attempted ? NOW - 100 : undefined,
    supersededBy: marked ? 'newer' : undefined,
    waitingReason: waiting ? 'PROJECT_LIMIT' : undefined,
  };
}

function recordOf(item: DeploymentRecord | undefined): RecordState | undefined {
  if (!item) return undefined;
  const claim = CLAIMS.find(({ expiresAt }) => expiresAt === item.claimExpiresAt);
  return {
    status: item.status,
    seen: item.version !== undefined,
    hasBuild: item.buildId !== undefined,
    claim: claim && { by: claim.by, expired: claim.expired },
    claimedBy: item.claimedBy,
    attempted: item.startAttemptedAt !== undefined,
    marked: item.supersededBy !== undefined,
    waiting: item.waitingReason !== undefined,
    failure: (Object.keys(FAILURES) as FailureKind[]).find((kind) => FAILURES[kind] === item.failureCode),
  };
}

type Real = (id: string, claimExpiresAt: number | undefined) => Promise<DeploymentRecord | undefined>;

const claimEnd = { now: NOW, claimExpiresAt: NOW + 60, claimedBy: 'me' };
const end = { artifacts: ARTIFACTS, completedAt: COMPLETED };

/** The model's write and the real one. The second gets the claim that the caller has, or knows of. */
const WRITES: [string, (record: RecordState) => RecordState | undefined, Real, ('me' | 'other')?][] = [
  ['claim', (record) => writes.claim(record, 'me'), (id) => store.claim(buildRequest({ deploymentId: id }), { now: NOW, claimExpiresAt: NOW + 60, createdAt: CREATED })],
  ['releaseClaim', (record) => writes.releaseClaim(record, 'me', false), (id, claim) => store.releaseClaim(id, claim!), 'me'],
  ['releaseClaim to wait', (record) => writes.releaseClaim(record, 'me', true), (id, claim) => store.releaseClaim(id, claim!, 'PROJECT_LIMIT'), 'me'],
  ['markBuilding', writes.markBuilding, (id) => store.markBuilding(id, BUILD)],
  ['failUnstarted without a claim', (record) => writes.failUnstarted(record), (id) => store.failUnstarted(id, failure('no-build'), { completedAt: COMPLETED })],
  ...(['me', 'other'] as const).map((by): (typeof WRITES)[number] => [
    `failUnstarted with the claim of ${by}`,
    (record) => writes.failUnstarted(record, by),
    (id, claimExpiresAt) => store.failUnstarted(id, failure('no-build'), { claimExpiresAt, completedAt: COMPLETED }),
    by,
  ]),
  ['failUnseen', writes.failUnseen, (id) => store.failUnseen(id, failure('no-build'), buildRequest(), { createdAt: CREATED, completedAt: COMPLETED })],
  ['reopen by an earlier message', (record) => writes.reopen(record, false), (id) => store.reopen(id, BEFORE)],
  ['reopen by a later message', (record) => writes.reopen(record, true), (id) => store.reopen(id, AFTER)],
  ['noteNewer', writes.noteNewer, (id) => store.noteNewer(id, 'newer')],
  ['supersedeUnstarted without a claim', (record) => writes.supersedeUnstarted(record), (id) => store.supersedeUnstarted(id, 'newer', { completedAt: COMPLETED })],
  ['supersedeUnstarted with one\'s own claim', (record) => writes.supersedeUnstarted(record, 'me'),
    (id, claimExpiresAt) => store.supersedeUnstarted(id, 'newer', { claimExpiresAt, completedAt: COMPLETED }), 'me'],
  ['claimEnd', (record) => writes.claimEnd(record, 'me'), (id) => store.claimEnd(id, BUILD, claimEnd)],
  ...([false, true] as const).map((marked): (typeof WRITES)[number] => [
    `markReused${marked ? ', superseded' : ''}`,
    (record) => writes.markReused(record, 'me', marked),
    (id, claimExpiresAt) => store.markReused(id, { ...end, reusedFrom: 'earlier', supersededBy: marked ? 'newer' : undefined, claimExpiresAt: claimExpiresAt! }),
    'me',
  ]),
  ['markSuccess', (record) => writes.markSuccess(record, false), (id) => store.markSuccess(id, BUILD, end)],
  ['markSuccess, superseded', (record) => writes.markSuccess(record, true), (id) => store.markSuccess(id, BUILD, { ...end, supersededBy: 'newer' })],
  ['markFailed', (record) => writes.markFailed(record, 'build'), (id) => store.markFailed(id, BUILD, failure('build'), COMPLETED)],
  ['markSuperseded', writes.markSuperseded, (id) => store.markSuperseded(id, BUILD, COMPLETED)],
];

test.each(WRITES.map(([name, modelled, real, by]) => ({ name, modelled, real, by })))('$name', async ({ name, modelled, real, by }) => {
  const cases = records().map((record) => ({ record, id: `deployment-${++count}` }));
  const results = await Promise.all(cases.map(async ({ id, record }) => {
    await tables.putRecord(itemOf(id, record));
    // Somebody's own claim is the one on the record if it is there at all, expired or not.
    const claim = CLAIMS.find((one) => one.by === by && one.expired === (record.claim?.by === by && record.claim?.expired));
    return { record, written: recordOf(await real(id, claim?.expiresAt)) };
  }));
  expect(results).toEqual(results.map(({ record }) => ({ record, written: modelled(record) })));
  expect(results.some(({ written }) => written)).toBe(name !== 'reopen by an earlier message');
  expect(results.some(({ written }) => !written)).toBe(true);
});

describe('the pipeline\'s own table', () => {
  const RULES: Rules = { stopSuperseded: false, faults: 0, redrives: 0, maxReceives: 3, atOnce: { orchestrator: 1, finalizer: 1, reconciler: 1, total: 1 } };
  const CALLER = { name: 'A1', handler: 'orchestrator', about: 'A', phase: '', kind: '', learnt: [] } as const;
  const initial = initialState(RULES);
  const modelled = (state: State, call: 'register' | 'newerThan' | 'reserve' | 'release' | 'hasPlace' | 'see' | 'stillOpen' | 'noteStarted' | 'noteResent' | 'close',
    about: Name, rules: Rules = RULES) => perform(state, CALLER, { call, about }, rules)[0];
  const deployment = (name: Name, projectId: string) => ({ deploymentId: name, projectId, branch: 'main', createdAt: name === 'A' ? BEFORE : AFTER });

  test.each(NAMES.flatMap((about) => [undefined, ...NAMES].map((head) => ({ about, head }))))('the branch knows $head, $about is registered', async ({ about, head }) => {
    const projectId = `project-${++count}`;
    const branches = new Branches(stateTable);
    if (head) await branches.register(deployment(head, projectId));
    const state: State = { ...initial, head };
    expect(!!await branches.newerThan(deployment(about, projectId))).toBe(modelled(state, 'newerThan', about).answer);
    const { newer, displaced } = await branches.register(deployment(about, projectId));
    const expected = modelled(state, 'register', about);
    expect({ newer: !!newer, displaced: !!displaced }).toEqual(expected.answer);
    expect(!!await branches.newerThan(deployment('A', projectId))).toBe(expected.state.head === 'B');
  });

  const places = NAMES.flatMap((about) => [undefined, 1].flatMap((limit) => [[], ['A'], ['B'], ['A', 'B']].map((taken) => ({ about, limit, taken }))));
  test.each(places)('with the places $taken taken and the limit $limit, of $about', async ({ about, limit, taken }) => {
    let state = initial;
    for (const name of taken as Name[]) state = changeDeployment(state, name, { place: true });
    const rules = { ...RULES, projectLimit: limit };
    const projects = new Projects(stateTable, limit);
    for (const call of ['reserve', 'release'] as const) {
      const projectId = `project-${++count}`;
      for (const name of taken) await new Projects(stateTable, undefined).reserve(projectId, name);
      expect((await projects.placesOf(projectId)).has(about)).toBe(modelled(state, 'hasPlace', about).answer);
      const answer = await projects[call](projectId, about);
      const expected = modelled(state, call, about, rules);
      expect(answer).toBe(expected.answer);
      expect([...await projects.placesOf(projectId)].sort()).toEqual(NAMES.filter((name) => expected.state[name].place));
    }
  });

  const OPEN: DeploymentState['open'][] = [undefined, ...[false, true].flatMap((hasBuild) => [false, true].map((resent) => ({ hasBuild, resent })))];
  test.each(OPEN)('the entry %j among the open deployments', async (open) => {
    const state = changeDeployment(initial, 'A', { open });
    const openDeployments = new OpenDeployments(stateTable);
    const calls = {
      see: (key: Key) => openDeployments.see(key, NOW),
      stillOpen: (key: Key) => openDeployments.stillOpen(key, NOW),
      noteStarted: (key: Key) => openDeployments.started(key, BUILD.buildId),
      noteResent: (key: Key) => openDeployments.resent(key, NOW),
      close: (key: Key) => openDeployments.close(key),
    };
    for (const call of Object.keys(calls) as (keyof typeof calls)[]) {
      const key = deployment('A', `project-${++count}`);
      if (open) await openDeployments.see(key, NOW - 1);
      if (open?.hasBuild) await openDeployments.started(key, BUILD.buildId);
      if (open?.resent) await openDeployments.resent(key, NOW - 1);
      const answer = await calls[call](key);
      const expected = modelled(state, call, 'A');
      if (call === 'stillOpen') expect(answer && (answer.buildId === undefined ? 'waits' : 'started')).toBe(expected.answer);
      const entry = await tables.state(STATE_KINDS.open, openDeploymentKey(key));
      expect(entry && { hasBuild: 'buildId' in entry, resent: 'resentAt' in entry }).toEqual(expected.state.A.open);
    }
  });

  type Key = ReturnType<typeof deployment>;
});

test('a record is read as what it is', () => {
  const read = (record: Partial<RecordState>): View => {
    const state = changeDeployment(initialState({ faults: 0, redrives: 0 }), 'A', { record: { ...records()[1], ...record } });
    return perform(state, { name: 'A1', handler: 'reconciler', about: 'A', phase: '', kind: '', learnt: [] }, { call: 'get', about: 'A' }, {
      stopSuperseded: false, faults: 0, redrives: 0, maxReceives: 3, atOnce: { orchestrator: 1, finalizer: 1, reconciler: 1, total: 1 },
    })[0].answer as View;
  };
  expect(read({})).toEqual({ status: 'queued' });
  expect(read({ claim: { by: 'other', expired: true }, attempted: true })).toEqual({ status: 'queued', attempted: true, claimedBy: 'other' });
  expect(read({ claim: { by: 'other', expired: false }, attempted: true })).toEqual({ status: 'queued', attempted: true, claimedBy: 'other', isHeld: true });
  expect(read({ status: 'building', hasBuild: true, marked: true })).toEqual({ status: 'building', built: true, superseded: true });
  expect(read({ status: 'failed', failure: 'no-build' })).toEqual({ status: 'failed' });
});
