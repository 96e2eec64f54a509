import { GetSecretValueCommand, ResourceNotFoundException, type SecretsManagerClient } from '@aws-sdk/client-secrets-manager';

/** The secret's current text, without the line break that editors leave at its end. Throws what Secrets Manager throws, and if there is none. */
export async function secretText(client: SecretsManagerClient, secretId: string): Promise<string> {
  const { SecretString } = await client.send(new GetSecretValueCommand({ SecretId: secretId }));
  const text = SecretString?.trim();
  if (text) return text;
  throw new Error(`Expected the secret ${secretId} to be text, got none. Put its value there.`);
}

/** What it was before it was last changed; undefined: there is none. */
export async function previousSecretText(client: SecretsManagerClient, secretId: string): Promise<string | undefined> {
  try {
    const { SecretString } = await client.send(new GetSecretValueCommand({ SecretId: secretId, VersionStage: 'AWSPREVIOUS' }));
    return SecretString?.trim() || undefined;
  } catch (error) {
    if (error instanceof ResourceNotFoundException) return undefined;
    throw error;
  }
}
