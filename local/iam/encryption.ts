/**
 * Keys that buckets, queues and tables are encrypted with. The service asks KMS on behalf of its caller, who needs the right to use the key.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html
 * https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-key-management.html
 * https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.usagenotes.html
 */
import type { ContextValues } from './context';
import type { DeclaredResources } from './declared';
import type { ApiCall } from '../services/service';

export interface KeyUse {
  readonly action: string;
  /** ARN of the key. */
  readonly resource: string;
  readonly context: ContextValues;
}

export class Encryption {
  /** ARN of the key by ARN of the bucket, queue or table. */
  private readonly keys: ReadonlyMap<string, string>;

  constructor(declared: DeclaredResources, private readonly region: string) {
    const keyArn = keyArns(declared);
    const encrypted = [
      ...declared('AWS::S3::Bucket').map(({ arn, properties }) => [arn, properties.BucketEncryption?.ServerSideEncryptionConfiguration
        ?.map(({ ServerSideEncryptionByDefault: rule }: Record<string, any>) => rule?.KMSMasterKeyID).find(Boolean)]),
      ...declared('AWS::SQS::Queue').map(({ arn, properties }) => [arn, properties.KmsMasterKeyId]),
      ...declared('AWS::DynamoDB::Table').map(({ arn, properties }) => [arn, properties.SSESpecification?.KMSMasterKeyId]),
      ...declared('AWS::DynamoDB::GlobalTable').map(({ arn, properties }) => [arn, properties.Replicas
        ?.map(({ SSESpecification: encryption }: Record<string, any>) => encryption?.KMSMasterKeyId).find(Boolean)]),
    ];
    this.keys = new Map(encrypted.flatMap(([arn, key]): [string, string][] => {
      const used = key && keyArn(key);
      return used ? [[arn, used]] : [];
    }));
  }

  /** What a call needs of a key beside its own right. */
  usesOf({ action, operation, resource, service }: ApiCall): KeyUse[] {
    const owner = resource.split(service === 's3' ? '/' : '/index/')[0];
    const key = this.keys.get(owner);
    if (!key) return [];
    const context = {
      'kms:ViaService': `${service}.${this.region}.amazonaws.com`,
      ...(service === 's3' ? { 'kms:EncryptionContext:aws:s3:arn': resource } : {}),
      ...(service === 'sqs' ? { 'kms:EncryptionContext:aws:sqs:arn': resource } : {}),
      ...(service === 'dynamodb' ? { 'kms:EncryptionContext:aws:dynamodb:tableName': owner.split('/').pop() } : {}),
    };
    return keyActions(action, operation).map((keyAction) => ({ action: keyAction, resource: key, context }));
  }
}

/** Parts are put together from what is encrypted already. */
const OF_MULTIPART_UPLOADS = ['UploadPart', 'UploadPartCopy', 'CompleteMultipartUpload'];

function keyActions(action: string, operation: string | undefined): string[] {
  switch (action) {
    case 's3:PutObject': return OF_MULTIPART_UPLOADS.includes(operation ?? '') ? ['kms:GenerateDataKey', 'kms:Decrypt'] : ['kms:GenerateDataKey'];
    case 's3:GetObject': return operation === 'HeadObject' ? [] : ['kms:Decrypt'];
    case 'sqs:SendMessage': return ['kms:GenerateDataKey', 'kms:Decrypt'];
    case 'sqs:ReceiveMessage': return ['kms:Decrypt'];
    default: return /^dynamodb:((Batch)?(Get|Write)Item|(Put|Update|Delete)Item|Query|Scan)$/.test(action) ? ['kms:Decrypt'] : [];
  }
}

/** By ARN, id or alias. Everybody in the account may use the keys of AWS itself. */
function keyArns(declared: DeclaredResources): (key: string) => string | undefined {
  const keys = declared('AWS::KMS::Key');
  const aliases = new Map(declared('AWS::KMS::Alias').map(({ properties }) => [String(properties.AliasName), String(properties.TargetKeyId)]));
  return (key) => {
    if (/^(.*:)?alias\/aws\//.test(key)) return undefined;
    const target = aliases.get(key.replace(/^arn:[^/]*:(?=alias\/)/, '')) ?? key;
    const arn = keys.find((candidate) => [candidate.arn, candidate.name].includes(target))?.arn ?? target;
    if (!arn.startsWith('arn:aws:kms:')) throw new Error(`The local run does not know the KMS key ${key}: no template has it. Name an imported key by its ARN.`);
    return arn;
  };
}
