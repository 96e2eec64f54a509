import { GetSecretValueCommand, InvalidRequestException, ResourceNotFoundException, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import * as z from 'zod';
import { variableNameProblem } from '../../src/contract/environment';
import { logger } from '../shared/logger';

const secret = z.record(
  z.string().superRefine((name, context) => {
    const problem = variableNameProblem(name);
    if (problem) context.addIssue({ code: 'custom', message: problem });
  }),
  // Neither bash nor an environment can hold NUL.
  z.string('is not a string').refine((value) => !value.includes('\0'), 'has a NUL character'),
);

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
  const { data, error } = secret.safeParse(json);
  if (data) return data;
  const [{ path, message, code, ...issue }] = error.issues;
  if (path.length === 0) throw new InvalidInstallSecrets(`The secret ${name} is not a JSON object`);
  const inner = code === 'invalid_key' && 'issues' in issue ? issue.issues[0].message : message;
  throw new InvalidInstallSecrets(`The secret ${name}: "${String(path[0])}" ${inner}`);
}
