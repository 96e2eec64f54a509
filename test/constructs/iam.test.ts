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
        return `${Effect === 'Allow' ? '' : `${Effect} `}${[Action].flat().join(' ')} on ${where}${Condition ? ` if ${JSON.stringify(Condition)}` : ''}`;
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

const THROUGH_S3 = JSON.stringify({ StringLike: { 'kms:ViaService': { 'Fn::Join': ['', ['s3.*.', { Ref: 'AWS::URLSuffix' }]] } } });

const OWN_ROLES = ['TestBuildsBuildRole', 'BuildsBuildRole', 'BuildsOrchestratorRole', 'BuildsFinalizerRole'];

test('with a bucket and a table of this app: what each role may do, and nothing else', () => {
  const { template } = synthesize();
  expect(rights(template)).toEqual({
    BuildsBuildRole: [
      's3:PutObject s3:AbortMultipartUpload on <Artifacts>/staging/${codebuild:buildArn}/*',
      'logs:CreateLogGroup logs:CreateLogStream logs:PutLogEvents on logs:log-group:/aws/codebuild/<BuildsProject> logs:log-group:/aws/codebuild/<BuildsProject>:*',
    ],
    BuildsOrchestratorRole: [
      'logs:CreateLogStream logs:PutLogEvents on <BuildsOrchestratorLogs>',
      'sqs:ReceiveMessage sqs:ChangeMessageVisibility sqs:GetQueueUrl sqs:DeleteMessage sqs:GetQueueAttributes on <BuildsQueue>',
      'dynamodb:GetItem dynamodb:UpdateItem on <Deployments>',
      'events:PutEvents on events:event-bus/default',
      'codebuild:StartBuild on <BuildsProject>',
      'sqs:SendMessage sqs:GetQueueAttributes sqs:GetQueueUrl on <BuildsQueue>',
    ],
    BuildsFinalizerRole: [
      'logs:CreateLogStream logs:PutLogEvents on <BuildsFinalizerLogs>',
      'sqs:SendMessage on <BuildsEventDeadLetterQueue>',
      'dynamodb:GetItem dynamodb:UpdateItem on <Deployments>',
      'events:PutEvents on events:event-bus/default',
      'codebuild:BatchGetBuilds on <BuildsProject>',
      's3:GetObject s3:DeleteObject on <Artifacts>/staging/*',
      's3:PutObject on <Artifacts>/artifacts/* <Artifacts>/static/*',
      's3:ListBucket on <Artifacts> if {"StringLike":{"s3:prefix":"staging/*"}}',
    ],
  });
});

test('with imported ones that have keys: also the use of the keys', () => {
  const { template } = synthesize(importedWithKeys);
  const byRole = rights(template);
  const bucketKey = `kms:GenerateDataKey kms:Decrypt on arn:aws:kms:eu-central-1:111122223333:key/bucket-key if ${THROUGH_S3}`;
  const tableKey = 'kms:Decrypt kms:Encrypt kms:ReEncrypt* kms:GenerateDataKey* on arn:aws:kms:eu-central-1:111122223333:key/table-key';
  expect(byRole.BuildsBuildRole).toEqual([
    's3:PutObject s3:AbortMultipartUpload on s3:::company-artifacts/staging/${codebuild:buildArn}/*',
    bucketKey,
    expect.stringMatching(/^logs:/),
  ]);
  expect(byRole.BuildsOrchestratorRole).toContain(tableKey);
  expect(byRole.BuildsOrchestratorRole).not.toContain(bucketKey);
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

test('with a key for the queues: the finalizer can use it for its dead-letter queue', () => {
  const { template } = synthesize((stack) => ({ encryptionKey: new kms.Key(stack, 'Key') }));
  expect(rights(template).BuildsFinalizerRole).toContain('kms:GenerateDataKey kms:Decrypt on <Key>');
});

test('no role of the pipeline has a managed policy, or any right on everything', () => {
  const { template } = synthesize();
  for (const [id, { Properties }] of Object.entries(template.findResources('AWS::IAM::Role'))) {
    if (OWN_ROLES.some((name) => id.startsWith(name))) expect(Properties.ManagedPolicyArns).toBeUndefined();
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
