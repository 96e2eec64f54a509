import { compileConditions } from '../../../local/iam/conditions';
import { RequestContext, type ContextValues } from '../../../local/iam/context';

const holds = (conditions: object, context: ContextValues) => compileConditions(conditions, { variables: true })(new RequestContext(context));

/** `[operator, what the policy says, what the request says, whether it holds]`, of one key. */
const ROWS: [string, string | string[], string | string[] | undefined, boolean][] = [
  ['StringEquals', 'a', 'a', true],
  ['StringEquals', 'a', 'A', false],
  ['StringEquals', 'a*', 'ab', false],
  ['StringEquals', ['a', 'b'], 'b', true],
  ['StringEquals', 'a', undefined, false],
  ['StringNotEquals', 'a', 'b', true],
  ['StringNotEquals', ['a', 'b'], 'b', false],
  ['StringNotEquals', 'a', undefined, true],
  ['StringEqualsIgnoreCase', 'a', 'A', true],
  ['StringNotEqualsIgnoreCase', 'a', 'A', false],
  ['StringLike', 'staging/*', 'staging/x/y', true],
  ['StringLike', ['artifacts/*', 'static/*'], 'static/x', true],
  ['StringLike', 'staging/*', 'artifacts/x', false],
  ['StringLike', 'staging/*', undefined, false],
  ['StringNotLike', 'staging/*', 'artifacts/x', true],
  ['StringNotLike', 'staging/*', 'staging/x', false],
  ['StringEqualsIfExists', 'a', undefined, true],
  ['StringEqualsIfExists', 'a', 'b', false],
  ['StringNotEqualsIfExists', 'a', undefined, true],
  ['ArnEquals', 'arn:aws:events:us-east-1:1:rule/*', 'arn:aws:events:us-east-1:1:rule/r', true],
  ['ArnLike', 'arn:aws:events:*:1:rule/r', 'arn:aws:events:us-east-1:1:rule/r', true],
  ['ArnLike', 'arn:aws:events:*:1:rule/r', 'arn:aws:events:us-east-1:1:rule/other', false],
  ['ArnNotLike', 'arn:aws:events:*:1:rule/r', 'arn:aws:events:us-east-1:1:rule/other', true],
  ['ArnNotEquals', 'arn:aws:events:*:1:rule/r', undefined, true],
  ['NumericEquals', '5', '5.0', true],
  ['NumericNotEquals', '5', '5.0', false],
  ['NumericLessThan', '5', '5', false],
  ['NumericLessThanEquals', '5', '5', true],
  ['NumericGreaterThan', '5', '6', true],
  ['NumericGreaterThanEquals', '5', '4', false],
  ['NumericLessThan', '5', 'many', false],
  ['Bool', 'false', 'False', true],
  ['Bool', 'true', 'false', false],
  ['Bool', 'false', undefined, false],
  ['BoolIfExists', 'false', undefined, true],
  ['Null', 'true', undefined, true],
  ['Null', 'true', 'a', false],
  ['Null', 'false', 'a', true],
  ['Null', 'false', undefined, false],
  ['ForAllValues:StringEquals', ['a', 'b'], ['a', 'b'], true],
  ['ForAllValues:StringEquals', ['a', 'b'], ['a', 'c'], false],
  ['ForAllValues:StringEquals', 'a', undefined, true],
  ['ForAnyValue:StringEquals', ['a', 'b'], ['c', 'b'], true],
  ['ForAnyValue:StringEquals', 'a', ['c', 'd'], false],
  ['ForAnyValue:StringEquals', 'a', undefined, false],
  ['ForAnyValue:StringNotEquals', 'a', ['a', 'b'], true],
  ['ForAnyValue:StringNotEquals', 'a', ['a'], false],
  ['ForAllValues:StringNotLike', 'a*', ['b', 'ab'], false],
];

test.each(ROWS)('%s %j with %j: %s', (operator, policy, request, expected) => {
  expect(holds({ [operator]: { 'service:key': policy } }, { 'service:key': request })).toBe(expected);
});

test('every key under every operator must hold, and names of keys know no case', () => {
  const conditions = { StringEquals: { 'events:source': 'x', 'events:detail-type': 'y' }, Null: { 'aws:SourceArn': 'true' } };
  expect(holds(conditions, { 'Events:Source': 'x', 'events:Detail-Type': 'y' })).toBe(true);
  expect(holds(conditions, { 'events:source': 'x' })).toBe(false);
  expect(holds(conditions, { 'events:source': 'x', 'events:detail-type': 'y', 'aws:SourceArn': 'arn:aws:s3:::b' })).toBe(false);
});

test('variables are filled in', () => {
  const conditions = { ArnEquals: { 'aws:SourceArn': '${codebuild:buildArn}' } };
  const build = 'arn:aws:codebuild:us-east-1:1:build/p:1';
  expect(holds(conditions, { 'aws:SourceArn': build, 'codebuild:buildArn': build })).toBe(true);
  expect(holds(conditions, { 'aws:SourceArn': `${build}2`, 'codebuild:buildArn': build })).toBe(false);
});

test.each([
  [{ IpAddress: { 'aws:SourceIp': '10.0.0.0/8' } }, 'The condition operator IpAddress (of aws:SourceIp) is not known here'],
  [{ 'ForAnyValue:StringEqualsIfExists': { k: 'a' } }, 'The condition operator ForAnyValue:StringEqualsIfExists'],
  [{ 'ForSomeValues:StringEquals': { k: 'a' } }, 'The condition operator ForSomeValues:StringEquals'],
  [{ toString: { k: 'a' } }, 'The condition operator toString'],
  [{ Bool: { k: 'perhaps' } }, 'compares with true or false'],
  [{ NumericLessThan: { k: 'five' } }, 'compares with a number'],
  [{ Null: { k: 'no' } }, 'takes true or false'],
  [{ StringEquals: { k: { Ref: 'X' } } }, 'found {"Ref":"X"}'],
])('what is not known is an error, never an answer: %j', (conditions, message) => {
  expect(() => holds(conditions, {})).toThrow(message);
});

test('a key with several values needs a quantifier', () => {
  expect(() => holds({ StringEquals: { 'aws:TagKeys': 'a' } }, { 'aws:TagKeys': ['a', 'b'] })).toThrow('ForAllValues or ForAnyValue');
});
