import fc from 'fast-check';
import { stateTable } from './tables';
import { Branches } from '../../../lambda/shared/state/branches';
import { branchKey, STATE_KINDS, STATE_TABLE } from '../../../src/contract/state-table';

const { tables, state } = stateTable();
const branches = () => new Branches(state());

const deployment = (deploymentId: string, second = 0, branch = 'main', projectId = 'p') => ({
  deploymentId, projectId, branch, createdAt: `2026-11-22T12:00:${String(second).padStart(2, '0')}.000Z`,
});

test('the first of a branch is the newest', async () => {
  expect(await branches().register(deployment('a'))).toEqual({});
  expect(await branches().newerThan(deployment('a'))).toBeUndefined();
});

test('a newer one displaces it', async () => {
  await branches().register(deployment('z', 1));
  expect(await branches().register(deployment('a', 2))).toEqual({ displaced: 'z' });
  expect(await branches().newerThan(deployment('z', 1))).toBe('a');
});

test('an older one does not, and is told who is newer', async () => {
  await branches().register(deployment('a', 2));
  expect(await branches().register(deployment('z', 1))).toEqual({ newer: 'a' });
  expect(await branches().newerThan(deployment('z', 1))).toBe('a');
});

test('of the same moment, the greater id is newer', async () => {
  await branches().register(deployment('b'));
  expect(await branches().register(deployment('a'))).toEqual({ newer: 'b' });
  expect(await branches().register(deployment('c'))).toEqual({ displaced: 'b' });
});

test('the same deployment again changes nothing', async () => {
  await branches().register(deployment('a'));
  expect(await branches().register(deployment('a'))).toEqual({});
});

test.each([deployment('b', 1, 'other'), deployment('b', 1, 'main', 'q'), deployment('b', 1, 'main#x'), deployment('b', 1, 'Main')])('another branch is another matter: %j', async (other) => {
  await branches().register(deployment('a', 2));
  expect(await branches().register(other)).toEqual({});
  expect(await branches().newerThan(other)).toBeUndefined();
});

test('a branch that nobody pushes to any more is forgotten some day', async () => {
  await branches().register(deployment('a'));
  expect(await tables().state(STATE_KINDS.branch, branchKey(deployment('a')))).toHaveProperty(STATE_TABLE.timeToLive);
});

test('in whatever order, also at the same time: in the end the newest is the newest, and every other was displaced or told', async () => {
  const pushes = fc.uniqueArray(fc.tuple(fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'), fc.integer({ min: 0, max: 3 })), { minLength: 1, maxLength: 6, selector: ([id]) => id });
  await fc.assert(fc.asyncProperty(pushes, fc.boolean(), async (pushed, together) => {
    await tables().clear();
    const deployments = pushed.map(([id, second]) => deployment(id, second));
    const answers: { newer?: string; displaced?: string }[] = [];
    if (together) answers.push(...await Promise.all(deployments.map(async (one) => branches().register(one))));
    else for (const one of deployments) answers.push(await branches().register(one));
    const newest = [...deployments].sort((a, b) => (a.createdAt + a.deploymentId < b.createdAt + b.deploymentId ? 1 : -1))[0];
    for (const [index, one] of deployments.entries()) {
      const isOver = answers[index].newer !== undefined || answers.some(({ displaced }) => displaced === one.deploymentId);
      expect([one.deploymentId, isOver]).toEqual([one.deploymentId, one !== newest]);
      expect(await branches().newerThan(one)).toBe(one === newest ? undefined : newest.deploymentId);
    }
  }), { numRuns: 40 });
});
