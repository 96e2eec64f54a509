import { all, stateTable } from './tables';
import { STATE_KINDS, STATE_TABLE } from '../../../src/contract/state-table';

const { tables, state } = stateTable();

const putMany = async (count: number, item: object = {}) => {
  for (let index = 0; index < count; index += 1) await tables().putState(STATE_KINDS.open, `item-${String(index).padStart(4, '0')}`, { index, ...item });
};

test('all items of a kind are found, also beyond the megabyte that DynamoDB answers with at once', async () => {
  await putMany(30, { filler: 'x'.repeat(100_000) });
  await tables().putState(STATE_KINDS.project, 'item-0000', {});
  expect((await all(state().all<{ index: number }>(STATE_KINDS.open))).map(({ index }) => index)).toEqual(Array.from({ length: 30 }, (_, index) => index));
  const first = await state().page(STATE_KINDS.open, { limit: 1000 });
  expect(first.items.length).toBeLessThan(30);
  expect(first.next).toBeDefined();
});

test('a page holds as many as asked for, and tells where the next one begins', async () => {
  await putMany(5);
  const first = await state().page<{ index: number }>(STATE_KINDS.open, { limit: 2 });
  expect([first.items.map(({ index }) => index), first.next]).toEqual([[0, 1], 'item-0001']);
  const second = await state().page<{ index: number }>(STATE_KINDS.open, { limit: 10, after: first.next });
  expect([second.items.map(({ index }) => index), second.next]).toEqual([[2, 3, 4], undefined]);
});

test('a page may begin after an item that is not there any more', async () => {
  await putMany(3);
  await state().delete(STATE_KINDS.open, 'item-0001');
  expect((await state().page<{ index: number }>(STATE_KINDS.open, { limit: 10, after: 'item-0001' })).items.map(({ index }) => index)).toEqual([2]);
});

test('a prefix restricts a page', async () => {
  for (const id of ['a#1', 'a#2', 'ab#1', 'b#1']) await tables().putState(STATE_KINDS.open, id, {});
  expect(await all(state().all<{ id: string }>(STATE_KINDS.open, 'a#'))).toMatchObject([{ id: 'a#1' }, { id: 'a#2' }]);
});

test('an item that nobody removes expires two months after its last change', async () => {
  jest.spyOn(Date, 'now').mockReturnValue(1_000_000);
  await state().updateExpiring(STATE_KINDS.branch, 'x', { set: { a: 1 } });
  expect(await tables().state(STATE_KINDS.branch, 'x')).toEqual({ a: 1, [STATE_TABLE.timeToLive]: 1_000 + 60 * 24 * 3600 });
  jest.restoreAllMocks();
});

test('an update answers with the item as it was, if asked', async () => {
  expect(await state().update(STATE_KINDS.capacity, 'x', { set: { a: 1 } }, 'ALL_OLD')).toEqual({});
  expect(await state().update(STATE_KINDS.capacity, 'x', { set: { a: 2 } }, 'ALL_OLD')).toMatchObject({ a: 1 });
  expect(await state().update(STATE_KINDS.capacity, 'x', { set: { a: 3 }, condition: '#a = :before', values: { before: 1 } })).toBeUndefined();
  expect(await tables().state(STATE_KINDS.capacity, 'x')).toEqual({ a: 2 });
});

test('deleteIf leaves an item for which the condition does not hold, and does not mind one that is gone', async () => {
  await tables().putState(STATE_KINDS.project, 'x', { waitingSince: 1 });
  await state().deleteIf(STATE_KINDS.project, 'x', 'attribute_not_exists(#building) AND attribute_not_exists(#waitingSince)');
  await state().deleteIf(STATE_KINDS.project, 'x', '#waitingSince = :known', { known: 2 });
  expect(await tables().state(STATE_KINDS.project, 'x')).toBeDefined();
  await state().deleteIf(STATE_KINDS.project, 'x', 'attribute_not_exists(#building) AND #waitingSince = :known', { known: 1 });
  await state().deleteIf(STATE_KINDS.project, 'x', 'attribute_not_exists(#building) AND #waitingSince = :known', { known: 1 });
  expect(await tables().state(STATE_KINDS.project, 'x')).toBeUndefined();
});

test('what is not refused by a condition is thrown', async () => {
  await tables().putState(STATE_KINDS.project, 'x', { waits: 'text' });
  await expect(state().update(STATE_KINDS.project, 'x', { count: 'waits' })).rejects.toThrow();
});
