/** Policy documents, read once and compared with many requests. An element that is not known here is an error. */
import { compileConditions, type Condition } from './conditions';
import { RequestContext } from './context';
import { compileArnPattern, compilePattern, UnresolvedVariableError, type Pattern } from './pattern';
import { readPrincipals, type Caller, type Principals } from './principal';

export interface AccessRequest {
  readonly caller: Caller;
  /** E.g. `s3:PutObject`. */
  readonly action: string;
  /** ARN; `*` where the action is on no resource. */
  readonly resource: string;
  readonly context: RequestContext;
}

export interface Statement {
  /** Where it stands, for people: `policy of BuildRole, statement 2 (Sid)`. */
  readonly source: string;
  readonly effect: 'Allow' | 'Deny';
  /** Missing in policies of roles. */
  readonly principals?: Principals;
  /** Whether it is about this request, whoever makes it. */
  applies(request: AccessRequest): boolean;
}

export interface Policy {
  readonly statements: readonly Statement[];
}

const ELEMENTS = ['Sid', 'Effect', 'Principal', 'Action', 'NotAction', 'Resource', 'NotResource', 'Condition'];

/**
 * @param source what the policy is attached to, for people
 * @param options resource: what statements without a resource are about, as in a trust policy
 */
export function parsePolicy(document: unknown, source: string, options: { resource?: string } = {}): Policy {
  const { Version: version, Statement: statements } = document as Record<string, unknown>;
  const parse = (statement: unknown, index: number) => {
    const where = `${source}, statement ${index + 1}`;
    try {
      return parseStatement(statement as Record<string, unknown>, where, { variables: version === '2012-10-17', ...options });
    } catch (error) {
      throw new Error(`${where}: ${(error as Error).message}`);
    }
  };
  return { statements: [statements ?? []].flat().map(parse) };
}

function parseStatement(statement: Record<string, unknown>, where: string, options: { variables: boolean; resource?: string }): Statement {
  const unknown = Object.keys(statement).find((name) => !ELEMENTS.includes(name));
  if (unknown) throw new Error(`the element ${unknown} is not known here; known are ${ELEMENTS.join(', ')}.`);
  const { Sid: sid, Effect: effect, Principal: principal, Condition: conditions, Resource: resource = options.resource } = statement;
  if (effect !== 'Allow' && effect !== 'Deny') throw new Error(`the effect is Allow or Deny, found ${JSON.stringify(effect)}.`);
  const actions = either('Action', statement, statement.Action, statement.NotAction, (text) => compilePattern(text, { wildcards: true, variables: false, ignoreCase: true }));
  const resources = either('Resource', statement, resource, statement.NotResource, (text) => compileArnPattern(text, options));
  const holds: Condition = compileConditions(conditions, options);
  return {
    source: typeof sid === 'string' && sid ? `${where} (${sid})` : where,
    effect,
    principals: principal === undefined ? undefined : readPrincipals(principal),
    applies: (request) => {
      try {
        return actions(request.action, request) && resources(request.resource, request) && holds(request.context);
      } catch (error) {
        // The statement has no meaning for this request, whatever its effect.
        if (error instanceof UnresolvedVariableError) return false;
        throw error;
      }
    },
  };
}

type Matcher = (text: string, request: AccessRequest) => boolean;

/** `Action` or `NotAction`, `Resource` or `NotResource`: exactly one of them. */
function either(name: string, statement: Record<string, unknown>, positive: unknown, negative: unknown, compile: (text: string) => Pattern): Matcher {
  if ((positive === undefined) === (negative === undefined)) throw new Error(`expected ${name} or Not${name}, found ${Object.keys(statement).join(', ')}.`);
  const patterns = [positive ?? negative].flat().map((text) => {
    if (typeof text !== 'string') throw new Error(`expected texts in ${name}, found ${JSON.stringify(text)}: what CloudFormation would fill in must be resolved.`);
    return compile(text);
  });
  const matches: Matcher = (text, { context }) => patterns.some((pattern) => pattern.matches(text, context));
  return negative === undefined ? matches : (text, request) => !matches(text, request);
}
