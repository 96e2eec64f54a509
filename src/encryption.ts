import { Aws, Stack } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as kms from 'aws-cdk-lib/aws-kms';
import { Construct } from 'constructs';

const WRITE_AND_READ = ['kms:GenerateDataKey', 'kms:Decrypt'];

/** What a caller of each service needs of the key that the service encrypts with. */
const CALLERS_OF = {
  // Decrypt: S3 asks for it when it puts the parts of a multipart upload together, and to copy. Any Region: an imported bucket may
  // lie in another one than the stack.
  s3: { endpoint: `s3.*.${Aws.URL_SUFFIX}`, actions: WRITE_AND_READ },
  secretsmanager: { endpoint: `secretsmanager.${Aws.REGION}.${Aws.URL_SUFFIX}`, actions: ['kms:Decrypt'] },
  sqs: { endpoint: `sqs.${Aws.REGION}.${Aws.URL_SUFFIX}`, actions: WRITE_AND_READ },
  /** Who sends nothing. */
  sqsToReceive: { endpoint: `sqs.${Aws.REGION}.${Aws.URL_SUFFIX}`, actions: ['kms:Decrypt'] },
  // https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.usagenotes.html
  dynamodb: { endpoint: `dynamodb.${Aws.REGION}.${Aws.URL_SUFFIX}`, actions: ['kms:Decrypt', 'kms:Encrypt', 'kms:ReEncrypt*', 'kms:GenerateDataKey*'] },
};

/** The use of a key through one service, and not otherwise: the same key may protect things that are none of the pipeline's business. */
export function useOfKey(key: kms.IKey | undefined, service: keyof typeof CALLERS_OF): iam.PolicyStatement[] {
  if (!key) return [];
  const { endpoint, actions } = CALLERS_OF[service];
  return [new iam.PolicyStatement({ actions, resources: [key.keyArn], conditions: { StringLike: { 'kms:ViaService': endpoint } } })];
}

/** A key's own policy must name the services that use it for us; an imported key's policy cannot be changed from here. */
export function allowServicesToUse(key: kms.IKey, scope: Construct): void {
  const { partition, region, account } = Stack.of(scope);
  key.addToResourcePolicy(new iam.PolicyStatement({
    principals: [new iam.ServicePrincipal(`logs.${region}.amazonaws.com`)],
    actions: ['kms:Encrypt', 'kms:Decrypt', 'kms:ReEncrypt*', 'kms:GenerateDataKey*', 'kms:Describe*'],
    resources: ['*'],
    conditions: { ArnLike: { 'kms:EncryptionContext:aws:logs:arn': `arn:${partition}:logs:${region}:${account}:log-group:*` } },
  }));
  // EventBridge writes to encrypted queues: of build events that were lost, and of a webhook's status events.
  key.addToResourcePolicy(new iam.PolicyStatement({
    principals: [new iam.ServicePrincipal('events.amazonaws.com')],
    actions: ['kms:GenerateDataKey', 'kms:Decrypt'],
    resources: ['*'],
    conditions: { StringEquals: { 'aws:SourceAccount': account } },
  }));
}
