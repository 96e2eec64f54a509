import { GetSecretValueCommand, ResourceNotFoundException, type SecretsManagerClient } from '@aws-sdk/client-secrets-manager';

/** Throws what Secrets Manager throws: the message that needs the secret comes back until somebody has mended that. */
export async function secretText(client: SecretsManagerClient, secretId: string): Promise<string> {
  const { SecretString } = await client.send(new GetSecretValueCommand({ SecretId: secretId }));
  if (SecretString?.trim()) return SecretString;
  throw new Error(`Expected the secret ${secretId} to be text, got none. Put its value there.`);
}

/** The value before the present one; undefined: there is none. */
export async function previousSecretText(client: SecretsManagerClient, secretId: string): Promise<string | undefined> {
  try {
    const { SecretString } = await client.send(new GetSecretValueCommand({ SecretId: secretId, VersionStage: 'AWSPREVIOUS' }));
    return SecretString;
  } catch (error) {
    if (error instanceof ResourceNotFoundException) return undefined;
    throw error;
  }
}
