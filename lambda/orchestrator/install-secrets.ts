import { GetSecretValueCommand, InvalidRequestException, ResourceNotFoundException, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { logger } from '../shared/logger';
import { variablesProblem } from '../shared/variables';

/** Environment variables of the install, such as tokens of private registries: one secret for each project that has any. */
export class InstallSecrets {
  constructor(private readonly secretsManager: SecretsManagerClient, private readonly prefix: string | undefined) {}

  /** Throws InvalidInstallSecrets if they are not what they have to be, and whatever Secrets Manager throws: then nobody knows of a secret. */
  public async of(projectId: string): Promise<Readonly<Record<string, string>> | undefined> {
    if (this.prefix === undefined) return undefined;
    const name = this.prefix + projectId;
    try {
      const { SecretString } = await this.secretsManager.send(new GetSecretValueCommand({ SecretId: name }));
      return parsed(name, SecretString);
    } catch (error) {
      if (error instanceof ResourceNotFoundException) return undefined;
      // Marked for deletion: somebody wants it to be gone.
      if (error instanceof InvalidRequestException) {
        logger.warn('The project\'s install secrets cannot be used; it is built without', { secret: name, error });
        return undefined;
      }
      throw error;
    }
  }
}

/** `message` says why without a word of what the secret holds. */
export class InvalidInstallSecrets extends Error {
  readonly name = 'InvalidInstallSecrets';
}

function parsed(name: string, text: string | undefined): Readonly<Record<string, string>> {
  let json: unknown;
  try {
    json = JSON.parse(text ?? '');
  } catch {
    throw new InvalidInstallSecrets(`The secret ${name} is not JSON`);
  }
  const problem = variablesProblem(json);
  if (problem) throw new InvalidInstallSecrets(`The secret ${name} ${problem}`);
  return json as Record<string, string>;
}
