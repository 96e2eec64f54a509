import type { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { Refusal } from './refusal';
import { logger } from '../shared/logger';
import { previousSecretText, secretText } from '../shared/secret-text';

/** A secret that was taken back is valid for so long at most. */
const KEEP_MS = 5 * 60_000;

/** A new secret is valid after so long at the latest, and whoever sends wrong signatures makes us read no more often. */
const READ_AGAIN_AFTER_MS = 30_000;

/**
 * The secret that deliveries are signed with: its current version and the one before, so that a rotation in Secrets Manager loses no
 * delivery, in whichever order the two sides learn of it.
 */
export class WebhookSecrets {
  private cached?: { readonly secrets: readonly string[]; readonly readAt: number };

  constructor(private readonly secretsManager: SecretsManagerClient, private readonly secretId: string) {}

  /** Whether one of the secrets passes. */
  public async some(passes: (secret: string) => Promise<boolean>): Promise<boolean> {
    if (await anyOf(await this.notOlderThan(KEEP_MS), passes)) return true;
    const known = this.cached;
    const secrets = await this.notOlderThan(READ_AGAIN_AFTER_MS);
    return this.cached !== known && anyOf(secrets, passes);
  }

  private async notOlderThan(milliseconds: number): Promise<readonly string[]> {
    if (this.cached && Date.now() - this.cached.readAt < milliseconds) return this.cached.secrets;
    const secrets = await this.read();
    this.cached = { secrets, readAt: Date.now() };
    return secrets;
  }

  private async read(): Promise<readonly string[]> {
    const { secretId, secretsManager } = this;
    try {
      const [current, previous] = await Promise.all([secretText(secretsManager, secretId), previousSecretText(secretsManager, secretId)]);
      return previous === undefined ? [current] : [current, previous];
    } catch (error) {
      logger.error('The webhook\'s secret cannot be read', { secretId, error: error as Error });
      throw new Refusal(500, 'The webhook\'s secret cannot be read, so nobody knows whether this delivery is genuine. Tell the platform\'s team; deliver it again afterwards.', 'failed');
    }
  }
}

async function anyOf(secrets: readonly string[], passes: (secret: string) => Promise<boolean>): Promise<boolean> {
  const passed = await Promise.all(secrets.map(passes));
  return passed.includes(true);
}
