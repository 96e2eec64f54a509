import { readdirSync, readFileSync } from 'node:fs';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { transform } from 'esbuild';
import { parse } from 'yaml';
import { BuildMachine } from './build-machine';
import { NextjsBuildSpec, renderBuildSpec } from '../../src/buildspec';
import { EXIT_CODES } from '../../src/contract/failure-codes';

const ROOT = path.join(__dirname, '..', '..');
const STEPS = path.join(ROOT, 'buildspec', 'steps');

afterEach(() => {
  jest.restoreAllMocks();
});

test('the buildspec is YAML with CodeBuild\'s phases, run by bash', () => {
  const buildSpec = parse(renderBuildSpec());
  expect(buildSpec.version).toBe(0.2);
  expect(buildSpec.env).toEqual({ shell: 'bash' });
  expect(Object.keys(buildSpec.phases)).toEqual(['install', 'pre_build', 'build', 'post_build']);
  expect(buildSpec.phases.build['on-failure']).toBe('ABORT');
});

test('there is room left below CodeBuild\'s limit of 25,600 characters', () => {
  expect(renderBuildSpec().length).toBeLessThan(25_000);
});

describe('the steps in it', () => {
  let machine: BuildMachine;

  beforeAll(async () => {
    machine = await BuildMachine.start({}, { steps: 'packed' });
  });

  afterAll(() => machine.stop());

  test('are the files of buildspec/steps, without what only people read (after a change: node scripts/bundle-steps.mjs)', async () => {
    const files = readdirSync(STEPS);
    expect(files).toEqual(expect.arrayContaining(['checkout.sh', 'detect.mjs']));
    expect(readdirSync(machine.path('src', 'steps')).sort()).toEqual([...files, 'exit-codes.sh'].sort());
    for (const file of files) {
      const source = readFileSync(path.join(STEPS, file), 'utf8');
      const essence = file.endsWith('.mjs') ? (await transform(source, { minify: true })).code : source.replace(/^ *(#.*)?\n/gm, '');
      expect([file, readFileSync(machine.path('src', 'steps', file), 'utf8')]).toEqual([file, essence]);
    }
  });

  test('can be run', async () => {
    expect(await machine.bash('cd "$STEPS" && for file in *.sh; do bash -n "$file" || exit; done && for file in *.mjs; do node --check "$file" || exit; done')).toMatchObject({ status: 0 });
  });

  test('know the exit statuses of the contract', () => {
    const exitCodes = readFileSync(machine.path('src', 'steps', 'exit-codes.sh'), 'utf8');
    expect(exitCodes).toBe(`export ${Object.entries(EXIT_CODES).map(([code, status]) => `EXIT_${code}=${status}`).join(' ')}\n`);
  });

  test('end the build when they do not arrive whole', async () => {
    const [, unpack]: string[] = parse(renderBuildSpec()).phases.install.commands;
    const truncated = unpack.replace(/.{50}\nEND$/, '\nEND');
    const unpackAt = async (name: string, command: string) => (await machine.bash(`mkdir "$STEPS" && ${command}`, { STEPS: machine.path(name) })).status;
    expect(await unpackAt('whole', unpack)).toBe(0);
    expect(truncated).toHaveLength(unpack.length - 50);
    expect(await unpackAt('truncated', truncated)).not.toBe(0);
  });
});

test('CodeBuild installs Node.js, unless the image is not one of its own', () => {
  expect(parse(renderBuildSpec()).phases.install['runtime-versions']).toEqual({ nodejs: '$NODE_VERSION' });
  const forOtherImages = renderBuildSpec({ runtimeVersions: false });
  expect(forOtherImages).not.toContain('runtime-versions');
  expect(parse(forOtherImages).phases.install.commands).toEqual(parse(renderBuildSpec()).phases.install.commands);
});

test('a text that CodeBuild would refuse is refused at synth', () => {
  const readFile = fs.readFileSync;
  jest.spyOn(jest.requireActual<typeof fs>('fs'), 'readFileSync').mockImplementation((...args) => {
    const text = readFile(...args);
    return String(args[0]).endsWith('index.js') ? String(text).replace('"digits":"', `"digits":"${'A'.repeat(10_000)}`) : text;
  });
  expect(() => renderBuildSpec()).toThrow(/The buildspec has \d+ characters, CodeBuild accepts 25600\. Shorten/);
});

test('the construct gets the text itself, not an asset', () => {
  const buildSpec = new NextjsBuildSpec();
  expect(buildSpec.isImmediate).toBe(true);
  expect(buildSpec.toBuildSpec()).toBe(renderBuildSpec());
});
