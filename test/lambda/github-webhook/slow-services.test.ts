/** GitHub waits for ten seconds. When AWS takes longer, somebody has to say so in time. */
import { push, webhook } from './webhook-support';

const GITHUB_WAITS_MS = 10_000;
/** The answer has to travel, and a function that has just been started has taken a second for that. */
const RESERVE_MS = 1_500;

const PROJECT = 'shop';

describe.each(['DYNAMODB', 'SECRETS_MANAGER', 'SQS'] as const)('%s does not answer', (service) => {
  const door = webhook({}, service);
  beforeEach(() => door.putProject({ projectId: PROJECT }));

  test('503 before GitHub gives up, so that whoever looks sees why, and what to do', async () => {
    jest.spyOn(process.stdout, 'write').mockReturnValue(true);
    const begun = Date.now();
    expect(await door.deliver({ projectId: PROJECT })).toMatchObject({ status: 503, body: { outcome: 'failed', reason: expect.stringMatching(/took too long\. Deliver it again/) } });
    expect(Date.now() - begun).toBeLessThan(GITHUB_WAITS_MS - RESERVE_MS);
  }, 2 * GITHUB_WAITS_MS);

  if (service !== 'SQS') return;
  test('a push that is skipped is answered all the same, and soon', async () => {
    const begun = Date.now();
    expect(await door.deliver({ projectId: PROJECT, payload: push({ head_commit: { message: '[skip ci]' } }) })).toMatchObject({ status: 200, body: { outcome: 'skipped' } });
    expect(Date.now() - begun).toBeLessThan(5_000);
  });
});
