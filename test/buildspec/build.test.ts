import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { BuildMachine } from './build-machine';

let machine: BuildMachine;

beforeEach(async () => {
  machine = await BuildMachine.start();
  await machine.state({ app: machine.path('app'), kind: 'npm' });
});

afterEach(() => machine.stop());

/** Stands in for OpenNext: what it prints, and how it ends. */
const openNext = (says: string, status = 0) => `console.log('ARGUMENTS', process.argv.slice(2).join(' '), process.env.NODE_ENV, process.env.CI);
console.log(${JSON.stringify(says)}); process.exitCode = ${status};`;
const BUILDING = 'OpenNext — Building Next.js app';
const PACKAGING = `${BUILDING}\nOpenNext — Generating bundle`;

interface App {
  readonly next?: string;
  readonly script?: string;
  readonly files?: Record<string, string>;
  readonly build?: string;
  readonly environment?: Record<string, string>;
}

/** Builds an app for which npm fetches the stand-in. */
async function build({ next = '16.4.6', script = 'next build', files = {}, build: cli = openNext(PACKAGING), environment = {} }: App = {}) {
  await machine.files('fetched', { 'package.json': '{"type":"module"}', 'index.js': cli });
  await machine.command('npm', 'set -e; d="$3/node_modules/@opennextjs/aws"; mkdir -p "$d/dist"; cp "$FETCHED"/* "$d/dist"; echo "FETCHED ${*: -1}"');
  await machine.files('app', {
    'package.json': JSON.stringify({ dependencies: { next }, scripts: { build: script } }),
    'node_modules/next/package.json': JSON.stringify({ version: next }),
    ...files,
  });
  return machine.step('build', { FETCHED: machine.path('fetched'), ...environment });
}

describe('the OpenNext that fits the installed Next.js', () => {
  test.each([
    ['16.4.6', '4.1.12'], ['16.0.0-canary.1', '4.1.12'], ['15.5.29', '4.1.12'], ['15.0.0', '4.1.12'],
    ['14.2.35', '3.9.10'], ['14.1.4', '3.9.3'], ['14.0.0', '3.9.3'], ['13.5.11', '3.9.3'],
  ])('Next.js %s: %s', async (next, version) => {
    const result = await build({ next });
    expect(result.output).toContain(`FETCHED @opennextjs/aws@${version}\n`);
    expect(result).toMatchObject({ status: 0 });
    expect(await machine.fact('next-version')).toBe(next);
    expect(await machine.fact('open-next-version')).toBe(version);
  });

  test.each(['17.0.0', '13.4.19', '12.3.7', '9.5.5'])('UNSUPPORTED_NEXTJS_VERSION: %s, and the log names the range', async (next) => {
    const result = await build({ next });
    expect(result.failure).toBe('UNSUPPORTED_NEXTJS_VERSION');
    expect(result.output).toContain(`Next.js ${next} is installed, OpenNext supports 13.5 up to 16.x`);
  });

  test('the platform\'s choice comes before the table', async () => {
    expect((await build({ environment: { OPEN_NEXT_VERSION: '4.1.0' } })).output).toContain('FETCHED @opennextjs/aws@4.1.0\n');
  });

  test('the app\'s own comes before everything', async () => {
    const result = await build({
      environment: { OPEN_NEXT_VERSION: '4.1.0' },
      files: {
        'package.json': JSON.stringify({ dependencies: { next: '16.4.6' }, devDependencies: { '@opennextjs/aws': '4.0.1' } }),
        'node_modules/@opennextjs/aws/package.json': '{"type":"module","version":"4.0.1"}',
        'node_modules/@opennextjs/aws/dist/index.js': 'console.log("THE OWN ONE");',
      },
    });
    expect(result.output).toContain('THE OWN ONE');
    expect(result.output).not.toContain('FETCHED');
    expect(await machine.fact('open-next-version')).toBe('4.0.1');
  });

  test('UNSUPPORTED_NEXTJS_VERSION: OpenNext itself refuses', async () => {
    const refusal = openNext('Next.js version 14.2.35 is not supported by the Next.js team.', 1);
    expect((await build({ build: refusal })).failure).toBe('UNSUPPORTED_NEXTJS_VERSION');
  });
});

test('OpenNext builds for production', async () => {
  expect((await build()).output).toContain('ARGUMENTS build production true');
});

test('of an earlier build only the cache is left', async () => {
  await build({ files: { '.next/cache/kept': '', '.next/stale': '', '.next/server/stale': '', '.open-next/stale': '' } });
  expect(existsSync(machine.path('app/.next/cache/kept'))).toBe(true);
  for (const stale of ['.next/stale', '.next/server', '.open-next']) expect(existsSync(machine.path('app', stale))).toBe(false);
});

test('an app without a configuration gets an empty one, which OpenNext insists on', async () => {
  await build();
  expect(await readFile(machine.path('app/next.config.mjs'), 'utf8')).toBe('export default {};\n');
});

test('an app\'s own configuration stays alone', async () => {
  await build({ files: { 'next.config.ts': 'export default {};' } });
  expect(existsSync(machine.path('app/next.config.mjs'))).toBe(false);
});

describe('who failed', () => {
  test('BUILD_FAILED: the app\'s build script', async () => {
    const result = await build({ build: openNext(`${BUILDING}\nType error: 1 is not a string`, 1) });
    expect(result.failure).toBe('BUILD_FAILED');
    expect(result.output).toContain('Type error: 1 is not a string');
  });

  test('PACKAGE_FAILED: OpenNext, after the app\'s build script', async () => {
    expect((await build({ build: openNext(PACKAGING, 1) })).failure).toBe('PACKAGE_FAILED');
  });

  test('PACKAGE_FAILED: OpenNext hides that the image function has no sharp', async () => {
    expect((await build({ build: openNext(`${PACKAGING}\nCould not install dependencies`) })).failure).toBe('PACKAGE_FAILED');
  });

  test('PACKAGE_FAILED: OpenNext cannot be fetched', async () => {
    const result = await build({ environment: { FETCHED: '/nowhere' }, build: openNext('') });
    expect(result.failure).toBe('PACKAGE_FAILED');
  });

  test.each([
    'FATAL ERROR: Ineffective mark-compacts near heap limit Allocation failed - JavaScript heap out of memory',
    'Next.js build worker exited with code: null and signal: SIGKILL',
    ' ELIFECYCLE  Command failed with exit code 137.',
    'npm error code 137',
  ])('OUT_OF_MEMORY: %s', async (says) => {
    expect((await build({ build: openNext(`${BUILDING}\n${says}`, 1) })).failure).toBe('OUT_OF_MEMORY');
  });

  test('INSTALL_FAILED: the install left no Next.js', async () => {
    expect((await build({ files: { 'node_modules/next/package.json': '' } })).failure).toBe('INSTALL_FAILED');
  });
});

describe('a build script that runs OpenNext itself', () => {
  test.each(['open-next build', 'npx open-next@latest build', 'pnpm exec opennextjs build', 'npx @opennextjs/aws build'])('BUILD_FAILED instead of an endless recursion: %s', async (script) => {
    const result = await build({ script });
    expect(result.failure).toBe('BUILD_FAILED');
    expect(result.output).toContain('Make it "next build"');
  });

  test('works when open-next.config.ts names another command', async () => {
    expect(await build({ script: 'open-next build', files: { 'open-next.config.ts': 'export default { default: {}, buildCommand: "next build" };' } })).toMatchObject({ status: 0 });
  });
});
