import fc from 'fast-check';
import { CacheAccounts, LayerAccount, secondsSaved, settle, whyPaused } from '../../../lambda/shared/state/cache-accounts';
import { StateTable } from '../../../lambda/shared/state/state-table';
import { CACHE_RESULTS, type CacheUse } from '../../../src/contract/cache';
import { startTables, TestTables } from '../../support/dynamodb';

const after = (...uses: CacheUse[]) => uses.reduce<LayerAccount | undefined>(settle, undefined)!;
const COLD: CacheUse = { result: 'miss', workSeconds: 30, saveSeconds: 4 };
const hit = (workSeconds: number): CacheUse => ({ result: 'hit', workSeconds, restoreSeconds: 2, saveSeconds: 1 });
const OFF: CacheUse = { result: 'off', workSeconds: 28 };

test('the first build says how long the work takes without the layer, and pays for it', () => {
  expect(after(COLD)).toEqual({ without: 30, saved: [] });
});

test('each build after it says what it has saved, less what it cost', () => {
  expect(after(COLD, hit(10), hit(28))).toEqual({ without: 30, saved: [17, -1] });
});

test('only the last five count', () => {
  expect(after(COLD, ...[1, 2, 3, 4, 5, 6, 7].map(hit)).saved).toEqual([24, 23, 22, 21, 20]);
});

test('how long it takes without is the mean of what has been seen lately', () => {
  expect(after(COLD, { result: 'stale', workSeconds: 20 }).without).toBe(25);
});

test('three builds that lose switch it off, for twenty; then it is tried again', () => {
  const lossy = after(COLD, hit(29), hit(29), hit(29));
  expect(lossy).toEqual({ without: 30, saved: [], pausedFor: 20 });
  expect(whyPaused(lossy)).toBe('it cost more than it saved in the last builds; tried again in 20 builds');
  const paused = Array.from({ length: 19 }, () => OFF).reduce<LayerAccount>(settle, lossy);
  expect(paused).toMatchObject({ pausedFor: 1 });
  expect(whyPaused(settle(paused, OFF))).toBeUndefined();
});

test('one bad build does not, nor do bad ones among good ones', () => {
  expect(whyPaused(after(COLD, hit(60)))).toBeUndefined();
  expect(whyPaused(after(COLD, hit(10), hit(29), hit(29), hit(29), hit(29)))).toBeUndefined();
});

test('an archive that is never of any use is switched off as well', () => {
  const stale: CacheUse = { result: 'stale', workSeconds: 30, restoreSeconds: 3, saveSeconds: 4 };
  expect(whyPaused(after(COLD, stale, stale, stale))).toBeDefined();
});

test('what there is nothing to compare with is not counted', () => {
  expect(secondsSaved(undefined, hit(10))).toBeUndefined();
  expect(after(hit(10), hit(10), hit(10), hit(10))).toEqual({ without: undefined, saved: [] });
});

test('whatever builds report, the account stays small and finite', () => {
  const number = fc.option(fc.double({ min: 0, max: 129_600, noNaN: true }), { nil: undefined });
  const use = fc.record({ result: fc.constantFrom(...CACHE_RESULTS), workSeconds: number, restoreSeconds: number, saveSeconds: number });
  fc.assert(fc.property(fc.array(use, { maxLength: 60 }), (uses) => {
    const account = uses.reduce<LayerAccount | undefined>(settle, undefined);
    return JSON.stringify(account ?? {}).length < 200 && (account?.saved ?? []).every(Number.isFinite) && (account?.pausedFor ?? 0) <= 20;
  }));
});

describe('in the state table', () => {
  let tables: TestTables;
  let accounts: CacheAccounts;
  beforeAll(async () => {
    tables = await startTables();
    accounts = new CacheAccounts(new StateTable(tables.client, tables.stateTableName));
  });
  afterAll(() => tables.close());

  test('each project has its own; a layer that a build says nothing of stays as it was', async () => {
    expect(await accounts.of('a')).toEqual({});
    await accounts.settle('a', { dependencies: COLD, next: { result: 'miss', workSeconds: 20 } });
    await accounts.settle('a', { dependencies: hit(5) });
    expect(await accounts.of('a')).toEqual({ dependencies: { without: 30, saved: [22] }, next: { without: 20, saved: [] } });
    expect(await accounts.of('b')).toEqual({});
  });
});
