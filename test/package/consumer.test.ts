/**
 * The library as its users get it: the packed tarball in an empty CDK app, which is the one of docs/snapshot-testing.md, on a machine
 * with Node.js and nothing else.
 */
import { execFile, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { appendFile, cp, mkdir, mkdtemp, readdir, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import * as os from 'node:os';
import * as path from 'node:path';
import { promisify } from 'node:util';
import { App, Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import * as dynamodb from 'aws-cdk-lib/aws-dynamodb';
import * as s3 from 'aws-cdk-lib/aws-s3';
import { NextjsBuildPipeline } from '../../src';
import { forSnapshot } from '../support/stacks';

/**
 * The newest aws-cdk-lib when this was written; the library's own tests run with the lowest. Exact, because every release brings new
 * validation rules: a new one must not turn this test red on a day when nobody changed anything.
 */
const NEWEST_CDK = '2.276.0';

/** The newest when this was written. The tests of the constructs have version 2, which other users have and older aws-cdk-libs need. */
const NEWEST_NAG = '3.0.2';

/** The lowest constructs that aws-cdk-lib accepts as its peer, and everything above. */
const CONSTRUCTS = '^10.5.0';

/** npm downloads 30 MB, and the compiler checks the declarations of all of aws-cdk-lib. */
const TIMEOUT_MS = 240_000;

/** Turns the findings of aws-cdk-lib's own template validation, warnings included, into errors that end the synth. */
const STRICT_VALIDATION = { '@aws-cdk/core:validateAgainstDefaultRules': true, '@aws-cdk/core:strictCfnValidateErrors': true };

const ROOT = path.join(__dirname, '..', '..');
const PACKAGE = 'cdk-nextjs-build-pipeline';
const HANDLERS_OF_PIPELINE = ['finalizer', 'orchestrator', 'reconciler'];
const HANDLERS = [...HANDLERS_OF_PIPELINE, 'github-status', 'github-webhook', 'source-fetcher'];

let directory: string;
let app: string;
let packed: { filename: string; files: Array<{ path: string }>; size: number };

beforeAll(async () => {
  directory = await realpath(await mkdtemp(path.join(os.tmpdir(), 'consumer-')));
  const tarball = await pack();
  app = path.join(directory, 'app');
  await installApp(tarball);
  await run(app, ['node_modules/typescript/bin/tsc']);
}, TIMEOUT_MS);

afterAll(() => rm(directory, { recursive: true, force: true }), TIMEOUT_MS);

describe('the package', () => {
  test('holds the compiled library, the handlers and the buildspec, and nothing that only this project needs', () => {
    const files = packed.files.map((file) => file.path);
    expect(files).toEqual(expect.arrayContaining([
      '.jsii', 'API.md', 'LICENSE', 'README.md', 'package.json', 'lib/index.js', 'lib/index.d.ts', 'buildspec/nextjs-build.yml', 'buildspec/steps/upload.sh',
      ...HANDLERS.map((handler) => `assets/${handler}/index.js`),
    ]));
    const published = /^(\.jsii|API\.md|LICENSE|README\.md|package\.json|lib\/.*\.(js|d\.ts)|assets\/[\w-]+\/index\.js|buildspec\/(nextjs-build\.yml|steps\/[\w-]+\.(sh|mjs)))$/;
    expect(files.filter((file) => !published.test(file))).toEqual([]);
  });

  test('is small: below 1.1 MB to download', () => {
    // Each of the six handlers has 95 to 210 kB, mostly its own copy of the AWS SDK. If they shared one, a change of it would change all of their asset hashes.
    expect(packed.size).toBeLessThan(1_100_000);
  });

  test('brings no other package with it, and no build tool', async () => {
    const manifest = JSON.parse(await readFile(path.join(app, 'node_modules', PACKAGE, 'package.json'), 'utf8'));
    expect(manifest.dependencies).toBeUndefined();
    expect(Object.keys(manifest.peerDependencies)).toEqual(['aws-cdk-lib', 'constructs']);
    expect(existsSync(path.join(app, 'node_modules', PACKAGE, 'node_modules'))).toBe(false);
    expect(existsSync(path.join(app, 'node_modules', 'esbuild'))).toBe(false);
  });
});

describe('synth, with nothing on PATH', () => {
  let template: { Resources: Record<string, { Type: string }> };
  let output: string;

  beforeAll(async () => {
    output = await synth('bin/app.js', 'cdk.out');
    template = JSON.parse(await readFile(path.join(app, 'cdk.out', 'Platform.template.json'), 'utf8'));
  }, TIMEOUT_MS);

  test('gives the template that the sources give, with the lowest aws-cdk-lib and asset hashes aside', () => {
    const stack = new Stack(new App(), 'Platform');
    const artifactsBucket = new s3.Bucket(stack, 'Artifacts');
    const deploymentsTable = new dynamodb.TableV2(stack, 'Deployments', { partitionKey: { name: 'deploymentId', type: dynamodb.AttributeType.STRING } });
    new NextjsBuildPipeline(stack, 'Builds', { artifactsBucket, deploymentsTable });
    expect(withoutHashes(forSnapshot(Template.fromJSON(template)))).toEqual(withoutHashes(forSnapshot(Template.fromStack(stack))));
  });

  test('puts the handlers of the package, bundled, into the assets, but for those of private repositories and webhooks', async () => {
    const assets = (await readdir(path.join(app, 'cdk.out'))).filter((name) => name.startsWith('asset.'));
    const staged = await Promise.all(assets.map((asset) => readFile(path.join(app, 'cdk.out', asset, 'index.js'), 'utf8')));
    const published = await Promise.all(HANDLERS_OF_PIPELINE.map((handler) => readFile(path.join(app, 'node_modules', PACKAGE, 'assets', handler, 'index.js'), 'utf8')));
    expect(staged.sort()).toEqual(published.sort());
  });

  test('passes aws-cdk-lib\'s own validation of the template, warnings as errors', async () => {
    expect(output).toBe('');
    const { pluginReports } = JSON.parse(await readFile(path.join(app, 'cdk.out', 'validation-report.json'), 'utf8'));
    expect(pluginReports).toEqual([]);
  });

  test('would not pass it with a mistake', async () => {
    await writeFile(path.join(app, 'bin', 'mistake.js'), [
      'const { App, CfnResource } = require(\'aws-cdk-lib\');',
      'const { PlatformStack } = require(\'../lib/platform-stack\');',
      'new CfnResource(new PlatformStack(new App(), \'Platform\'), \'Queue\', { type: \'AWS::SQS::Queue\', properties: { VisibilityTimeout: -1 } });',
    ].join('\n'));
    await expect(synth('bin/mistake.js', 'cdk.out.mistake')).rejects.toThrow('VisibilityTimeout');
  }, TIMEOUT_MS);

  test('gives cdk-nag nothing to say about the pipeline, only about the bucket beside it', async () => {
    await writeFile(path.join(app, 'bin', 'nag.js'), [
      'const { App, Validations } = require(\'aws-cdk-lib\');',
      'const { AwsSolutionsChecks, NIST80053R5Checks, ServerlessChecks } = require(\'cdk-nag\');',
      'const { PlatformStack } = require(\'../lib/platform-stack\');',
      'const app = new App();',
      'new PlatformStack(app, \'Platform\');',
      'Validations.of(app).addPlugins(...[AwsSolutionsChecks, NIST80053R5Checks, ServerlessChecks].map((Pack) => new Pack(app)));',
    ].join('\n'));
    await expect(synth('bin/nag.js', 'cdk.out.nag')).rejects.toThrow('AwsSolutions-S1');
    const { pluginReports } = JSON.parse(await readFile(path.join(app, 'cdk.out.nag', 'validation-report.json'), 'utf8'));
    const found: string[] = JSON.stringify(pluginReports).match(/Platform\/\w+\/[\w/]+/g) ?? [];
    expect([...new Set(found)]).toEqual(['Platform/Artifacts/Resource']);
  }, TIMEOUT_MS);

  const cfnLint = spawnSync('cfn-lint', ['--version'], { timeout: 30_000 }).status === 0;
  (cfnLint ? test : test.skip)(`passes cfn-lint${cfnLint ? '' : ' (skipped: cfn-lint is not on PATH; pip install cfn-lint)'}`, async () => {
    // W3005: the CDK lets every function depend on its role, which the function names anyway.
    const args = ['--ignore-checks', 'W3005', '--', path.join(app, 'cdk.out', 'Platform.template.json')];
    const { stdout } = await promisify(execFile)('cfn-lint', args, { timeout: TIMEOUT_MS });
    expect(stdout.trim()).toBe('');
  }, TIMEOUT_MS);
});

describe('the snapshot test of the README', () => {
  const jest = (...args: string[]) => run(app, ['node_modules/jest/bin/jest.js', ...args]);
  const snapshot = () => readFile(path.join(app, 'test', '__snapshots__', 'platform-stack.test.js.snap'), 'utf8');

  beforeAll(() => jest('--ci=false'), TIMEOUT_MS);

  test('writes a snapshot without asset hashes', async () => {
    expect(await snapshot()).toContain('"<asset hash>.zip"');
    expect(await snapshot()).not.toMatch(/[0-9a-f]{64}/);
  });

  test('is green when only a handler changes, red when a resource does', async () => {
    const handler = path.join(app, 'node_modules', PACKAGE, 'assets', 'finalizer', 'index.js');
    await appendFile(handler, '\n');
    await expect(jest('--ci')).resolves.toContain('1 passed');

    const file = path.join(app, 'test', '__snapshots__', 'platform-stack.test.js.snap');
    await writeFile(file, (await snapshot()).replace('"VisibilityTimeout": 1800', '"VisibilityTimeout": 900'));
    await expect(jest('--ci')).rejects.toThrow('"VisibilityTimeout": 1800');
  }, TIMEOUT_MS);
});

/** Compiles and packs a copy of the sources: what lies in lib/ may be missing or old. */
async function pack(): Promise<string> {
  const copy = path.join(directory, 'package');
  await mkdir(copy);
  for (const source of ['package.json', 'tsconfig.json', 'README.md', 'LICENSE', 'API.md', 'src', 'assets', 'buildspec']) {
    await cp(path.join(ROOT, source), path.join(copy, source), { recursive: true });
  }
  await symlink(path.join(ROOT, 'node_modules'), path.join(copy, 'node_modules'));
  await run(copy, [path.join(ROOT, 'node_modules', 'jsii', 'bin', 'jsii'), '--silence-warnings=reserved-word']);
  [packed] = JSON.parse(await npm(copy, 'pack', '--json', '--ignore-scripts'));
  return path.join(copy, packed.filename);
}

async function installApp(tarball: string): Promise<void> {
  await mkdir(app);
  await writeFile(path.join(app, 'package.json'), JSON.stringify({ private: true, jest: { testMatch: ['**/*.test.js'] } }));
  await writeFile(path.join(app, 'tsconfig.json'), JSON.stringify({
    compilerOptions: {
      strict: true,
      // Also the library's declarations are checked, not only what the app uses of them.
      skipLibCheck: false,
      target: 'es2022',
      // aws-cdk-lib's declarations name the type `Disposable`.
      lib: ['es2022', 'esnext.disposable'],
      module: 'node16',
      types: ['jest'],
    },
  }));
  for (const [file, code] of await documentedFiles()) {
    await mkdir(path.dirname(path.join(app, file)), { recursive: true });
    await writeFile(path.join(app, file), code);
  }
  await npm(app, 'install', '--no-audit', '--no-fund', '--ignore-scripts', tarball, `aws-cdk-lib@${NEWEST_CDK}`, `constructs@${CONSTRUCTS}`, `cdk-nag@${NEWEST_NAG}`);
  // The app's own tools, which are not what is tested here: those of this project, to download less.
  await mkdir(path.join(app, 'node_modules', '@types'));
  for (const tool of ['typescript', 'jest', '@types/jest']) {
    await symlink(path.join(ROOT, 'node_modules', tool), path.join(app, 'node_modules', tool));
  }
}

/** Code blocks whose first line names their file. */
async function documentedFiles(): Promise<Array<[string, string]>> {
  const pages = await Promise.all(['docs/snapshot-testing.md', 'README.md'].map((page) => readFile(path.join(ROOT, page), 'utf8')));
  const files = [...pages.join('\n').matchAll(/^```ts\n\/\/ (\S+)\n([\s\S]*?)^```$/gm)].map(([, file, code]): [string, string] => [file, code]);
  expect(files.map(([file]) => file)).toEqual(['lib/platform-stack.ts', 'bin/app.ts', 'test/platform-stack.test.ts']);
  return files;
}

/** Returns what the app printed. Its PATH has neither esbuild nor Docker, nor anything else. */
async function synth(program: string, outputDirectory: string): Promise<string> {
  const emptyPath = path.join(directory, 'bin');
  await mkdir(emptyPath, { recursive: true });
  return run(app, [program], {
    PATH: emptyPath,
    HOME: directory,
    CDK_OUTDIR: outputDirectory,
    CDK_CONTEXT_JSON: JSON.stringify(STRICT_VALIDATION),
    // What a later Node.js has to say about aws-cdk-lib is no finding.
    NODE_NO_WARNINGS: '1',
  });
}

async function npm(cwd: string, ...args: string[]): Promise<string> {
  return (await promisify(execFile)('npm', args, { cwd, timeout: TIMEOUT_MS })).stdout;
}

/** Runs a Node.js program; returns what it printed, or fails with it. */
async function run(cwd: string, args: string[], env: NodeJS.ProcessEnv = process.env): Promise<string> {
  try {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, args, { cwd, env, timeout: TIMEOUT_MS, maxBuffer: 16 * 1024 * 1024 });
    return stdout + stderr;
  } catch (error) {
    // execFile's message has what went to stderr, but compilers write to stdout.
    const { message, stdout } = error as Error & { stdout?: string };
    throw new Error(`${message}\n${stdout ?? ''}`);
  }
}

function withoutHashes(template: object): object {
  return JSON.parse(JSON.stringify(template).replace(/[0-9a-f]{64}/g, '<asset hash>'));
}
