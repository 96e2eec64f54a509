/** Every change of a record in every state it can be in: what is not listed here is refused and leaves the record as it was. */
import { DeploymentStore } from '../../lambda/shared/deployment-store';
import type { DeploymentRecord } from '../../src/contract/deployment';
import { startTables, TestTables } from '../support/dynamodb';
import { buildRequest } from '../support/requests';

const NOW = 1000;
const LATER = 2000;
const CREATED = '2026-11-22T12:00:00.000Z';
const COMPLETED = '2026-11-22T12:05:00.000Z';
const BEFORE = '2026-11-22T12:04:59.999Z';
const AFTER = '2026-11-22T12:05:00.001Z';
const BUILD = { buildId: 'builds:1', buildStartedAt: '2026-11-22T12:01:00.000Z', logsUrl: 'https://log' };
const OTHER_BUILD = { ...BUILD, buildId: 'builds:2' };
const FAILURE = { failureCode: 'BUILD_FAILED', failureMessage: 'It failed.' } as const;
const ARTIFACTS = { artifactsPrefix: 'a/', staticPrefix: 's/', lambdaKey: 'a/lambda.zip', manifestKey: 'a/manifest.json', objectCount: 3, totalBytes: 9 };

const queued = { status: 'queued', createdAt: CREATED, version: 1 };
const ended = { createdAt: CREATED, completedAt: COMPLETED, version: 3 };

/** What stands in the record beside the request; `none`: there is no record. */
const STATES = {
  'none': undefined,
  'begun': {},
  'produced': { status: 'queued', createdAt: CREATED },
  'waiting': { ...queued, waitingReason: 'ACCOUNT_CAPACITY' },
  'being started': { ...queued, startAttemptedAt: NOW - 10, claimExpiresAt: LATER },
  'start unknown': { ...queued, startAttemptedAt: NOW - 100, claimExpiresAt: NOW },
  'building': { ...queued, ...BUILD, status: 'building', version: 2 },
  'being ended': { ...queued, ...BUILD, status: 'building', version: 2, claimExpiresAt: LATER, claimedBy: 'me' },
  'end abandoned': { ...queued, ...BUILD, status: 'building', version: 2, claimExpiresAt: NOW, claimedBy: 'me' },
  'building another': { ...queued, ...OTHER_BUILD, status: 'building', version: 2 },
  'success': { ...ended, ...BUILD, status: 'success' },
  'build failed': { ...ended, ...BUILD, ...FAILURE, status: 'failed' },
  'never built': { ...ended, ...FAILURE, status: 'failed', version: 2 },
  'superseded': { ...ended, status: 'superseded', supersededBy: 'newer', version: 2 },
  'stopped': { ...ended, ...BUILD, status: 'superseded', supersededBy: 'newer' },
} as const;

type State = keyof typeof STATES;
type Status = DeploymentRecord['status'];
type Change = (store: DeploymentStore, id: string) => Promise<DeploymentRecord | undefined>;

/** Each change, and the states that it is accepted in, with the status that it leads to. */
const CHANGES: [string, Change, Partial<Record<State, Status>>][] = [
  ['claim', (store, id) => store.claim(buildRequest({ deploymentId: id }), { now: NOW, claimExpiresAt: LATER, createdAt: CREATED }),
    { 'none': 'queued', 'begun': 'queued', 'produced': 'queued', 'waiting': 'queued', 'start unknown': 'queued' }],
  ['claim of another project', (store, id) => store.claim(buildRequest({ deploymentId: id, projectId: 'other' }), { now: NOW, claimExpiresAt: LATER, createdAt: CREATED }),
    { none: 'queued' }],
  ['claim of another commit', (store, id) => store.claim(buildRequest({ deploymentId: id, commitSha: 'f'.repeat(40) }), { now: NOW, claimExpiresAt: LATER, createdAt: CREATED }),
    { none: 'queued' }],
  ['releaseClaim of one\'s own', (store, id) => store.releaseClaim(id, LATER, 'PROJECT_LIMIT'), { 'being started': 'queued' }],
  ['releaseClaim of one\'s own, without a reason', (store, id) => store.releaseClaim(id, LATER), { 'being started': 'queued' }],
  ['releaseClaim of somebody else\'s', (store, id) => store.releaseClaim(id, LATER + 1), {}],
  ['markBuilding', (store, id) => store.markBuilding(id, BUILD),
    { 'produced': 'building', 'waiting': 'building', 'being started': 'building', 'start unknown': 'building' }],
  ['failUnstarted', (store, id) => store.failUnstarted(id, FAILURE, { completedAt: COMPLETED }), { produced: 'failed', waiting: 'failed' }],
  ['failUnstarted by who is starting it', (store, id) => store.failUnstarted(id, FAILURE, { claimExpiresAt: LATER, completedAt: COMPLETED }),
    { 'being started': 'failed' }],
  ['failUnstarted by who has seen the claim expired', (store, id) => store.failUnstarted(id, FAILURE, { claimExpiresAt: NOW, completedAt: COMPLETED }),
    { 'start unknown': 'failed' }],
  ['failUnseen', (store, id) => store.failUnseen(id, FAILURE, buildRequest({ deploymentId: id }), { createdAt: CREATED, completedAt: COMPLETED }),
    { none: 'failed', begun: 'failed', produced: 'failed' }],
  ['failUnseen, of a request of which only the id was readable', (store, id) => store.failUnseen(id, FAILURE, {}, { createdAt: CREATED, completedAt: COMPLETED }),
    { none: 'failed', begun: 'failed', produced: 'failed' }],
  ['failUnseen for another project', (store, id) => store.failUnseen(id, FAILURE, { projectId: 'other' }, { createdAt: CREATED, completedAt: COMPLETED }),
    { none: 'failed' }],
  ['reopen by a request that was sent after the failure', (store, id) => store.reopen(id, AFTER), { 'never built': 'queued' }],
  ['reopen by a request that was sent before the failure', (store, id) => store.reopen(id, BEFORE), {}],
  ['noteNewer', (store, id) => store.noteNewer(id, 'newer'), {
    'produced': 'queued',
    'waiting': 'queued',
    'being started': 'queued',
    'start unknown': 'queued',
    'building': 'building',
    'being ended': 'building',
    'end abandoned': 'building',
    'building another': 'building',
  }],
  ['supersedeUnstarted', (store, id) => store.supersedeUnstarted(id, 'newer', { completedAt: COMPLETED }), { produced: 'superseded', waiting: 'superseded' }],
  ['supersedeUnstarted by who is starting it', (store, id) => store.supersedeUnstarted(id, 'newer', { claimExpiresAt: LATER, completedAt: COMPLETED }),
    { 'produced': 'superseded', 'waiting': 'superseded', 'being started': 'superseded' }],
  ['claimEnd', (store, id) => store.claimEnd(id, BUILD, { now: NOW, claimExpiresAt: LATER + 1, claimedBy: 'other' }),
    { 'produced': 'queued', 'waiting': 'queued', 'start unknown': 'queued', 'building': 'building', 'end abandoned': 'building' }],
  ['claimEnd by who has it', (store, id) => store.claimEnd(id, BUILD, { now: NOW, claimExpiresAt: LATER + 1, claimedBy: 'me' }),
    { 'produced': 'queued', 'waiting': 'queued', 'start unknown': 'queued', 'building': 'building', 'end abandoned': 'building', 'being ended': 'building' }],
  ...([
    ['markSuccess', 'success', (store, id) => store.markSuccess(id, BUILD, { artifacts: ARTIFACTS, completedAt: COMPLETED })],
    ['markSuccess of an overtaken one', 'success', (store, id) => store.markSuccess(id, BUILD, { artifacts: ARTIFACTS, supersededBy: 'newer', completedAt: COMPLETED })],
    ['markFailed', 'failed', (store, id) => store.markFailed(id, BUILD, FAILURE, COMPLETED)],
    ['markSuperseded', 'superseded', (store, id) => store.markSuperseded(id, BUILD, COMPLETED)],
  ] as [string, Status, Change][]).map(([name, status, change]): [string, Change, Partial<Record<State, Status>>] => [name, change, {
    'produced': status, 'waiting': status, 'being started': status, 'start unknown': status, 'building': status, 'being ended': status, 'end abandoned': status,
  }]),
];

let tables: TestTables;
let store: DeploymentStore;
let count = 0;

beforeAll(async () => {
  tables = await startTables();
  store = new DeploymentStore(tables.client, tables.tableName);
});
afterAll(() => tables.close());

async function put(state: State): Promise<string> {
  const id = `deployment-${++count}`;
  if (STATES[state]) await tables.putRecord({ ...buildRequest({ deploymentId: id }), ...STATES[state] });
  return id;
}

const ACCEPTED = CHANGES.flatMap(([name, change, accepted]) => {
  const states = Object.entries(accepted) as [State, Status][];
  return states.map(([state, status]) => ({ name, state, status, change }));
});

describe('a change is accepted', () => {
  test.each(ACCEPTED)('$name, $state: $status', async ({ state, status, change }) => {
    const id = await put(state);
    const before = await store.get(id);
    const after = await change(store, id);
    expect(after).toMatchObject({ deploymentId: id, status });
    expect(await store.get(id)).toEqual(after);
    // Whoever changes the status counts it.
    if (before?.version !== undefined) expect(after!.version! - before.version).toBe(before.status === status ? 0 : 1);
    else if (before?.status !== status) expect(after!.version).toBe(1);
    // What is over is not worked on any more.
    if (status !== 'queued' && before?.status !== status) {
      for (const field of ['claimExpiresAt', 'claimedBy', 'startAttemptedAt', 'waitingReason']) expect(after).not.toHaveProperty(field);
    }
  });
});

describe('a change is refused', () => {
  test.each(CHANGES)('%s, in every other state', async (_, change, accepted) => {
    for (const state of (Object.keys(STATES) as State[]).filter((one) => accepted[one] === undefined)) {
      const id = await put(state);
      const before = await store.get(id);
      expect([state, await change(store, id)]).toEqual([state, undefined]);
      expect(await store.get(id)).toEqual(before);
    }
  });
});

describe('what a change leaves in the record', () => {
  test('a claim notes since when there may be a build; the next claim leaves that alone', async () => {
    const id = await put('produced');
    expect(await CHANGES[0][1](store, id)).toMatchObject({ startAttemptedAt: NOW, claimExpiresAt: LATER, version: 1 });
    const unknown = await put('start unknown');
    expect(await CHANGES[0][1](store, unknown)).toMatchObject({ startAttemptedAt: NOW - 100, claimExpiresAt: LATER });
  });

  test('giving the claim back says why the deployment waits, and that there is no build', async () => {
    const id = await put('being started');
    const { startAttemptedAt, claimExpiresAt, ...rest } = STATES['being started'];
    expect(await store.releaseClaim(id, LATER, 'PROJECT_LIMIT')).toEqual({ ...buildRequest({ deploymentId: id }), ...rest, waitingReason: 'PROJECT_LIMIT' });
  });

  test('a deployment that is begun anew has nothing of its failure', async () => {
    const id = await put('never built');
    expect(await store.reopen(id, AFTER)).toEqual({ ...buildRequest({ deploymentId: id }), status: 'queued', createdAt: CREATED, version: 3 });
  });

  test('a start that nobody wrote down comes with the end', async () => {
    const id = await put('start unknown');
    expect(await store.markFailed(id, BUILD, FAILURE, COMPLETED)).toEqual({
      ...buildRequest({ deploymentId: id }), ...BUILD, ...FAILURE, status: 'failed', createdAt: CREATED, completedAt: COMPLETED, version: 2,
    });
  });

  test('a success that was overtaken says by whom, one that was not does not', async () => {
    const [overtaken, newest] = [await put('building'), await put('building')];
    await store.markSuccess(overtaken, BUILD, { artifacts: ARTIFACTS, supersededBy: 'newer', completedAt: COMPLETED });
    await store.markSuccess(newest, BUILD, { artifacts: ARTIFACTS, supersededBy: undefined, completedAt: COMPLETED });
    expect(await store.get(overtaken)).toMatchObject({ status: 'success', supersededBy: 'newer' });
    expect(await store.get(newest)).not.toHaveProperty('supersededBy');
  });

  test('an end without a link to the log', async () => {
    const id = await put('building');
    expect(await store.markFailed(id, { ...BUILD, logsUrl: undefined as never }, FAILURE, COMPLETED)).toMatchObject({ status: 'failed', logsUrl: BUILD.logsUrl });
  });
});

describe('what was announced', () => {
  test('is noted, and never goes back', async () => {
    const id = await put('building');
    for (const version of [2, 1, 2]) await store.markAnnounced(id, version);
    expect(await store.get(id)).toMatchObject({ announcedVersion: 2 });
    await store.markAnnounced(id, 3);
    expect(await store.get(id)).toMatchObject({ announcedVersion: 3 });
  });

  test('does not bring a deleted record back', async () => {
    await store.markAnnounced('deleted', 1);
    expect(await store.get('deleted')).toBeUndefined();
  });
});

test('of many who want to end it, one does; of many who want to reopen it, one does', async () => {
  const [building, failed] = [await put('building'), await put('never built')];
  const ends = await Promise.all(Array.from({ length: 20 }, async (_, index) => store.claimEnd(building, BUILD, { now: NOW, claimExpiresAt: LATER, claimedBy: `invocation-${index}` })));
  expect(ends.filter((record) => record !== undefined)).toHaveLength(1);
  const reopened = await Promise.all(Array.from({ length: 20 }, async () => store.reopen(failed, AFTER)));
  expect(reopened.filter((record) => record !== undefined)).toHaveLength(1);
});
