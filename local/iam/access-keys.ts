/** Who holds which access key. */
import { randomBytes } from 'node:crypto';
import type { ContextValues } from './context';
import type { Caller } from './principal';

export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

export interface Identity {
  readonly caller: Caller;
  /** Condition keys of everything that is asked with the key. */
  readonly context: ContextValues;
}

/** Random: nobody has a key that was not given to him. */
export function newCredentials(): Credentials {
  return { accessKeyId: `ASIA${randomBytes(8).toString('hex').toUpperCase()}`, secretAccessKey: randomBytes(20).toString('hex') };
}

export class AccessKeys {
  private readonly issued = new Map<string, { readonly identity: Identity; readonly secretAccessKey: string }>();

  issue(identity: Identity): Credentials {
    const credentials = newCredentials();
    const { accessKeyId, secretAccessKey } = credentials;
    this.issued.set(accessKeyId, { identity, secretAccessKey });
    return credentials;
  }

  find(accessKeyId: string): Identity | undefined {
    return this.issued.get(accessKeyId)?.identity;
  }

  secretOf(accessKeyId: string): string | undefined {
    return this.issued.get(accessKeyId)?.secretAccessKey;
  }
}
