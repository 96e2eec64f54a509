import { App, Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import * as dynamodb from 'aws-cdk-lib/aws-dynamodb';
import * as kms from 'aws-cdk-lib/aws-kms';
import * as s3 from 'aws-cdk-lib/aws-s3';
import { NextjsBuildPipeline } from '../../src';
import { importedWithKeys, synthesize } from '../support/stacks';

/** Every statement of every role, as a reviewer reads them: resources by name, one line a statement. */
function rights(template: Template): Record<string, string[]> {
  const roles: Record<string, string[]> = {};
  for (const { Properties } of Object.values(template.findResources('AWS::IAM::Policy'))) {
    for (const { Ref } of Properties.Roles) {
      roles[Ref.replace(/[0-9A-F]{8}$/, '')] = Properties.PolicyDocument.Statement.map(({ Effect, Action, Resource, Condition }: Record<string, unknown>) => {
        const where = [Resource].flat().map(readable).join(' ');
        return `${Effect === 'Allow' ? '' : `${Effect} `}${[Action].flat().join(' ')} on ${where}${Condition ? ` if ${JSON.stringify(Condition).replace(/[0-9A-F]{8}"/g, '"')}` : ''}`;
      });
    }
  }
  return roles;
}

function readable(value: unknown): string {
  if (typeof value === 'string') return value;
  const [[intrinsic, argument]] = Object.entries(value as Record<string, never>);
  if (intrinsic === 'Ref') return `<${(argument as string).replace(/^AWS::/, '').replace(/[0-9A-F]{8}$/, '')}>`;
  if (intrinsic === 'Fn::GetAtt') return `<${(argument as string[])[0].replace(/[0-9A-F]{8}$/, '')}>`;
  if (intrinsic === 'Fn::Join') return (argument as [string, unknown[]])[1].map(readable).join('').replace('arn:<Partition>:', '').replace('<Region>:<AccountId>:', '');
  throw new Error(`${intrinsic} in a policy`);
}

const through = (...service: unknown[]) => JSON.stringify({ StringLike: { 'kms:ViaService': { 'Fn::Join': ['', [...service, { Ref: 'AWS::URLSuffix' }]] } } });
const THROUGH_S3 = through('s3.*.');
const THROUGH_SQS = through('sqs.', { Ref: 'AWS::Region' }, '.');
const THROUGH_DYNAMODB = through('dynamodb.', { Ref: 'AWS::Region' }, '.');

const STATUS_EVENTS = JSON.stringify({ StringEquals: { 'events:source': 'cdk-nextjs-build-pipeline', 'events:detail-type': 'Deployment Status Changed' } });

const otherThan = (key: string, value: unknown) => JSON.stringify({ Null: { [key]: 'false' }, StringNotEquals: { [key]: value } });

const FUNCTION_ROLES = ['BuildsOrchestratorRole', 'BuildsFinalizerRole', 'BuildsReconcilerRole'];
const OWN_ROLES = ['BuildsBuildRole', ...FUNCTION_ROLES];

test('with a bucket and a table of this app: what each role may do, and nothing else', () => {
  const { template } = synthesize();
  expect(rights(template)).toEqual({
    BuildsBuildRole: [
      's3:PutObject s3:AbortMultipartUpload on <Artifacts>/staging/${codebuild:buildArn}/*',
      'logs:CreateLogGroup logs:CreateLogStream logs:PutLogEvents on logs:log-group:/aws/codebuild/<BuildsProject> logs:log-group:/aws/codebuild/<BuildsProject>:*',
    ],
    BuildsOrchestratorRole: [
      'logs:CreateLogStream logs:PutLogEvents on <BuildsOrchestratorLogs>',
      'dynamodb:GetItem dynamodb:UpdateItem on <Deployments>',
      'dynamodb:GetItem dynamodb:UpdateItem dynamodb:DeleteItem dynamodb:Query on <BuildsStateTable>',
      'codebuild:StartBuild codebuild:StopBuild codebuild:BatchGetBuilds codebuild:ListBuildsForProject codebuild:BatchGetProjects on <BuildsProject>',
      'sqs:SendMessage on <BuildsQueue>',
      `events:PutEvents on events:event-bus/default if ${STATUS_EVENTS}`,
      'Deny codebuild:StartBuild on <BuildsProject> if {"Null":{"codebuild:source.buildspec":"false"}}',
      'Deny codebuild:StartBuild on <BuildsProject> if {"Bool":{"codebuild:environment.privilegedMode":"true"}}',
      `Deny codebuild:StartBuild on <BuildsProject> if ${otherThan('codebuild:environment.image', 'aws/codebuild/standard:7.0')}`,
      `Deny codebuild:StartBuild on <BuildsProject> if ${otherThan('codebuild:serviceRole', { 'Fn::GetAtt': ['BuildsBuildRole', 'Arn'] })}`,
      's3:PutObject on <Artifacts>/staging/handover/*',
      's3:GetObject on <Artifacts>/staging/handover/* <Artifacts>/cache/*',
      's3:ListBucket on <Artifacts> if {"StringLike":{"s3:prefix":["artifacts/*","static/*"]}}',
      'sqs:ReceiveMessage sqs:DeleteMessage sqs:GetQueueAttributes sqs:ChangeMessageVisibility on <BuildsQueue>',
    ],
    BuildsFinalizerRole: [
      'logs:CreateLogStream logs:PutLogEvents on <BuildsFinalizerLogs>',
      'sqs:SendMessage on <BuildsEventDeadLetterQueue>',
      'dynamodb:GetItem dynamodb:UpdateItem on <Deployments>',
      'dynamodb:GetItem dynamodb:UpdateItem dynamodb:DeleteItem dynamodb:Query on <BuildsStateTable>',
      'codebuild:BatchGetBuilds on <BuildsProject>',
      'sqs:SendMessage on <BuildsQueue>',
      `events:PutEvents on events:event-bus/default if ${STATUS_EVENTS}`,
      's3:GetObject s3:DeleteObject on <Artifacts>/staging/*',
      's3:PutObject on <Artifacts>/artifacts/* <Artifacts>/static/* <Artifacts>/cache/*',
      's3:ListBucket on <Artifacts> if {"StringLike":{"s3:prefix":"staging/*"}}',
    ],
    BuildsReconcilerRole: [
      'logs:CreateLogStream logs:PutLogEvents on <BuildsReconcilerLogs>',
      'dynamodb:GetItem dynamodb:UpdateItem on <Deployments>',
      'dynamodb:GetItem dynamodb:UpdateItem dynamodb:DeleteItem dynamodb:Query on <BuildsStateTable>',
      'codebuild:BatchGetBuilds codebuild:ListBuildsForProject codebuild:StopBuild on <BuildsProject>',
      'sqs:SendMessage on <BuildsQueue>',
      `events:PutEvents on events:event-bus/default if ${STATUS_EVENTS}`,
      'sqs:ReceiveMessage on <BuildsDeadLetterQueue>',
      'lambda:InvokeFunction on <BuildsFinalizer>',
    ],
  });
});

test('with imported ones that have keys: also the use of the keys', () => {
  const { template } = synthesize(importedWithKeys);
  const byRole = rights(template);
  const bucketKey = `kms:GenerateDataKey kms:Decrypt on arn:aws:kms:eu-central-1:111122223333:key/bucket-key if ${THROUGH_S3}`;
  const tableKey = 'kms:Decrypt kms:Encrypt kms:ReEncrypt* kms:GenerateDataKey* on arn:aws:kms:eu-central-1:111122223333:key/table-key'
    + ` if ${THROUGH_DYNAMODB}`;
  expect(byRole.BuildsBuildRole).toEqual([
    's3:PutObject s3:AbortMultipartUpload on s3:::company-artifacts/staging/${codebuild:buildArn}/*',
    bucketKey,
    expect.stringMatching(/^logs:/),
  ]);
  expect(byRole.BuildsReconcilerRole).toContain(tableKey);
  expect(byRole.BuildsReconcilerRole).not.toContain(bucketKey);
  expect(byRole.BuildsOrchestratorRole).toEqual(expect.arrayContaining([tableKey, bucketKey, 's3:PutObject on s3:::company-artifacts/staging/handover/*']));
  expect(byRole.BuildsFinalizerRole).toEqual(expect.arrayContaining([tableKey, bucketKey, 's3:GetObject s3:DeleteObject on s3:::company-artifacts/staging/*']));
});

test('with keys of this app: a key\'s policy leaves the decision to the roles\' policies', () => {
  const app = new App();
  const stack = new Stack(app, 'Test');
  const key = new kms.Key(stack, 'Key');
  new NextjsBuildPipeline(stack, 'Builds', {
    artifactsBucket: new s3.Bucket(stack, 'Artifacts', { encryptionKey: key }),
    deploymentsTable: new dynamodb.Table(stack, 'Deployments', { partitionKey: { name: 'deploymentId', type: dynamodb.AttributeType.STRING }, encryptionKey: key }),
  });
  expect(rights(Template.fromStack(stack)).BuildsBuildRole).toContain(`kms:GenerateDataKey kms:Decrypt on <Key> if ${THROUGH_S3}`);
});

test('with a key for the pipeline\'s own queues and table: the functions use it through SQS and DynamoDB, the builds not at all', () => {
  const { template } = synthesize((stack) => ({ encryptionKey: new kms.Key(stack, 'Key') }));
  const keyRights = Object.fromEntries(Object.entries(rights(template)).map(([role, statements]) => [role, statements.filter((statement) => statement.includes('<Key>'))]));
  const [throughDynamoDb, throughSqs] = [
    `kms:Decrypt kms:Encrypt kms:ReEncrypt* kms:GenerateDataKey* on <Key> if ${THROUGH_DYNAMODB}`,
    `kms:GenerateDataKey kms:Decrypt on <Key> if ${THROUGH_SQS}`,
  ];
  expect(keyRights).toEqual({
    BuildsBuildRole: [],
    BuildsOrchestratorRole: [throughDynamoDb, throughSqs],
    BuildsFinalizerRole: [throughDynamoDb, throughSqs],
    BuildsReconcilerRole: [throughDynamoDb, throughSqs],
  });
});

test('with an imported key: also without a word in its policy that this app could write', () => {
  const arn = 'arn:aws:kms:eu-central-1:111122223333:key/12345678-90ab-cdef-1234-567890abcdef';
  const { template } = synthesize((stack) => ({ encryptionKey: kms.Key.fromKeyArn(stack, 'Key', arn) }));
  for (const role of FUNCTION_ROLES) {
    expect(rights(template)[role]).toEqual(expect.arrayContaining([`kms:GenerateDataKey kms:Decrypt on ${arn} if ${THROUGH_SQS}`]));
  }
});

test('with install secrets: only the orchestrator reads them, and only what begins with the prefix', () => {
  const statement = /^secretsmanager:GetSecretValue on secretsmanager:.*secret:builds\/install\/\*$/;
  const [without, byRole] = [rights(synthesize().template), rights(synthesize({ installSecretsPrefix: 'builds/install/' }).template)];
  const added = byRole.BuildsOrchestratorRole.filter((right) => !without.BuildsOrchestratorRole.includes(right));
  expect(added).toEqual([expect.stringMatching(statement)]);
  for (const role of OWN_ROLES.filter((name) => name !== 'BuildsOrchestratorRole')) expect(byRole[role]).toEqual(without[role]);
});

test('no function can remove a dead letter', () => {
  const { template } = synthesize();
  for (const role of FUNCTION_ROLES) {
    expect(rights(template)[role].filter((statement) => statement.endsWith('<BuildsDeadLetterQueue>'))).toEqual(role === 'BuildsReconcilerRole' ? ['sqs:ReceiveMessage on <BuildsDeadLetterQueue>'] : []);
  }
});

test('no role of the pipeline has a managed policy, or any right on everything', () => {
  const { template } = synthesize();
  for (const [id, { Properties }] of Object.entries(template.findResources('AWS::IAM::Role'))) {
    expect(OWN_ROLES).toContain(id.replace(/[0-9A-F]{8}$/, ''));
    expect(Properties.ManagedPolicyArns).toBeUndefined();
  }
  for (const statement of Object.values(rights(template)).flat()) {
    expect(statement).not.toMatch(/ on \*|(^| )[a-z0-9]+:\*/);
  }
});

test('the build\'s role is bounded: even a right that somebody gives it later reaches no secret, table or other object', () => {
  const { template } = synthesize(importedWithKeys);
  const [[boundaryId, boundary]] = Object.entries(template.findResources('AWS::IAM::ManagedPolicy'));
  template.hasResourceProperties('AWS::IAM::Role', { Description: 'Role of builds that run untrusted code', PermissionsBoundary: { Ref: boundaryId } });
  const actions = boundary.Properties.PolicyDocument.Statement.flatMap(({ Action }: { Action: string | string[] }) => Action);
  expect(actions.filter((action: string) => /^(s3|kms|dynamodb|sqs|ssm|secretsmanager|sts|iam|lambda|events):/.test(action))).toEqual([
    's3:PutObject', 's3:AbortMultipartUpload', 'kms:GenerateDataKey', 'kms:Decrypt',
  ]);
});

test('CodeBuild may use the build\'s role for this account only', () => {
  synthesize().template.hasResourceProperties('AWS::IAM::Role', {
    AssumeRolePolicyDocument: {
      Statement: [{
        Action: 'sts:AssumeRole', Effect: 'Allow', Principal: { Service: 'codebuild.amazonaws.com' }, Condition: { StringEquals: { 'aws:SourceAccount': { Ref: 'AWS::AccountId' } } },
      }],
    },
  });
});
