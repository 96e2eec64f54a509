/** What a git host could do to whoever asks it: say nothing, stop in the middle, send elsewhere. */
import { PassingTrouble } from '../../lambda/shared/host-problem';
import { HttpsClient, jsonOf } from '../../lambda/shared/https-client';
import { Forge } from '../support/forge';

let forge: Forge;

beforeAll(async () => {
  forge = await Forge.start();
  forge.joinHere();
});

afterAll(() => forge.close());

beforeEach(() => { forge.requests.length = 0; });

const SILENCE_MS = 200;
const client = (timeMs = 30_000) => new HttpsClient(AbortSignal.timeout(timeMs), SILENCE_MS);
const url = (path: string) => new URL(path, `https://${forge.host}`);
const get = async (timeMs?: number) => jsonOf(await client(timeMs).get(url('/'), { authorization: 'Basic c2VjcmV0' }));
// eslint-disable-next-line require-yield
const never = async function* (): AsyncGenerator<Buffer> { await new Promise(() => undefined); };

test('it names itself as a git client, for hosts look at that', async () => {
  forge.answer = () => ({ body: '{"a":1}' });
  expect(await get()).toEqual({ a: 1 });
  expect(forge.requests[0].headers).toMatchObject({ 'user-agent': expect.stringMatching(/^git\//), 'authorization': 'Basic c2VjcmV0' });
});

test.each([
  ['before it answers', () => ({ body: never() })],
  ['in the middle of its answer', () => ({ body: '{', then: 'hang' as const })],
])('a host that says nothing %s is not waited for', async (_, answer) => {
  forge.answer = answer;
  const began = Date.now();
  await expect(get()).rejects.toEqual(new PassingTrouble(`The connection to ${forge.host} failed: nothing came for 0.2 s.`));
  expect(Date.now() - began).toBeLessThan(5_000);
});

test('a host that answers with another protocol has not answered', async () => {
  forge.answer = () => ({ status: 101, headers: { connection: 'upgrade', upgrade: 'other' } });
  await expect(get()).rejects.toEqual(new PassingTrouble(`${forge.host} ended the connection.`));
});

test('when time is up, it is up, also for a host that keeps talking', async () => {
  const talk = async function* (): AsyncGenerator<Buffer> {
    for (;;) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      yield Buffer.from(' ');
    }
  };
  forge.answer = () => ({ body: talk() });
  await expect(get(500)).rejects.toMatchObject({ name: 'TimeoutError' });
  await expect(new HttpsClient(AbortSignal.abort(new Error('over'))).get(url('/'), {})).rejects.toThrow('over');
});

test('redirects within the host are followed, with what signs in; the last address is known', async () => {
  forge.answer = ({ path }) => (path === '/c' ? { body: 'here' } : { status: 302, headers: { location: path === '/' ? '/b' : `https://${forge.host}/c` } });
  const answer = await client().get(url('/'), { authorization: 'Basic c2VjcmV0' });
  answer.drop();
  expect(answer.url.pathname).toBe('/c');
  expect(forge.requests.map(({ path, headers }) => [path, headers.authorization])).toEqual([['/', 'Basic c2VjcmV0'], ['/b', 'Basic c2VjcmV0'], ['/c', 'Basic c2VjcmV0']]);
});

test.each([
  'https://evil.example/', 'http://forge.local-run.example/', '//evil.example/', 'file:///etc/passwd', 'https://', 'javascript:1', 'https://user@<host>/', 'https://127.0.0.1:<port>/',
])('a redirect to %s is refused', async (pattern) => {
  const location = pattern.replace('<host>', forge.host).replace('<port>', url('/').port);
  forge.answer = () => ({ status: 301, headers: { location } });
  await expect(get()).rejects.toThrow(`${forge.host} redirects to `);
  expect(forge.requests).toHaveLength(1);
});

test('a host with a certificate that nobody vouches for is not spoken to', async () => {
  const { port } = url('/');
  forge.answer = () => ({ body: '{}' });
  // Its certificate is for another name.
  await expect(client().get(new URL(`https://localhost:${port}/`), {})).rejects.toThrow('ERR_TLS_CERT_ALTNAME_INVALID');
  expect(forge.requests).toEqual([]);
});
