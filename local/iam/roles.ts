/** The roles of a template with all that gives them rights, or takes rights away: inline and managed policies, permissions boundaries. */
import type { Declared, DeclaredResources } from './declared';
import { AWS_MANAGED_POLICIES } from './managed-policies';
import { parsePolicy, type Policy } from './policy';

export interface Role {
  readonly identity: readonly Policy[];
  readonly boundary?: Policy;
}

/** By ARN. */
export function readRoles(declared: DeclaredResources): Map<string, Role> {
  const managed = new Map(declared('AWS::IAM::ManagedPolicy').map((policy) => [policy.arn, policy]));
  const policies = declared('AWS::IAM::Policy', 'AWS::IAM::RolePolicy');
  return new Map(declared('AWS::IAM::Role').map((role) => {
    const { ManagedPolicyArns: attached = [], PermissionsBoundary: boundary, Policies: inline = [] } = role.properties;
    const managedPolicy = (arn: string) => readManagedPolicy(arn, managed, role);
    const attaching = [...managed.values()].filter(({ properties: { Roles: names = [] } }) => names.includes(role.name)).map(({ arn }) => arn);
    const own = policies.filter(({ properties: { Roles: names = [], RoleName: name } }) => [...names, name].includes(role.name));
    return [role.arn, {
      boundary: boundary === undefined ? undefined : managedPolicy(boundary),
      identity: [
        ...inline.map((policy: Record<string, unknown>) => parsePolicy(policy.PolicyDocument, `policy ${String(policy.PolicyName)} of ${role.logicalId}`)),
        ...own.map(({ logicalId, properties }) => parsePolicy(properties.PolicyDocument, logicalId)),
        ...[...new Set<string>([...attached, ...attaching])].map(managedPolicy),
      ],
    }];
  }));
}

function readManagedPolicy(arn: string, managed: ReadonlyMap<string, Declared>, role: Declared): Policy {
  const policy = managed.get(arn);
  if (policy) return parsePolicy(policy.properties.PolicyDocument, policy.logicalId);
  if (Object.hasOwn(AWS_MANAGED_POLICIES, arn)) return parsePolicy(AWS_MANAGED_POLICIES[arn], arn);
  // An error at the first call of the role, not at the start: other roles of the template have no part in it.
  const applies = (): never => {
    throw new Error(`Role ${role.logicalId} has the managed policy ${arn}, and no template says what is in it. Write its statements out in the role.`);
  };
  return { statements: [{ source: arn, effect: 'Allow', applies }] };
}
