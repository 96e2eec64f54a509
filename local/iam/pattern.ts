/**
 * The texts of a policy that may hold wildcards (`*`, `?`) and policy variables (`${codebuild:buildArn}`).
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
 */
import type { RequestContext } from './context';

export interface Pattern {
  readonly text: string;
  matches(text: string, context: RequestContext): boolean;
}

/** A policy variable has no value in this request: what contains it applies to nothing. */
export class UnresolvedVariableError extends Error {
  readonly name = 'UnresolvedVariableError';
}

export interface PatternOptions {
  /** Without them `*` and `?` are themselves, as in StringEquals. */
  readonly wildcards: boolean;
  /** Policies of the version 2008-10-17 have none: there `${…}` is text. */
  readonly variables: boolean;
  readonly ignoreCase?: boolean;
}

type Part = { readonly regex: string } | { readonly variable: string; readonly fallback?: string };

export function compilePattern(text: string, options: PatternOptions): Pattern {
  const parts = partsOf(text, options);
  const flags = options.ignoreCase ? 'is' : 's';
  const toRegex = (context?: RequestContext) => new RegExp(`^${parts.map((part) => ('regex' in part ? part.regex : escape(valueOf(part, context!)))).join('')}$`, flags);
  if (parts.some((part) => 'variable' in part)) return { text, matches: (value, context) => toRegex(context).test(value) };
  const regex = toRegex();
  return { text, matches: (value) => regex.test(value) };
}

/**
 * A pattern of an ARN. Each of the six parts between colons is compared alone, so that a wildcard never reaches into the next one; the last
 * part is the rest, colons included.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html#Conditions_ARN
 */
export function compileArnPattern(text: string, { variables }: { variables: boolean }): Pattern {
  if (text === '*') return { text, matches: () => true };
  // CodeBuild documents `${codebuild:buildArn}` as the value of an ARN condition.
  if (variables && /^\$\{[^}]*\}$/.test(text)) return compilePattern(text, { wildcards: false, variables });
  const parts = arnParts(text);
  if (!parts) throw new Error(`Expected "*" or an ARN of six parts in a policy, found "${text}".`);
  const patterns = parts.map((part) => compilePattern(part, { wildcards: true, variables }));
  return {
    text,
    matches: (arn, context) => {
      const asked = arnParts(arn);
      return asked !== undefined && patterns.every((pattern, index) => pattern.matches(asked[index], context));
    },
  };
}

const ARN_PARTS = 6;

/** A colon inside `${…}` separates nothing. */
function arnParts(text: string): string[] | undefined {
  const colons = [...text.matchAll(/\$\{[^}]*\}|:/g)].filter(([found]) => found === ':').slice(0, ARN_PARTS - 1).map(({ index }) => index);
  if (colons.length < ARN_PARTS - 1 || !text.startsWith('arn:')) return undefined;
  return [0, ...colons.map((colon) => colon + 1)].map((start, index) => text.slice(start, colons[index]));
}

function partsOf(text: string, { variables, wildcards }: PatternOptions): Part[] {
  return text.split(variables ? /(\$\{[^}]*\})/ : /(?!)/).flatMap((piece): Part[] => {
    if (variables && piece.startsWith('${')) return [variablePart(piece.slice(2, -1))];
    return [{ regex: wildcards ? escape(piece).replaceAll('\\*', '.*').replaceAll('\\?', '.') : escape(piece) }];
  });
}

/** `${*}`, `${?}` and `${$}` stand for the characters themselves, `${key, 'text'}` has a default. */
function variablePart(content: string): Part {
  if (['*', '?', '$'].includes(content)) return { regex: escape(content) };
  const [, variable, fallback] = /^([\w-]+:[^,']+?)\s*(?:,\s*'([^']*)'\s*)?$/.exec(content) ?? [];
  if (variable === undefined) throw new Error(`"\${${content}}" is no policy variable: expected \${service:key} or \${service:key, 'default'}.`);
  return { variable, fallback };
}

/** Its characters stand for themselves, whatever they are (UNVERIFIED for a value that holds a `*`). */
function valueOf({ variable, fallback }: { variable: string; fallback?: string }, context: RequestContext): string {
  const values = context.get(variable);
  if (values && values.length > 1) throw new Error(`The condition key ${variable} has several values: IAM takes no such key as a policy variable.`);
  const value = values?.[0] ?? fallback;
  if (value === undefined) throw new UnresolvedVariableError(`The request has no ${variable}.`);
  return value;
}

function escape(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
