/** What GitHub shows beside a commit: one check run for each deployment, which says what its record says. */
import { PRIVATE_KEY, statusFunction } from './github-status-support';
import { Tellings } from '../../../lambda/github-status/tellings';
import { PUSH_SKIPPED } from '../../../src/contract/github-status';
import { advanceClock } from '../../support/clock';
import type { ForgeAnswer, ForgeRequest } from '../../support/forge';
import { COMMIT_SHA } from '../../support/requests';

const github = statusFunction();

const LOG = 'https://eu-central-1.console.aws.amazon.com/codesuite/codebuild/1/log';
const BUILDING = { version: 2, status: 'building', buildStartedAt: '2026-11-01T12:00:00.000Z', logsUrl: LOG } as const;
const SUCCESS = { ...BUILDING, version: 3, status: 'success', completedAt: '2026-11-01T12:01:00.000Z' } as const;
const FAILED = { ...SUCCESS, status: 'failed', failureCode: 'INSTALL_FAILED', failureMessage: 'Installing the dependencies failed.' } as const;

const isChange = ({ method, path }: ForgeRequest) => method !== 'GET' && path.includes('/check-runs');
const once = (which: (request: ForgeRequest) => boolean, answer: ForgeAnswer) => {
  const answers = [answer];
  return (request: ForgeRequest) => (which(request) ? answers.pop() : undefined);
};
const saying = (status: number, message: string, headers?: Record<string, string>): ForgeAnswer => ({ status, headers, body: JSON.stringify({ message }) });

test('a deployment is queued, built and successful in one check run, which is found with the deployment\'s id and leads to the log', async () => {
  await github.tell({ version: 1 });
  expect(github.checkRuns).toEqual([{
    id: expect.any(Number),
    repository: expect.any(Number),
    name: 'Next.js build: shop',
    head_sha: COMMIT_SHA,
    external_id: 'deployment-1',
    status: 'queued',
    conclusion: null,
    output: { title: 'Queued', summary: 'Deployment deployment-1 of main waits for its build.' },
  }]);
  await github.tell(BUILDING);
  expect(github.checkRuns).toMatchObject([{ status: 'in_progress', conclusion: null, started_at: BUILDING.buildStartedAt, details_url: LOG }]);
  await github.tell(SUCCESS);
  expect(github.checkRuns).toMatchObject([{
    status: 'completed',
    conclusion: 'success',
    completed_at: SUCCESS.completedAt,
    details_url: LOG,
    output: { title: 'Built', summary: `Deployment deployment-1 of main was built.\n\n[Build log](${LOG})` },
  }]);
});

test.each([
  ['failed', FAILED, 'failure', 'Failed: INSTALL_FAILED', 'Installing the dependencies failed.'],
  ['superseded', { version: 2, status: 'superseded', supersededBy: 'deployment-2' }, 'neutral', 'Superseded', 'deployment-2'],
  ['successful but superseded', { ...SUCCESS, supersededBy: 'deployment-2' }, 'success', 'Built', 'deployment-2 of the same branch is newer: this one does not go live.'],
  ['built before', { ...SUCCESS, reusedFrom: 'deployment-0' }, 'success', 'Built before', 'has what deployment-0 left.'],
] as const)('a deployment that is %s', async (_, detail, conclusion, title, summary) => {
  await github.tell(detail);
  expect(github.checkRuns).toMatchObject([{ status: 'completed', conclusion, output: { title, summary: expect.stringContaining(summary) } }]);
});

test('a push that makes no deployment has a neutral check run that says why, once', async () => {
  const detail = { projectId: 'shop', commitSha: COMMIT_SHA, repoUrl: github.forge.url('acme/shop'), reason: 'The commit message says [skip ci].' };
  for (let time = 0; time < 2; time += 1) github.sendMessage({ 'detail-type': PUSH_SKIPPED, detail });
  await github.drain();
  expect(github.checkRuns).toMatchObject([{ status: 'completed', conclusion: 'neutral', output: { title: 'Skipped', summary: 'The commit message says [skip ci].' } }]);
  expect(github.deployments).toEqual([]);
});

test('the projects of one repository have a check run each, and so have two deployments of one commit', async () => {
  await github.tell({ version: 1 });
  await github.tell({ version: 1, deploymentId: 'deployment-2', projectId: 'docs' });
  await github.tell({ version: 1, deploymentId: 'deployment-3' });
  expect(github.checkRuns.map(({ external_id: id, name }) => [id, name])).toEqual([
    ['deployment-1', 'Next.js build: shop'], ['deployment-2', 'Next.js build: docs'], ['deployment-3', 'Next.js build: shop'],
  ]);
});

test('a deployment that begins anew after it had failed without a build has a new check run: GitHub takes no conclusion back', async () => {
  await github.tell({ version: 1 });
  await github.tell({ version: 2, status: 'failed', failureCode: 'NO_CAPACITY', failureMessage: 'The build waited too long.' });
  await github.tell({ version: 3 });
  await github.tell({ ...BUILDING, version: 4 });
  await github.tell({ ...SUCCESS, version: 5 });
  expect(github.checkRuns.map(({ conclusion, external_id: id, name }) => [id, name, conclusion])).toEqual([
    ['deployment-1', 'Next.js build: shop', 'failure'], ['deployment-1', 'Next.js build: shop', 'success'],
  ]);
});

describe('events come at least once and in any order', () => {
  test('what is older than what was told, or as old, is dropped without a word to GitHub', async () => {
    await github.tell(SUCCESS);
    const before = github.asked.length;
    await github.tell(SUCCESS);
    await github.tell(BUILDING);
    await github.tell({ version: 1 });
    expect(github.asked).toHaveLength(before);
    expect(github.checkRuns).toMatchObject([{ conclusion: 'success' }]);
  });

  test('two invocations at once make one check run: the second one comes back in a few seconds', async () => {
    const [first, second] = [github.send({ version: 1 }), github.send(BUILDING)];
    const { end } = Tellings.prototype;
    // Just before the first one is done.
    jest.spyOn(Tellings.prototype, 'end').mockImplementationOnce(async function (this: Tellings, ...telling) {
      expect(await github.call([second])).toEqual([10]);
      return end.apply(this, telling);
    });
    expect(await github.call([first])).toEqual([]);
    await github.drain();
    expect(github.checkRuns).toMatchObject([{ status: 'in_progress' }]);
  });

  test('the event of one delivery that is delivered twice at once is told once', async () => {
    await Promise.all([github.call([github.send({ version: 1 })]), github.call([github.send({ version: 1 })])]);
    await github.drain();
    expect(github.checkRuns).toHaveLength(1);
  });
});

describe('an answer that was lost', () => {
  test('to the creation: the check run is found at GitHub, among those of other deployments and other apps', async () => {
    for (let index = 0; index < 45; index += 1) await github.tell({ version: 1, deploymentId: `other-${index}` });
    github.forge.answerAfterwards = once(isChange, { then: 'break' });
    github.send({ version: 1 });
    expect(await github.call()).toEqual([30]);
    expect(github.checkRuns).toHaveLength(46);
    await github.drain();
    await github.tell(BUILDING);
    expect(github.checkRuns).toHaveLength(46);
    expect(github.checkRuns.at(-1)).toMatchObject({ external_id: 'deployment-1', status: 'in_progress' });
  });

  test('while GitHub still works on it: nobody looks, and nothing newer is told, before GitHub has given up', async () => {
    let finish = () => {};
    const late = [new Promise<void>((resolve) => { finish = resolve; })];
    github.forge.postpone = (request) => (isChange(request) ? late.pop() : undefined);
    expect(await github.call([github.send({ version: 1 })])).toEqual([30]);
    const newer = github.send(BUILDING);
    expect(await github.call([newer])).toEqual([15]);
    advanceClock(14.9);
    expect(await github.call([newer])).toEqual([1]);
    expect(github.checkRuns).toEqual([]);
    finish();
    await new Promise((resolve) => setImmediate(resolve));
    await github.drain();
    expect(github.checkRuns).toMatchObject([{ status: 'in_progress' }]);
  });

  test('of the function, which died while it told: its claim ends within a minute, and until then few receives are used up', async () => {
    jest.spyOn(Tellings.prototype, 'end').mockRejectedValueOnce(new Error('The function died.'));
    const message = github.send({ version: 1 });
    expect(await github.call([message])).toEqual([30]);
    const newer = github.send(BUILDING);
    expect(await github.call([newer])).toEqual([10]);
    await github.drain();
    expect(github.checkRuns).toMatchObject([{ status: 'in_progress' }]);
    expect([message.receives, newer.receives]).toEqual([3, 3]);
  });

  test('of the function, which died after it had made the check run: it is found', async () => {
    await github.tell({ version: 1 });
    await github.tables.clear();
    await github.tell(BUILDING);
    expect(github.checkRuns).toMatchObject([{ status: 'in_progress' }]);
  });
});

describe('limits', () => {
  test.each([
    ['retry-after', () => saying(403, 'You have exceeded a secondary rate limit.', { 'retry-after': '77' }), 77],
    ['x-ratelimit-reset', () => saying(403, 'API rate limit exceeded', { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': String(Date.now() / 1000 + 1200) }), 1200],
    ['nothing but words', () => saying(403, 'You have exceeded a secondary rate limit. Please wait a few minutes.'), 60],
    ['HTTP 429', () => saying(429, 'Slow down'), 60],
    ['a time that nobody waits for', () => saying(429, 'No', { 'retry-after': '999999999' }), 3600],
  ])('what GitHub says by %s is how long the message is not seen', async (_, answer, seconds) => {
    github.forge.answer = once(isChange, answer());
    github.send({ version: 1 });
    expect(await github.call()).toEqual([seconds]);
    await github.drain();
    expect(github.checkRuns).toHaveLength(1);
  });

  test('GitHub is left alone until then, also with other messages', async () => {
    github.forge.answer = once(isChange, saying(403, 'Limit', { 'retry-after': '77' }));
    github.send({ version: 1 });
    github.send({ version: 1, deploymentId: 'deployment-2' });
    expect(await github.call()).toEqual([77, 77]);
    expect(github.asked.filter((one) => one.includes('check-runs')).length).toBe(2);
    await github.drain();
    expect(github.checkRuns).toHaveLength(2);
  });

  test('the app itself is limited too', async () => {
    github.forge.answer = once(({ path }) => path.endsWith('/access_tokens'), saying(403, 'Limit', { 'retry-after': '77' }));
    github.send({ version: 1 });
    expect(await github.call()).toEqual([77]);
  });
});

describe('trouble', () => {
  test.each<[string, ForgeAnswer]>([
    ['HTTP 500', { status: 500 }], ['HTTP 502', { status: 502 }], ['HTTP 409', saying(409, 'Conflict')], ['a connection that breaks', { body: '{', then: 'break' }],
    ['another answer than GitHub\'s', { status: 418 }], ['a token that GitHub does not know yet', saying(401, 'Bad credentials')],
  ])('%s comes back, later each time, until the message is given up', async (_, answer) => {
    github.forge.answer = (request) => (isChange(request) ? answer : undefined);
    github.send({ version: 1 });
    const waits: number[] = [];
    while (github.queue.length > 0) {
      waits.push(...await github.call());
      advanceClock(waits.at(-1)!);
    }
    expect(waits.slice(0, 7)).toEqual([30, 60, 120, 240, 480, 900, 900]);
    expect(waits.reduce((sum, seconds) => sum + seconds, 0)).toBeGreaterThan(4 * 3600);
    expect(github.givenUp).toHaveLength(1);
    expect(github.checkRuns).toEqual([]);
  });

  test.each<[string, ForgeAnswer]>([
    ['there is no such repository any more', saying(404, 'Not Found')], ['there is no such commit', saying(422, 'No commit found for SHA')],
    ['the app may not', saying(403, 'Resource not accessible by integration')],
  ])('%s: that is not tried again', async (_, answer) => {
    github.forge.answer = once(isChange, answer);
    github.send({ version: 1 });
    expect(await github.call()).toEqual([]);
    expect(github.checkRuns).toEqual([]);
    await github.tell(BUILDING);
    expect(github.checkRuns).toMatchObject([{ status: 'in_progress' }]);
  });

  test.each([
    ['an app with a key of another one', 'no key'],
  ])('%s is a fault of the platform: the message comes back until it is mended', async (_, secret) => {
    github.putSecret(PRIVATE_KEY, secret);
    github.send({ version: 1 });
    expect(await github.call()).toEqual([30]);
    github.putSecret(PRIVATE_KEY, github.forge.privateKey);
    await github.drain();
    expect(github.checkRuns).toHaveLength(1);
  });

  test('one message that fails takes none of its batch with it', async () => {
    github.sendMessage('no JSON');
    github.send({ version: 1 });
    github.sendMessage({ 'detail-type': 'Something Else', 'detail': {} });
    expect(await github.call()).toEqual([30, 30]);
    expect(github.checkRuns).toHaveLength(1);
  });

  test('messages that there is no time for come back at once', async () => {
    github.send({ version: 1 });
    expect(await github.call(github.queue, 60_000)).toEqual([1]);
    expect(github.asked).toEqual([]);
  });
});

describe('who is told', () => {
  test.each([
    ['of another host', 'https://gitlab.example/acme/shop.git'], ['that is none', 'https://<host>/acme'], ['with another port', 'https://forge.local-run.example:1/acme/shop.git'],
  ])('nobody, of a repository %s', async (_, repoUrl) => {
    await github.tell({ version: 1, repoUrl: repoUrl.replace('<host>', github.forge.host) });
    expect(github.asked).toEqual([]);
    expect(await github.tables.stateIds('TOLD')).toEqual([]);
  });

  test('nobody, of a request that was refused before anyone knew its repository', async () => {
    await github.tell({ version: 1, status: 'failed', repoUrl: undefined, commitSha: undefined, failureCode: 'INVALID_REQUEST' });
    expect(github.asked).toEqual([]);
  });

  test('nobody, where the app is not installed or not allowed to write checks', async () => {
    github.forge.addRepository('acme/other', '/nowhere', { isInstalled: false });
    await github.tell({ version: 1, repoUrl: github.forge.url('acme/other') });
    github.forge.permissions = { metadata: 'read', checks: 'read' };
    await github.tell({ version: 1, deploymentId: 'deployment-2' });
    expect(github.forge.grants).toEqual([]);
    expect(github.checkRuns).toEqual([]);
  });

  test('a repository that was renamed is told under its number', async () => {
    await github.tell({ version: 1 });
    github.forge.rename('acme/shop', 'acme/store');
    await github.tell(BUILDING);
    expect(github.checkRuns).toMatchObject([{ status: 'in_progress' }]);
    expect(github.asked.at(-1)).toMatch(/^PATCH \/repositories\/\d+\/check-runs/);
  });
});

test('the token is for this repository alone, can write checks and deployments alone, and is used again for most of its hour', async () => {
  await github.tell({ version: 1 });
  advanceClock(49 * 60);
  await github.tell(BUILDING);
  expect(github.forge.grants).toEqual([{ repositories: ['shop'], permissions: { checks: 'write', deployments: 'write' } }]);
  advanceClock(2 * 60);
  await github.tell(SUCCESS);
  expect(github.forge.grants).toHaveLength(2);
});
