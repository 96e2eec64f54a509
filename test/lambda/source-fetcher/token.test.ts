/** With a token, for any git host: exactly the commit, or why not. */
import { createHash } from 'node:crypto';
import { sourceFetcher, TOKEN } from './source-fetcher-support';
import { ADVERTISEMENT, CAPABILITIES, chunksOf, type ForgeAnswer, type ForgeRequest, isFetch, packets, RESULT } from '../../support/forge';

/** Milliseconds between tries, which nobody wants to wait for here. */
const pauses: number[] = [];
jest.mock('node:timers/promises', () => ({
  ...jest.requireActual<typeof import('node:timers/promises')>('node:timers/promises'),
  setTimeout: async (milliseconds: number) => void pauses.push(milliseconds),
}));
beforeEach(() => { pauses.length = 0; });

const fetcher = sourceFetcher('token');

/** And then as it is. */
const once = (answer: ForgeAnswer) => {
  const answers = [answer];
  return () => answers.shift();
};
const whenFetching = (answer: ForgeAnswer) => (request: ForgeRequest) => (isFetch(request) ? answer : undefined);
const discovers = (body: ForgeAnswer['body']): ForgeAnswer => ({ ...ADVERTISEMENT, body });
const tries = () => fetcher.forge.requests.filter(isFetch).length;

test.each([0, 1, 2])('commit %i of three is fetched without its history, wherever it is in the branch, and nothing else', async (index) => {
  const commitSha = fetcher.commits[index];
  const { pack, status } = await fetcher.fetch({ commitSha });
  expect(status).toEqual({ status: 'ready' });
  const version = ['first', 'second', 'third'][index];
  expect(await fetcher.unpack(pack!, commitSha)).toMatchObject({ commits: [commitSha], files: { 'package.json': `{"version":"${version}"}`, [`apps/${version}.txt`]: version } });
});

test('a repository of SHA-256 is fetched alike', async () => {
  const [repository, commits] = await fetcher.createRepository('--object-format=sha256');
  fetcher.forge.addRepository('acme/sha256', repository);
  const { pack } = await fetcher.fetch({ repoUrl: fetcher.forge.url('acme/sha256'), commitSha: commits[1] });
  expect((await fetcher.unpack(pack!, commits[1])).commits).toEqual([commits[1]]);
});

test('the token goes into the header of requests to its host, into nothing else', async () => {
  await fetcher.fetch();
  expect(fetcher.forge.requests.map(({ method, path }) => `${method} ${path}`)).toEqual([
    'GET /acme/shop.git/info/refs?service=git-upload-pack', 'POST /acme/shop.git/git-upload-pack',
  ]);
  for (const { headers } of fetcher.forge.requests) {
    expect(headers).toMatchObject({ 'authorization': `Basic ${Buffer.from(`oauth2:${fetcher.forge.token}`).toString('base64')}`, 'git-protocol': 'version=2' });
  }
});

test('a secret that ends with a line break, as editors leave one, is the token all the same', async () => {
  fetcher.secrets.putSecret(TOKEN, `${fetcher.forge.token}\n`);
  expect((await fetcher.fetch()).status).toEqual({ status: 'ready' });
});

test('a host that the platform has no token for is not asked: the build clones', async () => {
  expect(await fetcher.fetch({ repoUrl: 'https://elsewhere.example/acme/shop.git' })).toEqual({ status: { status: 'direct' }, pack: undefined });
  expect(await fetcher.fetch({ repoUrl: fetcher.forge.url('acme/shop').replace(/:\d+/, '') })).toEqual({ status: { status: 'direct' }, pack: undefined });
  expect(fetcher.forge.requests).toEqual([]);
});

test('a repository that was renamed is fetched from where it is now', async () => {
  fetcher.forge.addRepository('acme/old', fetcher.repository);
  fetcher.forge.rename('acme/old', 'acme/new');
  expect((await fetcher.fetch({ repoUrl: fetcher.forge.url('acme/old') })).status).toEqual({ status: 'ready' });
  expect(fetcher.forge.requests.at(-1)!.path).toBe('/acme/new.git/git-upload-pack');
});

test('a status stays what it first was: Lambda may deliver one call twice', async () => {
  const request = { deploymentId: 'twice' };
  expect((await fetcher.fetch(request)).status).toEqual({ status: 'ready' });
  fetcher.forge.answer = () => ({ status: 404 });
  expect((await fetcher.fetch(request)).status).toEqual({ status: 'ready' });
});

describe('COMMIT_NOT_FOUND', () => {
  test('the repository does not have the commit', async () => {
    const commitSha = 'b'.repeat(40);
    expect(await fetcher.fails({ commitSha })).toBe(`COMMIT_NOT_FOUND: The repository does not have commit ${commitSha}. Push it.`);
  });

  test('the repository names commits with other hashes', async () => {
    expect(await fetcher.fails({ commitSha: 'b'.repeat(64) })).toContain('COMMIT_NOT_FOUND: The repository\'s commits have 40 hex digits');
  });

  test('the host says so in the middle of the pack', async () => {
    const body = packets('packfile\n', '\x01PACK', '\x03upload-pack: not our ref');
    fetcher.forge.answer = whenFetching({ ...RESULT, body });
    expect(await fetcher.fails()).toContain('COMMIT_NOT_FOUND');
  });
});

describe('CHECKOUT_FAILED, with the reason:', () => {
  test.each<[string, ForgeAnswer, string]>([
    ['401', { status: 401 }, 'does not accept the platform\'s token: it has expired or was revoked'],
    ['403', { status: 403 }, 'The platform\'s token for forge.local-run.example'],
    ['404', { status: 404 }, 'has no such repository, or the platform\'s token may not see it'],
    ['418', { status: 418 }, 'answers with HTTP 418 where a git repository was expected'],
    ['a page', { headers: { 'content-type': 'text/html' }, body: '<title>Sign in</title>' }, 'answers with "text/html" and not as a git repository does'],
    ['a redirect to another host', { status: 302, headers: { location: 'https://evil.example/acme/shop.git/info/refs' } }, 'redirects to "https://evil.example"'],
    ['a redirect to another port', { status: 301, headers: { location: 'https://forge.local-run.example:1/' } }, 'redirects to "https://forge.local-run.example:1"'],
    ['a redirect to http', { status: 301, headers: { location: 'http://forge.local-run.example/' } }, 'redirects to "http://forge.local-run.example"'],
    ['a redirect to nowhere', { status: 301 }, 'redirects to nowhere'],
    ['a redirect in a circle', { status: 307, headers: { location: '/acme/shop.git/info/refs?service=git-upload-pack' } }, 'redirects more than 3 times'],
    ['an older protocol', discovers(packets('# service=git-upload-pack\n', 0, `${'a'.repeat(40)} HEAD\0symref=HEAD:refs/heads/main\n`, 0)), 'does not speak version 2 of git\'s protocol'],
    ['a host that cannot make a commit\'s history short', discovers(packets('version 2\n', 'fetch\n', 0)), 'cannot be asked for a single commit'],
    ['no packets at all', discovers('hello'), 'expected the length of a packet, in four hex digits, got "hell"'],
    ['a packet that is too long', discovers('fff1'), 'expected the length of a packet'],
    ['its own words', discovers(packets('ERR access denied\n')), 'refuses: "access denied"'],
  ])('%s', async (_, answer, reason) => {
    fetcher.forge.answer = () => answer;
    const failure = await fetcher.fails();
    expect(failure).toMatch(/^CHECKOUT_FAILED: /);
    expect(failure).toContain(reason);
    // A refusal is not asked for a second time.
    expect(fetcher.forge.requests).toHaveLength(answer.status === 307 ? 4 : 1);
  });

  test('a redirect of the pack itself', async () => {
    fetcher.forge.answer = whenFetching({ status: 307, headers: { location: '/acme/other.git/git-upload-pack' } });
    expect(await fetcher.fails()).toContain('answers with HTTP 307');
  });

  test.each<[string, Buffer]>([
    ['before the pack', packets('surprise\n')],
    ['before the pack', packets(1)],
    ['before the pack', packets('shallow-info\n', 0)],
    ['in the pack', packets('packfile\n', '\x07what is this?')],
    ['in the pack', packets('packfile\n', 1)],
  ])('something that git\'s protocol does not know comes %s', async (where, body) => {
    fetcher.forge.answer = whenFetching({ ...RESULT, body });
    expect(await fetcher.fails()).toContain(`does not speak git's protocol: something unknown came ${where}`);
  });

  test('what the host says in its own words has no credential in it', async () => {
    const echo = ({ headers }: ForgeRequest) => `${headers.authorization} ${fetcher.forge.token} and more`;
    fetcher.forge.answer = (request) => (isFetch(request) ? { ...RESULT, body: packets(`ERR ${echo(request)}`) } : undefined);
    expect(await fetcher.fails()).toContain('refuses: "Basic *** *** and more"');
  });

  test('a secret that is not there, or empty, is the platform\'s fault', async () => {
    fetcher.secrets.putSecret(TOKEN, ' \n');
    expect(await fetcher.fails()).toMatch(/credentials for forge\.local-run\.example:\d+ cannot be read\. This is a fault of the platform/);
  });
});

describe('what may pass', () => {
  test.each<[string, ForgeAnswer]>([
    ['500', { status: 500 }],
    ['503', { status: 503 }],
    ['a connection that breaks', { ...ADVERTISEMENT, body: '0', then: 'break' }],
    ['half a packet', discovers('001eversion')],
    ['half a list of what the host can do', discovers(packets('version 2\n', 'fetch=shallow\n'))],
  ])('%s: the host is asked again', async (_, answer) => {
    fetcher.forge.answer = once(answer);
    expect((await fetcher.fetch()).status).toEqual({ status: 'ready' });
    expect(pauses).toEqual([1000]);
  });

  test('a host that wants to be asked again soon is waited for', async () => {
    fetcher.forge.answer = once({ status: 429, headers: { 'retry-after': '30' } });
    expect((await fetcher.fetch()).status).toEqual({ status: 'ready' });
    expect(pauses).toEqual([expect.closeTo(30_000, -3)]);
  });

  test('three times, and that is that', async () => {
    fetcher.forge.answer = () => ({ status: 502 });
    expect(await fetcher.fails()).toMatch(/^CHECKOUT_FAILED: forge\.local-run\.example:\d+ answers with HTTP 502\. Try again later\.$/);
    expect(fetcher.forge.requests).toHaveLength(3);
    expect(pauses).toEqual([1000, 5000]);
  });

  test('a host that breaks off each time is named, with the reason', async () => {
    fetcher.forge.answer = () => ({ ...ADVERTISEMENT, body: '0', then: 'break' });
    expect(await fetcher.fails()).toMatch(/The connection to forge\.local-run\.example:\d+ failed: ECONNRESET\. Try again later\.$/);
  });

  test.each<[string, Record<string, string>, number]>([
    ['an hour from now', { 'retry-after': '3600' }, 429],
    ['when the hour is over', { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': String(Math.floor(Date.now() / 1000) + 3600) }, 403],
  ])('a host that wants to be asked again %s is not waited for: the reason says until when', async (_, headers, status) => {
    fetcher.forge.answer = () => ({ status, headers });
    const [, until] = /takes no more requests of the platform for now \(HTTP \d+\)\. Try again after (.+) UTC\.$/.exec(await fetcher.fails())!;
    expect(Math.abs(Date.parse(`${until}Z`) - Date.now() - 3_600_000)).toBeLessThan(120_000);
    expect(fetcher.forge.requests).toHaveLength(1);
  });

  test('a host that says nothing is waited for as long as there is time, and the time is bounded', async () => {
    fetcher.forge.answer = whenFetching({ ...RESULT, body: packets('packfile\n', '\x01PACK'), then: 'hang' });
    const began = Date.now();
    expect(await fetcher.fails({}, 2_000)).toMatch(/has not sent the commit within 2 s\. Try again later\.$/);
    expect(Date.now() - began).toBeLessThan(10_000);
  });
});

describe('a pack that does not arrive whole is not handed over', () => {
  const bytes = Buffer.concat([Buffer.from('PACK'), Buffer.alloc(20 * 1024 * 1024, 'x')]);
  const whole = Buffer.concat([bytes, createHash('sha1').update(bytes).digest()]);
  const inPackets = (content: Buffer) => Array.from({ length: Math.ceil(content.length / 65_000) }, (_, index) => `\x01${content.toString('latin1', index * 65_000, (index + 1) * 65_000)}`)
    .map((one) => Buffer.from(one, 'latin1'));
  const answer = (content: Buffer, ...end: (0 | string)[]) => ({ ...RESULT, body: chunksOf(packets('shallow-info\n', 'shallow 1\n', 1, 'packfile\n', ...inPackets(content), ...end)) });

  test('but one that does is, in parts, with what the host says of its progress left out', async () => {
    fetcher.forge.answer = (request) => (isFetch(request) ? answer(whole, '\x02Counting objects', '\x01', 0) : discovers(CAPABILITIES));
    const { pack } = await fetcher.fetch();
    expect(pack!.equals(whole)).toBe(true);
    expect(fetcher.s3Calls.filter(({ operation }) => operation === 'UploadPart')).toHaveLength(3);
  });

  test.each<[string, () => ForgeAnswer]>([
    ['cut off within a packet', () => ({ ...answer(whole), then: 'break' as const })],
    ['without its end', () => answer(whole)],
    ['shorter than it says', () => answer(whole.subarray(0, -1000), 0)],
    ['damaged', () => answer(Buffer.concat([bytes, Buffer.alloc(20)]), 0)],
    ['empty', () => answer(Buffer.alloc(0), 0)],
  ])('%s: it is fetched again, three times, and nothing of it stays', async (_, make) => {
    fetcher.forge.answer = (request) => (isFetch(request) ? make() : discovers(CAPABILITIES));
    expect(await fetcher.fails()).toMatch(/^CHECKOUT_FAILED: .* Try again later\.$/);
    expect(tries()).toBe(3);
    expect(await fetcher.unfinishedUploads()).toEqual([]);
  });
});
