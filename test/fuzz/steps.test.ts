/** The steps that read what an app's author wrote: package.json, lockfiles, settings. They understand it, or say which failure it is. */
import * as path from 'node:path';
import * as fc from 'fast-check';
import { inputs } from './fuzzing';
import { concat, fragment, json, mostly, text } from './hostile';
import { Repository, StepOutcome, Steps } from './steps';
import { EXIT_CODES, FailureCode } from '../../src/contract/failure-codes';

let steps: Steps;

beforeEach(() => {
  steps = new Steps();
});

afterEach(() => steps.close());

const numbers = fc.array(fc.oneof(fc.nat(30), fc.constantFrom('x', '*', '99999999999999999999', '0', '01')), { minLength: 1, maxLength: 4 }).map((parts) => parts.join('.'));
const comparator = concat(fc.constantFrom('', '^', '~', '>=', '<', '=', 'v', '> ', '~>'), numbers, fc.constantFrom('', '', '-rc.1', '+build'));
const range = fc.oneof(fc.array(concat(comparator, fc.constantFrom(' ', ' || ', ' - ', '||', '')), { minLength: 1, maxLength: 3 }).map((parts) => parts.join('')), text);
const manager = fc.oneof(concat(fc.constantFrom('npm', 'pnpm', 'yarn', 'bun', 'deno', '__proto__'), fc.constantFrom('@', '@', '@', ''), fc.oneof(comparator, text)), text);
const devEngine = fc.record({ name: mostly(fc.constantFrom('npm', 'pnpm', 'yarn', 'bun', 'deno')), version: mostly(range), onFail: mostly(fc.constantFrom('ignore', 'error', 'download')) }, { requiredKeys: [] });
const dependencies = mostly(fc.dictionary(fc.oneof(fc.constantFrom('next', 'react', '@opennextjs/aws'), text), mostly(fc.oneof(range, fc.constantFrom('file:../lib', './lib', 'workspace:*', 'file:/etc'))), { maxKeys: 3 }));
const scripts = mostly(fc.dictionary(fc.oneof(fc.constantFrom('build', 'postinstall', 'prepare', 'preinstall'), text), mostly(fc.oneof(fc.constantFrom('next build', 'open-next build', 'true'), text)), { maxKeys: 3 }));
const manifest = fc.oneof({
  weight: 8,
  arbitrary: fc.record({
    name: mostly(text),
    version: mostly(numbers),
    packageManager: mostly(manager, json, 4),
    devEngines: mostly(fc.record({ packageManager: mostly(fc.oneof(devEngine, fc.array(mostly(devEngine), { maxLength: 2 })), json, 4) })),
    engines: mostly(fc.record({ node: mostly(range, json, 4) })),
    dependencies,
    devDependencies: dependencies,
    scripts,
    workspaces: mostly(fc.oneof(fc.array(text, { maxLength: 3 }), fc.record({ packages: mostly(fc.array(text, { maxLength: 3 })) }))),
  }, { requiredKeys: [] }),
}, json);
const withNext = (value: unknown) => (typeof value === 'object' && value !== null && !Array.isArray(value)
  ? { ...value, dependencies: { next: '16.0.0', ...(value as { dependencies?: object }).dependencies } } : value);
const packageJson = fc.oneof(
  { weight: 8, arbitrary: manifest.map((value) => JSON.stringify(withNext(value)) ?? 'null') }, { weight: 2, arbitrary: manifest.map((value) => `\ufeff${JSON.stringify(value)}`) }, { weight: 1, arbitrary: text },
);
const lockfile = fc.record({
  'pnpm-lock.yaml': fc.oneof(concat(fc.constantFrom('lockfileVersion: ', 'lockfileVersion: \''), fc.oneof(fc.nat(12).map(String), text)), text),
  'yarn.lock': fc.oneof(concat(fc.constant('__metadata:\n  version: '), fc.oneof(fc.nat(12).map(String), text)), text),
  'package-lock.json': text,
  'bun.lock': text,
}, { requiredKeys: [] });
const settings = fc.record({
  '.npmrc': fc.array(fc.oneof(fragment, fc.constantFrom('ignore-scripts=true\n', 'registry=')), { maxLength: 5 }).map((parts) => parts.join('')),
  '.nvmrc': fc.oneof(range, fc.constantFrom('lts/*', 'lts/jod', 'node', '# nothing\n22', 'constructor'), text),
  'pnpm-workspace.yaml': fc.array(fc.oneof(fragment, fc.constantFrom('packages:\n', '  - "apps/*"\n', '- \'!x\'\n', '  - {a,b}/**\n', 'packages: [a, "b"]\n')), { maxLength: 6 }).map((parts) => parts.join('')),
}, { requiredKeys: [] });

/** A step takes some milliseconds. */
const SHARE = 0.25;

/** So many go to the process that runs the steps at once; half as many on average. */
const BATCH = 40;

/** Runs a step for repositories and says what holds for each outcome, which must be success or one of the failures. */
async function forEachOutcome(
  step: string, repositories: fc.Arbitrary<Repository>, failures: FailureCode[], property: (outcome: StepOutcome) => void,
): Promise<void> {
  const batches = fc.array(repositories, { minLength: 1, maxLength: BATCH, size: 'max' });
  await fc.assert(fc.asyncProperty(batches, async (batch) => {
    const outcomes = await steps.run(step, batch);
    for (const outcome of outcomes) {
      expect(unexpected(outcome, failures)).toBe('');
      if (outcome.status === 0) property(outcome);
    }
  }), inputs(SHARE * 2 / BATCH));
}

/** Empty, or what is wrong with it. */
function unexpected({ output, status }: StepOutcome, failures: FailureCode[]): string {
  if (status === 0) return '';
  const failure = failures.find((code) => EXIT_CODES[code] === status);
  return failure && output.includes(`${failure}: `) ? '' : `ended with ${status}: ${output}`;
}

test('which package manager installs where: one of the four in one exact version, in a directory of the repository; or what was wrong', async () => {
  const repository = fc.tuple(packageJson, packageJson, lockfile, lockfile, fc.boolean()).map(([root, own, rootLock, ownLock, below]): Repository => {
    if (!below) return { files: { 'package.json': own, ...ownLock } };
    const inApp = Object.fromEntries(Object.entries(ownLock).map(([name, content]) => [`apps/web/${name}`, content]));
    return { app: 'apps/web', files: { 'package.json': root, ...rootLock, ...inApp, 'apps/web/package.json': own } };
  });
  await forEachOutcome('detect', repository, ['NOT_A_NEXTJS_APP', 'UNSUPPORTED_PACKAGE_MANAGER'], ({ facts: { kind, lockfile: used, root, tool } }) => {
    expect(tool).toMatch(/^((npm|pnpm|yarn|bun|@yarnpkg\/cli-dist)@\d+\.\d+\.\d+(-[\w.-]+)?)?$/);
    expect(['npm', 'pnpm', 'yarn', 'berry', 'bun']).toContain(kind);
    expect([steps.top, path.join(steps.top, 'apps/web')]).toContain(root);
    expect(used === '' || path.dirname(used) === root).toBe(true);
  });
});

test('which Node.js: a package of ours in an exact version, or the machine\'s', async () => {
  const repository = fc.tuple(packageJson, settings).map(([own, files]): Repository => ({ files: { 'package.json': own, ...files } }));
  await forEachOutcome('node', repository, ['NOT_A_NEXTJS_APP'], ({ facts: { node } }) => {
    expect(node).toMatch(/^(node-(bin-)?(linux|darwin)-(x64|arm64)@\d+\.\d+\.\d+\n)*$/);
  });
});

test('which OpenNext is fetched beforehand: one in an exact version, or none', async () => {
  const repository = packageJson.map((own): Repository => ({ files: { 'package.json': own } }));
  await forEachOutcome('open-next-guess', repository, ['NOT_A_NEXTJS_APP'], ({ output }) => {
    expect(output).toMatch(/^(@opennextjs\/aws@\d+\.\d+\.\d+)?$/);
  });
});

test('which OpenNext builds: one that fits the Next.js that is installed, whatever that says of itself', async () => {
  const version = mostly(fc.oneof(fc.constantFrom('16.0.0', '14.2.3', '13.5.0', '12.0.0', '16.1.0-canary.5'), numbers), json, 3);
  const installed = mostly(fc.record({ name: fc.constant('next'), version }));
  const repository = fc.tuple(packageJson, installed).map(([own, next]): Repository => (
    { files: { 'package.json': own, 'node_modules/next/package.json': JSON.stringify(next) } }
  ));
  await forEachOutcome('open-next', repository, ['NOT_A_NEXTJS_APP', 'INSTALL_FAILED', 'BUILD_FAILED', 'UNSUPPORTED_NEXTJS_VERSION'], ({ facts }) => {
    expect(facts['open-next-version']).toMatch(/^\d+\.\d+\.\d+$/);
    expect(facts['next-version']).toMatch(/^\d+\.\d+\.\d+/);
  });
});

test('what an install depends on: a hash, whatever lies about; and the scripts of its packages, a line each', async () => {
  const directory = fc.oneof(fc.constantFrom('packages/ui', 'apps/web', 'a b', 'ü', '[x]', '$(id)', '-x', 'a\tb', 'a\nb'), fc.stringMatching(/^[a-z]{1,5}$/));
  const repository = fc.tuple(packageJson, packageJson, directory, settings, fc.constantFrom('npm', 'pnpm', 'yarn', 'berry', 'bun')).map(([root, other, below, files, kind]): Repository => ({
    git: true,
    files: { 'package.json': root, [`${below}/package.json`]: other, ...files, 'pnpm-lock.yaml': '' },
    facts: { kind, 'package-manager': 'pnpm@10.0.0', 'lockfile': path.join(steps.top, 'pnpm-lock.yaml') },
  }));
  await fc.assert(fc.asyncProperty(fc.array(repository, { minLength: 1, maxLength: BATCH, size: 'max' }), async (batch) => {
    const outcomes = await steps.run('dependencies-key', batch);
    for (const outcome of outcomes) {
      expect(unexpected(outcome, [])).toBe('');
      expect(outcome.facts['dependencies-off'] ?? 'none').toBe('none');
      expect(outcome.facts['dependencies-key']).toMatch(/^[0-9a-f]{64}$/);
    }
    const installed = batch.map(({ facts, files }, index): Repository => {
      const { packages, vendored } = outcomes[index].facts;
      return { files, facts: { ...facts, packages, vendored } };
    });
    const scheduled = await steps.run('lifecycle', installed);
    scheduled.forEach((outcome, index) => {
      expect(unexpected(outcome, [])).toBe('');
      const places = Object.keys(batch[index].files).map((file) => path.dirname(path.join(steps.top, file)));
      for (const [place, event, ...rest] of outcome.output.split('\n').filter(Boolean).map((line) => line.split('\t'))) {
        expect([places.includes(place), /^(pnpm:devPreinstall|(pre|post)?(install|prepare)|prepublish|dependencies)$/.test(event), rest]).toEqual([true, true, []]);
      }
    });
  }), inputs(SHARE / 5 / BATCH));
});
