/** Who is let in: whoever signs with the platform's secret, and nobody else. */
import { anyProject, push, SECRET, SECRET_ID, signed, webhook } from './webhook-support';
import { MAX_WEBHOOK_BODY_BYTES, WEBHOOK_METRIC } from '../../../src/contract/webhook';
import { advanceClock, setClock } from '../../support/clock';

const door = webhook();
const PROJECT = 'shop';
const NOW = '2026-11-22T12:00:00.000Z';

let clock = Date.parse(NOW);
beforeEach(async () => {
  // What the handler knows of the secret is a day old.
  clock += 24 * 3600 * 1000;
  setClock(clock);
  await door.putProject({ projectId: PROJECT });
});

const BODY = JSON.stringify(push());

test('GitHub\'s own example of a signature is valid', async () => {
  const signature = 'sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17';
  const { body, status } = await door.deliver({ projectId: PROJECT, body: 'Hello, World!', headers: { 'x-hub-signature-256': signature } });
  expect([status, body.reason]).toEqual([400, 'The body was signed, but its payload is not JSON.']);
});

describe('401, and nothing is written', () => {
  test.each<[string, Record<string, string | undefined>]>([
    ['no signature', { 'x-hub-signature-256': undefined }],
    ['an empty one', { 'x-hub-signature-256': '' }],
    ['SHA-1 only', { 'x-hub-signature-256': undefined, 'x-hub-signature': 'sha1=0123456789012345678901234567890123456789' }],
    ['SHA-1 where SHA-256 belongs', { 'x-hub-signature-256': 'sha1=0123456789012345678901234567890123456789' }],
    ['that of another secret', { 'x-hub-signature-256': signed(BODY, 'guessed') }],
    ['that of another body', { 'x-hub-signature-256': signed(`${BODY} `) }],
    ['the right one without its algorithm', { 'x-hub-signature-256': signed(BODY).slice('sha256='.length) }],
    ['the right one in capitals', { 'x-hub-signature-256': signed(BODY).toUpperCase() }],
    ['the right one, cut', { 'x-hub-signature-256': signed(BODY).slice(0, -1) }],
  ])('%s', async (_, headers) => {
    expect(await door.deliver({ projectId: PROJECT, body: BODY, headers })).toMatchObject({ status: 401, body: { outcome: 'refused', reason: expect.stringMatching(/x-hub-signature-256/) } });
    expect(await door.isUntouched()).toBe(true);
  });

  test('an empty body, however it is signed', async () => {
    expect((await door.deliver({ projectId: PROJECT, body: '' })).status).toBe(401);
  });

  test('whoever cannot sign does not learn which projects there are', async () => {
    const answers = await Promise.all([PROJECT, 'unknown'].map((projectId) => door.deliver({ projectId, secret: 'guessed' })));
    expect(answers[0]).toEqual(answers[1]);
  });

  test('nor is the secret read for somebody who does not sign at all', async () => {
    await door.deliver({ projectId: PROJECT, headers: { 'x-hub-signature-256': undefined } });
    expect(door.secretReads).toEqual([]);
  });
});

describe('the secret', () => {
  const statusWith = async (secret: string) => (await door.deliver({ projectId: PROJECT, event: 'ping', payload: { zen: 'Design for failure.' }, secret })).status;

  test('is read once for many deliveries', async () => {
    for (let count = 0; count < 3; count += 1) expect(await statusWith(SECRET)).toBe(200);
    // Its current version and the one before.
    expect(door.secretReads).toHaveLength(2);
  });

  test('is valid in its new version and in the one before: a rotation loses no delivery', async () => {
    door.secrets.putSecret(SECRET_ID, 'new');
    expect([await statusWith('new'), await statusWith(SECRET)]).toEqual([200, 200]);
    door.secrets.putSecret(SECRET_ID, 'newer');
    advanceClock(5 * 60);
    expect([await statusWith('newer'), await statusWith('new'), await statusWith(SECRET)]).toEqual([200, 200, 401]);
  });

  test('is known to the handler some seconds after it was changed', async () => {
    expect(await statusWith(SECRET)).toBe(200);
    door.secrets.putSecret(SECRET_ID, 'new');
    advanceClock(29);
    expect(await statusWith('new')).toBe(401);
    advanceClock(1);
    expect(await statusWith('new')).toBe(200);
  });

  test('is not read more often than that for somebody who sends wrong signatures', async () => {
    for (let second = 0; second < 60; second += 1) {
      expect(await statusWith('guessed')).toBe(401);
      advanceClock(1);
    }
    expect(door.secretReads).toHaveLength(2 * 2);
  });

  test('may end with a line break, as editors leave one', async () => {
    door.secrets.putSecret(SECRET_ID, `${SECRET}\n`);
    expect(await statusWith(SECRET)).toBe(200);
  });
});

test('a secret that is not there: 500, an alarm, and the delivery succeeds when it is repeated', async () => {
  const written = jest.spyOn(process.stdout, 'write').mockReturnValue(true);
  door.secrets.putSecret(SECRET_ID, ' ');
  expect(await door.deliver({ projectId: PROJECT })).toMatchObject({ status: 500, body: { outcome: 'failed', reason: expect.stringMatching(/secret cannot be read.*deliver it again/) } });
  const { namespace, name, dimension } = WEBHOOK_METRIC;
  expect(written.mock.calls.map(([line]) => JSON.parse(line as string) as unknown)).toEqual([expect.objectContaining({
    _aws: { Timestamp: expect.any(Number), CloudWatchMetrics: [{ Namespace: namespace, Dimensions: [[dimension]], Metrics: [{ Name: name, Unit: 'Count' }] }] },
    [dimension]: 'handler',
    [name]: 1,
  })]);
  expect(await door.isUntouched()).toBe(true);
  door.secrets.putSecret(SECRET_ID, SECRET);
  expect((await door.deliver({ projectId: PROJECT })).status).toBe(201);
});

describe('what is not a webhook', () => {
  test('another method: 405', async () => {
    expect((await door.deliver({ projectId: PROJECT, method: 'GET' })).status).toBe(405);
  });

  test('a body that is too large: 413, before anything is done with it', async () => {
    const body = Buffer.alloc(MAX_WEBHOOK_BODY_BYTES + 1, ' ');
    expect(await door.deliver({ projectId: PROJECT, body, headers: { 'x-hub-signature-256': 'sha256=' } })).toMatchObject({
      status: 413, body: { reason: `Expected a body of at most ${MAX_WEBHOOK_BODY_BYTES} bytes, got ${body.length}.` },
    });
    expect(door.secretReads).toEqual([]);
  });

  test('a body of just that size is read', async () => {
    const body = JSON.stringify(push()).padEnd(MAX_WEBHOOK_BODY_BYTES, ' ');
    expect((await door.deliver({ projectId: PROJECT, body })).status).toBe(201);
  });

  test('another content type: 415', async () => {
    expect((await door.deliver({ projectId: PROJECT, headers: { 'content-type': 'text/plain' } })).status).toBe(415);
    expect((await door.deliver({ projectId: PROJECT, headers: { 'content-type': undefined } })).status).toBe(415);
  });

  test('no event: 400', async () => {
    expect((await door.deliver({ projectId: PROJECT, headers: { 'x-github-event': undefined } })).status).toBe(400);
  });

  test.each(['', '{', 'payload={}', '[]', 'null', '"push"', '{"ref":"refs/heads/main"}', '{"ref":1}'])('a signed body that is %p: 400 (or 401 if there is none)', async (body) => {
    expect((await door.deliver({ projectId: PROJECT, body })).status).toBe(body === '' ? 401 : 400);
    expect(await door.isUntouched()).toBe(true);
  });

  test('an event that deploys nothing: 202', async () => {
    expect(await door.deliver({ projectId: PROJECT, event: 'issues' })).toMatchObject({ status: 202, body: { outcome: 'ignored', reason: expect.stringMatching(/"issues" deploys nothing/) } });
  });
});

describe('every kind of endpoint', () => {
  const headers = { 'Content-Type': 'application/json', 'X-GitHub-Event': 'push', 'X-Hub-Signature-256': signed(BODY) };
  const lowerCased = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
  const v2 = { rawPath: `/${`projects/${PROJECT}`}`, requestContext: { http: { method: 'POST' } }, headers: lowerCased };
  const v1 = { path: `/projects/${PROJECT}`, httpMethod: 'POST' };

  test.each([
    ['a function URL or an HTTP API', { ...v2, body: BODY, isBase64Encoded: false }],
    ['the same with a body in base64', { ...v2, body: Buffer.from(BODY).toString('base64'), isBase64Encoded: true }],
    ['an HTTP API with a stage in its path', { ...v2, rawPath: `/prod/hooks/projects/${PROJECT}/`, body: BODY }],
    ['a REST API', { ...v1, headers, multiValueHeaders: null, body: BODY, isBase64Encoded: false }],
    ['a load balancer with several values for a header', { ...v1, headers: null, multiValueHeaders: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value]])), body: BODY }],
  ])('%s', async (_, event) => {
    expect(await door.invoke(event)).toMatchObject({ status: 201, body: { outcome: 'deployment' } });
  });

  test('a form, as GitHub\'s hooks can be set to', async () => {
    const body = new URLSearchParams({ payload: JSON.stringify(push({ ref: 'refs/heads/main' })) }).toString();
    const type = { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' };
    expect((await door.deliver({ projectId: PROJECT, body, headers: type })).status).toBe(201);
    expect((await door.deliver({ projectId: PROJECT, body: 'other=1', headers: type })).status).toBe(400);
  });

  test('an event that is none of these is refused, and does not end the function', async () => {
    expect((await door.invoke({})).status).toBe(405);
  });
});

test('names with characters beyond ASCII are signed as their bytes', async () => {
  const projectId = anyProject();
  await door.putProject({ projectId, branch: 'größe/日本' });
  expect((await door.deliver({ projectId, payload: push({ ref: 'refs/heads/größe/日本' }) })).status).toBe(201);
  expect(await door.requests()).toMatchObject([{ branch: 'größe/日本' }]);
});
