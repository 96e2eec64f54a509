import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, lstat, mkdir, readdir, readFile, readlink, stat, symlink, truncate, utimes, writeFile } from 'node:fs/promises';
import * as path from 'node:path';
import { BuildMachine } from './build-machine';

const bundle = (name: string) => ({ type: 'function', handler: 'index.handler', bundle: `.open-next/${name}` });
const OUTPUT = {
  edgeFunctions: { middleware: { bundle: '.open-next/middleware', handler: 'handler.handler' } },
  origins: {
    s3: {
      type: 's3',
      copy: [{ from: '.open-next/assets', to: '_assets/docs', cached: true }, { from: '.open-next/cache', to: '_cache', cached: false }],
    },
    imageOptimizer: bundle('image-optimization-function'),
    default: bundle('server-functions/default'),
    api: bundle('server-functions/api'),
  },
  behaviors: [],
  additionalProps: {
    warmer: bundle('warmer-function'),
    initializationFunction: bundle('dynamodb-provider'),
    revalidationFunction: bundle('revalidation-function'),
  },
};
/** What sharp is made of, as far as anybody looks: native code for a processor, and something to load. */
const HEADER = (machineNumber: number) => Buffer.from(`\x7fELF${'\0'.repeat(14)}${String.fromCharCode(machineNumber)}\0`, 'latin1');
const X86 = HEADER(0x3e);
const ARM = HEADER(0xb7);
const HERE = process.arch === 'arm64' ? ARM : X86;
/** A function that answers, as OpenNext's do. */
const ANSWERS = 'export const handler = async (event) => event;';
const ODD = ['with space', 'new\nline', '-rf', '[[...slug]].js', '*', 'quote"\'', '$(touch hacked)', 'ümläut', '@file', 'a\\b'];

let machine: BuildMachine;

beforeEach(async () => {
  machine = await BuildMachine.start();
  await machine.state({ 'build-output': machine.path('app'), 'next-version': '16.4.6', 'open-next-version': '4.1.12', 'package-manager': 'pnpm@10.34.9', 'node-version': '24.1.2' });
  await openNextOutput();
});

afterEach(() => machine.stop());

async function openNextOutput(description: object = OUTPUT, sharp = HERE) {
  await machine.files('app/.open-next', {
    'open-next.output.json': JSON.stringify(description),
    'server-functions/default/index.mjs': ANSWERS,
    'server-functions/default/node_modules/.pnpm/react/index.js': 'react',
    'server-functions/api/index.mjs': ANSWERS,
    'image-optimization-function/index.mjs': ANSWERS,
    'image-optimization-function/node_modules/sharp/index.js': '',
    'image-optimization-function/node_modules/@img/sharp-linux/sharp.node': sharp,
    'revalidation-function/index.mjs': ANSWERS,
    'warmer-function/index.mjs': ANSWERS,
    'dynamodb-provider/index.mjs': ANSWERS,
    'middleware/handler.mjs': ANSWERS,
    'assets/_next/static/app.js': 'app',
    'assets/robots.txt': 'robots',
    'cache/build-1/index.cache': '{}',
    ...Object.fromEntries(ODD.map((name) => [`server-functions/default/${name}`, name])),
  });
  if (!existsSync(machine.path('app/.open-next/server-functions/default/node_modules/react'))) {
    await symlink('.pnpm/react', machine.path('app/.open-next/server-functions/default/node_modules/react'));
  }
}

const output = (name: string) => machine.path('src', 'output', name);
const manifest = async () => JSON.parse(await readFile(output('artifacts/manifest.json'), 'utf8'));

async function unzip(key: string): Promise<string> {
  const directory = machine.path('unzipped');
  const result = await machine.bash(`unzip -qo^ "${output(key)}" -d "${directory}"`, { TZ: 'UTC' });
  expect(result).toMatchObject({ status: 0 });
  return directory;
}

test('the output has the shape of the artifacts bucket', async () => {
  expect(await machine.step('package')).toMatchObject({ status: 0 });
  const files = (await machine.bash('cd output && find . -type f | sort')).output.trim().split('\n');
  expect(files).toEqual([
    './artifacts/functions/api.zip',
    './artifacts/functions/dynamodb-provider.zip',
    './artifacts/functions/image-optimization-function.zip',
    './artifacts/functions/middleware.zip',
    './artifacts/functions/revalidation-function.zip',
    './artifacts/functions/warmer-function.zip',
    './artifacts/isr-cache/build-1/index.cache',
    './artifacts/lambda.zip',
    './artifacts/manifest.json',
    './artifacts/open-next.output.json',
    './static/docs/_next/static/app.js',
    './static/docs/robots.txt',
  ]);
});

test('a function keeps its symbolic links and every file name', async () => {
  await machine.step('package');
  const directory = await unzip('artifacts/lambda.zip');
  expect(await readlink(`${directory}/node_modules/react`)).toBe('.pnpm/react');
  expect(await readFile(`${directory}/node_modules/react/index.js`, 'utf8')).toBe('react');
  expect((await readdir(directory)).sort()).toEqual([...ODD, 'index.mjs', 'node_modules'].sort());
  expect(existsSync(machine.path('src/state/functions/default/hacked'))).toBe(false);
});

test('static files that are links become files, as the upload follows none; a link that leads nowhere is left out', async () => {
  await machine.files('shared', { 'fonts/a.woff': 'font', 'fonts/more/b.woff': 'font' });
  await symlink(machine.path('shared/fonts'), machine.path('app/.open-next/assets/fonts'));
  await symlink('robots.txt', machine.path('app/.open-next/assets/also "robots".txt'));
  await symlink('nowhere', machine.path('app/.open-next/assets/gone'));
  const result = await machine.step('package');
  expect(result).toMatchObject({ status: 0, output: expect.stringContaining('Warning: static/docs/gone is a link that leads nowhere') });
  expect((await machine.bash('cd output/static/docs && find . ! -type d | sort && cat also* && find . -type l')).output)
    .toBe('./_next/static/app.js\n./also "robots".txt\n./fonts/a.woff\n./fonts/more/b.woff\n./robots.txt\nrobots');
});

test('Lambda\'s user can read files that only their owner could', async () => {
  await chmod(machine.path('app/.open-next/server-functions/default/index.mjs'), 0o600);
  await machine.step('package');
  expect((await lstat(`${await unzip('artifacts/lambda.zip')}/index.mjs`)).mode.toString(8)).toBe('100755');
});

test('the same input gives the same bytes, at any time and in any time zone', async () => {
  await machine.step('package', { TZ: 'Asia/Tokyo' });
  const first = await manifest();
  await openNextOutput();
  await utimes(machine.path('app/.open-next/server-functions/default/index.mjs'), 1e9, 1e9);
  await machine.step('package', { TZ: 'America/New_York' });
  expect((await manifest()).functions).toEqual(first.functions);
});

test('the manifest says what the build made, and of what', async () => {
  await machine.step('package');
  const zip = await readFile(output('artifacts/lambda.zip'));
  const found = await manifest();
  expect(found).toMatchObject({
    version: 1,
    deploymentId: 'deployment-1',
    projectId: 'project-1',
    commitSha: 'a'.repeat(40),
    nextVersion: '16.4.6',
    openNextVersion: '4.1.12',
    nodeVersion: '24.1.2',
    architecture: process.arch === 'x64' ? 'x86_64' : process.arch,
    packageManager: 'pnpm@10.34.9',
    static: { files: 2, bytes: 9 },
    isrCache: { files: 1, bytes: 2 },
  });
  expect(found.functions[0]).toEqual({
    name: 'default',
    key: 'lambda.zip',
    handler: 'index.handler',
    bytes: zip.length,
    sha256: createHash('sha256').update(zip).digest('hex'),
    unzippedBytes: expect.any(Number),
    tried: 'answered',
  });
  expect(found.warnings).toEqual([]);
  expect(found.functions.map(({ key, handler }: { key: string; handler: string }) => [key, handler])).toContainEqual(['functions/middleware.zip', 'handler.handler']);
});

test.each(['warmer-function', 'server-functions/default', 'middleware'])('FUNCTION_BROKEN: OpenNext names %s and did not make it', async (missing) => {
  await machine.bash(`rm -r "${machine.path('app/.open-next', missing)}"`);
  const result = await machine.step('package');
  expect(result.failure).toBe('FUNCTION_BROKEN');
  expect(result.output).toMatch(new RegExp(`OpenNext did not make .*/${missing}`));
});

test('what OpenNext does not name need not be there', async () => {
  const { initializationFunction: _, ...additionalProps } = OUTPUT.additionalProps;
  await openNextOutput({ ...OUTPUT, additionalProps: { ...additionalProps, revalidationFunction: undefined } });
  expect(await machine.step('package')).toMatchObject({ status: 0 });
  expect((await manifest()).functions).toHaveLength(5);
});

test('an app without a base path has its files at the top', async () => {
  await openNextOutput({ ...OUTPUT, origins: { ...OUTPUT.origins, s3: { copy: [{ from: '.open-next/assets', to: '_assets' }] } } });
  await machine.step('package');
  expect(existsSync(output('static/robots.txt'))).toBe(true);
  expect((await manifest()).isrCache).toEqual({ files: 0, bytes: 0 });
});

describe('the size of a function', () => {
  async function sized(bytes: number) {
    await machine.files('app/.open-next/server-functions/api', { 'node_modules/@prisma/client/engine.bin': '', 'node_modules/small/index.js': 'small' });
    await truncate(machine.path('app/.open-next/server-functions/api/node_modules/@prisma/client/engine.bin'), bytes);
    return machine.step('package');
  }

  test('ARTIFACT_TOO_LARGE: and the log names the largest packages', async () => {
    const result = await sized(262_144_000);
    expect(result.failure).toBe('ARTIFACT_TOO_LARGE');
    expect(result.output).toMatch(/262144000 @prisma\/client\n46 the app\n5 small/);
  });

  test('a warning above 80 % of it, with the largest packages', async () => {
    expect(await sized(209_716_000)).toMatchObject({ status: 0, output: expect.stringContaining('209716000 @prisma/client\n') });
    expect((await manifest()).warnings).toEqual([{
      code: 'FUNCTION_LARGE',
      message: 'functions/api.zip has 209716051 bytes, Lambda accepts 262144000: 209716000 @prisma/client, 46 the app, 5 small',
    }]);
  }, 60_000);

  test('nothing below that', async () => {
    expect(await sized(209_714_000)).toMatchObject({ status: 0 });
    expect((await manifest()).warnings).toEqual([]);
  }, 60_000);
});

describe('symbolic links in a function', () => {
  async function linked(target: string, name = 'node_modules/linked') {
    await machine.files('app/.open-next/server-functions/api', { 'node_modules/real/index.js': 'real' });
    await symlink(target, machine.path('app/.open-next/server-functions/api', name));
    return machine.step('package');
  }

  test.each([
    ['to a package of the build machine', '../../../../node_modules/next'],
    ['to an absolute place', '/etc/hostname'],
    ['out and in again', '../../api/node_modules/real'],
  ])('FUNCTION_BROKEN: %s', async (_, target) => {
    const result = await linked(target);
    expect(result.failure).toBe('FUNCTION_BROKEN');
    expect(result.output).toContain(`./node_modules/linked in functions/api.zip is a link that leads out of it, to ${target}.`);
  });

  test('FUNCTION_BROKEN: by way of another link', async () => {
    await machine.bash(`mkdir -p "${machine.path('app/.open-next/server-functions/api/node_modules')}" && ln -s / "${machine.path('app/.open-next/server-functions/api/top')}"`);
    expect((await linked('../top/etc')).failure).toBe('FUNCTION_BROKEN');
  });

  test('a warning: that lead nowhere, as pnpm\'s to packages that OpenNext leaves out', async () => {
    expect(await linked('.pnpm/left-out/node_modules/left-out')).toMatchObject({ status: 0 });
    expect((await manifest()).warnings).toEqual([{ code: 'LINK_DANGLING', message: '1 links in functions/api.zip lead nowhere: ./node_modules/linked' }]);
  });

  test('nothing: within the function, up and down', async () => {
    expect(await linked('../node_modules/real')).toMatchObject({ status: 0 });
    expect((await manifest()).warnings).toEqual([]);
  });
});

describe('the image function', () => {
  test('FUNCTION_BROKEN: without sharp, which OpenNext does not fail over', async () => {
    await machine.bash(`rm -r "${machine.path('app/.open-next/image-optimization-function/node_modules')}"`);
    const result = await machine.step('package');
    expect(result.failure).toBe('FUNCTION_BROKEN');
    expect(result.output).toContain('functions/image-optimization-function.zip has no sharp for');
  });

  test('FUNCTION_BROKEN: with a sharp that cannot be loaded', async () => {
    await machine.files('app/.open-next/image-optimization-function', { 'node_modules/sharp/index.js': 'throw new Error("Could not load the sharp module")' });
    const result = await machine.step('package');
    expect(result.failure).toBe('FUNCTION_BROKEN');
    expect(result.output).toContain('sharp: Could not load the sharp module');
  });

  test('needs none with a wrapper that is not for Lambda', async () => {
    await openNextOutput({ ...OUTPUT, origins: { ...OUTPUT.origins, imageOptimizer: { ...bundle('image-optimization-function'), wrapper: 'dummy' } } });
    await machine.bash(`rm -r "${machine.path('app/.open-next/image-optimization-function/node_modules')}"`);
    expect(await machine.step('package')).toMatchObject({ status: 0 });
  });
});

test('thousands of files, in more than one go: all of them, always the same bytes', async () => {
  const directory = machine.path('app/.open-next/server-functions/default/many');
  const makeMany = () => machine.bash(`mkdir -p "${directory}" && cd "${directory}" && for i in {1..3000}; do echo $i > ${'long-'.repeat(20)}$i; done`);
  await makeMany();
  expect(await machine.step('package')).toMatchObject({ status: 0 });
  expect(await readdir(`${await unzip('artifacts/lambda.zip')}/many`)).toHaveLength(3000);
  const [first] = (await manifest()).functions;
  await openNextOutput();
  await makeMany();
  await machine.step('package');
  expect((await manifest()).functions[0]).toEqual(first);
});

describe('native code', () => {
  async function native(files: Record<string, string | Buffer>, environment = { FUNCTION_ARCHITECTURE: 'arm64' }) {
    await openNextOutput(OUTPUT, environment.FUNCTION_ARCHITECTURE === 'arm64' ? ARM : HERE);
    for (const [name, content] of Object.entries(files)) {
      const file = machine.path('app/.open-next/server-functions/api', name);
      await mkdir(path.dirname(file), { recursive: true });
      await writeFile(file, content);
    }
    return machine.step('package', environment);
  }

  test.each([
    ['node_modules/bcrypt/build/Release/bcrypt.node', 'bcrypt'],
    ['node_modules/.pnpm/@node-rs+argon2@2.0.0/node_modules/@node-rs/argon2-linux-x64-gnu/argon2.node', '@node-rs/argon2-linux-x64-gnu'],
    ['vendor/libthing.so.42.1', 'the app'],
  ])('PACKAGE_FAILED: %s for another processor, and the sentence names %s', async (file, name) => {
    const result = await native({ [file]: X86 });
    expect(result.failure).toBe('PACKAGE_FAILED');
    expect(result.output).toContain(`${name} in functions/api.zip cannot run on arm64`);
    expect(result.output).toContain('Build on an ARM image.');
  });

  test.each<[string, Record<string, string | Buffer>]>([
    ['of the right processor', { 'node_modules/a/a.node': ARM }],
    ['for several processors in one package', { 'node_modules/a/prebuilds/linux-x64/a.node': X86, 'node_modules/a/prebuilds/linux-arm64/a.node': ARM }],
    ['for several processors in a package for each', { 'node_modules/@a/b-linux-x64-gnu/b.node': X86, 'node_modules/@a/b-linux-arm64-gnu/b.node': ARM }],
    ['of another system', { 'node_modules/a/darwin.node': '\xcf\xfa\xed\xfe', 'node_modules/a/empty.node': '' }],
  ])('%s is fine', async (_, files) => {
    expect(await native(files)).toMatchObject({ status: 0 });
    expect(await manifest()).toMatchObject({ architecture: 'arm64' });
  });

  test('without a choice, the functions are for the processor of the machine', async () => {
    const files = { 'node_modules/a/a.node': HERE };
    expect(await native(files, { FUNCTION_ARCHITECTURE: '' })).toMatchObject({ status: 0 });
  });
});

test('PACKAGE_FAILED: OpenNext left no description', async () => {
  await machine.bash(`rm -r "${machine.path('app/.open-next/open-next.output.json')}"`);
  const result = await machine.step('package');
  expect(result.failure).toBe('PACKAGE_FAILED');
  expect(result.output).toContain('open-next.output.json');
});

test('PACKAGE_FAILED: two functions of one name', async () => {
  await openNextOutput({ ...OUTPUT, origins: { ...OUTPUT.origins, other: bundle('other/api') } });
  await machine.files('app/.open-next/other/api', { 'index.mjs': '' });
  const result = await machine.step('package');
  expect(result.failure).toBe('PACKAGE_FAILED');
  expect(result.output).toContain('Two functions want to be functions/api.zip');
});

test('nothing of an earlier attempt is left in the output', async () => {
  await machine.files('src/output', { 'static/old.js': '' });
  await machine.step('package');
  await expect(stat(output('static/old.js'))).rejects.toThrow('ENOENT');
});
