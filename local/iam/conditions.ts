/**
 * Conditions of a policy statement. Operators that are not listed here are an error, never a silent yes or no.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-logic-multiple-context-keys-or-values.html
 */
import type { RequestContext } from './context';
import { compileArnPattern, compilePattern } from './pattern';

/** Holds when every key under every operator does. */
export type Condition = (context: RequestContext) => boolean;

/** One value of the policy, ready to be compared with one of the request. */
type Comparison = (value: string, context: RequestContext) => boolean;

interface Operator {
  /** Holds when none of the values is equal, and when the key is not there at all. */
  readonly negated?: boolean;
  readonly compile: (policyValue: string, options: { variables: boolean }) => Comparison;
}

const string = (wildcards: boolean, ignoreCase = false): Operator['compile'] => (policyValue, { variables }) => {
  const pattern = compilePattern(policyValue, { wildcards, ignoreCase, variables });
  return (value, context) => pattern.matches(value, context);
};

const arn: Operator['compile'] = (policyValue, options) => {
  const pattern = compileArnPattern(policyValue, options);
  return (value, context) => pattern.matches(value, context);
};

const numeric = (holds: (asked: number, limit: number) => boolean): Operator['compile'] => (policyValue) => {
  const limit = Number(policyValue);
  if (policyValue.trim() === '' || Number.isNaN(limit)) throw new Error(`A numeric condition compares with a number, found "${policyValue}".`);
  return (value) => holds(Number(value), limit);
};

const bool: Operator['compile'] = (policyValue) => {
  if (!/^(true|false)$/i.test(policyValue)) throw new Error(`A Bool condition compares with true or false, found "${policyValue}".`);
  return (value) => value.toLowerCase() === policyValue.toLowerCase();
};

const OPERATORS: Readonly<Record<string, Operator>> = {
  StringEquals: { compile: string(false) },
  StringNotEquals: { compile: string(false), negated: true },
  StringEqualsIgnoreCase: { compile: string(false, true) },
  StringNotEqualsIgnoreCase: { compile: string(false, true), negated: true },
  StringLike: { compile: string(true) },
  StringNotLike: { compile: string(true), negated: true },
  ArnEquals: { compile: arn },
  ArnNotEquals: { compile: arn, negated: true },
  ArnLike: { compile: arn },
  ArnNotLike: { compile: arn, negated: true },
  NumericEquals: { compile: numeric((asked, limit) => asked === limit) },
  NumericNotEquals: { compile: numeric((asked, limit) => asked === limit), negated: true },
  NumericLessThan: { compile: numeric((asked, limit) => asked < limit) },
  NumericLessThanEquals: { compile: numeric((asked, limit) => asked <= limit) },
  NumericGreaterThan: { compile: numeric((asked, limit) => asked > limit) },
  NumericGreaterThanEquals: { compile: numeric((asked, limit) => asked >= limit) },
  Bool: { compile: bool },
};

type Quantifier = 'ForAllValues' | 'ForAnyValue';

export interface ConditionOptions {
  readonly variables: boolean;
}

export function compileConditions(conditions: unknown, options: ConditionOptions): Condition {
  const compiled = Object.entries((conditions ?? {}) as Record<string, Record<string, unknown>>)
    .flatMap(([operator, keys]) => Object.entries(keys).map(([key, values]) => compileCondition(operator, key, textsOf(values), options)));
  return (context) => compiled.every((condition) => condition(context));
}

function compileCondition(name: string, key: string, policyValues: readonly string[], options: ConditionOptions): Condition {
  if (name === 'Null') return presence(key, policyValues);
  const [, quantifier, base, ifExists] = /^(?:(ForAllValues|ForAnyValue):)?(\w+?)(IfExists)?$/.exec(name) ?? [];
  const operator = Object.hasOwn(OPERATORS, base ?? '') ? OPERATORS[base] : undefined;
  // What IfExists means beside a quantifier, AWS does not say.
  if (!operator || (quantifier && ifExists)) throw new Error(`The condition operator ${name} (of ${key}) is not known here; known are ${Object.keys(OPERATORS).join(', ')}, Null.`);
  const comparisons = policyValues.map((value) => operator.compile(value, options));
  const holds = (value: string, context: RequestContext) => comparisons.some((comparison) => comparison(value, context)) !== Boolean(operator.negated);
  if (quantifier) return quantified(quantifier as Quantifier, key, holds);
  return (context) => {
    const values = context.get(key);
    if (values === undefined) return Boolean(operator.negated || ifExists);
    if (values.length !== 1) throw new Error(`${key} has ${values.length} values in the request: a policy compares it with ForAllValues or ForAnyValue, not with ${name}.`);
    return holds(values[0], context);
  };
}

/** No value at all: all of none hold, and not any. */
function quantified(quantifier: Quantifier, key: string, holds: (value: string, context: RequestContext) => boolean): Condition {
  return (context) => {
    const values = context.get(key) ?? [];
    return quantifier === 'ForAllValues' ? values.every((value) => holds(value, context)) : values.some((value) => holds(value, context));
  };
}

/** `"Null": {"key": "true"}`: the request has no such key. */
function presence(key: string, policyValues: readonly string[]): Condition {
  if (policyValues.length !== 1 || !/^(true|false)$/i.test(policyValues[0])) throw new Error(`Null of ${key} takes true or false, found ${JSON.stringify(policyValues)}.`);
  const absent = policyValues[0].toLowerCase() === 'true';
  return (context) => (context.get(key) === undefined) === absent;
}

function textsOf(values: unknown): string[] {
  return [values].flat().map((value) => {
    if (!['string', 'number', 'boolean'].includes(typeof value)) throw new Error(`A condition compares with a text, a number or a Boolean, found ${JSON.stringify(value)}.`);
    return String(value);
  });
}
