import { stateTable } from './tables';
import { Capacity } from '../../../lambda/shared/state/capacity';
import { STATE_KINDS } from '../../../src/contract/state-table';

const { tables, state } = stateTable();
const NOW = 1_800_000_000;

test('what one function learned, all know, for as long as it said', async () => {
  expect(await new Capacity(state()).isExhausted(NOW)).toBe(false);
  await new Capacity(state()).exhausted(NOW, 60);
  expect(await new Capacity(state()).isExhausted(NOW + 59)).toBe(true);
  expect(await new Capacity(state()).isExhausted(NOW + 60)).toBe(false);
});

test('who knows does not ask', async () => {
  const capacity = new Capacity(state());
  await capacity.exhausted(NOW, 60);
  await tables().clear();
  expect([await capacity.isExhausted(NOW + 59), await capacity.isExhausted(NOW + 60)]).toEqual([true, false]);

  const other = new Capacity(state());
  await capacity.exhausted(NOW, 60);
  await other.isExhausted(NOW);
  await tables().clear();
  expect(await other.isExhausted(NOW + 1)).toBe(true);
});

test('who believed that there is room asks again', async () => {
  const capacity = new Capacity(state());
  await capacity.isExhausted(NOW);
  await new Capacity(state()).exhausted(NOW, 60);
  expect(await capacity.isExhausted(NOW)).toBe(true);
});

test('another clock\'s far future is not believed', async () => {
  await tables().putState(STATE_KINDS.capacity, 'codebuild', { exhaustedUntil: NOW + 121 });
  expect(await new Capacity(state()).isExhausted(NOW)).toBe(false);
  expect(await new Capacity(state()).isExhausted(NOW + 1)).toBe(true);
});
