/**
 * Whether a request within one account is allowed: an explicit Deny anywhere wins; otherwise the caller's own policies (within its
 * permissions boundary) or the policy of the resource must allow it. Organizations and session policies have no place in a template.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-denyallow.html
 */
import type { AccessRequest, Policy, Statement } from './policy';
import { nameOf, type Naming } from './principal';

export interface ApplicablePolicies {
  /** Of the caller's role; empty for a service that acts on its own behalf. */
  readonly identity: readonly Policy[];
  /** Missing: the role has none. */
  readonly boundary?: Policy;
  /** Of the resource; missing: it has none. */
  readonly resource?: Policy;
}

export interface Decision {
  readonly allowed: boolean;
  /** In the words of AWS: who may not do what, and for want of what. */
  readonly reason: string;
  /** What made it so: the statements that allow, or the one that denies. */
  readonly statements: readonly Statement[];
}

/** Nobody may use them whom their own policy does not let in, not even with a right on everything: KMS keys, and roles to be assumed. */
const NEED_RESOURCE_POLICY = /^(kms:|sts:AssumeRole$)/i;

export function decide(request: AccessRequest, { identity, boundary, resource }: ApplicablePolicies): Decision {
  const own = statementsOf(identity, request);
  const bounds = boundary && statementsOf([boundary], request);
  const named = resource ? namingStatements(resource, request) : [];

  const denied = (kind: string, statements: readonly Statement[]) => {
    const deny = statements.find(({ effect }) => effect === 'Deny');
    return deny && refusal(request, `with an explicit deny in ${kind} (${deny.source})`, [deny]);
  };
  const refused = denied('an identity-based policy', own) ?? denied('a permissions boundary', bounds ?? [])
    ?? denied('a resource-based policy', named.map(({ statement }) => statement));
  if (refused) return refused;

  const allows = own.filter(({ effect }) => effect === 'Allow');
  const direct = named.filter(({ naming, statement }) => naming === 'caller' && statement.effect === 'Allow').map(({ statement }) => statement);
  const account = named.filter(({ naming, statement }) => naming === 'account' && statement.effect === 'Allow').map(({ statement }) => statement);
  const needsResource = NEED_RESOURCE_POLICY.test(request.action);
  if (needsResource && direct.length === 0 && account.length === 0) return refusal(request, `because no resource-based policy allows the ${request.action} action`);

  const granting = [...direct, ...(allows.length > 0 ? [...allows, ...(needsResource ? account : [])] : [])];
  if (granting.length === 0) {
    const kind = typeof request.caller === 'object' && 'role' in request.caller ? 'identity-based' : 'resource-based';
    return refusal(request, `because no ${kind} policy allows the ${request.action} action`);
  }
  // A policy of a resource that names the role is bounded, too. (One that names the role's session is not; templates do not know sessions.
  // That "*" is bounded is UNVERIFIED.)
  const within = bounds?.filter(({ effect }) => effect === 'Allow');
  if (within?.length === 0) return refusal(request, `because no permissions boundary allows the ${request.action} action`);
  return { allowed: true, reason: '', statements: [...granting, ...within ?? []] };
}

function statementsOf(policies: readonly Policy[], request: AccessRequest): Statement[] {
  return policies.flatMap(({ statements }) => statements).filter((statement) => statement.applies(request));
}

function namingStatements(policy: Policy, request: AccessRequest): { statement: Statement; naming: NonNullable<Naming> }[] {
  return policy.statements.flatMap((statement) => {
    const naming = statement.principals?.(request.caller);
    return naming && statement.applies(request) ? [{ statement, naming }] : [];
  });
}

function refusal({ caller, action, resource }: AccessRequest, why: string, statements: readonly Statement[] = []): Decision {
  return { allowed: false, reason: `User: ${nameOf(caller)} is not authorized to perform: ${action} on resource: ${resource} ${why}`, statements };
}
