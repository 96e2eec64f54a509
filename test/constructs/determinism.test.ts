/**
 * What a user's `cdk diff` shows after an upgrade is what changed, and nothing else: the same sources give the same bytes wherever and
 * whenever they are built, and no resource gets a new logical id unless somebody decides so here.
 */
import { execFile } from 'node:child_process';
import { appendFile, cp, mkdir, mkdtemp, readdir, readFile, realpath, rm, symlink } from 'node:fs/promises';
import * as os from 'node:os';
import * as path from 'node:path';
import { promisify } from 'node:util';
import { Template } from 'aws-cdk-lib/assertions';
import { everythingOfWebhook, synthesize, webhookStack } from '../support/stacks';

const ROOT = path.join(__dirname, '..', '..');
const TEMPLATE = 'NextjsBuilds.template.json';

/** Bundling and synthesizing take seconds each; three pairs of them may share two busy processors. */
const TIMEOUT_MS = 120_000;

test('logical ids: whoever changes one replaces a resource in every stack that has a pipeline', () => {
  const resources = Object.entries<{ Type: string }>(synthesize().template.toJSON().Resources);
  const types = Object.fromEntries(resources.filter(([id]) => id.startsWith('Builds')).map(([id, { Type }]) => [id, Type]));
  expect(types).toEqual({
    BuildsBuildBoundary5502AFE2: 'AWS::IAM::ManagedPolicy',
    BuildsBuildLogs97B16B8F: 'AWS::Logs::LogGroup',
    BuildsBuildRoleB84523ED: 'AWS::IAM::Role',
    BuildsBuildRoleDefaultPolicyE25B5E93: 'AWS::IAM::Policy',
    BuildsBuildStateChanged74A21B56: 'AWS::Events::Rule',
    BuildsBuildStateChangedAllowEventRuleTestBuildsFinalizerE147393B9A29655C: 'AWS::Lambda::Permission',
    BuildsDeadLetterQueue5602621C: 'AWS::SQS::Queue',
    BuildsDeadLetterQueuePolicyC18AD059: 'AWS::SQS::QueuePolicy',
    BuildsEventDeadLetterQueue87C22E92: 'AWS::SQS::Queue',
    BuildsEventDeadLetterQueuePolicyAC5CA777: 'AWS::SQS::QueuePolicy',
    BuildsFinalizer8DDD922A: 'AWS::Lambda::Function',
    BuildsFinalizerLogs780A3E11: 'AWS::Logs::LogGroup',
    BuildsFinalizerRoleDefaultPolicy568E91CF: 'AWS::IAM::Policy',
    BuildsFinalizerRoleE9C5D0EB: 'AWS::IAM::Role',
    BuildsOrchestratorF7BDC9AE: 'AWS::Lambda::Function',
    BuildsOrchestratorLogs63EFB315: 'AWS::Logs::LogGroup',
    BuildsOrchestratorRole095B998F: 'AWS::IAM::Role',
    BuildsOrchestratorRoleDefaultPolicyD1494DA4: 'AWS::IAM::Policy',
    BuildsOrchestratorSqsEventSourceTestBuildsQueueAA4855707E0EF07A: 'AWS::Lambda::EventSourceMapping',
    BuildsProject6967A60F: 'AWS::CodeBuild::Project',
    BuildsQueueFCFF536D: 'AWS::SQS::Queue',
    BuildsQueuePolicyAA371498: 'AWS::SQS::QueuePolicy',
    BuildsReconcilerB363DA1C: 'AWS::Lambda::Function',
    BuildsReconcilerEventInvokeConfigBC6915A5: 'AWS::Lambda::EventInvokeConfig',
    BuildsReconcilerLogs60F1623B: 'AWS::Logs::LogGroup',
    BuildsReconcilerRoleD42C4EDD: 'AWS::IAM::Role',
    BuildsReconcilerRoleDefaultPolicy146764BD: 'AWS::IAM::Policy',
    BuildsReconcilerScheduleAllowEventRuleTestBuildsReconcilerD546760929D97491: 'AWS::Lambda::Permission',
    BuildsReconcilerScheduleBE191F93: 'AWS::Events::Rule',
    BuildsStateTable5273D989: 'AWS::DynamoDB::Table',
  });
});

test('logical ids of a webhook: whoever changes the URL\'s breaks every hook that has been set up', () => {
  const resources = Object.entries<{ Type: string }>(Template.fromStack(webhookStack(everythingOfWebhook).stack).toJSON().Resources);
  const types = Object.fromEntries(resources.filter(([id]) => /^Webhook(?!Secret)/.test(id)).map(([id, { Type }]) => [id, Type]));
  expect(types).toEqual({
    WebhookFunction6FF7199F: 'AWS::Lambda::Function',
    WebhookFunctionLogsC030AB6C: 'AWS::Logs::LogGroup',
    WebhookFunctionRole62FE7F1D: 'AWS::IAM::Role',
    WebhookFunctionRoleDefaultPolicy28D806D5: 'AWS::IAM::Policy',
    WebhookInvokeThroughUrlPermission3E23A18C: 'AWS::Lambda::Permission',
    WebhookStatusDeadLetterQueueECE9BDA1: 'AWS::SQS::Queue',
    WebhookStatusDeadLetterQueuePolicy414A4782: 'AWS::SQS::QueuePolicy',
    WebhookStatusFunctionD39F8E57: 'AWS::Lambda::Function',
    WebhookStatusFunctionEventsFB86AAF1: 'AWS::Lambda::EventSourceMapping',
    WebhookStatusFunctionLogsA2C3498D: 'AWS::Logs::LogGroup',
    WebhookStatusFunctionRoleAD5D5035: 'AWS::IAM::Role',
    WebhookStatusFunctionRoleDefaultPolicyD58D14BF: 'AWS::IAM::Policy',
    WebhookStatusQueue83D44056: 'AWS::SQS::Queue',
    WebhookStatusQueuePolicyA3C58D6B: 'AWS::SQS::QueuePolicy',
    WebhookStatusRuleE97CD10C: 'AWS::Events::Rule',
    WebhookUrl3633480F: 'AWS::Lambda::Url',
    WebhookUrlPermissionF13BB155: 'AWS::Lambda::Permission',
  });
});

describe('the same sources in three folders', () => {
  let directory: string;
  let here: Map<string, string>;
  let there: Map<string, string>;
  let withOtherHandler: Map<string, string>;

  beforeAll(async () => {
    directory = await realpath(await mkdtemp(path.join(os.tmpdir(), 'determinism-')));
    [here, there, withOtherHandler] = await Promise.all([
      build('here', { cwd: 'here', TZ: 'UTC', LC_ALL: 'C' }),
      build('a/longer path/there', { cwd: '.', TZ: 'Asia/Tokyo', LC_ALL: 'tr_TR.UTF-8' }),
      build('with-other-handler', { cwd: '.', changedHandler: 'orchestrator' }),
    ]);
  }, TIMEOUT_MS);

  afterAll(() => rm(directory, { recursive: true, force: true }));

  test('give the same bytes: template, manifests and assets', () => {
    expect([...here.keys()]).toEqual(expect.arrayContaining([TEMPLATE, 'NextjsBuilds.assets.json', 'manifest.json', expect.stringMatching(/^asset\..*index\.js$/)]));
    expect([...there.keys()]).toEqual([...here.keys()]);
    for (const [file, content] of here) {
      // Not toBe: a difference in a bundle would be printed in full.
      expect(there.get(file) === content ? 'same' : `${file} differs`).toBe('same');
    }
  });

  test('hold no path of the machine', () => {
    expect([...here].filter(([, content]) => content.includes(directory) || content.includes(ROOT)).map(([file]) => file)).toEqual([]);
  });

  test('differ in one function\'s code when its handler does', () => {
    const before = JSON.parse(here.get(TEMPLATE)!).Resources;
    const after = JSON.parse(withOtherHandler.get(TEMPLATE)!).Resources;
    expect(Object.keys(after)).toEqual(Object.keys(before));
    const changed = Object.keys(before).filter((id) => JSON.stringify(before[id]) !== JSON.stringify(after[id]));
    expect(changed).toEqual([expect.stringMatching(/^BuildsOrchestrator[0-9A-F]{8}$/)]);
    const [id] = changed;
    expect(after[id].Properties.Code.S3Key).not.toEqual(before[id].Properties.Code.S3Key);
    before[id].Properties.Code.S3Key = after[id].Properties.Code.S3Key;
    expect(after[id]).toEqual(before[id]);
  });

  interface Circumstances {
    /** Below the temporary directory. */
    readonly cwd: string;
    readonly changedHandler?: string;
    readonly TZ?: string;
    readonly LC_ALL?: string;
  }

  /** Bundles the handlers and synthesizes the example app with a webhook in a copy of the sources; returns every file of the cloud assembly. */
  async function build(folder: string, { cwd, changedHandler, ...env }: Circumstances): Promise<Map<string, string>> {
    const copy = path.join(directory, folder);
    await mkdir(copy, { recursive: true });
    for (const source of ['package.json', 'tsconfig.json', 'src', 'lambda', 'buildspec', 'scripts', 'examples/cdk-app']) {
      await cp(path.join(ROOT, source), path.join(copy, source), { recursive: true });
    }
    await symlink(path.join(ROOT, 'node_modules'), path.join(copy, 'node_modules'));

    const output = path.join(copy, 'cdk.out');
    const run = (...args: string[]) => promisify(execFile)(process.execPath, args, {
      cwd: path.join(directory, cwd), timeout: TIMEOUT_MS, env: { ...process.env, ...env, CDK_OUTDIR: output },
    });
    await run(path.join(copy, 'scripts', 'bundle-handlers.mjs'));
    if (changedHandler) await appendFile(path.join(copy, 'assets', changedHandler, 'index.js'), '\n');
    await run(path.join(path.dirname(require.resolve('tsx/package.json')), 'dist', 'cli.mjs'), path.join(copy, 'examples', 'cdk-app', 'webhook.ts'));
    return contents(output);
  }
});

/** Newer versions of aws-cdk-lib note in `<stack>.metadata.json` which line of which file made a construct, for their messages. */
async function contents(directory: string): Promise<Map<string, string>> {
  const files = (await readdir(directory, { withFileTypes: true, recursive: true }))
    .filter((entry) => entry.isFile() && !entry.name.endsWith('.metadata.json'))
    .map((entry) => path.relative(directory, path.join(entry.parentPath ?? entry.path, entry.name)));
  return new Map(await Promise.all(files.sort().map(async (file): Promise<[string, string]> => [file, await readFile(path.join(directory, file), 'utf8')])));
}
