/** Requests that wait longer than messages are kept. */
import { check } from './generated';
import { play, type Scenario } from './scenario';
import { DEPLOYMENT, ORDINARY, simulation } from './single-faults';

/** CodeBuild is busy with two builds for longer than messages are kept. */
const BUSY: Scenario = {
  ...ORDINARY,
  messageRetentionSeconds: 1800,
  deployments: [
    { ...DEPLOYMENT, buildSeconds: 1700 },
    { ...DEPLOYMENT, at: 20_000, project: 1, buildSeconds: 900 },
    { ...DEPLOYMENT, at: 40_000, project: 1, branch: 1 },
  ],
};

async function endsOf(scenario: Scenario): Promise<string[]> {
  const { world } = await play(await simulation(), scenario);
  const ends = (await world.records()).map(({ deploymentId, failureCode, status }) => [deploymentId, status, failureCode].join(' ').trim());
  await world.close();
  return ends.sort();
}

test('NO_CAPACITY, and the dead-letter queue keeps the request: redriven, it is built', async () => {
  expect(await endsOf(BUSY)).toEqual(['deployment-1 success', 'deployment-2 success', 'deployment-3 failed NO_CAPACITY']);
  expect(await endsOf({ ...BUSY, redrive: true })).toEqual(['deployment-1 success', 'deployment-2 success', 'deployment-3 success']);
  await check(await simulation(), BUSY);
  await check(await simulation(), { ...BUSY, redrive: true });
});
