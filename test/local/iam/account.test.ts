/** Policies where a template has them: on roles, beside roles, on resources. */
import { App, Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as kms from 'aws-cdk-lib/aws-kms';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as s3 from 'aws-cdk-lib/aws-s3';
import * as sqs from 'aws-cdk-lib/aws-sqs';
import { Account } from '../../../local/iam/account';
import { RequestContext, type ContextValues } from '../../../local/iam/context';
import type { Caller } from '../../../local/iam/principal';
import { accountOf } from '../../support/account';

const ROLE = 'arn:aws:iam::000000000000:role/tested';
const QUEUE = 'arn:aws:sqs:us-east-1:000000000000:queue';

/** May the role named `tested`, or whoever else, do this? */
function may(define: (stack: Stack, role: iam.Role) => void, action: string, resource: string, caller: Caller = { role: ROLE }, context: ContextValues = {}) {
  return decided(define).decide({ caller, action, resource, context: new RequestContext(context) }).allowed;
}

function decided(define: (stack: Stack, role: iam.Role) => void): Account {
  const stack = new Stack(new App(), 'Test');
  define(stack, new iam.Role(stack, 'Role', { roleName: 'tested', assumedBy: new iam.ServicePrincipal('lambda.amazonaws.com') }));
  return accountOf(Template.fromStack(stack));
}

const sendToQueue = () => new iam.PolicyStatement({ actions: ['sqs:SendMessage'], resources: [QUEUE] });

describe('A role', () => {
  it.each<[string, (stack: Stack, role: iam.Role) => void, boolean]>([
    ['no policy', () => undefined, false],
    ['a policy beside the role', (_, role) => role.addToPolicy(sendToQueue()), true],
    ['a policy in the role', (_, role) => { (role.node.defaultChild as iam.CfnRole).policies = [{ policyName: 'p', policyDocument: new iam.PolicyDocument({ statements: [sendToQueue()] }) }]; }, true],
    ['a managed policy that the role names', (stack, role) => role.addManagedPolicy(new iam.ManagedPolicy(stack, 'Managed', { statements: [sendToQueue()] })), true],
    ['a managed policy that names the role', (stack, role) => new iam.ManagedPolicy(stack, 'Managed', { statements: [sendToQueue()], roles: [role] }), true],
    ['a RolePolicy', (stack) => new iam.CfnRolePolicy(stack, 'Single', { policyName: 'p', roleName: 'tested', policyDocument: new iam.PolicyDocument({ statements: [sendToQueue()] }) }), true],
    ['the policy of another role', (stack) => new iam.Role(stack, 'Other', { assumedBy: new iam.AccountRootPrincipal() }).addToPolicy(sendToQueue()), false],
    ['a policy and a boundary without it', (stack, role) => {
      role.addToPolicy(sendToQueue());
      iam.PermissionsBoundary.of(role).apply(new iam.ManagedPolicy(stack, 'Boundary', { statements: [new iam.PolicyStatement({ actions: ['s3:*'], resources: ['*'] })] }));
    }, false],
    ['the policy of the queue', (stack, role) => new sqs.Queue(stack, 'Queue', { queueName: 'queue' }).addToResourcePolicy(new iam.PolicyStatement({ actions: ['sqs:*'], resources: ['*'], principals: [role] })), true],
  ])('with %s', (_, define, expected) => {
    expect(may(define, 'sqs:SendMessage', QUEUE)).toBe(expected);
  });

  it('knows what AWS\'s own basic policy for functions says', () => {
    const define = (_: Stack, role: iam.Role) => role.addManagedPolicy(iam.ManagedPolicy.fromAwsManagedPolicyName('service-role/AWSLambdaBasicExecutionRole'));
    expect(may(define, 'logs:PutLogEvents', 'arn:aws:logs:us-east-1:000000000000:log-group:any:log-stream:s')).toBe(true);
    expect(may(define, 'sqs:SendMessage', QUEUE)).toBe(false);
  });

  it('with a managed policy that no template shows is an error, when it is asked for', () => {
    const define = (_: Stack, role: iam.Role) => role.addManagedPolicy(iam.ManagedPolicy.fromAwsManagedPolicyName('AdministratorAccess'));
    expect(() => may(define, 'sqs:SendMessage', QUEUE)).toThrow('has the managed policy arn:aws:iam::aws:policy/AdministratorAccess, and no template says what is in it');
  });

  it('that no template has is an error', () => {
    expect(() => may(() => undefined, 'sqs:SendMessage', QUEUE, { role: ROLE.replace('tested', 'unknown') })).toThrow('No template has the role');
  });
});

describe('The policy of', () => {
  it('a bucket is that of its objects', () => {
    const define = (stack: Stack, role: iam.Role) => {
      const bucket = new s3.Bucket(stack, 'Bucket', { bucketName: 'bucket', enforceSSL: true });
      bucket.addToResourcePolicy(new iam.PolicyStatement({ actions: ['s3:GetObject'], resources: [bucket.arnForObjects('public/*')], principals: [role] }));
    };
    expect(may(define, 's3:GetObject', 'arn:aws:s3:::bucket/public/x', undefined, { 'aws:SecureTransport': 'true' })).toBe(true);
    expect(may(define, 's3:GetObject', 'arn:aws:s3:::bucket/public/x', undefined, { 'aws:SecureTransport': 'false' })).toBe(false);
    expect(may(define, 's3:GetObject', 'arn:aws:s3:::bucket/private/x', undefined, { 'aws:SecureTransport': 'true' })).toBe(false);
  });

  it('a function is made of permissions', () => {
    const define = (stack: Stack) => {
      const fn = new lambda.Function(stack, 'Function', { functionName: 'fn', runtime: lambda.Runtime.NODEJS_20_X, handler: 'index.handler', code: lambda.Code.fromInline('-') });
      fn.addPermission('Events', { principal: new iam.ServicePrincipal('events.amazonaws.com'), sourceArn: 'arn:aws:events:us-east-1:000000000000:rule/r' });
    };
    const invoke = (service: string, rule: string) => may(define, 'lambda:InvokeFunction', 'arn:aws:lambda:us-east-1:000000000000:function:fn', { service }, { 'aws:SourceArn': `arn:aws:events:us-east-1:000000000000:rule/${rule}` });
    expect(invoke('events.amazonaws.com', 'r')).toBe(true);
    expect(invoke('events.amazonaws.com', 'other')).toBe(false);
    expect(invoke('sns.amazonaws.com', 'r')).toBe(false);
  });

  it('a key of the template must let the role in, and one of an imported key is taken to leave it to the role', () => {
    const define = (own: boolean) => (stack: Stack, role: iam.Role) => {
      const key = own ? new kms.Key(stack, 'Key', { policy: new iam.PolicyDocument({ statements: [new iam.PolicyStatement({ actions: ['kms:*'], resources: ['*'], principals: [new iam.ServicePrincipal('x.amazonaws.com')] })] }) }) : undefined;
      role.addToPolicy(new iam.PolicyStatement({ actions: ['kms:Decrypt'], resources: ['*'] }));
      if (key) (key.node.defaultChild as kms.CfnKey).overrideLogicalId('Key');
    };
    expect(may(define(true), 'kms:Decrypt', 'arn:aws:kms:us-east-1:000000000000:key/Test-Key')).toBe(false);
    expect(may(define(false), 'kms:Decrypt', 'arn:aws:kms:us-east-1:000000000000:key/imported')).toBe(true);
    expect(may(define(false), 'kms:Encrypt', 'arn:aws:kms:us-east-1:000000000000:key/imported')).toBe(false);
  });

  it('a role says who may assume it', () => {
    const account = decided(() => undefined);
    const assume = (caller: Caller) => account.decide({ caller, action: 'sts:AssumeRole', resource: ROLE, context: new RequestContext({}) }).allowed;
    expect(assume({ service: 'lambda.amazonaws.com' })).toBe(true);
    expect(assume({ service: 'codebuild.amazonaws.com' })).toBe(false);
    expect(assume({ role: ROLE })).toBe(false);
  });
});
