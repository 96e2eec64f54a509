/** The grants of a template, and the template without one of them. */
import type { AccessDecision } from '../../../local/iam/access-control';
import { Account } from '../../../local/iam/account';
import { RequestContext } from '../../../local/iam/context';
import type { Caller } from '../../../local/iam/principal';
import type { StackTemplate } from '../../../local/template/assembly';
import type { Resolver } from '../../../local/template/resolver';

export type Resources = StackTemplate['resources'];

export interface Grant {
  /** As in `BuildsBuildRole: s3:PutObject on arn:aws:s3:::…`. */
  readonly name: string;
  without(resources: Resources): Resources;
}

/** Calls that were made, and are denied without the grant. `resolverOf`: of the stack with other resources. */
export function deniedWithout(
  grant: Grant, calls: Iterable<AccessDecision>, resources: Resources, resolverOf: (resources: Resources) => Resolver,
): AccessDecision[] {
  const account = new Account([resolverOf(grant.without(resources))]);
  return [...calls].filter(({ action, caller, context, resource }) => !account.decide({
    caller: callerOf(caller), action, resource, context: new RequestContext(context),
  }).allowed);
}

function callerOf(name: string): Caller {
  if (name === 'Anonymous') return 'anonymous';
  return name.startsWith('arn:') ? { role: name } : { service: name };
}

interface Statement {
  readonly Effect: string;
  readonly Action: string | readonly string[];
  readonly Resource?: unknown;
  readonly Principal?: unknown;
}

/**
 * Each action on each resource of each Allow of the roles' own policies; and what resources and functions allow to services. Not the
 * permissions boundary, which grants nothing, and not the keys' policies, which leave it to the roles'.
 */
export function grantsOf(resources: Resources, resolver: Resolver): Grant[] {
  return Object.entries(resources).flatMap(([id, { Type: type, Properties: properties = {} }]) => {
    switch (type) {
      case 'AWS::IAM::Policy': return statementsOf(properties).flatMap((statement, index) => grantsOfRole(id, statement, index, readable(id), resolver));
      case 'AWS::SQS::QueuePolicy': return statementsOf(properties).flatMap((statement, index) => (statement.Effect === 'Allow'
        ? [{ name: `${readable(id)}: ${String(statement.Action)} for ${JSON.stringify(statement.Principal)}`, without: replacing(id, index, []) }]
        : []));
      case 'AWS::Lambda::Permission': return [{
        name: `${readable(id)}: ${String(properties.Action)} for ${String(properties.Principal)}`,
        without: (all: Resources) => Object.fromEntries(Object.entries(all).filter(([other]) => other !== id)),
      }];
      default: return [];
    }
  });
}

function grantsOfRole(id: string, statement: Statement, index: number, role: string, resolver: Resolver): Grant[] {
  if (statement.Effect !== 'Allow') return [];
  const actions = [statement.Action].flat() as string[];
  // An older aws-cdk-lib writes an `AWS::NoValue` for the indexes that a table does not have.
  const places = [statement.Resource].flat().filter((place) => resolver.resolve(place) !== undefined);
  return actions.flatMap((action) => places.map((place) => ({
    name: `${role}: ${action} on ${String(resolver.resolve(place))}`,
    without: replacing(id, index, [
      { ...statement, Action: actions.filter((other) => other !== action) },
      { ...statement, Action: [action], Resource: places.filter((other) => other !== place) },
    ].filter((rest) => rest.Action.length > 0 && [rest.Resource].flat().length > 0)),
  })));
}

function replacing(id: string, index: number, statements: readonly Statement[]): Grant['without'] {
  return (resources) => {
    const { Properties: properties = {} } = resources[id];
    const all: readonly Statement[] = [...statementsOf(properties).slice(0, index), ...statements, ...statementsOf(properties).slice(index + 1)];
    const document = { ...properties.PolicyDocument as object, Statement: all };
    return { ...resources, [id]: { ...resources[id], Properties: { ...properties, PolicyDocument: document } } };
  };
}

function statementsOf(properties: Record<string, unknown>): Statement[] {
  return [(properties.PolicyDocument as { Statement: Statement | Statement[] }).Statement].flat();
}

/** `BuildsBuildRoleDefaultPolicy1A2B3C4D` is the policy of `BuildsBuildRole`. */
function readable(logicalId: string): string {
  return logicalId.replace(/[0-9A-F]{8}$/, '').replace(/DefaultPolicy$/, '');
}
