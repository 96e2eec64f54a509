/** A finalizer that dies in the middle of a large promotion: the next one goes on, and does not begin anew. */
import { finalizer } from './finalizer-support';
import { AccessDeniedError, type ApiCall } from '../../local/services/service';
import { STATE_KINDS } from '../../src/contract/state-table';
import { COMMIT_SHA } from '../support/requests';

const pipeline = finalizer();

/** Enough for a note, and a rest. */
const OBJECTS = 1_300;
/** One for each 1,000 copies, which end in any order: some that began later may be among them. */
const NOTED_AT_LEAST = 1_000;
const DIES_AFTER = 1_150;

/** So many objects are noted as copied. */
async function noted(): Promise<number> {
  const { progress } = await pipeline.tables.state(STATE_KINDS.promotion, pipeline.buildId) as { progress: { count: number } };
  expect(progress.count).toBeGreaterThanOrEqual(NOTED_AT_LEAST);
  return progress.count;
}

const isCopy = ({ action, resource }: ApiCall) => action === 's3:PutObject' && !resource.includes('/staging/');

/** Names of the objects that a delivery copies; from the nth on, S3 answers nothing any more. */
async function copiesOf(deliver: () => Promise<unknown>, diesAfter = Infinity): Promise<string[]> {
  const copied: string[] = [];
  pipeline.onS3Call = (call) => {
    if (!isCopy(call)) return;
    if (copied.length >= diesAfter) throw new AccessDeniedError('The function died');
    copied.push(call.resource.split(`/${COMMIT_SHA}/${pipeline.id}/`)[1]);
  };
  await deliver();
  pipeline.onS3Call = undefined;
  return copied;
}

const die = () => expect(pipeline.deliver()).rejects.toThrow();

beforeEach(async () => {
  const names = Array.from({ length: OBJECTS }, (_, index) => `static/${String(index).padStart(5, '0')}.txt`);
  for (let at = 0; at < OBJECTS; at += 100) await Promise.all(names.slice(at, at + 100).map((name) => pipeline.stageObject(name, name)));
}, 60_000);

test('goes on where it was: what was noted is not copied again, and everything is there in the end', async () => {
  const first = await copiesOf(die, DIES_AFTER);
  expect(first).toHaveLength(DIES_AFTER);
  const before = await noted();
  expect(await pipeline.record()).toMatchObject({ status: 'building' });

  const second = await copiesOf(() => pipeline.deliver());
  const all = OBJECTS + 6;
  expect(second).toHaveLength(all - before);
  expect(second.at(-1)).toBe('manifest.json');
  expect(await pipeline.record()).toMatchObject({ status: 'success', artifacts: { objectCount: all } });
  expect((await pipeline.promoted())).toHaveLength(all);
  expect(await pipeline.staged()).toBe(0);
}, 60_000);

test('and again, if the second one dies before it can note anything', async () => {
  await copiesOf(die, DIES_AFTER);
  const before = await noted();
  await copiesOf(die, 100);
  expect(await noted()).toBe(before);
  expect(await copiesOf(() => pipeline.deliver())).toHaveLength(OBJECTS + 6 - before);
}, 60_000);

test('begins anew when the build has exchanged an object that was copied', async () => {
  await copiesOf(die, DIES_AFTER);
  await pipeline.exchange('static/00000.txt');
  const second = await copiesOf(() => pipeline.deliver());
  expect(second).toHaveLength(OBJECTS + 6);
}, 60_000);
