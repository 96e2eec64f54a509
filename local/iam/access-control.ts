/** Lets the services of a run ask, before each call, whether whoever holds the access key may do that, by the policies of the templates. */
import { AccessKeys, newCredentials, type Credentials, type Identity } from './access-keys';
import { Account } from './account';
import { checkKnown } from './condition-keys';
import { RequestContext, type ContextValues } from './context';
import { declaredResources } from './declared';
import { Encryption } from './encryption';
import { nameOf } from './principal';
import { AccessDeniedError, type ApiCall, type OnCall } from '../services/service';
import type { SecretOf } from '../services/sigv4';
import type { Resolver } from '../template/resolver';

/** One question that was decided. */
export interface AccessDecision {
  /** ARN of the role, or name of the service. */
  readonly caller: string;
  readonly action: string;
  readonly resource: string;
  readonly context: ContextValues;
  readonly allowed: boolean;
  /** Why not, in the words of AWS. */
  readonly reason: string;
}

export interface AccessControlOptions {
  readonly accountId: string;
  readonly region: string;
  readonly onDecision?: (decision: AccessDecision) => void;
}

export class AccessControl {
  /** Of the person at this machine, who may do everything. */
  readonly operator = newCredentials();
  private readonly keys = new AccessKeys();
  private policies?: { readonly account: Account; readonly encryption: Encryption };

  constructor(private readonly options: AccessControlOptions) {}

  /** From here on. Before, only the operator may do anything. */
  enforce(resolvers: readonly Resolver[]): void {
    this.policies = { account: new Account(resolvers), encryption: new Encryption(declaredResources(resolvers), this.options.region) };
  }

  /** Of a role, for an AWS service that assumes it. Throws AccessDeniedError if the role does not trust the service. */
  assumeRole(role: string, by: { service: string; sourceArn: string }, context: ContextValues = {}): Credentials {
    // Of a role from elsewhere nothing is known: not whom it trusts, and then not what it may do.
    if (this.policies?.account.hasRole(role)) this.require(this.serviceIdentity(by.service, by.sourceArn), { action: 'sts:AssumeRole', resource: role });
    return this.keys.issue({ caller: { role }, context });
  }

  /** Of a role beside the template's, for what the person at this machine runs with fewer rights than his own. */
  addRole(name: string, statements: readonly object[]): Credentials {
    const role = `arn:aws:iam::${this.options.accountId}:role/${name}`;
    this.policies?.account.addRole(role, { Version: '2012-10-17', Statement: statements });
    return this.keys.issue({ caller: { role }, context: {} });
  }

  /** Of an AWS service that acts on its own behalf, for a resource of the account. */
  serviceCredentials(service: string, sourceArn: string): Credentials {
    return this.keys.issue(this.serviceIdentity(service, sourceArn));
  }

  readonly onCall: OnCall = (call: ApiCall) => {
    if (call.accessKeyId === this.operator.accessKeyId) return;
    const identity = this.identify(call.accessKeyId);
    this.require(identity, call);
    for (const use of this.policies?.encryption.usesOf(call) ?? []) {
      this.require(identity, { ...use, context: { ...use.context, 'aws:ViaAWSService': 'true', 'kms:CallerAccount': this.options.accountId } });
    }
  };

  /** For the services, which verify with it who has signed a request. */
  readonly secretOf: SecretOf = (accessKeyId) => (
    accessKeyId === this.operator.accessKeyId ? this.operator.secretAccessKey : this.keys.secretOf(accessKeyId)
  );

  /** A name for whoever holds the key, which tells nobody the key. */
  nameOf(accessKeyId: string | undefined): string {
    const identity = accessKeyId === undefined ? undefined : this.keys.find(accessKeyId);
    return identity ? nameOf(identity.caller).replace(/^arn:[^/]*:role\//, '') : 'operator';
  }

  private serviceIdentity(service: string, sourceArn: string): Identity {
    return { caller: { service }, context: { 'aws:SourceArn': sourceArn, 'aws:SourceAccount': this.options.accountId } };
  }

  private identify(accessKeyId: string | undefined): Identity {
    if (accessKeyId === undefined) return { caller: 'anonymous', context: {} };
    const identity = this.keys.find(accessKeyId);
    if (!identity) throw new AccessDeniedError(`The AWS access key ID ${accessKeyId} does not exist in this run.`);
    return identity;
  }

  private require(identity: Identity, { action, resource, context: more, probe }: Pick<ApiCall, 'action' | 'resource' | 'probe'> & { context?: ContextValues }): void {
    const caller = nameOf(identity.caller);
    const context = { ...this.globalContext(identity), ...identity.context, ...more };
    const { allowed, reason } = this.decide(identity, action, resource, context);
    if (!probe) this.options.onDecision?.({ caller, action, resource, context, allowed, reason });
    if (!allowed) throw new AccessDeniedError(reason);
  }

  /** What cannot be decided is denied, and says why. */
  private decide({ caller }: Identity, action: string, resource: string, context: ContextValues): { allowed: boolean; reason: string } {
    if (!this.policies) throw new Error(`${action} was asked for before the templates were read.`);
    try {
      return this.policies.account.decide({ caller, action, resource, context: new RequestContext(context, checkKnown) });
    } catch (error) {
      return { allowed: false, reason: `Whether ${nameOf(caller)} may ${action} on ${resource} cannot be decided: ${(error as Error).message}` };
    }
  }

  private globalContext({ caller }: Identity): ContextValues {
    const role = typeof caller === 'object' && 'role' in caller ? caller.role : undefined;
    return {
      // There is no TLS to 127.0.0.1; to AWS there is.
      'aws:SecureTransport': 'true',
      'aws:RequestedRegion': this.options.region,
      'aws:PrincipalArn': role,
      'aws:PrincipalAccount': role && this.options.accountId,
      'aws:ViaAWSService': 'false',
    };
  }
}
