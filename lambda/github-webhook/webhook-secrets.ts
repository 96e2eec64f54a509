import { GetSecretValueCommand, ResourceNotFoundException, type SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { Refusal } from './refusal';
import { logger } from '../shared/logger';

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
    const [current, previous] = await Promise.all([this.version('AWSCURRENT'), this.version('AWSPREVIOUS')]);
    if (current === undefined) {
      logger.error('Expected the webhook\'s secret to be text, got none', { secretId: this.secretId });
      throw unreadable();
    }
    const secrets = previous === undefined ? [current] : [current, previous];
    this.cached = { secrets, readAt: Date.now() };
    return secrets;
  }

  /** Without the line break that editors leave at the end. */
  private async version(stage: 'AWSCURRENT' | 'AWSPREVIOUS'): Promise<string | undefined> {
    try {
      const { SecretString } = await this.secretsManager.send(new GetSecretValueCommand({ SecretId: this.secretId, VersionStage: stage }));
      return SecretString?.trim() || undefined;
    } catch (error) {
      // A secret that was never changed has no version before.
      if (error instanceof ResourceNotFoundException) return undefined;
      logger.error('The webhook\'s secret cannot be read', { secretId: this.secretId, stage, error: error as Error });
      throw unreadable();
    }
  }
}

function unreadable(): Refusal {
  return new Refusal(500, 'The webhook\'s secret cannot be read, so nobody knows whether this delivery is genuine. Tell the platform\'s team; deliver it again afterwards.', 'failed');
}

async function anyOf(secrets: readonly string[], passes: (secret: string) => Promise<boolean>): Promise<boolean> {
  const passed = await Promise.all(secrets.map(passes));
  return passed.includes(true);
}
