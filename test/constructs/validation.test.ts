import { App, CfnParameter, Duration, Lazy, Stack, Token } from 'aws-cdk-lib';
import { Annotations, Match } from 'aws-cdk-lib/assertions';
import * as codebuild from 'aws-cdk-lib/aws-codebuild';
import * as dynamodb from 'aws-cdk-lib/aws-dynamodb';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import { Bucket } from 'aws-cdk-lib/aws-s3';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { NextjsBuildPipelineProps } from '../../src';
import { pipelineStack } from '../support/stacks';

const creating = (props: Partial<NextjsBuildPipelineProps> | ((stack: Stack) => Partial<NextjsBuildPipelineProps>)) => () => void pipelineStack(props);
const STRING = dynamodb.AttributeType.STRING;

describe('the deployments table', () => {
  test.each([
    ['another partition key', { partitionKey: { name: 'id', type: STRING } }, 'got id (HASH, S)'],
    ['a number as partition key', { partitionKey: { name: 'deploymentId', type: dynamodb.AttributeType.NUMBER } }, 'got deploymentId (HASH, N)'],
    ['a sort key', { partitionKey: { name: 'deploymentId', type: STRING }, sortKey: { name: 'at', type: STRING } }, 'got deploymentId (HASH, S) and at (RANGE, S)'],
  ])('must not have %s', (_, props, problem) => {
    expect(creating((stack) => ({ deploymentsTable: new dynamodb.Table(stack, 'Table', props) }))).toThrow(problem);
    expect(creating((stack) => ({ deploymentsTable: new dynamodb.TableV2(stack, 'TableV2', props) }))).toThrow(problem);
  });

  test('may have any index and stream', () => {
    expect(creating((stack) => ({
      deploymentsTable: new dynamodb.TableV2(stack, 'Table', {
        partitionKey: { name: 'deploymentId', type: STRING },
        globalSecondaryIndexes: [{ indexName: 'byProject', partitionKey: { name: 'projectId', type: STRING }, sortKey: { name: 'createdAt', type: STRING } }],
        dynamoStream: dynamodb.StreamViewType.NEW_IMAGE,
      }),
    }))).not.toThrow();
  });

  test('cannot be looked into when it is imported', () => {
    expect(creating((stack) => ({ deploymentsTable: dynamodb.Table.fromTableName(stack, 'Table', 'deployments') }))).not.toThrow();
  });
});

test.each([
  ['a build timeout of 4 minutes', { buildTimeout: Duration.minutes(4) }, 'buildTimeout must be whole minutes between 5 and 2160'],
  ['a build timeout of 37 hours', { buildTimeout: Duration.hours(37) }, 'got 1 day 13 hours'],
  ['a build timeout of 330 seconds', { buildTimeout: Duration.seconds(330) }, 'must be whole minutes'],
  ['a visibility timeout below the function\'s', { visibilityTimeout: Duration.seconds(59) }, 'at least the orchestrator\'s timeout (60 s)'],
  ['a visibility timeout of 13 hours', { visibilityTimeout: Duration.hours(13) }, 'at most 12 hours'],
  ['no receives at all', { maxReceiveCount: 0 }, 'maxReceiveCount must be a whole number between 1 and 1000; got 0'],
  ['half a message', { batchSize: 0.5 }, 'batchSize must be a whole number between 1 and 10'],
  ['one invocation at a time', { maxConcurrency: 1 }, 'maxConcurrency must be a whole number between 2 and 1000'],
  ['no build at all for a project', { maxConcurrentBuildsPerProject: 0 }, 'maxConcurrentBuildsPerProject must be a whole number from 1 on; got 0'],
  ['install secrets that begin with anything', { installSecretsPrefix: '' }, 'installSecretsPrefix must be letters'],
  ['install secrets beside which others could begin alike', { installSecretsPrefix: 'builds' }, 'and end with "/", such as \'builds/install/\'; got \'builds\''],
  ['install secrets with a wildcard', { installSecretsPrefix: 'builds*/' }, 'got \'builds*/\''],
  ['half a build for a project', { maxConcurrentBuildsPerProject: 1.5 }, 'must be a whole number from 1 on; got 1.5'],
  ['a reconciler every 30 seconds', { reconcileInterval: Duration.seconds(30) }, 'reconcileInterval must be whole minutes between 1 and 60; got 30 seconds'],
  ['a reconciler every 90 seconds', { reconcileInterval: Duration.seconds(90) }, 'must be whole minutes'],
  ['a reconciler every two hours', { reconcileInterval: Duration.hours(2) }, 'between 1 and 60; got 2 hours'],
  ['Lambda compute', { computeType: codebuild.ComputeType.LAMBDA_4GB }, 'Lambda compute ends after 15 minutes'],
  ['the smallest compute type', { computeType: 'BUILD_GENERAL1_NANO' as codebuild.ComputeType }, 'too small for next build'],
  ['a full Node.js version', { nodeVersion: '22.1.0' }, 'must be a major version'],
  ['an OpenNext range', { openNextVersion: '^4.1.0' }, 'one exact version'],
  ['the latest OpenNext', { openNextVersion: 'latest' }, 'one exact version'],
  ['a processor that Lambda does not have', { functionArchitecture: lambda.Architecture.custom('riscv64') }, 'the processors that Lambda has; got \'riscv64\''],
  ['a name the shell cannot export', { buildEnvironment: { 'A-B': 'x' } }, 'not a name that a shell can export'],
  ['a value over CodeBuild\'s limit', { buildEnvironment: { A: 'x'.repeat(4097) } }, 'CodeBuild accepts at most 4096'],
  ['more names than fit into one variable', { buildEnvironment: Object.fromEntries(Array.from({ length: 50 }, (_, index) => [`V${index}_${'X'.repeat(100)}`, ''])) }, 'the names have 52'],
] as [string, Partial<NextjsBuildPipelineProps>, string][])('%s is refused', (_, props, problem) => {
  expect(creating(props)).toThrow(problem);
});

test.each(['PATH', 'HOME', 'BASH_ENV', 'LD_PRELOAD', 'NODE_OPTIONS', 'NODE_ENV', 'GIT_SSH_COMMAND', 'AWS_PROFILE', 'CODEBUILD_SRC_DIR', 'npm_config_registry', 'NPM_CONFIG_IGNORE_SCRIPTS',
  'STEPS', 'CI', 'SHARP_VERSION', 'COMMIT_SHA', 'REPO_URL', 'DEPLOYMENT_ID', 'ARTIFACTS_BUCKET_NAME', 'NODE_VERSION', 'BUILD_ENVIRONMENT', 'BUILD_ENVIRONMENT_OF_LOCAL_RUN',
  'handover_url', 'Path', 'node_options', 'aws_container_credentials_relative_uri'])('the build environment cannot set %s', (name) => {
  expect(creating({ buildEnvironment: { [name]: 'x' } })).toThrow(`'${name}' is reserved`);
});

test('an image that needs a secret is refused, because the code being built would have it too', () => {
  expect(creating((stack) => ({
    buildImage: codebuild.LinuxBuildImage.fromDockerRegistry('registry.example.com/image', { secretsManagerCredentials: Secret.fromSecretNameV2(stack, 'Secret', 'registry') }),
  }))).toThrow('buildImage must not need credentials from Secrets Manager');
});

test('an imported bucket comes with advice about its lifecycle', () => {
  const { stack } = pipelineStack((scope) => ({ artifactsBucket: Bucket.fromBucketName(scope, 'Imported', 'company-artifacts') }));
  Annotations.fromStack(stack).hasInfo('/Test/Builds', Match.stringLikeRegexp('expires "staging/" after 14 days'));
});

test('a visibility timeout below six times the function\'s gets a warning', () => {
  const { stack } = pipelineStack({ visibilityTimeout: Duration.seconds(359) });
  Annotations.fromStack(stack).hasWarning('/Test/Builds', Match.stringLikeRegexp('six times the function\'s timeout \\(360 s\\)'));
  Annotations.fromStack(pipelineStack({ visibilityTimeout: Duration.seconds(360) }).stack).hasNoWarning('*', Match.anyValue());
});

test('values that are known only at deployment are not checked', () => {
  const parameter = (type: string) => new CfnParameter(new Stack(new App(), 'Parameters'), 'Parameter', { type });
  expect(creating({
    nodeVersion: Lazy.string({ produce: () => '24' }),
    openNextVersion: parameter('String').valueAsString,
    buildEnvironment: { FLAG: parameter('String').valueAsString },
    buildTimeout: Duration.minutes(parameter('Number').valueAsNumber),
    visibilityTimeout: Duration.seconds(parameter('Number').valueAsNumber),
    maxReceiveCount: Token.asNumber({ Ref: 'Receives' }),
    maxConcurrentBuildsPerProject: parameter('Number').valueAsNumber,
    reconcileInterval: Duration.minutes(parameter('Number').valueAsNumber),
    installSecretsPrefix: parameter('String').valueAsString,
  })).not.toThrow();
});
