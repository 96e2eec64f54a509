/** Secrets Manager, as far as a function reads a secret: GetSecretValue of the current version and the one before. */
import { AwsJsonError, type AwsJsonProtocol, serveAwsJson } from '../aws-json';
import { listen, type OnCall } from '../service';
import type { SecretOf } from '../sigv4';

export interface SecretsManagerOptions {
  readonly accountId: string;
  readonly region: string;
  readonly onCall?: OnCall;
  readonly secretOf?: SecretOf;
}

export interface SecretsManager {
  readonly endpoint: string;
  /** Creates the secret or gives it another value; what it had becomes its previous version. */
  putSecret(name: string, value: string): void;
  close(): Promise<void>;
}

/** GetSecretValue takes an ARN and the names of a version at most. */
const PROTOCOL: AwsJsonProtocol = { targetPrefix: 'secretsmanager', version: '1.1', bodyLimit: 64 * 1024 };

/** AWS appends six characters of its own choice to the name of each secret. */
export const ARN_SUFFIX = '-LoCaL0';

/** Secrets of this run go by their names. */
export function secretNameOf(nameOrArn: string): string {
  const [, name] = /^arn:[^:]*:secretsmanager:[^:]*:[^:]*:secret:(.+)$/.exec(nameOrArn) ?? [];
  return name?.endsWith(ARN_SUFFIX) ? name.slice(0, -ARN_SUFFIX.length) : name ?? nameOrArn;
}

interface Version {
  readonly id: string;
  readonly value: string;
  readonly createdAt: number;
}

export async function startSecretsManager({ accountId, region, onCall, secretOf }: SecretsManagerOptions): Promise<SecretsManager> {
  /** By their stages, the current one first. */
  const versions = new Map<string, { readonly AWSCURRENT: Version; readonly AWSPREVIOUS?: Version }>();
  const arnOf = (name: string) => `arn:aws:secretsmanager:${region}:${accountId}:secret:${name}${ARN_SUFFIX}`;
  const nameOf = (secretId: string) => [...versions.keys()].find((name) => [name, arnOf(name)].includes(secretId));

  const protocol: AwsJsonProtocol = { ...PROTOCOL, authentication: { service: 'secretsmanager', region, secretOf } };
  const listener = await listen(async (request, response) => serveAwsJson(protocol, request, response, async (operation, input, accessKeyId) => {
    const { SecretId, VersionId, VersionStage } = input;
    if (operation !== 'GetSecretValue') {
      throw new AwsJsonError('UnknownOperationException', `The local Secrets Manager does not support ${operation}, only GetSecretValue.`);
    }
    if (typeof SecretId !== 'string' || SecretId === '') throw new AwsJsonError('InvalidParameterException', 'Expected SecretId: the name or ARN of a secret.');
    const name = nameOf(SecretId);
    // As in AWS: who may not read a secret does not learn whether there is one.
    const resource = name === undefined ? (SecretId.startsWith('arn:') ? SecretId : arnOf(SecretId)) : arnOf(name);
    await onCall?.({ service: 'secretsmanager', action: 'secretsmanager:GetSecretValue', resource, accessKeyId });
    const stages = name === undefined ? undefined : versions.get(name);
    if (!stages) throw new AwsJsonError('ResourceNotFoundException', 'Secrets Manager can\'t find the specified secret.');
    const found = Object.entries(stages).find(([stageName, { id }]) => (VersionStage ?? stageName) === stageName && (VersionId ?? id) === id);
    if (!found) throw new AwsJsonError('ResourceNotFoundException', 'The local Secrets Manager has the current version and the one before only.');
    const [stage, version] = found;
    return {
      ARN: arnOf(name!), Name: name, SecretString: version.value, VersionId: version.id, VersionStages: [stage], CreatedDate: version.createdAt,
    };
  }));
  return {
    endpoint: listener.endpoint,
    putSecret: (name, value) => {
      const before = versions.get(name);
      versions.set(name, { AWSCURRENT: { id: crypto.randomUUID(), value, createdAt: Date.now() / 1000 }, ...(before && { AWSPREVIOUS: before.AWSCURRENT }) });
    },
    close: () => listener.close(),
  };
}
