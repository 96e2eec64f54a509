import { StateTable } from '../../../lambda/shared/state/state-table';
import { startTables, TestTables } from '../../support/dynamodb';

/** For one test file: tables that are empty before each test. */
export function stateTable(): { readonly tables: () => TestTables; readonly state: () => StateTable } {
  let tables: TestTables;
  let state: StateTable;
  beforeAll(async () => {
    tables = await startTables();
    state = new StateTable(tables.client, tables.stateTableName);
  });
  beforeEach(() => tables.clear());
  afterAll(() => tables.close());
  return { tables: () => tables, state: () => state };
}

export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}
