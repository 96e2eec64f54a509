import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { App, CfnCondition, CfnOutput, CfnParameter, Fn, Stack, Stage } from 'aws-cdk-lib';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as s3 from 'aws-cdk-lib/aws-s3';
import * as sqs from 'aws-cdk-lib/aws-sqs';
import { readAssembly, type StackTemplate } from '../../local/template/assembly';
import { createResolvers } from '../../local/template/resolver';

const OPTIONS = { region: 'us-east-1', queueUrl: (name: string) => `http://127.0.0.1:1/000000000000/${name}` };

function resolver(template: Partial<StackTemplate>, ...siblings: Partial<StackTemplate>[]) {
  const empty = { resources: {}, parameters: {}, mappings: {}, conditions: {}, outputs: {} };
  return createResolvers([template, ...siblings].map((each, index) => ({ stackName: `Stack${index}`, ...empty, ...each })), OPTIONS)[0];
}

describe('references and functions', () => {
  const resources = {
    Queue: { Type: 'AWS::SQS::Queue', Properties: { QueueName: { 'Fn::Join': ['-', ['builds', { Ref: 'AWS::Region' }]] } } },
    Bucket: { Type: 'AWS::S3::Bucket' },
    Role: { Type: 'AWS::IAM::Role' },
    Secret: { Type: 'AWS::SecretsManager::Secret', Properties: { Name: 'platform/token' } },
    Other: { Type: 'Custom::Thing' },
  };
  const resolve = (value: unknown, more: Partial<StackTemplate> = {}) => resolver({ resources, ...more }).resolve(value);

  test.each<[string, unknown, unknown]>([
    ['Ref of a queue is its URL', { Ref: 'Queue' }, 'http://127.0.0.1:1/000000000000/builds-us-east-1'],
    ['Ref of a bucket is its name, without capital letters', { Ref: 'Bucket' }, 'stack0-bucket'],
    ['Ref of a secret is its ARN', { Ref: 'Secret' }, 'arn:aws:secretsmanager:us-east-1:000000000000:secret:platform/token-LoCaL0'],
    ['Ref of anything else is a name', { Ref: 'Other' }, 'Stack0-Other'],
    ['GetAtt Arn', { 'Fn::GetAtt': ['Queue', 'Arn'] }, 'arn:aws:sqs:us-east-1:000000000000:builds-us-east-1'],
    ['GetAtt as text', { 'Fn::GetAtt': 'Role.Arn' }, 'arn:aws:iam::000000000000:role/Stack0-Role'],
    ['GetAtt of a name', { 'Fn::GetAtt': ['Queue', 'QueueName'] }, 'builds-us-east-1'],
    ['Join', { 'Fn::Join': ['', ['arn:', { Ref: 'AWS::Partition' }, ':x']] }, 'arn:aws:x'],
    ['Sub', { 'Fn::Sub': '${AWS::AccountId}/${Bucket}/${Role.Arn}/${!literal}' }, '000000000000/stack0-bucket/arn:aws:iam::000000000000:role/Stack0-Role/${literal}'],
    ['Sub with variables', { 'Fn::Sub': ['${a}-${AWS::Region}', { a: { Ref: 'Bucket' } }] }, 'stack0-bucket-us-east-1'],
    ['Select and Split', { 'Fn::Select': [1, { 'Fn::Split': ['-', 'a-b-c'] }] }, 'b'],
    ['Base64', { 'Fn::Base64': 'hi' }, 'aGk='],
    ['NoValue in an object', { a: 1, b: { Ref: 'AWS::NoValue' } }, { a: 1 }],
    ['NoValue in a list', [1, { Ref: 'AWS::NoValue' }, 2], [1, 2]],
    ['an IAM variable stays as it is', 'staging/${codebuild:buildArn}/*', 'staging/${codebuild:buildArn}/*'],
  ])('%s', (_, value, expected) => {
    expect(resolve(value)).toEqual(expected);
  });

  test('the stack\'s id ends with a UUID that stays the same', () => {
    const uuid = { 'Fn::Select': [2, { 'Fn::Split': ['/', { Ref: 'AWS::StackId' }] }] };
    expect(resolve(uuid)).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    expect(resolve(uuid)).toBe(resolve(uuid));
  });

  test('parameters, mappings and conditions', () => {
    const more: Partial<StackTemplate> = {
      parameters: { Stage: { Default: 'prod' } },
      mappings: { Sizes: { prod: { memory: 512 } } },
      conditions: { IsProd: { 'Fn::Equals': [{ Ref: 'Stage' }, 'prod'] }, IsNot: { 'Fn::Not': [{ Condition: 'IsProd' }] }, Either: { 'Fn::Or': [{ Condition: 'IsNot' }, { Condition: 'IsProd' }] } },
    };
    expect(resolve({ 'Fn::FindInMap': ['Sizes', { Ref: 'Stage' }, 'memory'] }, more)).toBe(512);
    expect(resolve({ 'Fn::If': ['IsProd', 'yes', 'no'] }, more)).toBe('yes');
    expect(resolve({ 'Fn::If': ['IsNot', 'yes', { Ref: 'AWS::NoValue' }] }, more)).toBeUndefined();
    expect(resolve({ 'Fn::If': ['Either', 'yes', 'no'] }, more)).toBe('yes');
  });

  test('the condition block of an IAM statement is no function', () => {
    expect(resolve({ Condition: { StringLike: { 's3:prefix': { Ref: 'Bucket' } } } })).toEqual({ Condition: { StringLike: { 's3:prefix': 'stack0-bucket' } } });
  });

  test('resources whose condition does not hold are not created', () => {
    const conditional = resolver({
      resources: { Yes: { Type: 'AWS::S3::Bucket' }, No: { Type: 'AWS::S3::Bucket', Condition: 'Never' } }, conditions: { Never: { 'Fn::Equals': ['a', 'b'] } },
    });
    expect(conditional.resourcesOfType('AWS::S3::Bucket').map(({ logicalId }) => logicalId)).toEqual(['Yes']);
  });

  test('an export of another stack', () => {
    const exporting = { resources: { Bucket: { Type: 'AWS::S3::Bucket' } }, outputs: { Out: { Value: { Ref: 'Bucket' }, Export: { Name: 'Data:Bucket' } } } };
    expect(resolver({}, exporting).resolve({ 'Fn::ImportValue': 'Data:Bucket' })).toBe('stack1-bucket');
  });

  test.each<[string, unknown, string]>([
    ['a function it does not know', { 'Fn::Transform': {} }, 'does not know Fn::Transform'],
    ['a parameter without a value', { Ref: 'Asked' }, 'Parameter Asked of Stack0 has no default'],
    ['a parameter from Parameter Store', { Ref: 'Stored' }, 'reads /bucket from Parameter Store'],
    ['a resource that is not there', { Ref: 'Missing' }, 'refers to Missing, which it does not define'],
    ['an import that nobody exports', { 'Fn::ImportValue': 'Nobody' }, 'No stack of this cdk.out exports Nobody'],
  ])('%s is an error that says so', (_, value, message) => {
    const parameters = { Asked: { Type: 'String' }, Stored: { Type: 'AWS::SSM::Parameter::Value<String>', Default: '/bucket' } };
    expect(() => resolve(value, { parameters })).toThrow(message);
  });
});

describe('a cdk.out', () => {
  let directory: string;
  beforeAll(async () => { directory = await mkdtemp(path.join(tmpdir(), 'assembly-')); });
  afterAll(() => rm(directory, { recursive: true, force: true }));

  test('gives stacks, those of stages too, and the folders of assets', async () => {
    const app = new App({ outdir: directory });
    const data = new Stack(app, 'Data', { stackName: 'data-prod' });
    const bucket = new s3.Bucket(data, 'Bucket');
    const staged = new Stack(new Stage(app, 'Stage'), 'Nested');
    new sqs.Queue(staged, 'Queue');
    const using = new Stack(app, 'Using');
    new CfnParameter(using, 'Parameter', { default: 'x' });
    new CfnCondition(using, 'Condition', { expression: Fn.conditionEquals('a', 'a') });
    new CfnOutput(using, 'Output', { value: bucket.bucketName });
    new lambda.Function(using, 'Function', { runtime: lambda.Runtime.NODEJS_20_X, handler: 'index.handler', code: lambda.Code.fromAsset(path.join(__dirname, '..', 'support')) });
    app.synth();

    const { stacks, assets } = await readAssembly(directory);
    expect(stacks.map(({ stackName }) => stackName).sort()).toEqual(['Stage-Nested', 'Using', 'data-prod']);
    const resolvers = createResolvers(stacks, OPTIONS);
    const [fn] = resolvers.find(({ stackName }) => stackName === 'Using')!.resourcesOfType('AWS::Lambda::Function');
    expect(assets.get((fn.properties.Code as { S3Key: string }).S3Key)).toMatch(/asset\.[0-9a-f]{64}$/);
    expect(resolvers.find(({ stackName }) => stackName === 'Using')!.resolve({ 'Fn::ImportValue': 'data-prod:ExportsOutputRefBucket83908E7781C90AC0' })).toMatch(/^data-prod-bucket/);
  });

  test('must be one', async () => {
    await expect(readAssembly(path.join(directory, 'nowhere'))).rejects.toThrow('is not a cdk.out: it has no manifest.json');
  });
});
