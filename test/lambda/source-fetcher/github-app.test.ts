/** As a GitHub App: a token for one repository, for nothing but its contents; and what GitHub answers if there is none. */
import { generateKeyPairSync } from 'node:crypto';
import { PRIVATE_KEY, sourceFetcher } from './source-fetcher-support';
import type { ForgeAnswer, ForgeRequest } from '../../support/forge';

const fetcher = sourceFetcher('gitHubApp');

const asked = () => fetcher.forge.requests.map(({ method, path }) => `${method} ${path}`);
const answering = (route: RegExp, ...answers: ForgeAnswer[]) => (request: ForgeRequest) => (route.test(request.path) ? answers.shift() : undefined);
const always = (route: RegExp, answer: ForgeAnswer) => (request: ForgeRequest) => (route.test(request.path) ? answer : undefined);
const saying = (status: number, message = 'No.'): ForgeAnswer => ({ status, body: JSON.stringify({ message }) });

test('the app gets a token for this repository alone, to read its contents alone, and fetches with it', async () => {
  const { pack, status } = await fetcher.fetch();
  expect(status).toEqual({ status: 'ready' });
  expect((await fetcher.unpack(pack!, fetcher.commits[1])).commits).toEqual([fetcher.commits[1]]);
  expect(fetcher.forge.grants).toEqual([{ repositories: ['shop'], permissions: { contents: 'read' } }]);
  expect(asked()).toEqual([
    'GET /api/v3/repos/acme/shop/installation',
    'POST /api/v3/app/installations/4711/access_tokens',
    'GET /acme/shop.git/info/refs?service=git-upload-pack',
    'POST /acme/shop.git/git-upload-pack',
  ]);
});

test('a repository where the app is not installed is for the build to clone, as public ones are', async () => {
  fetcher.forge.addRepository('acme/public', fetcher.repository, { isInstalled: false, isPublic: true });
  expect(await fetcher.fetch({ repoUrl: fetcher.forge.url('acme/public') })).toEqual({ status: { status: 'direct' }, pack: undefined });
  expect(await fetcher.fetch({ repoUrl: fetcher.forge.url('acme/none') })).toEqual({ status: { status: 'direct' }, pack: undefined });
  expect(fetcher.forge.grants).toEqual([]);
});

test.each(['', '/'])('".git" may be left out (with "%s" at the end)', async (end) => {
  expect((await fetcher.fetch({ repoUrl: fetcher.forge.url('acme/shop').replace(/\.git$/, end) })).status).toEqual({ status: 'ready' });
});

test('a repository that was renamed is asked for by its number, which stays', async () => {
  fetcher.forge.addRepository('acme/old', fetcher.repository);
  fetcher.forge.rename('acme/old', 'acme/new');
  expect((await fetcher.fetch({ repoUrl: fetcher.forge.url('acme/old') })).status).toEqual({ status: 'ready' });
  expect(fetcher.forge.grants).toEqual([{ repository_ids: [expect.any(Number)], permissions: { contents: 'read' } }]);
});

test('a token that GitHub does not know yet is tried again', async () => {
  fetcher.forge.answer = answering(/info\/refs/, { status: 401 });
  expect((await fetcher.fetch()).status).toEqual({ status: 'ready' });
});

test.each<[string, RegExp, ForgeAnswer, string]>([
  ['the key is not the app\'s', /installation$/, saying(401), 'cannot sign in: its id or its private key is wrong'],
  ['the app is suspended', /access_tokens$/, saying(403), 'is suspended for the owner of this repository'],
  ['the app lacks the right', /access_tokens$/, saying(422), 'lacks the permission "Contents: read-only"'],
  ['GitHub answers with something else', /access_tokens$/, { status: 201, body: 'no JSON' }, 'was answered with HTTP 201'],
  ['GitHub answers with something else than an installation', /installation$/, { status: 200, body: '{"id":"../1"}' }, 'was answered with HTTP 200'],
  ['GitHub answers without end', /installation$/, { status: 200, body: Buffer.alloc(300_000, ' ') }, 'answers with more than 262144 bytes'],
  ['the token may not read contents', /info\/refs/, { status: 403 }, 'Ask for the permission "Contents: read-only"'],
  ['GitHub redirects to another host', /installation$/, { status: 301, headers: { location: 'https://evil.example/repositories/1/installation' } }, 'redirects to "https://evil.example"'],
])('CHECKOUT_FAILED: %s', async (_, route, answer, reason) => {
  fetcher.forge.answer = always(route, answer);
  const failure = await fetcher.fails();
  expect(failure).toMatch(/^CHECKOUT_FAILED: /);
  expect(failure).toContain(reason);
});

test.each([
  ['text that is no key', 's3cret'],
  ['a key of another kind', generateKeyPairSync('x25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()],
])('CHECKOUT_FAILED: the secret is %s', async (_, secret) => {
  fetcher.secrets.putSecret(PRIVATE_KEY, secret);
  const reason = await fetcher.fails();
  expect(reason).toContain('has no usable private key. Tell the platform\'s team.');
  expect(reason).not.toContain('s3cret');
});

test('CHECKOUT_FAILED: the key is of another app', async () => {
  fetcher.secrets.putSecret(PRIVATE_KEY, generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());
  expect(await fetcher.fails()).toContain('cannot sign in');
});

test.each(['acme', 'acme/shop/tree', 'acme/%73hop', 'acme/sh op'])('CHECKOUT_FAILED: %s is no repository of GitHub, and nobody is asked for it', async (name) => {
  expect(await fetcher.fails({ repoUrl: fetcher.forge.url(name) })).toContain('names no repository of');
  expect(fetcher.forge.requests).toEqual([]);
});

test('what GitHub is asked with is good for ten minutes, and says nothing but who asks', async () => {
  await fetcher.fetch();
  const [, claims] = fetcher.forge.requests[0].headers.authorization!.split('.');
  const { exp, iat, ...rest } = JSON.parse(Buffer.from(claims, 'base64url').toString()) as { exp: number; iat: number };
  expect(rest).toEqual({ iss: fetcher.forge.appId });
  expect(exp - iat).toBe(600);
});
