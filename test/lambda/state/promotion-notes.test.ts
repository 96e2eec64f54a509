import { PromotionNotes } from '../../../lambda/shared/state/promotion-notes';
import { StateTable } from '../../../lambda/shared/state/state-table';
import { startTables, TestTables } from '../../support/dynamodb';

let tables: TestTables;
let notes: PromotionNotes;
beforeAll(async () => {
  tables = await startTables();
  notes = new PromotionNotes(new StateTable(tables.client, tables.stateTableName));
});
afterAll(() => tables.close());

const progress = (count: number) => ({ count, hash: `of ${count}` });

test('the last note about a build is found, and it is about no other build', async () => {
  expect(await notes.find('builds:1')).toBeUndefined();
  await notes.note('builds:1', progress(1000));
  await notes.note('builds:1', progress(2000));
  expect(await notes.find('builds:1')).toEqual(progress(2000));
  expect(await notes.find('builds:2')).toBeUndefined();
});
