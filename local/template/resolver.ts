/** Resolves CloudFormation's references and functions as a deployment to one account and Region would. */
import { createHash } from 'node:crypto';
import type { Resource, StackTemplate } from './assembly';
import { ARN_SUFFIX } from '../services/secrets-manager';

export const ACCOUNT_ID = '000000000000';

export const REGION = 'us-east-1';

export interface ResolverOptions {
  readonly region: string;
  /** What `Ref` gives for a queue: its URL, known once the SQS service runs. */
  readonly queueUrl: (queueName: string) => string;
}

/** The property that names a resource, the service of its ARN, and what stands before the name in it. */
const NAMED: Readonly<Record<string, { property: string; arn: (name: string, at: string) => string }>> = {
  'AWS::SQS::Queue': { property: 'QueueName', arn: (name, at) => `arn:aws:sqs:${at}:${name}` },
  'AWS::S3::Bucket': { property: 'BucketName', arn: (name) => `arn:aws:s3:::${name}` },
  'AWS::DynamoDB::Table': { property: 'TableName', arn: (name, at) => `arn:aws:dynamodb:${at}:table/${name}` },
  'AWS::DynamoDB::GlobalTable': { property: 'TableName', arn: (name, at) => `arn:aws:dynamodb:${at}:table/${name}` },
  'AWS::Lambda::Function': { property: 'FunctionName', arn: (name, at) => `arn:aws:lambda:${at}:function:${name}` },
  'AWS::CodeBuild::Project': { property: 'Name', arn: (name, at) => `arn:aws:codebuild:${at}:project/${name}` },
  'AWS::Logs::LogGroup': { property: 'LogGroupName', arn: (name, at) => `arn:aws:logs:${at}:log-group:${name}:*` },
  'AWS::IAM::Role': { property: 'RoleName', arn: (name) => `arn:aws:iam::${ACCOUNT_ID}:role/${name}` },
  'AWS::IAM::ManagedPolicy': { property: 'ManagedPolicyName', arn: (name) => `arn:aws:iam::${ACCOUNT_ID}:policy/${name}` },
  'AWS::KMS::Key': { property: '', arn: (name, at) => `arn:aws:kms:${at}:key/${name}` },
  'AWS::SecretsManager::Secret': { property: 'Name', arn: (name, at) => `arn:aws:secretsmanager:${at}:secret:${name}${ARN_SUFFIX}` },
  'AWS::Events::Rule': { property: 'Name', arn: (name, at) => `arn:aws:events:${at}:rule/${name}` },
  'AWS::Events::EventBus': { property: 'Name', arn: (name, at) => `arn:aws:events:${at}:event-bus/${name}` },
};

const NO_VALUE = Symbol('AWS::NoValue');

type Intrinsic = (argument: never) => unknown;

export class Resolver {
  private readonly at: string;
  private readonly intrinsics: Readonly<Record<string, Intrinsic>>;

  constructor(private readonly stack: StackTemplate, private readonly siblings: readonly Resolver[], private readonly options: ResolverOptions) {
    this.at = `${options.region}:${ACCOUNT_ID}`;
    this.intrinsics = this.defineIntrinsics();
  }

  public get stackName(): string {
    return this.stack.stackName;
  }

  /** Resources that a deployment would create, with resolved properties. */
  public resourcesOfType(...types: string[]): { logicalId: string; type: string; properties: Record<string, unknown> }[] {
    return Object.entries(this.stack.resources)
      .filter(([, resource]) => types.includes(resource.Type) && this.isCreated(resource))
      .map(([logicalId, resource]) => ({ logicalId, type: resource.Type, properties: this.resolve(resource.Properties ?? {}) as Record<string, unknown> }));
  }

  public physicalName(logicalId: string): string {
    const resource = this.resource(logicalId);
    const explicit = this.resolve(resource.Properties?.[NAMED[resource.Type]?.property]);
    if (typeof explicit === 'string' && explicit !== '') return explicit;
    const name = `${this.stack.stackName}-${logicalId}`;
    // S3 knows no capital letters.
    return resource.Type === 'AWS::S3::Bucket' ? name.toLowerCase().slice(0, 63) : name;
  }

  public arn(logicalId: string): string {
    const resource = this.resource(logicalId);
    const name = this.physicalName(logicalId);
    return NAMED[resource.Type]?.arn(name, this.at) ?? `arn:aws:local:${this.at}:${resource.Type}/${name}`;
  }

  public exportedValue(name: string): unknown {
    const output = Object.values(this.stack.outputs).find(({ Export }) => Export && this.resolve(Export.Name) === name);
    return output && this.resolve(output.Value);
  }

  public resolve(value: unknown): unknown {
    const resolved = this.resolveValue(value);
    return resolved === NO_VALUE ? undefined : resolved;
  }

  private resolveValue(value: unknown): unknown {
    if (Array.isArray(value)) return value.map((item) => this.resolveValue(item)).filter((item) => item !== NO_VALUE);
    if (typeof value !== 'object' || value === null) return value;
    const entries = Object.entries(value);
    if (entries.length === 1) {
      const [name, argument] = entries[0];
      if (Object.hasOwn(this.intrinsics, name)) return this.intrinsics[name](argument as never);
      if (name.startsWith('Fn::')) throw new Error(`The local run does not know ${name}, which the template of ${this.stack.stackName} uses.`);
    }
    return Object.fromEntries(entries.map(([key, item]) => [key, this.resolveValue(item)]).filter(([, item]) => item !== NO_VALUE));
  }

  private defineIntrinsics(): Record<string, Intrinsic> {
    const text = (value: unknown) => String(this.resolveValue(value));
    const list = (value: unknown) => this.resolveValue(value) as unknown[];
    return {
      'Ref': (name: string) => this.ref(name),
      'Fn::GetAtt': (path: string | [string, string]) => this.attribute(...(typeof path === 'string' ? path.split('.', 2) as [string, string] : path)),
      'Fn::Join': ([separator, parts]: [string, unknown]) => list(parts).join(separator),
      'Fn::Sub': (argument: string | [string, Record<string, unknown>]) => this.substitute(argument),
      'Fn::Select': ([index, parts]: [number | string, unknown]) => list(parts)[Number(index)],
      'Fn::Split': ([separator, whole]: [string, unknown]) => text(whole).split(separator),
      'Fn::Base64': (value: unknown) => Buffer.from(text(value)).toString('base64'),
      'Fn::FindInMap': ([map, first, second]: [unknown, unknown, unknown]) => this.stack.mappings[text(map)]?.[text(first)]?.[text(second)],
      'Fn::GetAZs': () => ['a', 'b', 'c'].map((zone) => this.options.region + zone),
      'Fn::ImportValue': (name: unknown) => this.importedValue(text(name)),
      'Fn::If': ([condition, then, otherwise]: [string, unknown, unknown]) => this.resolveValue(this.condition(condition) ? then : otherwise),
      'Fn::Equals': ([left, right]: [unknown, unknown]) => text(left) === text(right),
      'Fn::And': (parts: unknown[]) => list(parts).every(Boolean),
      'Fn::Or': (parts: unknown[]) => list(parts).some(Boolean),
      'Fn::Not': ([part]: [unknown]) => !this.resolveValue(part),
      'Condition': (name: unknown) => typeof name === 'string' && name in this.stack.conditions ? this.condition(name) : { Condition: this.resolveValue(name) },
    };
  }

  private ref(name: string): unknown {
    switch (name) {
      case 'AWS::Region': return this.options.region;
      case 'AWS::AccountId': return ACCOUNT_ID;
      case 'AWS::Partition': return 'aws';
      case 'AWS::URLSuffix': return 'amazonaws.com';
      case 'AWS::StackName': return this.stack.stackName;
      case 'AWS::StackId': return `arn:aws:cloudformation:${this.at}:stack/${this.stack.stackName}/${uuidOf(this.stack.stackName)}`;
      case 'AWS::NoValue': return NO_VALUE;
      case 'AWS::NotificationARNs': return [];
    }
    if (name in this.stack.parameters) return this.parameter(name);
    const physicalName = this.physicalName(name);
    switch (this.resource(name).Type) {
      case 'AWS::SQS::Queue': return this.options.queueUrl(physicalName);
      case 'AWS::IAM::ManagedPolicy':
      case 'AWS::SecretsManager::Secret': return this.arn(name);
      default: return physicalName;
    }
  }

  private parameter(name: string): unknown {
    const { Default: value, Type: type = 'String' } = this.stack.parameters[name];
    if (value === undefined) throw new Error(`Parameter ${name} of ${this.stack.stackName} has no default. Give it one: nobody is asked for values here.`);
    if (type.startsWith('AWS::SSM::')) throw new Error(`Parameter ${name} of ${this.stack.stackName} reads ${String(value)} from Parameter Store, which is in AWS.`);
    return this.resolveValue(value);
  }

  private attribute(logicalId: string, attribute: string): unknown {
    if (attribute === 'Arn') return this.arn(logicalId);
    if (['QueueName', 'Name'].includes(attribute)) return this.physicalName(logicalId);
    // Domain names, stream ARNs and the like: nothing in a local run asks them, but a template may mention them.
    return `${this.physicalName(logicalId)}.${attribute}`;
  }

  private substitute(argument: string | [string, Record<string, unknown>]): string {
    const [pattern, variables] = Array.isArray(argument) ? argument : [argument, {}];
    return pattern.replace(/\$\{(!?)([^}]+)\}/g, (_, literal: string, name: string) => {
      if (literal) return `\${${name}}`;
      if (name in variables) return String(this.resolveValue(variables[name]));
      const [logicalId, attribute] = name.split(/\.(.*)/s);
      return String(attribute ? this.attribute(logicalId, attribute) : this.ref(name));
    });
  }

  private importedValue(name: string): unknown {
    for (const sibling of this.siblings) {
      const value = sibling.exportedValue(name);
      if (value !== undefined) return value;
    }
    throw new Error(`No stack of this cdk.out exports ${name}, which ${this.stack.stackName} imports. Synthesize all stacks into one cdk.out.`);
  }

  private condition(name: string): boolean {
    return Boolean(this.resolveValue(this.stack.conditions[name]));
  }

  private isCreated(resource: Resource): boolean {
    return resource.Condition === undefined || this.condition(resource.Condition);
  }

  private resource(logicalId: string): Resource {
    const resource = this.stack.resources[logicalId];
    if (!resource) throw new Error(`The template of ${this.stack.stackName} refers to ${logicalId}, which it does not define.`);
    return resource;
  }
}

/** Resolvers for all stacks of an assembly, which may import each other's exports. */
export function createResolvers(stacks: readonly StackTemplate[], options: ResolverOptions): Resolver[] {
  const resolvers: Resolver[] = [];
  for (const stack of stacks) resolvers.push(new Resolver(stack, resolvers, options));
  return resolvers;
}

/** Looks like the UUID that ends a stack's id, and stays the same from run to run. */
function uuidOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12}).*$/, '$1-$2-$3-$4-$5');
}
