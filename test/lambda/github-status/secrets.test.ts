/** Whatever happens, the log has no secret: no key, no token, no signing secret, and not the webhook's URL. */
import { SIGNING_SECRET, statusFunction } from './github-status-support';
import { logger } from '../../../lambda/shared/logger';
import type { ForgeAnswer } from '../../support/forge';

const platform = statusFunction({ webhook: true });

const lines: string[] = [];
beforeEach(() => {
  lines.length = 0;
  logger.setLogLevel('DEBUG');
  for (const stream of [process.stdout, process.stderr]) jest.spyOn(stream, 'write').mockImplementation((line) => lines.push(String(line)) > 0);
});

const echo = ({ headers, path }: { headers: object; path: string }): string => JSON.stringify({ message: `${path} ${JSON.stringify(headers)}` });

test.each<[string, (request: { headers: object; path: string }) => ForgeAnswer | undefined]>([
  ['all is well', () => undefined],
  ['hosts break off', () => ({ body: '{', then: 'break' })],
  ['hosts send back what they were sent, with HTTP 400', (request) => ({ status: 400, body: echo(request) })],
  ['hosts send back what they were sent, with HTTP 401', (request) => ({ status: 401, body: echo(request) })],
  ['hosts send back what they were sent, with HTTP 403', (request) => ({ status: 403, body: echo(request) })],
  ['hosts send back what they were sent, with HTTP 422, but for tokens', (request) => (/installation|access_tokens/.test(request.path) ? undefined : { status: 422, body: echo(request) })],
  ['hosts send back the token alone', (request) => (/check-runs|deployments/.test(request.path) ? { status: 422, body: JSON.stringify({ message: (request.headers as { authorization?: string }).authorization }) } : undefined)],
  ['hosts redirect to where they were asked', ({ path }) => ({ status: 302, headers: { location: `https://evil.example${path}` } })],
])('when %s', async (_, answer) => {
  platform.forge.answer = answer;
  platform.send({ version: 1 });
  await platform.call();
  jest.restoreAllMocks();
  expect(lines).not.toEqual([]);
  const log = lines.join('\n');
  const sentJwts = platform.forge.requests.flatMap(({ headers }) => /^Bearer (.+)$/.exec(headers.authorization ?? '')?.[1] ?? []);
  for (const secret of [...platform.forge.secrets, ...sentJwts, SIGNING_SECRET, SIGNING_SECRET.slice(6), 'T0KEN-1n-th3-URL', 'v1,']) expect(log).not.toContain(secret);
});
