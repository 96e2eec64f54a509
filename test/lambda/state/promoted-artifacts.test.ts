import { PromotedArtifacts } from '../../../lambda/shared/state/promoted-artifacts';
import { StateTable } from '../../../lambda/shared/state/state-table';
import { startTables, TestTables } from '../../support/dynamodb';

const COMMIT = { projectId: 'project-1', commitSha: 'a'.repeat(40), branch: 'main' };
const ARTIFACTS = { artifactsPrefix: 'artifacts/', staticPrefix: 'static/', lambdaKey: 'lambda.zip', manifestKey: 'manifest.json', objectCount: 4, totalBytes: 40 };
const build = (deploymentId: string) => ({ deploymentId, inputs: `inputs of ${deploymentId}`, artifacts: ARTIFACTS });

let tables: TestTables;
let promoted: PromotedArtifacts;
beforeAll(async () => {
  tables = await startTables();
  promoted = new PromotedArtifacts(new StateTable(tables.client, tables.stateTableName));
});
beforeEach(() => tables.clear());
afterAll(() => tables.close());

test('a commit that nobody has built is not there', async () => {
  expect(await promoted.find(COMMIT)).toBeUndefined();
});

test('a commit that was built is there, and of no other project or branch', async () => {
  await promoted.add(COMMIT, build('one'));
  expect(await promoted.find(COMMIT)).toMatchObject(build('one'));
  expect(await promoted.find({ ...COMMIT, projectId: 'project-2' })).toBeUndefined();
  expect(await promoted.find({ ...COMMIT, branch: 'preview' })).toBeUndefined();
});

test('of two builds the last one counts', async () => {
  await promoted.add(COMMIT, build('one'));
  await promoted.add(COMMIT, build('two'));
  expect(await promoted.find(COMMIT)).toMatchObject(build('two'));
});
