/** Who asks, and whom the policy of a resource names. */

/** A role of the account, an AWS service on its own behalf, or nobody that AWS knows. */
export type Caller =
  | { readonly role: string }
  | { readonly service: string }
  | 'anonymous';

/** `caller`: it names the caller, or everybody. `account`: it names the caller's account, whose own policies then decide. */
export type Naming = 'caller' | 'account' | undefined;

export type Principals = (caller: Caller) => Naming;

export function readPrincipals(principal: unknown): Principals {
  if (principal === '*') return () => 'caller';
  const { AWS: aws = [], Service: service = [], ...others } = principal as Record<string, unknown>;
  const [unknown] = Object.keys(others);
  if (unknown) throw new Error(`principals of the kind ${unknown} are not known here; known are AWS and Service.`);
  const services = texts(service);
  const named = texts(aws);
  return (caller) => {
    if (named.includes('*')) return 'caller';
    if (caller === 'anonymous') return undefined;
    if ('service' in caller) return services.includes(caller.service) ? 'caller' : undefined;
    if (named.includes(caller.role)) return 'caller';
    const [, partition, , , account] = caller.role.split(':');
    return named.includes(account) || named.includes(`arn:${partition}:iam::${account}:root`) ? 'account' : undefined;
  };
}

export function nameOf(caller: Caller): string {
  if (caller === 'anonymous') return 'Anonymous';
  return 'role' in caller ? caller.role : caller.service;
}

function texts(value: unknown): string[] {
  return [value].flat().map((text) => {
    if (typeof text !== 'string') throw new Error(`expected a text as principal, found ${JSON.stringify(text)}.`);
    return text;
  });
}
