/** With source providers: what is added to the template, what it may do, and that it is not there without. */
import { CfnParameter, Stack } from 'aws-cdk-lib';
import { Match, Template } from 'aws-cdk-lib/assertions';
import * as kms from 'aws-cdk-lib/aws-kms';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { NextjsBuildPipelineProps, SourceProvider } from '../../src';
import { importedWithKeys, pipelineStack, synthesize } from '../support/stacks';

type Props = (stack: Stack) => Partial<NextjsBuildPipelineProps>;
type Statement = Readonly<Record<string, unknown>>;

const gitHub: Props = (stack) => ({
  sourceProviders: [SourceProvider.gitHubApp({ appId: '123456', privateKey: Secret.fromSecretNameV2(stack, 'AppKey', 'platform/app') })],
});

const statementsOf = (template: Template, role: string): Statement[] => Object.values(template.findResources('AWS::IAM::Policy'))
  .filter(({ Properties }) => Properties.Roles[0].Ref.startsWith(role)).flatMap(({ Properties }) => Properties.PolicyDocument.Statement);

const variablesOf = (template: Template, handler: string): Record<string, unknown> => Object.values(template.findResources('AWS::Lambda::Function'))
  .find(({ Properties }) => Properties.Description.startsWith(handler))!.Properties.Environment.Variables;

test('they add one function, with a role, a policy and a log group of its own, and nothing else', () => {
  const [without, template] = [synthesize().template, synthesize(gitHub).template];
  const ids = Object.keys(without.toJSON().Resources);
  const resources = Object.entries<{ Type: string }>(template.toJSON().Resources);
  // Whoever changes a logical id replaces the resource in every stack that has one.
  expect(Object.fromEntries(resources.filter(([id]) => !ids.includes(id)).map(([id, { Type }]) => [id, Type]))).toEqual({
    BuildsSourceFetcher8830EA95: 'AWS::Lambda::Function',
    BuildsSourceFetcherEventInvokeConfigB2CAADB5: 'AWS::Lambda::EventInvokeConfig',
    BuildsSourceFetcherLogs79C4C817: 'AWS::Logs::LogGroup',
    BuildsSourceFetcherRoleB878F097: 'AWS::IAM::Role',
    BuildsSourceFetcherRoleDefaultPolicy74E5BEB3: 'AWS::IAM::Policy',
  });
});

test('an empty list is none', () => {
  expect(synthesize({ sourceProviders: [] }).template.toJSON()).toEqual(synthesize().template.toJSON());
  expect(pipelineStack().pipeline.sourceFetcher).toBeUndefined();
});

test('the fetcher reads the secrets of the providers, and stores below staging/source/; there it can neither read nor list', () => {
  const [logs, ...others] = statementsOf(synthesize(gitHub).template, 'BuildsSourceFetcherRole');
  expect(logs).toMatchObject({ Action: ['logs:CreateLogStream', 'logs:PutLogEvents'] });
  expect(others).toEqual([
    { Effect: 'Allow', Action: ['s3:PutObject', 's3:AbortMultipartUpload'], Resource: { 'Fn::Join': ['', [{ 'Fn::GetAtt': [expect.stringMatching(/^Artifacts/), 'Arn'] }, '/staging/source/*']] } },
    {
      Effect: 'Allow',
      Action: 'secretsmanager:GetSecretValue',
      Resource: { 'Fn::Join': ['', ['arn:', { Ref: 'AWS::Partition' }, ':secretsmanager:', { Ref: 'AWS::Region' }, ':', { Ref: 'AWS::AccountId' }, ':secret:platform/app-??????']] },
    },
  ]);
});

test('the orchestrator may call it, and sign URLs of what it stores', () => {
  const [before, after] = [synthesize().template, synthesize(gitHub).template].map((template) => statementsOf(template, 'BuildsOrchestratorRole').map((one) => JSON.stringify(one)));
  const added = after.filter((one) => !before.includes(one)).map((one) => JSON.parse(one) as Statement);
  expect(added).toEqual([
    expect.objectContaining({ Action: 'lambda:InvokeFunction', Resource: { 'Fn::GetAtt': [expect.stringMatching(/^BuildsSourceFetcher[0-9A-F]{8}$/), 'Arn'] } }),
    expect.objectContaining({ Action: 's3:GetObject', Resource: { 'Fn::Join': ['', [expect.anything(), '/staging/source/*']] } }),
  ]);
  expect(before.filter((one) => !after.includes(one))).toEqual([]);
});

test.each(['BuildsBuildRole', 'BuildsFinalizerRole', 'BuildsReconcilerRole'])('%s gets no right', (role) => {
  expect(statementsOf(synthesize(gitHub).template, role)).toEqual(statementsOf(synthesize().template, role));
});

test('secrets of this app, with keys of their own, are read by their ARN, and the key is used through Secrets Manager alone', () => {
  const { template } = synthesize((stack) => ({
    sourceProviders: [SourceProvider.token({ host: 'gitlab.example.com', token: new Secret(stack, 'Token', { encryptionKey: new kms.Key(stack, 'Key') }) })],
  }));
  expect(statementsOf(template, 'BuildsSourceFetcherRole').slice(-2)).toEqual([
    { Effect: 'Allow', Action: 'secretsmanager:GetSecretValue', Resource: { Ref: expect.stringMatching(/^Token/) } },
    {
      Effect: 'Allow',
      Action: 'kms:Decrypt',
      Resource: { 'Fn::GetAtt': [expect.stringMatching(/^Key/), 'Arn'] },
      Condition: { StringLike: { 'kms:ViaService': { 'Fn::Join': ['', ['secretsmanager.', { Ref: 'AWS::Region' }, '.', { Ref: 'AWS::URLSuffix' }]] } } },
    },
  ]);
});

test('a bucket with a key: the fetcher may use it through S3', () => {
  const { template } = synthesize((stack) => ({ ...importedWithKeys(stack), ...gitHub(stack) }));
  expect(statementsOf(template, 'BuildsSourceFetcherRole')).toContainEqual(expect.objectContaining({
    Action: ['kms:GenerateDataKey', 'kms:Decrypt'], Resource: 'arn:aws:kms:eu-central-1:111122223333:key/bucket-key',
  }));
});

test('the fetcher is told how to sign in where, by the names of secrets; the orchestrator where', () => {
  const { stack, template } = synthesize((scope) => ({
    sourceProviders: [
      SourceProvider.gitHubApp({ appId: 'Iv23liAbCdEf', privateKey: Secret.fromSecretNameV2(scope, 'AppKey', 'platform/app'), host: 'github.example.com' }),
      SourceProvider.token({ host: 'bitbucket.org', token: new Secret(scope, 'Token'), username: 'x-token-auth' }),
    ],
  }));
  const settings = stack.resolve(variablesOf(template, 'Fetches').SOURCE_PROVIDERS) as { 'Fn::Join': [string, unknown[]] };
  const text = settings['Fn::Join'][1].map((part) => (typeof part === 'string' ? part : 'TOKEN')).join('');
  expect(JSON.parse(text)).toEqual([
    { type: 'gitHubApp', host: 'github.example.com', appId: 'Iv23liAbCdEf', secretId: 'platform/app' },
    { type: 'token', host: 'bitbucket.org', username: 'x-token-auth', secretId: 'TOKEN' },
  ]);
  expect(settings['Fn::Join'][1].filter((part) => typeof part !== 'string')).toEqual([{ Ref: expect.stringMatching(/^Token/) }]);
  expect(variablesOf(template, 'Turns')).toMatchObject({ SOURCE_HOSTS: 'github.example.com,bitbucket.org', SOURCE_FETCHER_FUNCTION_NAME: { Ref: expect.stringMatching(/^BuildsSourceFetcher/) } });
});

test('a call that crashed comes again once, and none is begun after the build has stopped waiting', () => {
  const { template } = synthesize(gitHub);
  template.hasResourceProperties('AWS::Lambda::Function', { Description: Match.stringLikeRegexp('^Fetches'), Timeout: 300, MemorySize: 1024, Runtime: 'nodejs24.x', Architectures: ['arm64'] });
  template.hasResourceProperties('AWS::Lambda::EventInvokeConfig', { MaximumRetryAttempts: 1, MaximumEventAgeInSeconds: 660 });
});

test('a host and an app id that are known only at deployment are passed on', () => {
  const { template } = synthesize((stack) => ({
    sourceProviders: [SourceProvider.gitHubApp({
      appId: new CfnParameter(stack, 'AppId').valueAsString,
      host: new CfnParameter(stack, 'Host').valueAsString,
      privateKey: Secret.fromSecretNameV2(stack, 'AppKey', 'platform/app'),
    })],
  }));
  expect(variablesOf(template, 'Turns').SOURCE_HOSTS).toEqual({ Ref: 'Host' });
});

describe('refused:', () => {
  const key = (stack: Stack) => Secret.fromSecretNameV2(stack, 'Secret', 'secret');
  const creating = (providers: (stack: Stack) => SourceProvider[]) => () => void pipelineStack((stack) => ({ sourceProviders: providers(stack) }));

  test.each(['https://gitlab.example.com', 'gitlab.example.com/group', 'GitLab.example.com', 'gitlab', '10.0.0.1', 'gitlab.example.com:443', 'user@gitlab.example.com', ''])('the host "%s"', (host) => {
    expect(creating((stack) => [SourceProvider.token({ host, token: key(stack) })])).toThrow(`got '${host}'`);
    expect(creating((stack) => [SourceProvider.gitHubApp({ host, appId: '1', privateKey: key(stack) })])).toThrow('host must be that of the repositories\' URLs');
  });

  test.each(['gitlab.example.com', 'gitlab.example.com:8443', 'git.corp-1.example'])('but not "%s"', (host) => {
    expect(creating((stack) => [SourceProvider.token({ host, token: key(stack) })])).not.toThrow();
  });

  test.each(['', 'my app', '12/34'])('the app id "%s"', (appId) => {
    expect(creating((stack) => [SourceProvider.gitHubApp({ appId, privateKey: key(stack) })])).toThrow('appId must be the id or the client id of a GitHub App');
  });

  test('two providers for one host', () => {
    expect(creating((stack) => {
      const secret = key(stack);
      return [SourceProvider.gitHubApp({ appId: '1', privateKey: secret }), SourceProvider.token({ host: 'github.com', token: secret })];
    })).toThrow('sourceProviders has two providers for github.com');
  });
});
