/**
 * Status events in any order and more than once, to invocations that run at the same time and may die, with a GitHub that loses requests and
 * answers, is limited, or does late what it was asked: in the end it shows the newest state of each deployment, in one check run.
 */
import * as fc from 'fast-check';
import { inputs } from './fuzzing';
import { Tellings } from '../../lambda/github-status/tellings';
import { type Message, statusFunction } from '../lambda/github-status/github-status-support';
import type { ForgeAnswer } from '../support/forge';

const github = statusFunction({ webhook: true });

const LIVES = [
  ['queued', 'building', 'success'], ['queued', 'building', 'failed'], ['queued', 'superseded'], ['queued', 'success'], ['queued', 'building', 'superseded'],
] as const;
const CHECKS = { queued: ['queued', null], building: ['in_progress', null], success: ['completed', 'success'], failed: ['completed', 'failure'], superseded: ['completed', 'neutral'] };
const STATES = { queued: 'queued', building: 'in_progress', success: 'success', failed: 'failure', superseded: 'inactive' };

/** Each costs a message two receives at most: all together fewer than it has. */
const MAX_DISTURBANCES = 8;
const MAX_DEATHS = 4;

const DISTURBANCES = ['none', 'none', 'lost', 'done but lost', 'error', 'done but error', 'limited', 'late'] as const;
const ANSWERS: Readonly<Record<string, ForgeAnswer>> = {
  'lost': { then: 'break' }, 'done but lost': { then: 'break' }, 'error': { status: 500 }, 'done but error': { status: 502 }, 'limited': { status: 403, headers: { 'retry-after': '25' } },
};

/** GitHub gives up a request after ten seconds. */
const LATEST_MS = 10_000;

const deployment = fc.record({
  life: fc.constantFrom(...LIVES),
  /** In place of any version but the last one, which is always announced. */
  deliveries: fc.array(fc.nat(2), { maxLength: 5 }),
  lastAt: fc.nat(5),
});

test('in the end GitHub shows the newest state of each deployment, in one check run, whatever was lost or doubled', async () => {
  await fc.assert(fc.asyncProperty(
    fc.array(deployment, { minLength: 1, maxLength: 2 }),
    fc.array(fc.constantFrom(...DISTURBANCES), { maxLength: MAX_DISTURBANCES }),
    fc.array(fc.boolean(), { maxLength: MAX_DEATHS }),
    fc.array(fc.tuple(fc.nat(3), fc.nat(20), fc.nat(20)), { minLength: 1, maxLength: 20 }),
    async (deployments, disturbances, deaths, schedule) => {
      await github.begin();
      const late: { readonly due: number; readonly act: () => void }[] = [];
      disturb([...disturbances], late);
      const end = jest.spyOn(Tellings.prototype, 'end');
      for (const dies of deaths) if (dies) end.mockRejectedValueOnce(new Error('The function died.')); else end.mockImplementationOnce(END);
      deployments.forEach(({ deliveries, lastAt, life }, index) => {
        const order = deliveries.map((version) => version % life.length);
        order.splice(lastAt, 0, life.length - 1);
        for (const at of order) github.send({ version: at + 1, status: life[at], deploymentId: `deployment-${index}` });
      });

      for (let turn = 0; github.queue.length > 0; turn += 1) await takeTurn(schedule[turn % schedule.length], late);
      end.mockRestore();

      expect(github.givenUp).toEqual([]);
      expect(github.checkRuns.map(({ conclusion, external_id: id, status }) => [id, status, conclusion]).sort()).toEqual(
        deployments.map(({ life }, index) => [`deployment-${index}`, ...CHECKS[life.at(-1)!]]),
      );
      expect(github.deployments.map(({ payload, statuses }) => [payload.deploymentId, statuses.at(-1)!.state]).sort()).toEqual(
        deployments.map(({ life }, index) => [`deployment-${index}`, STATES[life.at(-1)!]]),
      );
      for (const [index, { life }] of deployments.entries()) {
        const versions = github.forge.notices.map(({ body }) => (JSON.parse(body) as { data: { deploymentId: string; version: number } }).data)
          .filter(({ deploymentId }) => deploymentId === `deployment-${index}`).map(({ version }) => version);
        expect(versions.at(-1)).toBe(life.length);
        expect(versions).toEqual([...versions].sort());
      }
    },
  ), inputs(0.005));
});

const END = Tellings.prototype.end;

function disturb(disturbances: (typeof DISTURBANCES)[number][], late: { due: number; act: () => void }[]): void {
  const { forge } = github;
  let now: (typeof DISTURBANCES)[number] | undefined;
  forge.answer = ({ path }) => {
    now = path.startsWith('/api/') ? disturbances.shift() : undefined;
    return now === 'lost' || now === 'error' || now === 'limited' ? ANSWERS[now] : undefined;
  };
  const disturbed = new WeakMap<object, string | undefined>();
  forge.postpone = (request) => {
    disturbed.set(request, now);
    return now === 'late' ? new Promise((act) => { late.push({ due: Date.now() + LATEST_MS, act }); }) : undefined;
  };
  forge.answerAfterwards = (request) => ANSWERS[disturbed.get(request) ?? ''];
}

/** One or two invocations at once, with a few of the messages that can be seen; or the next moment when something happens. */
async function takeTurn([both, first, second]: readonly number[], late: { due: number; act: () => void }[]): Promise<void> {
  const visible = github.queue.filter(({ visibleAt }) => visibleAt <= Date.now());
  if (visible.length === 0) {
    jest.setSystemTime(Math.min(...github.queue.map(({ visibleAt }) => visibleAt), ...late.map(({ due }) => due)));
    for (const { act } of late.splice(0, late.filter(({ due }) => due <= Date.now()).length)) act();
    return void await new Promise((resolve) => setImmediate(resolve));
  }
  const taken: Message[] = [];
  const take = (start: number, count: number) => {
    const free = visible.filter((message) => !taken.includes(message));
    const batch = free.length === 0 ? [] : free.slice(start % free.length, start % free.length + count);
    taken.push(...batch);
    return batch;
  };
  const batches = [take(first, 1 + first % 3), ...(both > 0 ? [take(second, 1 + second % 3)] : [])].filter(({ length }) => length > 0);
  await Promise.all(batches.map((batch) => github.call(batch)));
}
