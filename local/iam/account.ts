/** An account as its templates describe it: who may do what with which of its resources. Policies are read once. */
import { decide, type Decision } from './decision';
import { declaredResources } from './declared';
import { parsePolicy, type AccessRequest, type Policy } from './policy';
import { readResourcePolicies } from './resource-policies';
import { readRoles, type Role } from './roles';
import type { Resolver } from '../template/resolver';

export class Account {
  private readonly roles: Map<string, Role>;
  private readonly resourcePolicies: ReadonlyMap<string, Policy>;

  constructor(resolvers: readonly Resolver[]) {
    const declared = declaredResources(resolvers);
    this.roles = readRoles(declared);
    this.resourcePolicies = readResourcePolicies(declared);
  }

  public decide(request: AccessRequest): Decision {
    const { caller, resource } = request;
    const role = typeof caller === 'object' && 'role' in caller ? this.role(caller.role) : undefined;
    return decide(request, { identity: role?.identity ?? [], boundary: role?.boundary, resource: this.policyOf(resource) });
  }

  /** One that no template has. */
  public addRole(arn: string, document: object): void {
    this.roles.set(arn, { identity: [parsePolicy(document, arn)] });
  }

  public hasRole(arn: string): boolean {
    return this.roles.has(arn);
  }

  private role(arn: string): Role {
    const role = this.roles.get(arn);
    if (!role) throw new Error(`No template has the role ${arn}; there are ${[...this.roles.keys()].join(', ') || 'none'}.`);
    return role;
  }

  private policyOf(resource: string): Policy | undefined {
    // The policy of a bucket is also that of its objects.
    const owner = resource.startsWith('arn:aws:s3:::') ? resource.split('/')[0] : resource;
    return this.resourcePolicies.get(owner) ?? (resource.startsWith('arn:aws:kms:') ? POLICY_OF_IMPORTED_KEY : undefined);
  }
}

/** No template shows it. AWS's own default is assumed: it leaves the decision to the policies of the account. */
const POLICY_OF_IMPORTED_KEY: Policy = {
  statements: [{ source: 'policy of an imported key', effect: 'Allow', principals: (caller) => (typeof caller === 'object' && 'role' in caller ? 'account' : undefined), applies: () => true }],
};
