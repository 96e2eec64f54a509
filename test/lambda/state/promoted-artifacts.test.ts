import { PromotedArtifacts } from '../../../lambda/shared/state/promoted-artifacts';
import { StateTable } from '../../../lambda/shared/state/state-table';
import { startTables, TestTables } from '../../support/dynamodb';

const COMMIT = { projectId: 'project-1', commitSha: 'a'.repeat(40) };
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

test('a commit is there once all of it has been promoted, and of no other project', async () => {
  await promoted.begin(COMMIT, 'one');
  expect(await promoted.find(COMMIT)).toBeUndefined();
  await promoted.done(COMMIT, build('one'));
  expect(await promoted.find(COMMIT)).toMatchObject(build('one'));
  expect(await promoted.find({ ...COMMIT, projectId: 'project-2' })).toBeUndefined();
});

test('while another build of it is being promoted it is not', async () => {
  await promoted.begin(COMMIT, 'one');
  await promoted.done(COMMIT, build('one'));
  await promoted.begin(COMMIT, 'two');
  expect(await promoted.find(COMMIT)).toBeUndefined();
});

describe('how far a promotion came', () => {
  const progress = (count: number) => ({ count, hash: `of ${count}` });

  test('the deployment itself learns when it begins again', async () => {
    expect(await promoted.begin(COMMIT, 'one')).toBeUndefined();
    await promoted.note(COMMIT, 'one', progress(1000));
    await promoted.note(COMMIT, 'one', progress(2000));
    expect(await promoted.begin(COMMIT, 'one')).toEqual(progress(2000));
    expect(await promoted.begin(COMMIT, 'one')).toEqual(progress(2000));
  });

  test('counts no more when another deployment has begun to promote to the same place', async () => {
    await promoted.begin(COMMIT, 'one');
    await promoted.note(COMMIT, 'one', progress(1000));
    expect(await promoted.begin(COMMIT, 'two')).toBeUndefined();
    await promoted.note(COMMIT, 'one', progress(3000));
    expect(await promoted.begin(COMMIT, 'two')).toBeUndefined();
    expect(await promoted.begin(COMMIT, 'one')).toBeUndefined();
    expect(await promoted.begin(COMMIT, 'one')).toBeUndefined();
  });

  test('is forgotten when all of it is there', async () => {
    await promoted.begin(COMMIT, 'one');
    await promoted.note(COMMIT, 'one', progress(1000));
    await promoted.done(COMMIT, build('one'));
    expect(await promoted.begin(COMMIT, 'one')).toBeUndefined();
  });
});

test('of two that were promoted at the same time, the one that began last counts; if it never ends, none', async () => {
  await promoted.begin(COMMIT, 'one');
  await promoted.begin(COMMIT, 'two');
  await promoted.done(COMMIT, build('one'));
  expect(await promoted.find(COMMIT)).toBeUndefined();
  await promoted.done(COMMIT, build('two'));
  expect(await promoted.find(COMMIT)).toMatchObject(build('two'));
});
