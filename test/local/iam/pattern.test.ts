import { RequestContext } from '../../../local/iam/context';
import { compileArnPattern, compilePattern, UnresolvedVariableError } from '../../../local/iam/pattern';

const BUILD = 'arn:aws:codebuild:us-east-1:111122223333:build/builds:1';
const NOTHING = new RequestContext({});

describe('Texts', () => {
  const matches = (pattern: string, text: string, options: { wildcards?: boolean; ignoreCase?: boolean } = {}) => (
    compilePattern(pattern, { wildcards: true, variables: true, ...options }).matches(text, NOTHING)
  );

  it.each([
    ['s3:Get*', 's3:GetObject', true],
    ['s3:Get*', 's3:PutObject', false],
    ['*', '', true],
    ['a?c', 'abc', true],
    ['a?c', 'ac', false],
    ['a.c', 'abc', false],
    ['cache/*', 'cache/a/b\nc', true],
    ['cache/*', 'my-cache/a', false],
    ['staging/handover/*', 'staging/handover', false],
    ['what${?}', 'what?', true],
    ['what${?}', 'whats', false],
    ['all${*}', 'all*', true],
    ['all${*}', 'all of it', false],
    ['${$}{x}', '${x}', true],
  ])('%s and %s: %s', (pattern, text, expected) => {
    expect(matches(pattern, text)).toBe(expected);
  });

  it('take wildcards literally where the operator has none', () => {
    expect(matches('a*', 'ab', { wildcards: false })).toBe(false);
    expect(matches('a*', 'a*', { wildcards: false })).toBe(true);
  });

  it('distinguish capital letters unless told not to', () => {
    expect(matches('s3:putobject', 's3:PutObject')).toBe(false);
    expect(matches('s3:putobject', 's3:PutObject', { ignoreCase: true })).toBe(true);
  });
});

describe('Policy variables', () => {
  const pattern = (text: string, variables = true) => compilePattern(text, { wildcards: true, variables });

  it('stand for the value of the request, whatever the case of the name', () => {
    const context = new RequestContext({ 'CodeBuild:BuildArn': BUILD });
    expect(pattern('staging/${codebuild:buildArn}/*').matches(`staging/${BUILD}/x`, context)).toBe(true);
    expect(pattern('staging/${codebuild:buildArn}/*').matches(`staging/${BUILD}2/x`, context)).toBe(false);
  });

  it('have a default, or no meaning at all', () => {
    expect(pattern('home/${aws:username, \'anybody\'}').matches('home/anybody', NOTHING)).toBe(true);
    expect(() => pattern('home/${aws:username}').matches('home/', NOTHING)).toThrow(UnresolvedVariableError);
  });

  it('do not smuggle wildcards in', () => {
    const context = new RequestContext({ 'aws:username': '*' });
    expect(pattern('home/${aws:username}').matches('home/else', context)).toBe(false);
    expect(pattern('home/${aws:username}').matches('home/*', context)).toBe(true);
  });

  it('are plain text in policies of 2008', () => {
    expect(pattern('home/${aws:username}', false).matches('home/${aws:username}', NOTHING)).toBe(true);
  });

  it('that are none, or that have several values, are an error', () => {
    expect(() => pattern('${nonsense}')).toThrow('"${nonsense}" is no policy variable');
    expect(() => pattern('${aws:TagKeys}').matches('a', new RequestContext({ 'aws:TagKeys': ['a', 'b'] }))).toThrow('aws:TagKeys has several values');
  });
});

describe('ARNs', () => {
  const matches = (pattern: string, arn: string, context = NOTHING) => compileArnPattern(pattern, { variables: true }).matches(arn, context);

  it.each([
    ['*', 'anything', true],
    ['arn:aws:s3:::bucket/*', 'arn:aws:s3:::bucket/a:b/c', true],
    ['arn:aws:s3:::bucket/*', 'arn:aws:s3:::bucket', false],
    ['arn:aws:s3:::bucket/*', 'arn:aws:s3:::bucket2/a', false],
    ['arn:aws:sqs:*:111122223333:*', 'arn:aws:sqs:eu-central-1:111122223333:queue', true],
    ['arn:aws:sqs:*:queue', 'arn:aws:sqs:eu-central-1:111122223333:queue', 'error'],
    ['arn:aws:sqs:*::queue', 'arn:aws:sqs:eu-central-1:111122223333:queue', false],
    ['arn:aws:logs:us-east-1:111122223333:log-group:/aws/codebuild/p:*', 'arn:aws:logs:us-east-1:111122223333:log-group:/aws/codebuild/p:log-stream:s', true],
    ['arn:aws:logs:us-east-1:111122223333:log-group:/aws/codebuild/p:*', 'arn:aws:logs:us-east-1:111122223333:log-group:/aws/codebuild/p2:log-stream:s', false],
    ['arn:aws:s3:::bucket/*', '*', false],
    ['arn:aws:s3:::bucket/*', 'no ARN', false],
    ['bucket/*', 'arn:aws:s3:::bucket/a', 'error'],
  ])('%s and %s: %s', (pattern, arn, expected) => {
    if (expected === 'error') expect(() => matches(pattern, arn)).toThrow('an ARN of six parts');
    else expect(matches(pattern, arn)).toBe(expected);
  });

  it('with the ARN of a build as a variable: its own prefix, and no other build\'s', () => {
    const context = new RequestContext({ 'codebuild:buildArn': BUILD });
    const own = 'arn:aws:s3:::bucket/staging/${codebuild:buildArn}/*';
    expect(matches(own, `arn:aws:s3:::bucket/staging/${BUILD}/lambda.zip`, context)).toBe(true);
    expect(matches(own, `arn:aws:s3:::bucket/staging/${BUILD}`, context)).toBe(false);
    expect(matches(own, `arn:aws:s3:::bucket/staging/${BUILD.replace(/1$/, '2')}/lambda.zip`, context)).toBe(false);
    expect(matches('arn:aws:sqs:${aws:RequestedRegion}:111122223333:q', 'arn:aws:sqs:us-east-1:111122223333:q', new RequestContext({ 'aws:RequestedRegion': 'us-east-1' }))).toBe(true);
  });
});
