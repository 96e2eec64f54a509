import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { BuildMachine } from './build-machine';

let machine: BuildMachine;

beforeEach(async () => {
  machine = await BuildMachine.start();
  await machine.state({ 'app': machine.path('app'), 'kind': 'npm', 'tool': '', 'node-path': '' });
});

afterEach(async () => {
  // Archives for the next build are made beside what comes next.
  await machine.bash('. "$STEPS/common.sh"; stop save');
  await machine.stop();
});

/** Stands in for OpenNext: compiles and reads the configuration as it does, runs the build command, prints, and may fail. */
const openNext = ({ says = '', status = 0 } = {}) => `
import { execSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { compileOpenNextConfigNode } from './build/compileConfig.js';
const [command, option, config] = process.argv.slice(2);
console.log('ARGUMENTS', command, option, process.env.NODE_ENV, 'cpu', process.env.npm_config_cpu, 'sharp', process.env.SHARP_VERSION);
mkdirSync('.open-next/install', { recursive: true });
execSync('npm install --os=linux ' + (process.env.PACKAGES ?? 'sharp@' + process.env.SHARP_VERSION), { cwd: '.open-next/install', stdio: 'inherit' });
console.log('IN PLACE', readdirSync('.open-next/install/node_modules').join());
mkdirSync('.open-next/.build', { recursive: true });
mkdirSync('.open-next/function');
compileOpenNextConfigNode(join(process.cwd(), config), '.open-next/.build', ['']);
const { buildCommand, ...rest } = (await import(join(process.cwd(), '.open-next/.build/open-next.config.mjs'))).default;
console.log('CONFIGURATION', JSON.stringify(rest));
if (rest.middleware) copyFileSync('.open-next/.build/open-next.config.mjs', '.open-next/.build/open-next.config.edge.mjs');
execSync(buildCommand, { stdio: 'inherit' });
copyFileSync('.open-next/.build/open-next.config.mjs', '.open-next/function/open-next.config.mjs');
console.log(${JSON.stringify(says)});
process.exitCode = ${status};`;
const COMPILER = `
import { existsSync, writeFileSync } from 'node:fs';
import { buildSync } from ${JSON.stringify(require.resolve('esbuild'))};
export const compileOpenNextConfig = () => {};
export function compileOpenNextConfigNode(config, directory, external) {
  const outfile = directory + '/open-next.config.mjs';
  if (existsSync(config)) buildSync({ entryPoints: [config], outfile, bundle: true, format: 'esm', platform: 'node', external });
  else writeFileSync(outfile, 'export default { default: {} };');
}
export function compileOpenNextConfigEdge(config, directory, external) {
  writeFileSync(directory + '/open-next.config.edge.mjs', 'for the edge, without ' + external);
}`;
/** npm fetches the stand-in, and runs scripts. */
const NPM = `set -e
if [ "$2" = --prefix ]; then
  d="$3/node_modules/@opennextjs/aws"; mkdir -p "$d"; cp -R "$FETCHED" "$d/dist"; echo "FETCHED \${*: -1}"
elif [ "$1" = install ]; then
  echo "INSTALLED $*"; mkdir -p "node_modules/\${*: -1}"
else
  echo "RAN npm $* CI=$CI NODE_ENV=$NODE_ENV cpu=\${npm_config_cpu-none}"; eval "$SCRIPT"
fi`;

interface App {
  readonly next?: string;
  readonly script?: string;
  readonly files?: Record<string, string>;
  readonly build?: string;
  /** What the app's build script does. */
  readonly runs?: string;
  readonly environment?: Record<string, string>;
  /** For its build script alone. */
  readonly handedOver?: Record<string, string>;
}

/** Builds an app for which npm fetches the stand-in. */
async function build({ next = '16.4.6', script = 'next build', files = {}, build: cli = openNext(), runs = ':', environment = {}, handedOver }: App = {}) {
  await machine.files('fetched', { 'package.json': '{"type":"module"}', 'index.js': cli, 'build/compileConfig.js': COMPILER });
  await machine.command('npm', NPM);
  await machine.files('app', {
    'package.json': JSON.stringify({ dependencies: { next }, scripts: { build: script } }),
    'node_modules/next/package.json': JSON.stringify({ version: next }),
    ...files,
  });
  return machine.step('build', { FETCHED: machine.path('fetched'), SCRIPT: runs, ...environment }, handedOver && JSON.stringify(handedOver));
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
    const refusal = 'console.log("Next.js version 14.2.35 is not supported by the Next.js team."); process.exitCode = 1;';
    expect((await build({ build: refusal })).failure).toBe('UNSUPPORTED_NEXTJS_VERSION');
  });
});

describe('the app\'s build', () => {
  const ranCommands = (output: string) => output.match(/^RAN .*/gm);

  test('the app\'s build script runs once, for production', async () => {
    const result = await build();
    expect(result).toMatchObject({ status: 0 });
    expect(ranCommands(result.output)).toEqual(['RAN npm run build CI=true NODE_ENV=production cpu=none']);
  });

  test.each([['pnpm', 'pnpm@10.0.0', 'pnpm'], ['yarn', 'yarn@1.22.22', 'yarn'], ['berry', '@yarnpkg/cli-dist@4.0.0', 'yarn'], ['bun', 'bun@1.0.0', 'bun']])('with the package manager of the app: %s', async (kind, tool, name) => {
    await machine.state({ kind, tool });
    await machine.command(name, 'if [ "$1" != config ]; then echo "RAN $(basename "$0") $*"; fi', machine.path('src/state/tools', tool, 'node_modules/.bin'));
    expect(ranCommands((await build()).output)).toEqual([`RAN ${name} run build`]);
  });

  test('with the Node.js of the app, while OpenNext has the machine\'s', async () => {
    await machine.state({ 'node-path': machine.path('other-node') });
    await machine.command('node', 'echo v0.1.2', machine.path('other-node'));
    const result = await build({ runs: 'echo "RAN node $(node --version)"' });
    expect(result).toMatchObject({ status: 0 });
    expect(ranCommands(result.output)).toContain('RAN node v0.1.2');
  });

  test('with the environment of its request, to the letter, and before what the platform says; OpenNext around it does without', async () => {
    const value = 'it\'s "$(id)"\\n\n`id` $HOME';
    const show = 'JSON.stringify([process.env.NEXT_PUBLIC_TEXT, process.env.NEXT_FLAG, process.env.NPM_TOKEN])';
    const result = await build({
      build: `console.log('AROUND', ${show});${openNext()}`,
      runs: `node -p "${show}" | sed "s/^/RAN /"`,
      environment: { NEXT_FLAG: 'ours' },
      handedOver: { NPM_TOKEN: '', NEXT_PUBLIC_TEXT: value, NEXT_FLAG: 'theirs' },
    });
    expect(ranCommands(result.output)).toContain(`RAN ${JSON.stringify([value, 'theirs', ''])}`);
    expect(result.output).toContain(`AROUND ${JSON.stringify([null, 'ours', null])}\n`);
  });

  test('with the build command of open-next.config.ts, word for word', async () => {
    const command = 'echo "RAN it\'s $((1 + 1)) \\"quotes\\"" && npm run other';
    const result = await build({ files: { 'open-next.config.ts': `export default { default: {}, buildCommand: ${JSON.stringify(command)} };` } });
    expect(ranCommands(result.output)).toEqual(['RAN it\'s 2 "quotes"', expect.stringContaining('RAN npm run other ')]);
  });
});

describe('OpenNext\'s configuration', () => {
  const OWN = `import { setting } from './setting';
const config: { [name: string]: unknown } = { default: { setting }, middleware: { external: true }, edgeExternals: ['some'] };
export default config;`;
  const own = { 'open-next.config.ts': OWN, 'setting.ts': 'export const setting: string = "own";' };

  test('is the app\'s but for the build command', async () => {
    const result = await build({ files: own });
    expect(result.output).toContain('CONFIGURATION {"default":{"setting":"own"},"middleware":{"external":true},"edgeExternals":["some"]}\n');
  });

  test('without one of the app: the default', async () => {
    expect((await build()).output).toContain('CONFIGURATION {"default":{}}\n');
  });

  test('what gets into the functions is the app\'s alone', async () => {
    expect(await build({ files: own })).toMatchObject({ status: 0 });
    const inFunction = await readFile(machine.path('app/.open-next/function/open-next.config.mjs'), 'utf8');
    expect(inFunction).toContain('var setting = "own"');
    expect(inFunction).not.toContain('app-build');
    expect(await readFile(machine.path('app/.open-next/.build/open-next.config.edge.mjs'), 'utf8')).toBe('for the edge, without some');
  });

  test('one that is not right fails as the app\'s fault', async () => {
    expect((await build({ files: { 'open-next.config.ts': 'export default {' } })).failure).toBe('BUILD_FAILED');
  });
});

test('how long the app\'s build took is noted, and OpenNext around it', async () => {
  await build({ runs: 'sleep 0.3' });
  const timings = Object.fromEntries((await machine.fact('timings')).trim().split('\n').map((line) => line.split(' ')));
  expect(Number(timings.build)).toBeGreaterThanOrEqual(0.3);
  expect(timings.build).toMatch(/^\d+\.\d$/);
  expect(timings.openNext).toMatch(/^\d+\.\d$/);
});

describe('the image function', () => {
  test('gets sharp for the processor of the functions, which the app\'s own build does not see', async () => {
    expect((await build({ environment: { FUNCTION_ARCHITECTURE: 'arm64' } })).output).toMatch(/cpu arm64 sharp \d[^]*cpu=none/);
    expect((await build({ environment: { FUNCTION_ARCHITECTURE: 'x86_64' } })).output).toMatch(/cpu x64 sharp \d[^]*cpu=none/);
  });

  test('or for the machine\'s own', async () => {
    expect((await build()).output).toContain('cpu undefined sharp');
  });

  test('is installed once for a version and a processor', async () => {
    const installs = async (environment: Record<string, string> = {}) => {
      const { output } = await build({ environment });
      expect(output).toMatch(/IN PLACE \S*@/);
      return output.includes('INSTALLED install --os=linux');
    };
    expect(await installs()).toBe(true);
    expect(await installs()).toBe(false);
    expect(await installs({ FUNCTION_ARCHITECTURE: 'arm64' })).toBe(true);
    expect(await installs({ PACKAGES: 'sharp@0.34.1' })).toBe(true);
    expect(await installs({ PACKAGES: 'sharp@0.34.1 other@latest' })).toBe(true);
    expect(await installs({ PACKAGES: 'sharp@0.34.1 other@latest' })).toBe(true);
    expect(await installs()).toBe(false);
  });

  test('nor does the app\'s build meet another npm than the machine\'s', async () => {
    expect((await build({ runs: 'echo "NPM IS $(command -v npm)"' })).output).toContain(`NPM IS ${machine.path('bin/npm')}`);
  });
});

test('of an earlier build only the cache is left', async () => {
  await build({ files: { '.next/cache/kept': '', '.next/stale': '', '.next/server/stale': '', '.open-next/stale': '' } });
  expect(existsSync(machine.path('app/.next/cache/kept'))).toBe(true);
  for (const stale of ['.next/stale', '.next/server', '.open-next/stale']) expect(existsSync(machine.path('app', stale))).toBe(false);
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
    const result = await build({ runs: 'echo "Type error: 1 is not a string"; exit 1' });
    expect(result.failure).toBe('BUILD_FAILED');
    expect(result.output).toContain('Type error: 1 is not a string');
  });

  test('PACKAGE_FAILED: OpenNext, after the app\'s build script', async () => {
    expect((await build({ build: openNext({ status: 1 }) })).failure).toBe('PACKAGE_FAILED');
  });

  test('BUILD_FAILED again, after a build of the same machine that was right', async () => {
    await build();
    expect((await build({ runs: 'exit 1' })).failure).toBe('BUILD_FAILED');
  });

  test('PACKAGE_FAILED: OpenNext hides that the image function has no sharp', async () => {
    expect((await build({ build: openNext({ says: 'Could not install dependencies' }) })).failure).toBe('PACKAGE_FAILED');
  });

  test('PACKAGE_FAILED: OpenNext cannot be fetched', async () => {
    const result = await build({ environment: { FETCHED: '/nowhere' } });
    expect(result.failure).toBe('PACKAGE_FAILED');
  });

  test.each([
    'echo "FATAL ERROR: Ineffective mark-compacts near heap limit Allocation failed - JavaScript heap out of memory"; exit 134',
    'echo "Next.js build worker exited with code: null and signal: SIGKILL"; exit 1',
    'echo " ELIFECYCLE  Command failed with exit code 137."; exit 1',
    'echo "npm error code 137"; exit 1',
    'kill -KILL $$',
  ])('OUT_OF_MEMORY: %s', async (runs) => {
    expect((await build({ runs })).failure).toBe('OUT_OF_MEMORY');
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
    expect(await build({ script: 'open-next build', files: { 'open-next.config.ts': 'export default { default: {}, buildCommand: "true" };' } })).toMatchObject({ status: 0 });
  });
});
