/** Secrets are looked for in everything that OpenNext made, before it is packaged. */
import { BuildMachine } from './build-machine';

const TOKEN = 'npm_0123456789abcdefghijklmnopqrstuvwxyz';
const KEY = ['-----BEGIN PRIVATE KEY-----', 'MIIEvQIBADANBgkqhkiG9w0BAQEFAASC', '-----END PRIVATE KEY-----'].join('\n');

let machine: BuildMachine;

beforeEach(async () => {
  machine = await BuildMachine.start();
  await machine.state({ 'build-output': machine.path('app') });
  const description = { origins: { s3: { copy: [] }, default: { handler: 'index.handler', bundle: '.open-next/server-functions/default' } } };
  await machine.files('app/.open-next', {
    'open-next.output.json': JSON.stringify(description),
    'server-functions/default/index.mjs': 'export const handler = async () => {};',
    'assets/_next/static/app.js': 'let a;',
  });
});

afterEach(() => machine.stop());

interface Secrets {
  readonly installEnvironment?: Record<string, string>;
  readonly buildEnvironment?: Record<string, string>;
}

async function look(files: Record<string, string | Buffer>, handover: Secrets = {}) {
  await machine.files('app/.open-next', files);
  const result = await machine.step('package', {}, JSON.stringify(handover));
  for (const value of Object.values({ ...handover.installEnvironment, ...handover.buildEnvironment })) expect(result.output).not.toContain(value);
  return { ...result, warnings: (await machine.fact('warnings').catch(() => '')).split('\n').filter(Boolean).map((line) => JSON.parse(line)) };
}

const install = (value: string) => ({ installEnvironment: { NPM_TOKEN: value } });
const build = (name: string, value: string) => ({ buildEnvironment: { [name]: value } });

describe('SECRET_PUBLISHED: what browsers would get has', () => {
  test.each<[string, Record<string, string | Buffer>, Secrets?]>([
    ['a secret of the install', { 'assets/_next/static/app.js': `let token="${TOKEN}"` }, install(TOKEN)],
    ['a secret of the install, in something that is no text', { 'assets/photo.webp': Buffer.concat([Buffer.from([0, 255, 0]), Buffer.from(TOKEN), Buffer.from([128])]) }, install(TOKEN)],
    ['a secret of the install that is a part of a setting', { 'assets/x.js': TOKEN }, { installEnvironment: { NPM_RC: `//npm.example.com/:_authToken=${TOKEN}\n` } }],
    ['a line of a key', { 'assets/x.js': KEY.replaceAll('\n', '\\n') }, { installEnvironment: { SIGNING: KEY } }],
    ['a secret of the build', { 'assets/x.js': 'sk-0123456789abcdef' }, build('STRIPE_SECRET', 'sk-0123456789abcdef')],
    ['a URL with a password', { 'assets/x.js': 'postgres://me:password@db/app' }, build('DATABASE', 'postgres://me:password@db/app')],
    ['a prerendered page with a secret', { 'cache/build-1/index.cache': JSON.stringify({ html: `<p>${TOKEN}</p>` }) }, install(TOKEN)],
    ['a .env file with what looks like a secret', { 'assets/.env': 'API_KEY="0123456789"' }],
    ['a .env file of a mode', { 'assets/config/.env.production.local': 'export DB_PASSWORD=hunter2hunter2\n' }],
  ])('%s', async (_, files, secrets = {}) => {
    const result = await look(files, secrets);
    expect(result.failure).toBe('SECRET_PUBLISHED');
    expect(result.output).toMatch(/SECRET_PUBLISHED: \.\/(assets|cache)\/\S+ contains [A-Z_]+\./);
  });
});

describe('A warning: a function has', () => {
  test.each<[string, Record<string, string>, Secrets | undefined, string]>([
    ['a secret of the install', { 'server-functions/default/chunk.js': TOKEN }, install(TOKEN), 'NPM_TOKEN is in ./server-functions/default/chunk.js'],
    ['a secret of the build, in several places', { 'server-functions/default/a.js': TOKEN, 'server-functions/default/b.js': TOKEN }, build('AUTH_TOKEN', TOKEN), 'AUTH_TOKEN is in ./server-functions/default/a.js and 1 more'],
    ['a .env file that Next.js copied, with what looks like a secret', { 'server-functions/default/.env.production': 'A=1\nDATABASE_URL=postgres://me:password@db/app' }, undefined, 'DATABASE_URL is in ./server-functions/default/.env.production'],
    ['an answer to a fetch of the build', { 'cache/__fetch/build-1/x': TOKEN }, install(TOKEN), 'NPM_TOKEN is in ./cache/__fetch/build-1/x'],
  ])('%s', async (_, files, secrets, message) => {
    expect(await look(files, secrets)).toMatchObject({ status: 0, warnings: [{ code: 'SECRET_IN_FUNCTION', message }] });
  });
});

describe('Nothing is found', () => {
  test.each<[string, Record<string, string>, Secrets?]>([
    ['where there is nothing', {}],
    ['of values that are meant for browsers', { 'assets/x.js': TOKEN, 'assets/.env': `NEXT_PUBLIC_MAPS_API_KEY=${TOKEN}` }, build('NEXT_PUBLIC_API_KEY', TOKEN)],
    ['of settings of the build that are no secrets', { 'assets/x.js': 'https://api.example.com/v1 eu-central-1-production' }, { buildEnvironment: { API_URL: 'https://api.example.com/v1', STAGE: 'eu-central-1-production' } }],
    ['of values that are too short to mean anything', { 'assets/x.js': 'development short-secret' }, { installEnvironment: { A: 'development', B: 'short-secret' } }],
    ['of addresses without a password', { 'assets/x.js': 'https://npm.example.com/packages' }, { installEnvironment: { REGISTRY: 'https://npm.example.com/packages', NPM_RC: '//npm.example.com/packages/:_authToken=short' } }],
    ['of addresses, and names of settings', { 'assets/x.js': 'packages@company.example @company:registry' }, { installEnvironment: { NPM_RC: '@company:registry=https://npm.example.com\nemail=packages@company.example' } }],
    ['in a .env file of settings', { 'server-functions/default/.env': 'NODE_ENV=production\n# API_KEY is set elsewhere\nAPI_KEY=\nNEXT_PUBLIC_TOKEN=0123456789\nREGION=eu-central-1' }],
    ['in what is not packaged', { '.build/open-next.config.mjs': TOKEN }, install(TOKEN)],
    ['of a JavaScript library that knows how a key begins', { 'assets/x.js': '-----BEGIN PRIVATE KEY-----' }, { installEnvironment: { SIGNING: KEY } }],
  ])('%s', async (_, files, secrets = {}) => {
    expect(await look(files, secrets)).toMatchObject({ status: 0, warnings: [] });
  });
});

test('without a handover, .env files are looked at all the same', async () => {
  await machine.files('app/.open-next', { 'server-functions/default/.env': 'SESSION_SECRET=0123456789' });
  expect(await machine.step('package')).toMatchObject({ status: 0, output: expect.stringContaining('Warning: SECRET_IN_FUNCTION: SESSION_SECRET is in ./server-functions/default/.env') });
});
