/**
 * EventBridge event patterns: which events a rule is for. A pattern mirrors the event; at its leaves stand arrays of
 * alternatives. Pure, and complete except for `cidr`. A pattern that EventBridge would refuse is refused here too, whatever
 * the event looks like.
 */

export type EventPattern = { readonly [field: string]: unknown };

type Predicate = (value: unknown) => boolean;

export class InvalidEventPatternError extends Error {
  readonly name = 'InvalidEventPatternError';
}

export function matchesPattern(pattern: EventPattern, event: unknown): boolean {
  return compilePattern(pattern)(event);
}

/** Checks the whole pattern once, for a rule that will see many events. */
export function compilePattern(pattern: EventPattern): Predicate {
  if (!isObject(pattern) || Object.keys(pattern).length === 0) {
    throw invalid(pattern, 'an object with at least one field', 'the event pattern');
  }
  return compileObject(pattern, '$');
}

function compileObject(pattern: EventPattern, path: string): Predicate {
  const fields = Object.entries(pattern).map(([name, expected]): Predicate => {
    const at = `${path}.${name}`;
    if (name === '$or') {
      return compileOr(expected, path, at);
    }
    const matches = compileField(expected, at);
    return (value) => matches(isObject(value) ? value[name] : undefined);
  });
  const matchesObject: Predicate = (value) => fields.every((matches) => matches(value));
  // In an array of objects, one and the same object has to match all of the pattern.
  return (value) => (Array.isArray(value) && value.length > 0 ? flatten(value).some(matchesObject) : matchesObject(value));
}

function compileOr(alternatives: unknown, path: string, at: string): Predicate {
  if (!Array.isArray(alternatives) || alternatives.length < 2 || !alternatives.every(isObject)) {
    throw invalid(alternatives, 'an array of at least two patterns', at);
  }
  const predicates = alternatives.map((alternative) => compileObject(alternative, path));
  return (value) => predicates.some((matches) => matches(value));
}

function compileField(expected: unknown, at: string): Predicate {
  if (isObject(expected)) {
    if (Object.keys(expected).length === 0) {
      throw invalid(expected, 'an object with at least one field', at);
    }
    return compileObject(expected, at);
  }
  if (!Array.isArray(expected) || expected.length === 0) {
    throw invalid(expected, 'an array with at least one value, or an object', at);
  }
  const alternatives = expected.map((matcher) => compileMatcher(matcher, at));
  return (value) => {
    const leaves = leavesOf(value);
    return alternatives.some((matches) => matches(leaves));
  };
}

/** A matcher sees all leaves of a field, because `exists` asks whether there are any. */
function compileMatcher(matcher: unknown, at: string): (leaves: unknown[]) => boolean {
  if (isObject(matcher)) {
    const [operator, operand] = onlyEntry(matcher, at);
    if (operator === 'exists') {
      if (typeof operand !== 'boolean') {
        throw invalid(operand, 'true or false', `${at} exists`);
      }
      return (leaves) => (leaves.length > 0) === operand;
    }
    const matchesLeaf = compileOperator(operator, operand, at);
    return (leaves) => leaves.some(matchesLeaf);
  }
  if (Array.isArray(matcher)) {
    throw invalid(matcher, 'a value or a matcher, not an array in an array', at);
  }
  return (leaves) => leaves.includes(matcher);
}

function compileOperator(operator: string, operand: unknown, at: string): Predicate {
  switch (operator) {
    case 'prefix':
    case 'suffix':
      return affix(operator, operand, at);
    case 'equals-ignore-case': {
      const expected = lower(stringOf(operand, `${at} ${operator}`));
      return onString((value) => lower(value) === expected);
    }
    case 'wildcard': {
      const expression = wildcard(stringOf(operand, `${at} ${operator}`), at);
      return onString((value) => expression.test(value));
    }
    case 'numeric':
      return numeric(operand, at);
    case 'anything-but':
      return anythingBut(operand, at);
    default:
      throw invalid(operator, 'exists, prefix, suffix, equals-ignore-case, wildcard, numeric or anything-but', at);
  }
}

function affix(operator: 'prefix' | 'suffix', operand: unknown, at: string): Predicate {
  const matches = (value: string, expected: string) => (operator === 'prefix' ? value.startsWith(expected) : value.endsWith(expected));
  if (isObject(operand)) {
    const [modifier, text] = onlyEntry(operand, at);
    if (modifier !== 'equals-ignore-case') {
      throw invalid(modifier, 'equals-ignore-case', `${at} ${operator}`);
    }
    const folded = lower(stringOf(text, `${at} ${operator} equals-ignore-case`));
    return onString((value) => matches(lower(value), folded));
  }
  const expected = stringOf(operand, `${at} ${operator}`);
  return onString((value) => matches(value, expected));
}

function anythingBut(operand: unknown, at: string): Predicate {
  if (isObject(operand)) {
    const [operator, excluded] = onlyEntry(operand, at);
    if (!['prefix', 'suffix', 'equals-ignore-case', 'wildcard'].includes(operator)) {
      throw invalid(operator, 'prefix, suffix, equals-ignore-case or wildcard', `${at} anything-but`);
    }
    const predicates = nonEmpty(excluded, `${at} anything-but`).map((one) => compileOperator(operator, one, `${at} anything-but`));
    return (value) => !predicates.some((matches) => matches(value));
  }
  const excluded: readonly unknown[] = nonEmpty(operand, `${at} anything-but`);
  if (!excluded.every((one) => typeof one === 'string') && !excluded.every((one) => typeof one === 'number')) {
    throw invalid(operand, 'strings, numbers or a matcher', `${at} anything-but`);
  }
  return (value) => excluded.every((one) => one !== value);
}

const COMPARISONS: Record<string, (value: number, bound: number) => boolean> = {
  '=': (value, bound) => value === bound,
  '<': (value, bound) => value < bound,
  '<=': (value, bound) => value <= bound,
  '>': (value, bound) => value > bound,
  '>=': (value, bound) => value >= bound,
};

function numeric(operand: unknown, at: string): Predicate {
  if (!Array.isArray(operand) || (operand.length !== 2 && operand.length !== 4)) {
    throw invalid(operand, 'one comparison ["<", 10] or a range [">", 0, "<=", 5]', `${at} numeric`);
  }
  const comparisons = Array.from({ length: operand.length / 2 }, (_, index) => {
    const [sign, bound] = operand.slice(2 * index) as [unknown, unknown];
    const compare = typeof sign === 'string' ? COMPARISONS[sign] : undefined;
    if (compare === undefined || typeof bound !== 'number') {
      throw invalid([sign, bound], 'one of = < <= > >= and a number', `${at} numeric`);
    }
    return (value: number) => compare(value, bound);
  });
  return (value) => typeof value === 'number' && comparisons.every((holds) => holds(value));
}

/** `*` stands for any characters, `\*` and `\\` for themselves. */
function wildcard(text: string, at: string): RegExp {
  if (/(?<!\\)(\\\\)*\*\*/.test(text)) {
    throw invalid(text, 'no two wildcards in a row', `${at} wildcard`);
  }
  if (/^(?:[^\\]|\\[\\*])*$/.test(text) === false) {
    throw invalid(text, 'a backslash only before * or another backslash', `${at} wildcard`);
  }
  const source = text.replace(/\\[\\*]|\*|[.+?^${}()|[\]/]/g, (token) => (token === '*' ? '.*' : token.startsWith('\\') ? token : `\\${token}`));
  return new RegExp(`^${source}$`, 's');
}

/** Arrays are flattened; objects in them are not leaves. */
function leavesOf(value: unknown): unknown[] {
  return flatten(value).filter((leaf) => leaf === null || (leaf !== undefined && typeof leaf !== 'object'));
}

function flatten(value: unknown): unknown[] {
  return Array.isArray(value) ? value.flatMap(flatten) : [value];
}

function onString(matches: (value: string) => boolean): Predicate {
  return (value) => typeof value === 'string' && matches(value);
}

function lower(text: string): string {
  return text.toLowerCase();
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function onlyEntry(matcher: Record<string, unknown>, at: string): [string, unknown] {
  const entries = Object.entries(matcher);
  if (entries.length !== 1) {
    throw invalid(matcher, 'exactly one operator', at);
  }
  return entries[0];
}

function nonEmpty(operand: unknown, at: string): unknown[] {
  const list = Array.isArray(operand) ? operand : [operand];
  if (list.length === 0) {
    throw invalid(operand, 'at least one value', at);
  }
  return list;
}

function stringOf(operand: unknown, at: string): string {
  if (typeof operand !== 'string') {
    throw invalid(operand, 'a string', at);
  }
  return operand;
}

function invalid(got: unknown, expected: string, at: string): InvalidEventPatternError {
  return new InvalidEventPatternError(`Event pattern is not valid. Reason: ${at}: expected ${expected}, got ${JSON.stringify(got)}.`);
}
