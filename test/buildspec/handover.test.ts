/** What is handed over to a build, divided among its steps. */
import { readFile, stat } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { BuildMachine, type StepResult } from './build-machine';
import type { Handover } from '../../src/contract/handover';

let machine: BuildMachine;
let server: Server;

beforeEach(async () => {
  machine = await BuildMachine.start();
});

afterEach(async () => {
  server.closeAllConnections();
  server.close();
  await machine.stop();
});

async function handOver(answer: RequestListener): Promise<StepResult> {
  server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return machine.trusted('. "$STEPS/common.sh"; node "$STEPS/handover.mjs"', { HANDOVER_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` });
}

const partOf = async (step: string): Promise<unknown> => JSON.parse(await readFile(machine.path('trusted/for', step), 'utf8'));

const HANDOVER: Handover = {
  version: 1,
  cache: { next: { urls: ['https://bucket.example/next'] } },
  installEnvironment: { NPM_TOKEN: 'npm_s3cret', CMS_TOKEN: 'of the install' },
  buildEnvironment: { CMS_TOKEN: 'of the build', NEXT_PUBLIC_API: 'https://api.example' },
};

test('the checkout gets the cache, the install its secrets, the app\'s build its environment; and each nothing else', async () => {
  expect(await handOver((_, response) => response.end(JSON.stringify(HANDOVER)))).toMatchObject({ status: 0 });
  expect(await partOf('checkout.sh')).toEqual({ version: 1, cache: HANDOVER.cache });
  expect(await partOf('install.sh')).toEqual(HANDOVER.installEnvironment);
  // Known by name, as package managers may fail over a variable that nobody has set.
  expect(await partOf('build.sh')).toEqual({ NPM_TOKEN: '', CMS_TOKEN: 'of the build', NEXT_PUBLIC_API: 'https://api.example' });
});

test('the log shows nothing of it', async () => {
  expect((await handOver((_, response) => response.end(JSON.stringify(HANDOVER)))).output).not.toMatch(/s3cret|of the|example/);
});

test.each<[string, RequestListener]>([
  ['has expired', (_, response) => response.writeHead(403).end('<Error/>')],
  ['is no JSON', (_, response) => response.end('<Error/>')],
  ['is null', (_, response) => response.end('null')],
  ['is of another version', (_, response) => response.end('{"version":2,"installEnvironment":{"A":"b"}}')],
  ['breaks off', (request) => request.socket.destroy()],
])('one that %s is done without', async (_, answer) => {
  expect(await handOver(answer)).toMatchObject({ status: 0, output: expect.stringContaining('What was handed over cannot be read: ') });
  for (const step of ['checkout.sh', 'install.sh', 'build.sh']) expect(await partOf(step)).toEqual({});
});

test('one that does not come is not waited for forever', async () => {
  expect((await machine.bash('sed -i.old "s/const SECONDS = 15/const SECONDS = 0.3/" "$STEPS/handover.mjs" && cmp -s "$STEPS/handover.mjs"{,.old}')).status).toBe(1);
  expect(await handOver(() => undefined)).toMatchObject({ status: 0, output: expect.stringContaining('What was handed over cannot be read: ') });
});

describe('a step', () => {
  async function exported(variables: Record<string, string>): Promise<string> {
    await machine.state({ 'kind': 'npm', 'tool': '', 'node-path': '', 'environment': JSON.stringify(variables) });
    return (await machine.bash('. "$STEPS/common.sh"; trap - EXIT; use_package_manager; node -p "JSON.stringify([process.env.A, process.env.B])"')).output.trim();
  }

  test('gets every value as it is, whatever it would mean to a shell', async () => {
    const values = { A: 'it\'s "$(touch hacked)" `id` \\ \n\'', B: '' };
    expect(JSON.parse(await exported(values))).toEqual([values.A, '']);
    await expect(stat(machine.path('src/hacked'))).rejects.toThrow('ENOENT');
  });

  test('takes it out of the file before it runs anything of the app', async () => {
    await exported({ A: 'secret' });
    await expect(stat(machine.path('src/state/environment'))).rejects.toThrow('ENOENT');
  });
});
