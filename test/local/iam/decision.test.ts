import { RequestContext, type ContextValues } from '../../../local/iam/context';
import { decide } from '../../../local/iam/decision';
import { parsePolicy } from '../../../local/iam/policy';
import type { Caller } from '../../../local/iam/principal';

const ROLE = 'arn:aws:iam::111122223333:role/Builder';
const OBJECT = 'arn:aws:s3:::bucket/key';

interface Policies {
  readonly identity?: object | object[];
  readonly boundary?: object | object[];
  readonly resource?: object | object[];
}

interface Request {
  readonly caller?: Caller;
  readonly action?: string;
  readonly resource?: string;
  readonly context?: ContextValues;
}

function ask({ identity, boundary, resource }: Policies, request: Request = {}) {
  const policy = (statements: object | object[], name: string) => parsePolicy({ Version: '2012-10-17', Statement: statements }, name);
  return decide(
    { caller: { role: ROLE }, action: 's3:PutObject', resource: OBJECT, ...request, context: new RequestContext(request.context ?? {}) },
    { identity: identity ? [policy(identity, 'identity')] : [], boundary: boundary && policy(boundary, 'boundary'), resource: resource && policy(resource, 'resource') },
  );
}

const allow = (action: string | string[], resource: string | string[] = '*', more: object = {}) => ({ Effect: 'Allow', Action: action, Resource: resource, ...more });
const deny = (action: string, resource = '*', more: object = {}) => ({ Effect: 'Deny', Action: action, Resource: resource, ...more });

describe('A role\'s own policies', () => {
  it.each<[string, object | object[], boolean]>([
    ['nothing', [], false],
    ['the action on the resource', allow('s3:PutObject', OBJECT), true],
    ['the action in other letters', allow('S3:putobject', OBJECT), true],
    ['another action', allow('s3:GetObject', OBJECT), false],
    ['the action on another resource', allow('s3:PutObject', 'arn:aws:s3:::bucket/other'), false],
    ['wildcards', allow('s3:*', 'arn:aws:s3:::*'), true],
    ['lists', allow(['s3:GetObject', 's3:PutObject'], ['arn:aws:s3:::a/*', 'arn:aws:s3:::bucket/*']), true],
    ['all actions but others', { Effect: 'Allow', NotAction: ['iam:*', 'sts:*'], Resource: '*' }, true],
    ['all actions but this', { Effect: 'Allow', NotAction: 's3:Put*', Resource: '*' }, false],
    ['all resources but others', { Effect: 'Allow', Action: 's3:PutObject', NotResource: 'arn:aws:s3:::other/*' }, true],
    ['all resources but this', { Effect: 'Allow', Action: 's3:PutObject', NotResource: 'arn:aws:s3:::bucket/*' }, false],
    ['a condition that holds', allow('s3:PutObject', '*', { Condition: { StringEquals: { 'aws:RequestedRegion': 'us-east-1' } } }), true],
    ['a condition that does not', allow('s3:PutObject', '*', { Condition: { StringEquals: { 'aws:RequestedRegion': 'eu-west-1' } } }), false],
    ['an allow and a deny', [allow('s3:*'), deny('s3:PutObject', OBJECT)], false],
    ['a deny of something else', [allow('s3:*'), deny('s3:GetObject', OBJECT)], true],
    ['a deny with a condition that does not hold', [allow('s3:*'), deny('s3:*', '*', { Condition: { Bool: { 'aws:SecureTransport': 'false' } } })], true],
    ['a variable that has no value', allow('s3:PutObject', 'arn:aws:s3:::bucket/${codebuild:buildArn}'), false],
    ['a deny with a variable that has no value: it is void', [allow('s3:*'), deny('s3:*', 'arn:aws:s3:::bucket/${codebuild:buildArn}')], true],
  ])('%s', (_, identity, expected) => {
    const context = { 'aws:RequestedRegion': 'us-east-1', 'aws:SecureTransport': 'true' };
    expect(ask({ identity }, { context }).allowed).toBe(expected);
  });

  it('name the statements that decided', () => {
    const { statements } = ask({ identity: [allow('s3:*'), allow('sqs:*'), allow('s3:PutObject', OBJECT, { Sid: 'Own' })] });
    expect(statements.map(({ source }) => source)).toEqual(['identity, statement 1', 'identity, statement 3 (Own)']);
  });
});

describe('A permissions boundary', () => {
  it.each<[string, Policies, boolean]>([
    ['allows what is allowed', { identity: allow('s3:*'), boundary: allow('s3:PutObject') }, true],
    ['grants nothing', { boundary: allow('s3:*') }, false],
    ['limits what is allowed', { identity: allow('*'), boundary: allow('logs:*') }, false],
    ['denies', { identity: allow('*'), boundary: [allow('*'), deny('s3:PutObject')] }, false],
    ['limits what the resource\'s policy gives the role', { resource: allow('s3:*', '*', { Principal: { AWS: ROLE } }), boundary: allow('logs:*') }, false],
  ])('%s', (_, policies, expected) => {
    expect(ask(policies).allowed).toBe(expected);
  });
});

describe('The policy of a resource', () => {
  it.each<[string, object, boolean]>([
    ['allows the role by its ARN', allow('s3:*', '*', { Principal: { AWS: ROLE } }), true],
    ['allows everybody', allow('s3:*', '*', { Principal: '*' }), true],
    ['allows everybody, in the other spelling', allow('s3:*', '*', { Principal: { AWS: '*' } }), true],
    ['allows another role', allow('s3:*', '*', { Principal: { AWS: ROLE.replace('Builder', 'Other') } }), false],
    ['leaves it to the account, whose policies do not allow it', allow('s3:*', '*', { Principal: { AWS: 'arn:aws:iam::111122223333:root' } }), false],
    ['allows a service only', allow('s3:*', '*', { Principal: { Service: 'events.amazonaws.com' } }), false],
  ])('%s', (_, resource, expected) => {
    expect(ask({ resource }).allowed).toBe(expected);
  });

  it.each([{ AWS: '*' }, { AWS: ROLE }, { AWS: '111122223333' }, '*'])('denies %j what the role\'s own policies allow', (Principal) => {
    expect(ask({ identity: allow('*'), resource: deny('s3:*', '*', { Principal }) }).allowed).toBe(false);
  });

  it('is what a service needs, which acts on its own behalf', () => {
    const resource = allow('sqs:SendMessage', '*', { Principal: { Service: 'events.amazonaws.com' }, Condition: { ArnEquals: { 'aws:SourceArn': 'arn:aws:events:us-east-1:1:rule/r' } } });
    const from = (service: string, sourceArn: string) => ask({ resource }, { caller: { service }, action: 'sqs:SendMessage', context: { 'aws:SourceArn': sourceArn } }).allowed;
    expect(from('events.amazonaws.com', 'arn:aws:events:us-east-1:1:rule/r')).toBe(true);
    expect(from('events.amazonaws.com', 'arn:aws:events:us-east-1:1:rule/other')).toBe(false);
    expect(from('sns.amazonaws.com', 'arn:aws:events:us-east-1:1:rule/r')).toBe(false);
  });

  it('is all that nobody in particular has', () => {
    expect(ask({ identity: [], resource: allow('s3:GetObject', '*', { Principal: '*' }) }, { caller: 'anonymous', action: 's3:GetObject' }).allowed).toBe(true);
    expect(ask({ resource: allow('s3:*', '*', { Principal: { AWS: ROLE } }) }, { caller: 'anonymous' }).allowed).toBe(false);
  });
});

describe('A KMS key', () => {
  const KEY = 'arn:aws:kms:us-east-1:111122223333:key/1';
  const account = allow('kms:*', '*', { Principal: { AWS: 'arn:aws:iam::111122223333:root' } });
  const request = { action: 'kms:Decrypt', resource: KEY };

  it.each<[string, Policies, boolean]>([
    ['whose policy leaves it to the account, which allows it', { identity: allow('kms:Decrypt', KEY), resource: account }, true],
    ['whose policy leaves it to the account, which does not', { identity: allow('s3:*'), resource: account }, false],
    ['whose policy does not name the account: a right on everything is not enough', { identity: allow('*'), resource: allow('kms:*', '*', { Principal: { Service: 'logs.amazonaws.com' } }) }, false],
    ['without a policy', { identity: allow('*') }, false],
    ['whose policy names the role', { resource: allow('kms:Decrypt', '*', { Principal: { AWS: ROLE } }) }, true],
  ])('%s', (_, policies, expected) => {
    expect(ask(policies, request).allowed).toBe(expected);
  });
});

describe('A role to be assumed', () => {
  const trust = { Effect: 'Allow', Action: 'sts:AssumeRole', Resource: '*', Principal: { Service: 'codebuild.amazonaws.com' }, Condition: { StringEquals: { 'aws:SourceAccount': '111122223333' } } };
  const assume = (caller: Caller, account: string) => ask({ identity: allow('*'), resource: trust }, { caller, action: 'sts:AssumeRole', resource: ROLE, context: { 'aws:SourceAccount': account } }).allowed;

  it('lets in whom its trust policy names, and nobody else with whatever rights', () => {
    expect(assume({ service: 'codebuild.amazonaws.com' }, '111122223333')).toBe(true);
    expect(assume({ service: 'codebuild.amazonaws.com' }, '444455556666')).toBe(false);
    expect(assume({ service: 'lambda.amazonaws.com' }, '111122223333')).toBe(false);
    expect(assume({ role: ROLE }, '111122223333')).toBe(false);
  });
});

describe('A refusal says why, in the words of AWS', () => {
  const who = `User: ${ROLE} is not authorized to perform: s3:PutObject on resource: ${OBJECT}`;

  it.each<[Policies, string]>([
    [{}, `${who} because no identity-based policy allows the s3:PutObject action`],
    [{ identity: [allow('s3:*'), deny('s3:*', '*', { Sid: 'Never' })] }, `${who} with an explicit deny in an identity-based policy (identity, statement 2 (Never))`],
    [{ identity: allow('s3:*'), boundary: allow('logs:*') }, `${who} because no permissions boundary allows the s3:PutObject action`],
    [{ identity: allow('s3:*'), resource: deny('s3:*', '*', { Principal: '*' }) }, `${who} with an explicit deny in a resource-based policy (resource, statement 1)`],
  ])('%#', (policies, reason) => {
    expect(ask(policies).reason).toBe(reason);
  });
});

describe('What is not known is an error, never an answer', () => {
  it.each<[object, string]>([
    [{ Effect: 'Maybe', Action: '*', Resource: '*' }, 'identity, statement 1: the effect is Allow or Deny, found "Maybe"'],
    [{ Effect: 'Allow', Resource: '*' }, 'expected Action or NotAction'],
    [{ Effect: 'Allow', Action: '*', NotAction: '*', Resource: '*' }, 'expected Action or NotAction'],
    [{ Effect: 'Allow', Action: '*' }, 'expected Resource or NotResource'],
    [{ Effect: 'Allow', Action: '*', Resource: { 'Fn::GetAtt': ['X', 'Arn'] } }, 'must be resolved'],
    [{ Effect: 'Allow', Action: '*', Resource: '*', NotPrincipal: '*' }, 'the element NotPrincipal is not known here'],
    [{ Effect: 'Allow', Action: '*', Resource: '*', Principal: { Federated: 'x' } }, 'principals of the kind Federated are not known here'],
    [{ Effect: 'Allow', Action: '*', Resource: '*', Condition: { IpAddress: { 'aws:SourceIp': '10.0.0.0/8' } } }, 'identity, statement 1: The condition operator IpAddress'],
  ])('%j', (identity, message) => {
    expect(() => ask({ identity })).toThrow(message);
  });

  it('variables of a policy without the version of 2012 are text', () => {
    const policy = parsePolicy({ Statement: { Effect: 'Allow', Action: 's3:PutObject', Resource: 'arn:aws:s3:::bucket/${aws:x}' } }, 'old');
    const request = { caller: { role: ROLE }, action: 's3:PutObject', context: new RequestContext({ 'aws:x': 'key' }) };
    expect(decide({ ...request, resource: OBJECT }, { identity: [policy] }).allowed).toBe(false);
    expect(decide({ ...request, resource: 'arn:aws:s3:::bucket/${aws:x}' }, { identity: [policy] }).allowed).toBe(true);
  });
});
