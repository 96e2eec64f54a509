/**
 * What cdk-nag says of a stack with a pipeline. Its findings are mended, or acknowledged with a reason on the resource itself, so that every
 * user inherits the reason. (The consumer test has cdk-nag 3, which needs a newer aws-cdk-lib than the lowest.)
 */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import * as os from 'node:os';
import * as path from 'node:path';
import { promisify } from 'node:util';
import { App, Aspects, CfnParameter, CfnResource, DefaultStackSynthesizer, Stack } from 'aws-cdk-lib';
import * as codebuild from 'aws-cdk-lib/aws-codebuild';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as ecr from 'aws-cdk-lib/aws-ecr';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as kms from 'aws-cdk-lib/aws-kms';
import * as s3 from 'aws-cdk-lib/aws-s3';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { CfnInclude } from 'aws-cdk-lib/cloudformation-include';
import { AwsSolutionsChecks, INagLogger, NagLoggerBaseData, NagSuppressions, NIST80053R5Checks, ServerlessChecks } from 'cdk-nag';
import { SourceProvider } from '../../src';
import { everythingOfWebhook, importedWithKeys, ownedWithKeys, pipelineStack, projectsTable, webhookStack } from '../support/stacks';

const ROOT = path.join(__dirname, '..', '..');

/** tsx compiles the example and all of src/; two busy processors take their time. */
const TIMEOUT_MS = 60_000;

interface Finding {
  readonly resource: CfnResource;
  readonly rule: string;
  /** Which of the rule's findings, for a rule that has several for one resource. */
  readonly finding: string;
}

interface Verdict {
  readonly resources: CfnResource[];
  readonly open: Finding[];
  readonly acknowledged: Finding[];
}

function check(stack: Stack): Verdict {
  const open: Finding[] = [];
  const acknowledged: Finding[] = [];
  const finding = ({ resource, ruleId }: NagLoggerBaseData, findingId: string) => ({ resource, rule: ruleId, finding: findingId });
  const logger: INagLogger = {
    onNonCompliance: (data) => open.push(finding(data, data.findingId)),
    // A rule that could not look into the resource has not found it to be in order.
    onError: (data) => open.push(finding(data, data.errorMessage)),
    onSuppressed: (data) => acknowledged.push(finding(data, data.findingId)),
    onSuppressedError: (data) => acknowledged.push(finding(data, '')),
    onCompliance: () => {},
    onNotApplicable: () => {},
  };
  const packs = [AwsSolutionsChecks, ServerlessChecks, NIST80053R5Checks].map((Pack) => new Pack({ reports: false, additionalLoggers: [logger] }));
  packs.forEach((pack) => Aspects.of(stack).add(pack));
  (stack.node.root as App).synth();
  return { resources: stack.node.findAll().filter((node): node is CfnResource => CfnResource.isCfnResource(node)), open, acknowledged };
}

const named = ({ resource, rule, finding }: Finding) => `${resource.node.path} ${rule}${finding === '' ? '' : `[${finding}]`}`;
const ofPipeline = ({ resource }: Finding) => /^Test\/(Builds|Webhook)\//.test(resource.node.path);

/** The acknowledgements of a resource, one for each rule and pattern, as they stand in the template for cdk-nag 2. */
function acknowledgementsOf(resource: CfnResource) {
  const rules: Array<{ id: string; reason: string; applies_to?: Array<{ regex: string }> }> = resource.getMetadata('cdk_nag')?.rules_to_suppress ?? [];
  return rules.flatMap(({ id, reason, applies_to: patterns }) => (patterns ?? [undefined]).map((pattern) => ({ id, reason, regex: pattern?.regex })));
}

/** What stands on the construct for cdk-nag 3. */
function idsForNextMajor({ node }: CfnResource): string[] {
  return node.metadata.filter(({ type }) => type === 'aws:cdk:acknowledged-rules').flatMap(({ data }) => Object.keys(data as object)).map((id) => id.replace('Annotation::', ''));
}

/** "The project does not use images provided by the CodeBuild service." */
const OF_THE_COMPANY = 'AwsSolutions-CB5';

const STACKS: Array<[string, () => Stack]> = [
  ['bucket and table of its own', () => pipelineStack().stack],
  ['imported bucket and table with keys', () => pipelineStack(importedWithKeys).stack],
  ['a bucket of another stack', () => pipelineStack((stack) => ({ artifactsBucket: new s3.Bucket(new Stack(stack.node.root as App, 'Data'), 'Bucket') })).stack],
  ['a key for queues, state table and logs', () => pipelineStack((stack) => ({ encryptionKey: new kms.Key(stack, 'Key') })).stack],
  ['secrets for installs', () => pipelineStack({ installSecretsPrefix: 'nextjs/install/' }).stack],
  ['secrets for installs below a prefix known at deployment', () => pipelineStack((stack) => ({ installSecretsPrefix: new CfnParameter(stack, 'Prefix').valueAsString })).stack],
  ['private repositories', () => pipelineStack((stack) => ({
    ...importedWithKeys(stack),
    sourceProviders: [SourceProvider.gitHubApp({ appId: '1', privateKey: Secret.fromSecretNameV2(stack, 'Secret', 'platform/app') })],
  })).stack],
  ['builds in a VPC', () => pipelineStack((stack) => ({ vpc: new ec2.Vpc(stack, 'Vpc') })).stack],
  ['a boundary of its own', () => pipelineStack((stack) => ({ permissionsBoundary: iam.ManagedPolicy.fromManagedPolicyName(stack, 'Boundary', 'company') })).stack],
  ['a webhook', () => webhookStack().stack],
  ['a webhook without a URL of its own', () => webhookStack({ functionUrl: false }).stack],
  ['a webhook with everything', () => webhookStack(everythingOfWebhook).stack],
  ['a webhook and keys', () => webhookStack((stack) => ({ ...everythingOfWebhook(stack), projectsTable: projectsTable(stack, new kms.Key(stack, 'ProjectsKey')) }), ownedWithKeys).stack],
  ['a build image of the company, which says why it needs one', () => {
    const { stack, pipeline } = withOwnImage();
    NagSuppressions.addResourceSuppressions(pipeline.project, [{ id: OF_THE_COMPANY, reason: 'It has the certificates of our proxy in it.' }]);
    return stack;
  }],
];

const withOwnImage = () => pipelineStack((stack) => ({ buildImage: codebuild.LinuxBuildImage.fromEcrRepository(new ecr.Repository(stack, 'Image')) }));

describe('the packs AwsSolutions, Serverless and NIST 800-53 R5', () => {
  const verdicts = new Map<string, Verdict>();
  let directory: string;

  beforeAll(async () => {
    directory = await mkdtemp(path.join(os.tmpdir(), 'nag-'));
    await promisify(execFile)(process.execPath, ['--import', 'tsx', path.join(ROOT, 'examples', 'cdk-app', 'app.ts')], {
      cwd: ROOT, timeout: TIMEOUT_MS, env: { ...process.env, CDK_OUTDIR: directory },
    });
    for (const [name, create] of STACKS) verdicts.set(name, check(create()));
  }, TIMEOUT_MS);

  afterAll(() => rm(directory, { recursive: true, force: true }));

  test('find nothing in the template of the example stack that is not acknowledged there', () => {
    // The included template has BootstrapVersion and its rule already.
    const stack = new Stack(new App(), 'Example', { synthesizer: new DefaultStackSynthesizer({ generateBootstrapVersionRule: false }) });
    new CfnInclude(stack, 'Template', { templateFile: path.join(directory, 'NextjsBuilds.template.json') });
    const { open, acknowledged } = check(stack);
    expect(open.map(named)).toEqual([]);
    expect(acknowledged.length).toBeGreaterThan(0);
  });

  test.each(STACKS)('find nothing that is not acknowledged on the resource: %s', (name) => {
    const { open, acknowledged } = verdicts.get(name)!;
    expect(open.filter(ofPipeline).map(named)).toEqual([]);
    expect(acknowledged.filter((finding) => !ofPipeline(finding)).map(named)).toEqual([]);
  });

  test('leave it to whoever brings a build image to say why', () => {
    expect(check(withOwnImage().stack).open.filter(ofPipeline).map(({ rule }) => rule)).toEqual([OF_THE_COMPANY]);
  });

  test.each(STACKS)('need every acknowledgement, for a stale one would hide what comes later: %s', (name) => {
    const { resources, acknowledged } = verdicts.get(name)!;
    const stale = resources.flatMap((resource) => acknowledgementsOf(resource)
      .filter(({ id, regex }) => !acknowledged.some((found) => found.resource === resource && found.rule === id
        && (regex === undefined || new RegExp(regex.slice(1, -1)).test(found.finding))))
      .map(({ id, regex }) => `${resource.node.path} ${id} ${regex ?? ''}`));
    expect(stale).toEqual([]);
  });

  test.each(STACKS)('can be of version 3 as well, which wants each finding in full: %s', (name) => {
    const { resources, acknowledged } = verdicts.get(name)!;
    for (const resource of resources) {
      const found = acknowledged.filter((finding) => finding.resource === resource).map(({ rule, finding }) => finding === '' ? rule : `${rule}[${finding}]`);
      // A reference to another stack has been resolved by then.
      const local = (ids: string[]) => ids.map((id) => id.replace(/\[Resource::(<Bucket\w+\.Arn>|Data:[^/]*)\//, '[Resource::<bucket>/')).sort();
      expect(local(idsForNextMajor(resource))).toEqual(local(found.filter((id) => id !== OF_THE_COMPANY)));
    }
  });

  test('get reasons that can be read in the template', () => {
    const reasons = [...verdicts.values()].flatMap(({ resources }) => resources.flatMap(acknowledgementsOf)).map(({ reason }) => reason);
    // Other characters cdk-nag would expect in base64.
    for (const reason of new Set(reasons)) expect(reason).toMatch(/^[A-Z][\x20-\x7e]{20,180}\.$/);
  });

  test('still find a wildcard that somebody adds to a role of the pipeline', () => {
    const { stack, pipeline } = pipelineStack();
    pipeline.finalizer.addToRolePolicy(new iam.PolicyStatement({ actions: ['s3:Get*'], resources: ['*'] }));
    pipeline.project.addToRolePolicy(new iam.PolicyStatement({ actions: ['s3:GetObject'], resources: ['arn:aws:s3:::company/*'] }));
    expect(check(stack).open.filter(ofPipeline).map(named)).toEqual([
      'Test/Builds/BuildRole/DefaultPolicy/Resource AwsSolutions-IAM5[Resource::arn:aws:s3:::company/*]',
      'Test/Builds/FinalizerRole/DefaultPolicy/Resource AwsSolutions-IAM5[Action::s3:Get*]',
      'Test/Builds/FinalizerRole/DefaultPolicy/Resource AwsSolutions-IAM5[Resource::*]',
    ]);
  });
});
