import fc from 'fast-check';
import { stateTable } from './tables';
import { Projects, ProjectState } from '../../../lambda/shared/state/projects';
import { STATE_KINDS } from '../../../src/contract/state-table';

const { tables, state } = stateTable();
const projects = (limit?: number) => new Projects(state(), limit);

const item = async (id = 'p') => tables().state(STATE_KINDS.project, id);
const inTurn = async (limit?: number) => (await projects(limit).inTurn()).map(({ id }) => id);
const only = async (limit?: number): Promise<ProjectState> => (await projects(limit).inTurn())[0];

describe('places', () => {
  test('of many at the same time, exactly so many get one', async () => {
    const reserved = await Promise.all(Array.from({ length: 30 }, async (_, index) => projects(4).reserve('p', `d${index}`)));
    expect(reserved.filter(Boolean)).toHaveLength(4);
    expect((await projects(4).placesOf('p')).size).toBe(4);
  });

  test('a deployment that has one keeps it, and holds one only', async () => {
    expect([await projects(1).reserve('p', 'a'), await projects(1).reserve('p', 'a'), await projects(1).reserve('p', 'b')]).toEqual([true, true, false]);
    expect(await projects(1).placesOf('p')).toEqual(new Set(['a']));
  });

  test('one that is given back is free, once', async () => {
    await projects(2).reserve('p', 'a');
    await projects(2).reserve('p', 'b');
    await projects(2).release('p', 'a');
    await projects(2).release('p', 'a');
    await projects(2).release('p', 'never had one');
    expect(await projects(2).placesOf('p')).toEqual(new Set(['b']));
    expect([await projects(2).reserve('p', 'c'), await projects(2).reserve('p', 'd')]).toEqual([true, false]);
  });

  test('without a limit everybody gets one', async () => {
    for (const id of ['a', 'b', 'c']) expect(await projects().reserve('p', id)).toBe(true);
    expect((await projects().placesOf('p')).size).toBe(3);
  });

  test('of other projects do not count', async () => {
    await projects(1).reserve('p', 'a');
    expect(await projects(1).reserve('q', 'b')).toBe(true);
    expect(await projects(1).placesOf('nobody')).toEqual(new Set());
  });

  test('whatever is reserved and released, never more than the limit, and what is held is known', async () => {
    const steps = fc.array(fc.tuple(fc.constantFrom('reserve' as const, 'release' as const), fc.constantFrom('a', 'b', 'c', 'd')), { maxLength: 12 });
    await fc.assert(fc.asyncProperty(steps, fc.integer({ min: 1, max: 3 }), async (calls, limit) => {
      await tables().clear();
      const held = new Set<string>();
      for (const [call, id] of calls) {
        if (call === 'release') {
          await projects(limit).release('p', id);
          held.delete(id);
        } else {
          const expected = held.has(id) || held.size < limit;
          expect(await projects(limit).reserve('p', id)).toBe(expected);
          if (expected) held.add(id);
        }
      }
      expect(await projects(limit).placesOf('p')).toEqual(held);
    }), { numRuns: 30 });
  });
});

describe('a project that neither builds nor waits leaves nothing behind', () => {
  test('after its last build', async () => {
    await projects().reserve('p', 'a');
    await projects().release('p', 'a');
    expect(await item()).toBeUndefined();
  });

  test('after its last request that waited', async () => {
    await projects().wait('p', 1000);
    await projects().doneWaiting(await only());
    expect(await item()).toBeUndefined();
  });

  test('but one that still waits stays after its last build, and one that still builds stays after its last wait', async () => {
    await projects().reserve('p', 'a');
    await projects().wait('p', 1000);
    await projects().release('p', 'a');
    expect(await item()).toMatchObject({ waitingSince: 1000 });
    await projects().reserve('p', 'b');
    await projects().doneWaiting(await only());
    expect(await projects().placesOf('p')).toEqual(new Set(['b']));
    expect(await inTurn()).toEqual([]);
  });
});

describe('turns', () => {
  test('fewest builds first, then the longest without a turn; who has reached its limit or does not wait has none', async () => {
    const set = async (id: string, building: string[], waitingSince?: number) => {
      for (const deployment of building) await projects().reserve(id, `${id}-${deployment}`);
      if (waitingSince !== undefined) await projects().wait(id, waitingSince);
    };
    await set('one build, early', ['1'], 1000);
    await set('no build, late', [], 3000);
    await set('no build, early', [], 2000);
    await set('two builds', ['1', '2'], 500);
    await set('three builds', ['1', '2', '3'], 100);
    await set('does not wait', ['1']);
    expect(await inTurn(3)).toEqual(['no build, early', 'no build, late', 'one build, early', 'two builds']);
    expect(await inTurn()).toEqual(['no build, early', 'no build, late', 'one build, early', 'two builds', 'three builds']);
  });

  test('a project waits since the first of its requests does', async () => {
    await projects().wait('p', 1000);
    await projects().wait('p', 2000);
    expect(await only()).toMatchObject({ waitingSince: 1000, waits: 2 });
  });

  test('who has had a turn goes to the end', async () => {
    for (const [index, id] of ['a', 'b', 'c'].entries()) await projects().wait(id, 1000 + index);
    const turns: string[] = [];
    for (let now = 2000; now < 2006; now += 1) {
      const next = await only();
      turns.push(next.id);
      expect(await projects().takeTurn(next, now)).toBe(true);
    }
    expect(turns).toEqual(['a', 'b', 'c', 'a', 'b', 'c']);
  });

  test('of two who give the same turn, at the same moment or with clocks apart, one does', async () => {
    await projects().wait('p', 1000);
    const seen = await only();
    const given = await Promise.all([1000, 1000, 900, 5000].map(async (now) => projects().takeTurn(seen, now)));
    expect(given.filter(Boolean)).toHaveLength(1);
  });
});

describe('nothing is found waiting', () => {
  test('while something has begun to wait: the project still waits', async () => {
    await projects().wait('p', 1000);
    const seen = await only();
    await projects().takeTurn(seen, 2000);
    await projects().wait('p', 2001);
    await projects().doneWaiting(seen);
    expect(await inTurn()).toEqual(['p']);
  });

  test('a project that is gone does not come back', async () => {
    await projects().wait('p', 1000);
    const seen = await only();
    await projects().doneWaiting(seen);
    expect(await projects().takeTurn(seen, 2000)).toBe(false);
    await projects().doneWaiting(seen);
    await projects().release('p', 'a');
    expect(await item()).toBeUndefined();
  });
});
