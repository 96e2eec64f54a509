/** A private repository through the whole pipeline: its build gets the source; what reads it is nowhere to be found, before, in or after the build. */
import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { promisify } from 'node:util';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { SourceProvider } from '../../src';
import { HANDLER_ENV } from '../../src/contract/environment';
import { SOURCE_ROOT } from '../../src/contract/keys';
import { Forge } from '../support/forge';
import { LocalPipeline } from '../support/local-pipeline';
import { buildRequest } from '../support/requests';

const run = promisify(execFile);

/** A build that ends with its install, and the time to start everything, on a machine that is busy. */
const TIMEOUT_MS = 180_000;

let directory: string;
let seen: string;
let forge: Forge;
let pipeline: LocalPipeline;
let commitSha: string;
let events = '';

beforeAll(async () => {
  directory = await realpath(await mkdtemp(path.join(tmpdir(), 'private-repositories-')));
  await chmod(directory, 0o777); // for the app, which writes to it: where root runs this, it is another user's
  seen = path.join(directory, 'seen');
  const repository = path.join(directory, 'repository');
  commitSha = await createApp(repository);
  forge = await Forge.start();
  forge.addRepository('acme/shop', path.join(repository, '.git'));
  forge.addRepository('acme/public', path.join(repository, '.git'), { isInstalled: false, isPublic: true });
  forge.addRepository('acme/secret', path.join(repository, '.git'), { isInstalled: false });
  pipeline = await LocalPipeline.start({
    props: (stack) => ({
      sourceProviders: [SourceProvider.gitHubApp({ appId: forge.appId, privateKey: Secret.fromSecretNameV2(stack, 'AppKey', 'platform/app'), host: forge.host })],
    }),
    buildEnvironment: { SEEN: seen },
    imageEnvironment: forge.gitEnvironment,
    functionNetwork: forge.network,
  });
  pipeline.stack.secretsManager.putSecret('platform/app', forge.privateKey);
  const listen = async (event: unknown) => { events += JSON.stringify(event); };
  pipeline.stack.events.addRule({ name: 'everything', pattern: { region: ['us-east-1'] }, targets: [{ id: 'listener', deliver: listen }] });
}, TIMEOUT_MS);

afterAll(async () => {
  await pipeline?.close();
  await forge?.close();
  await rm(directory, { recursive: true, force: true });
});

/** Its install shows what a tenant's code sees; then the build has served its purpose. */
async function createApp(folder: string): Promise<string> {
  const next = { name: 'next', version: '16.4.6' };
  const dependencies = { next: 'file:vendor' };
  const packages = { '': { dependencies }, 'node_modules/next': { resolved: 'vendor', link: true }, 'vendor': next };
  const look = '{ cat source.txt; env; cat .git/config; tr "\\\\0" "\\\\n" < /proc/$PPID/environ; ps -ef; } > "$SEEN" 2> /dev/null; exit 1';
  await mkdir(path.join(folder, 'vendor'), { recursive: true });
  await writeFile(path.join(folder, 'source.txt'), 'the source of acme\n');
  await writeFile(path.join(folder, 'vendor', 'package.json'), JSON.stringify(next));
  await writeFile(path.join(folder, 'package-lock.json'), JSON.stringify({ lockfileVersion: 3, requires: true, packages }));
  await writeFile(path.join(folder, 'package.json'), JSON.stringify({ dependencies, scripts: { preinstall: look } }));
  const git = (...args: string[]) => run('git', ['-C', folder, '-c', 'user.name=Test', '-c', 'user.email=test@example.com', ...args]);
  await git('init', '-q', '-b', 'main');
  await git('add', '-A');
  await git('commit', '-qm', 'app');
  return (await git('rev-parse', 'HEAD')).stdout.trim();
}

async function contents(folder: string): Promise<string> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath ?? entry.path, entry.name));
  return (await Promise.all(files.map((file) => readFile(file, 'latin1')))).join('\n');
}

async function deploy(name: string, deploymentId: string) {
  await rm(seen, { force: true });
  const record = await pipeline.deploy(buildRequest({ deploymentId, commitSha, repoUrl: forge.url(name), branch: deploymentId }));
  return { record, log: await pipeline.buildLog(record.buildId!), seen: await readFile(seen, 'utf8').catch(() => '') };
}

test('the build has the source and no credential; none is in records, objects, logs, events or what the build leaves', async () => {
  const { log, record, seen: seenByTenant } = await deploy('acme/shop', 'private');
  // It got as far as the tenant's own code.
  expect(record).toMatchObject({ status: 'failed', failureCode: 'INSTALL_FAILED' });
  expect(seenByTenant).toContain('the source of acme');
  expect(forge.grants).toEqual([{ repositories: ['shop'], permissions: { contents: 'read' } }]);
  await pipeline.stagingRemoved();
  const everything = [log, seenByTenant, JSON.stringify(record), JSON.stringify(pipeline.logs), events, await contents(pipeline.directory)].join('\n');
  // All of it is there: the fetcher's log, the events, the records.
  for (const part of ['what became of its source', 'Deployment Status Changed', 'CodeBuild Build State Change', '"failureCode"']) expect(everything).toContain(part);
  const secrets = [...forge.secrets, ...forge.requests.map(({ headers }) => headers.authorization!)];
  expect(secrets.length).toBeGreaterThan(20);
  expect(secrets.filter((secret) => everything.includes(secret))).toEqual([]);
  expect(await pipeline.pipeline.objects(SOURCE_ROOT)).toEqual([]);
  expect(pipeline.stack.denials).toEqual([]);
}, TIMEOUT_MS);

test('the build itself never speaks with the git host', () => {
  expect(forge.requests.filter(({ headers }) => !headers['user-agent']!.startsWith('git/cdk-nextjs-build-pipeline'))).toEqual([]);
});

test('a public repository, where the app is not installed, is cloned by the build itself', async () => {
  const { record, seen: seenByTenant } = await deploy('acme/public', 'public');
  expect(record).toMatchObject({ failureCode: 'INSTALL_FAILED' });
  expect(seenByTenant).toContain('the source of acme');
}, TIMEOUT_MS);

test('a private one, where it is not installed, is out of reach, and the log says so', async () => {
  const { log, record, seen: seenByTenant } = await deploy('acme/secret', 'secret');
  expect(record).toMatchObject({ status: 'failed', failureCode: 'CHECKOUT_FAILED' });
  expect(log).toContain('cannot be read without a password');
  expect(seenByTenant).toBe('');
}, TIMEOUT_MS);

test('what the source fetcher could not do stands in the build\'s log, and the build ends at once', async () => {
  forge.answer = ({ path: asked }) => (asked.includes('access_tokens') ? { status: 422, body: '{"message":"no"}' } : undefined);
  const { log, record } = await deploy('acme/shop', 'refused').finally(() => { forge.answer = undefined; });
  expect(record).toMatchObject({ status: 'failed', failureCode: 'CHECKOUT_FAILED' });
  expect(log).toContain('CHECKOUT_FAILED: The platform\'s GitHub App for forge.local-run.example');
  await pipeline.stagingRemoved();
}, TIMEOUT_MS);

test('the fetcher is told how to sign in, and not with what', () => {
  const [resolver] = pipeline.stack.resolvers;
  const environments = resolver.resourcesOfType('AWS::Lambda::Function').map(({ properties }) => (properties.Environment as { Variables: Record<string, string> }).Variables);
  const [settings] = environments.flatMap((variables) => variables[HANDLER_ENV.sourceProviders] ?? []);
  expect(JSON.parse(settings)).toEqual([{ type: 'gitHubApp', host: forge.host, appId: forge.appId, secretId: 'platform/app' }]);
});
