/** Secrets of the user's that a function of ours reads. */
import * as iam from 'aws-cdk-lib/aws-iam';
import * as secretsmanager from 'aws-cdk-lib/aws-secretsmanager';
import { useOfKey } from './encryption';

/** How a function names the secret. Of one that was imported by its name, nobody knows the end of the ARN. */
export function secretIdOf(secret: secretsmanager.ISecret): string {
  return secret.secretFullArn ?? secret.secretName;
}

/** To read this secret and no other, with its key if it has one. */
export function rightToRead(secret: secretsmanager.ISecret): iam.PolicyStatement[] {
  return [
    // Secrets Manager ends the ARN of a secret with six characters of its own, which are not known of one that was imported by its name.
    new iam.PolicyStatement({ actions: ['secretsmanager:GetSecretValue'], resources: [secret.secretFullArn ?? `${secret.secretArn}-??????`] }),
    ...useOfKey(secret.encryptionKey, 'secretsmanager'),
  ];
}
