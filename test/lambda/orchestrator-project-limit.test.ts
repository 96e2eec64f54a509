/** With `maxConcurrentBuildsPerProject`: one project waits for its own builds, nobody else for it, and nobody fails. */
import { orchestrator } from './orchestrator-support';
import { OpenDeployments } from '../../lambda/shared/state/open-deployments';
import { Projects } from '../../lambda/shared/state/projects';
import { StateTable } from '../../lambda/shared/state/state-table';
import { advanceClock } from '../support/clock';
import { answered, unanswered } from '../support/codebuild';

const LIMIT = 2;
const pipeline = orchestrator({ maxConcurrentBuildsPerProject: String(LIMIT) });
const { codeBuild } = pipeline;

const requests = (count: number) => Array.from({ length: count }, (_, index) => pipeline.another(String(index), { branch: `branch-${index}` }));

beforeEach(async () => {
  for (const request of requests(LIMIT)) await pipeline.receive(pipeline.message(request));
});

test('so many builds run; the next request waits and says why, without asking CodeBuild', async () => {
  const [, , next] = requests(3);
  expect(await pipeline.receive(pipeline.message(next))).toEqual([]);
  expect(codeBuild.startCalls).toBe(LIMIT);
  expect(await pipeline.record(next)).toMatchObject({ status: 'queued', waitingReason: 'PROJECT_LIMIT', version: 1 });
  expect(pipeline.copies).toEqual([expect.objectContaining({ MessageBody: JSON.stringify(next) })]);
  expect(await pipeline.places()).toHaveLength(LIMIT);
});

test('other projects are built meanwhile, and are not held back by who waits', async () => {
  await pipeline.receive(pipeline.message(requests(3)[2]));
  const other = pipeline.another('other', { projectId: `${pipeline.request.projectId}-other` });
  expect(await pipeline.receive(pipeline.message(other))).toEqual([]);
  expect(await pipeline.status(other)).toBe('building');
  // Its start called nobody: the only one who waits may not start.
  expect(pipeline.hints).toEqual([]);
});

test('a hint at the wrong time is dropped', async () => {
  const [, , next] = requests(3);
  await pipeline.receive(pipeline.message(next));
  expect(await pipeline.receive(pipeline.hint(next))).toEqual([]);
  expect([codeBuild.startCalls, pipeline.copies.length]).toEqual([LIMIT, 1]);
});

test('when a build has ended, the copy starts its own', async () => {
  const [first, , next] = requests(3);
  await pipeline.receive(pipeline.message(next));
  await new Projects(new StateTable(pipeline.tables.client, pipeline.tables.stateTableName), LIMIT).release(first.projectId, first.deploymentId);
  advanceClock(30);
  expect(await pipeline.receive(pipeline.delivered(pipeline.copies[0]))).toEqual([]);
  expect(await pipeline.status(next)).toBe('building');
  expect(await pipeline.places()).toHaveLength(LIMIT);
});

test('many requests at the same time: never more than may', async () => {
  const others = Array.from({ length: 10 }, (_, index) => pipeline.another(`x${index}`, { branch: `x${index}`, projectId: `${pipeline.request.projectId}-x` }));
  await Promise.all(others.map((request) => pipeline.receive(pipeline.message(request, 1, request.deploymentId))));
  expect(codeBuild.startCalls).toBe(LIMIT + LIMIT);
  expect(await pipeline.places(others[0].projectId)).toHaveLength(LIMIT);
  expect(pipeline.copies).toHaveLength(others.length - LIMIT);
});

test.each([
  ['a refused start', () => answered('AccessDeniedException'), 0],
  ['a want of capacity', () => answered('AccountLimitExceededException'), 0],
  ['a start of unknown outcome', () => unanswered(), 1],
])('%s leaves %2$d of the project\'s places taken', async (_, failure, places) => {
  const other = pipeline.another('other', { projectId: `${pipeline.request.projectId}-other` });
  codeBuild.failNext('before', failure());
  await pipeline.receive(pipeline.message(other));
  expect(await pipeline.places(other.projectId)).toHaveLength(places);
});

test('the waiting one is among the open deployments, without a build', async () => {
  const [, , next] = requests(3);
  await pipeline.receive(pipeline.message(next));
  const open = new OpenDeployments(new StateTable(pipeline.tables.client, pipeline.tables.stateTableName));
  const waiting: string[] = [];
  for await (const { deploymentId } of open.waitingOf(next.projectId)) waiting.push(deploymentId);
  expect(waiting).toEqual([next.deploymentId]);
});
