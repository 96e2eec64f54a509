import { compilePattern, InvalidEventPatternError, matchesPattern } from '../../../local/services/events/event-pattern';

const EVENT = {
  'source': 'aws.codebuild',
  'detail-type': 'CodeBuild Build State Change',
  'resources': ['arn:aws:codebuild:us-east-1:000000000000:build/site:1'],
  'detail': {
    'build-status': 'FAILED',
    'project-name': 'site',
    'count': 300,
    'ratio': 0.5,
    'flag': true,
    'nothing': null,
    'empty': '',
    'none': [],
    'tags': ['red', 'green'],
    'nested': [['deep'], 7],
    'path': 'dir/file*.png',
    'phases': [
      { type: 'BUILD', status: 'FAILED' },
      { type: 'INSTALL', status: 'SUCCEEDED' },
    ],
  },
};

function detail(pattern: Record<string, unknown>): boolean {
  return matchesPattern({ detail: pattern }, EVENT);
}

function field(name: string, ...alternatives: unknown[]): boolean {
  return detail({ [name]: alternatives });
}

describe('fields', () => {
  it('all named fields have to match, others do not matter', () => {
    expect(matchesPattern({ 'source': ['aws.codebuild'], 'detail-type': ['CodeBuild Build State Change'] }, EVENT)).toBe(true);
    expect(matchesPattern({ 'source': ['aws.codebuild'], 'detail-type': ['CodeBuild Build Phase Change'] }, EVENT)).toBe(false);
    expect(matchesPattern({ source: ['aws.codebuild'], unheard: ['of'] }, EVENT)).toBe(false);
  });

  it('one of the alternatives has to match', () => {
    expect(field('build-status', 'SUCCEEDED', 'FAILED')).toBe(true);
    expect(field('build-status', 'SUCCEEDED', 'STOPPED')).toBe(false);
  });

  it('the pattern that CDK writes for a CodeBuild project', () => {
    expect(matchesPattern({
      'source': ['aws.codebuild'],
      'detail-type': ['CodeBuild Build State Change'],
      'detail': { 'project-name': ['site'], 'build-status': ['SUCCEEDED', 'FAILED', 'FAULT', 'TIMED_OUT', 'STOPPED'] },
    }, EVENT)).toBe(true);
  });

  it('an array in the event matches when one element does', () => {
    expect(field('tags', 'green')).toBe(true);
    expect(field('tags', 'blue')).toBe(false);
    expect(matchesPattern({ resources: [{ suffix: 'site:1' }] }, EVENT)).toBe(true);
    expect(field('nested', 'deep')).toBe(true);
    expect(field('nested', 7)).toBe(true);
  });

  it('in an array of objects one object has to match the whole pattern', () => {
    expect(detail({ phases: { type: ['BUILD'], status: ['FAILED'] } })).toBe(true);
    expect(detail({ phases: { type: ['BUILD'], status: ['SUCCEEDED'] } })).toBe(false);
  });

  it('a pattern that goes deeper than the event does not match', () => {
    expect(detail({ 'build-status': { code: ['FAILED'] } })).toBe(false);
  });
});

describe('exact values', () => {
  it.each([
    ['count', 300, true],
    ['count', 3.0e2, true],
    ['count', '300', false],
    ['flag', true, true],
    ['flag', false, false],
    ['flag', 'true', false],
    ['nothing', null, true],
    ['nothing', '', false],
    ['empty', '', true],
    ['empty', null, false],
    ['missing', null, false],
    ['build-status', 'failed', false],
  ])('%s = %j: %s', (name, value, expected) => {
    expect(field(name, value)).toBe(expected);
  });
});

describe('operators', () => {
  it.each<[string, unknown, boolean]>([
    ['build-status', { prefix: 'FA' }, true],
    ['build-status', { prefix: 'fa' }, false],
    ['build-status', { prefix: { 'equals-ignore-case': 'fa' } }, true],
    ['build-status', { suffix: 'ED' }, true],
    ['build-status', { suffix: 'ed' }, false],
    ['build-status', { suffix: { 'equals-ignore-case': 'ed' } }, true],
    ['count', { prefix: '3' }, false],
    ['missing', { prefix: '' }, false],
    ['build-status', { 'equals-ignore-case': 'failed' }, true],
    ['build-status', { 'equals-ignore-case': 'fail' }, false],
    ['count', { numeric: ['=', 300] }, true],
    ['count', { numeric: ['>', 300] }, false],
    ['count', { numeric: ['>=', 300, '<', 301] }, true],
    ['ratio', { numeric: ['>', 0, '<=', 0.5] }, true],
    ['ratio', { numeric: ['>', 0, '<', 0.5] }, false],
    ['build-status', { numeric: ['>', 0] }, false],
    ['build-status', { exists: true }, true],
    ['build-status', { exists: false }, false],
    ['missing', { exists: false }, true],
    ['missing', { exists: true }, false],
    ['nothing', { exists: true }, true],
    ['none', { exists: true }, false],
    ['path', { wildcard: 'dir/*.png' }, true],
    ['path', { wildcard: '*' }, true],
    ['path', { wildcard: 'dir/file\\*.png' }, true],
    ['path', { wildcard: 'dir/\\*.png' }, false],
    ['path', { wildcard: 'dir/fileX.png' }, false],
    ['path', { wildcard: 'dir/file*-png' }, false],
    ['build-status', { wildcard: 'F*L*D' }, true],
    ['count', { wildcard: '*' }, false],
  ])('%s with %j: %s', (name, matcher, expected) => {
    expect(field(name, matcher)).toBe(expected);
  });

  it('exists speaks of leaves only, as in EventBridge: an object in between does not exist', () => {
    expect(matchesPattern({ detail: [{ exists: true }] }, EVENT)).toBe(false);
    expect(detail({ none: { inner: [{ exists: false }] } })).toBe(true);
    expect(detail({ missing: { inner: [{ exists: false }] } })).toBe(true);
  });
});

describe('anything-but', () => {
  it.each<[string, unknown, boolean]>([
    ['build-status', 'SUCCEEDED', true],
    ['build-status', 'FAILED', false],
    ['build-status', ['SUCCEEDED', 'FAILED'], false],
    ['build-status', ['SUCCEEDED', 'STOPPED'], true],
    ['count', 300, false],
    ['count', [1, 2], true],
    ['count', '300', true],
    ['nothing', 'x', true],
    ['missing', 'x', false],
    ['tags', 'red', true],
    ['tags', ['red', 'green'], false],
    ['build-status', { prefix: 'FA' }, false],
    ['build-status', { prefix: 'SU' }, true],
    ['build-status', { prefix: ['SU', 'FA'] }, false],
    ['build-status', { suffix: 'ED' }, false],
    ['build-status', { suffix: ['ING'] }, true],
    ['build-status', { 'equals-ignore-case': 'failed' }, false],
    ['build-status', { 'equals-ignore-case': ['succeeded', 'stopped'] }, true],
    ['path', { wildcard: '*.png' }, false],
    ['path', { wildcard: ['*.jpg', '*.gif'] }, true],
    ['count', { prefix: '3' }, true],
  ])('%s but not %j: %s', (name, excluded, expected) => {
    expect(field(name, { 'anything-but': excluded })).toBe(expected);
  });
});

describe('$or', () => {
  it('takes one of several patterns, together with the fields beside it', () => {
    const either = { $or: [{ 'build-status': ['SUCCEEDED'] }, { count: [{ numeric: ['>', 100] }] }] };
    expect(detail(either)).toBe(true);
    expect(detail({ ...either, 'project-name': ['other'] })).toBe(false);
    expect(detail({ $or: [{ 'build-status': ['SUCCEEDED'] }, { count: [1] }] })).toBe(false);
  });

  it('stands at the top and may be nested', () => {
    expect(matchesPattern({ $or: [{ source: ['x'] }, { detail: { $or: [{ flag: [false] }, { flag: [true] }] } }] }, EVENT)).toBe(true);
  });
});

describe('a pattern that EventBridge refuses', () => {
  it.each<[string, Record<string, unknown>]>([
    ['no field', {}],
    ['a bare value', { source: 'aws.codebuild' }],
    ['an empty array', { source: [] }],
    ['an empty object', { detail: {} }],
    ['an array in an array', { source: [['a']] }],
    ['an unknown operator', { source: [{ contains: 'a' }] }],
    ['an operator that is not supported here', { source: [{ cidr: '10.0.0.0/24' }] }],
    ['two operators in one', { source: [{ prefix: 'a', suffix: 'b' }] }],
    ['prefix of a number', { source: [{ prefix: 1 }] }],
    ['exists without a boolean', { source: [{ exists: 'yes' }] }],
    ['half a comparison', { n: [{ numeric: ['<'] }] }],
    ['an unknown comparison', { n: [{ numeric: ['!=', 1] }] }],
    ['wildcards in a row', { source: [{ wildcard: 'a**b' }] }],
    ['an unknown escape', { source: [{ wildcard: 'a\\b' }] }],
    ['$or with one alternative', { $or: [{ source: ['a'] }] }],
    ['anything-but of mixed types', { source: [{ 'anything-but': ['a', 1] }] }],
    ['anything-but of nothing', { source: [{ 'anything-but': [] }] }],
    ['anything-but of numeric', { source: [{ 'anything-but': { numeric: ['=', 1] } }] }],
  ])('%s', (_, pattern) => {
    expect(() => compilePattern(pattern)).toThrow(InvalidEventPatternError);
  });

  it('is named with its place, whatever the event looks like', () => {
    expect(() => matchesPattern({ source: ['a'], detail: { status: 'x' } }, { source: 'b' }))
      .toThrow('$.detail.status: expected an array with at least one value, or an object, got "x"');
  });
});
