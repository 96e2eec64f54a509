/** A webhook of the platform's own, signed as https://www.standardwebhooks.com says. */
import { createHmac } from 'node:crypto';
import { SIGNING, SIGNING_SECRET, statusFunction } from './github-status-support';
import { keyOf, OutgoingWebhook, signature } from '../../../lambda/github-status/outgoing-webhook';
import { secretsManagerClient } from '../../../lambda/shared/aws-clients';
import { advanceClock } from '../../support/clock';

const platform = statusFunction({ webhook: true });

const notices = () => platform.forge.notices.map(({ body }) => JSON.parse(body) as { type: string; timestamp: string; data: Record<string, unknown> });
const toWebhook = (answer: { status: number; headers?: Record<string, string> }) => ({ path }: { path: string }) => (path.startsWith('/hooks/') ? answer : undefined);

/** As a receiver does it. */
function signedWith(secret: string, { body, headers }: { body: string; headers: NodeJS.Dict<string | string[]> }): string {
  const signed = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`;
  return `v1,${createHmac('sha256', Buffer.from(secret.replace('whsec_', ''), 'base64')).update(signed).digest('base64')}`;
}

test('the signature is that of the standard\'s own example', () => {
  expect(signature(keyOf(SIGNING_SECRET)!, 'msg_p5jXN8AQM9LWM0D4loKWxJek', 1614265330, '{"test": 2432232314}')).toBe('v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=');
});

test('each change of a status is told with all that its event says, signed, at the time when it is sent', async () => {
  const detail = platform.detail({ version: 2, status: 'building' });
  await platform.tell({ ...detail, version: 2 });
  expect(notices()).toEqual([{ type: 'deployment.status_changed', timestamp: '2026-11-01T11:59:59Z', data: detail }]);
  const [notice] = platform.forge.notices;
  expect(notice.headers).toMatchObject({
    'content-type': 'application/json', 'webhook-timestamp': String(Date.now() / 1000), 'webhook-signature': signedWith(SIGNING_SECRET, notice),
  });
  expect(notice.headers['webhook-id']).toMatch(/^[A-Za-z0-9_-]+$/);
});

test('what is sent again has the id that it had, and a signature of its own time; another version has another id', async () => {
  const answers = [500];
  const ids: unknown[] = [];
  platform.forge.answer = ({ headers, path }) => {
    if (!path.startsWith('/hooks/')) return undefined;
    ids.push(headers['webhook-id']);
    return answers.length > 0 ? { status: answers.pop() } : undefined;
  };
  const began = Date.now();
  await platform.tell({ version: 1 });
  await platform.tell({ version: 2, status: 'building' });
  expect(ids[0]).toBe(ids[1]);
  expect(ids[2]).not.toBe(ids[1]);
  expect(platform.forge.notices[0].headers['webhook-timestamp']).toBe(String(began / 1000 + 30));
});

test('what is older than what was told is dropped', async () => {
  await platform.tell({ version: 3, status: 'success' });
  await platform.tell({ version: 2, status: 'building' });
  expect(notices().map(({ data }) => data.version)).toEqual([3]);
});

test('it is told of every host\'s repositories, and GitHub only of its own', async () => {
  await platform.tell({ version: 1, repoUrl: 'https://gitlab.example/acme/shop.git' });
  expect(notices()).toHaveLength(1);
  expect(platform.asked).toEqual([expect.stringMatching(/^POST \/hooks\//)]);
});

test('a secret that is replaced still signs, beside the new one, until the next takes its place', async () => {
  const next = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
  await platform.tell({ version: 1 });
  platform.putSecret(SIGNING, next, SIGNING_SECRET);
  advanceClock(5 * 60 + 1);
  await platform.tell({ version: 2, status: 'building' });
  const [first, second] = platform.forge.notices;
  expect(first.headers['webhook-signature']).toBe(signedWith(SIGNING_SECRET, first));
  expect(second.headers['webhook-signature']).toBe(`${signedWith(next, second)} ${signedWith(SIGNING_SECRET, second)}`);
});

describe('trouble with the receiver', () => {
  test.each([
    ['an error', { status: 500 }], ['a refusal', { status: 400 }], ['a redirect, which is not followed', { status: 302, headers: { location: 'https://evil.example/' } }],
  ])('%s comes back; GitHub is told all the same', async (_, answer) => {
    platform.forge.answer = toWebhook(answer);
    platform.send({ version: 1 });
    expect(await platform.call()).toEqual([30]);
    expect(platform.checkRuns).toHaveLength(1);
    platform.undisturbed();
    await platform.drain();
    expect(notices()).toHaveLength(1);
    expect(platform.checkRuns).toHaveLength(1);
  });

  test('a receiver that has too much to do says when', async () => {
    platform.forge.answer = toWebhook({ status: 429, headers: { 'retry-after': '45' } });
    platform.send({ version: 1 });
    expect(await platform.call()).toEqual([45]);
  });

  test('a receiver that is gone (HTTP 410) is not told again', async () => {
    platform.forge.answer = toWebhook({ status: 410 });
    await platform.tell({ version: 1 });
    expect(platform.givenUp).toEqual([]);
  });

  test('trouble with GitHub is none of the receiver\'s', async () => {
    platform.forge.answer = ({ path }) => (path.startsWith('/api/') ? { status: 500 } : undefined);
    platform.send({ version: 1 });
    await platform.call();
    expect(notices()).toHaveLength(1);
  });
});

describe('settings', () => {
  test.each(['', 's3cret', 'whsec_c2hvcnQ=', `whsec_${'A'.repeat(100)}`, 'not base64 at all, but long enough to be one'])('the secret "%s" is refused', async (secret) => {
    expect(keyOf(secret)).toBeUndefined();
    platform.putSecret(SIGNING, secret);
    platform.send({ version: 1 });
    expect(await platform.call()).toEqual([30]);
    expect(notices()).toEqual([]);
  });

  test.each([SIGNING_SECRET, SIGNING_SECRET.slice(6), `${SIGNING_SECRET}\n`, 'abcdefghijklmnopqrstuvwxyz012345', Buffer.alloc(64).toString('base64')])('the secret "%s" is good', (secret) => {
    expect(keyOf(secret)).toBeDefined();
  });

  test.each(['http://hooks.example/', 'hooks.example', 'ftp://hooks.example', ''])('the URL "%s" is refused without being shown', (url) => {
    expect(() => new OutgoingWebhook(secretsManagerClient(), url, SIGNING)).toThrow('Expected the URL of the outgoing webhook to begin with https://.');
  });
});
