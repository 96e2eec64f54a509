/** The policies of resources: of buckets, queues, keys, tables and functions, and the trust policies of roles. */
import type { Declared, DeclaredResources } from './declared';
import { parsePolicy, type Policy } from './policy';

interface Attached {
  /** ARN of the resource. */
  readonly resource: string;
  readonly source: string;
  readonly document?: Readonly<Record<string, unknown>>;
}

/** By the ARN of the resource. */
export function readResourcePolicies(declared: DeclaredResources): Map<string, Policy> {
  const attached: Attached[] = [
    ...declared('AWS::IAM::Role').map(({ arn, logicalId, properties }) => ({ resource: arn, source: `trust policy of ${logicalId}`, document: properties.AssumeRolePolicyDocument })),
    ...declared('AWS::KMS::Key').map(({ arn, logicalId, properties }) => ({ resource: arn, source: `policy of key ${logicalId}`, document: properties.KeyPolicy })),
    ...declared('AWS::S3::BucketPolicy').map(({ logicalId, properties }) => ({ resource: `arn:aws:s3:::${properties.Bucket}`, source: logicalId, document: properties.PolicyDocument })),
    ...queuePolicies(declared),
    ...declared('AWS::DynamoDB::Table', 'AWS::DynamoDB::GlobalTable').flatMap(tablePolicies),
    ...permissions(declared),
  ];
  const policies = new Map<string, Policy>();
  for (const { resource, source, document } of attached) {
    if (!document) continue;
    const { statements } = parsePolicy(document, source, { resource });
    policies.set(resource, { statements: [...policies.get(resource)?.statements ?? [], ...statements] });
  }
  return policies;
}

/** A queue policy names its queues by their URLs, which end with the name. */
function queuePolicies(declared: DeclaredResources): Attached[] {
  const queues = declared('AWS::SQS::Queue');
  return declared('AWS::SQS::QueuePolicy').flatMap(({ logicalId, properties }) => properties.Queues.flatMap((url: string) => queues
    .filter(({ name }) => name === url.split('/').pop())
    .map(({ arn }) => ({ resource: arn, source: logicalId, document: properties.PolicyDocument }))));
}

function tablePolicies({ arn, logicalId, properties }: Declared): Attached[] {
  const { Replicas: replicas = [], ResourcePolicy: own } = properties;
  return [own, ...replicas.map((replica: Record<string, unknown>) => replica.ResourcePolicy)]
    .map((policy) => ({ resource: arn, source: `policy of table ${logicalId}`, document: policy?.PolicyDocument }));
}

/** A permission is a statement of its function's policy. */
function permissions(declared: DeclaredResources): Attached[] {
  const functions = declared('AWS::Lambda::Function');
  return declared('AWS::Lambda::Permission').map(({ logicalId, properties }) => {
    const {
      Action: action, FunctionName: nameOrArn, Principal: principal, SourceArn: sourceArn, SourceAccount: sourceAccount,
      FunctionUrlAuthType: authType, InvokedViaFunctionUrl: throughUrl, ...others
    } = properties;
    const resource = functions.find(({ arn, name }) => [arn, name].includes(nameOrArn))?.arn ?? nameOrArn;
    const [unknown] = Object.keys(others);
    // Lambda knows more that it could depend on (an organization, an Alexa skill); nothing of it happens here.
    if (unknown) return { resource, source: logicalId };
    const statement = {
      Effect: 'Allow',
      Principal: principal === '*' ? '*' : { [/^\d{12}$|^arn:/.test(principal) ? 'AWS' : 'Service']: principal },
      Action: action,
      Resource: resource,
      Condition: {
        ...(sourceArn === undefined ? {} : { ArnLike: { 'aws:SourceArn': sourceArn } }),
        StringEquals: {
          ...(sourceAccount === undefined ? {} : { 'aws:SourceAccount': sourceAccount }),
          ...(authType === undefined ? {} : { 'lambda:FunctionUrlAuthType': authType }),
        },
        ...(throughUrl === undefined ? {} : { Bool: { 'lambda:InvokedViaFunctionUrl': String(throughUrl) } }),
      },
    };
    return { resource, source: logicalId, document: { Version: '2012-10-17', Statement: [statement] } };
  });
}
