/**
 * What the rule packs AwsSolutions, Serverless and NIST 800-53 R5 of cdk-nag find in a pipeline and what is so on purpose, with the reason.
 * It stands on the resources themselves, so that whoever checks a stack with a pipeline in it has only findings of their own to see.
 */
import { CfnResource, Token } from 'aws-cdk-lib';
import { Construct } from 'constructs';
import { ARTIFACTS_ROOT, CACHE_ROOT, HANDOVER_ROOT, SOURCE_ROOT, STAGING_ROOT, STATIC_ROOT } from './contract/keys';
import { acknowledge, Acknowledgement } from './nag-metadata';
import { NextjsBuildPipelineProps } from './nextjs-build-pipeline-props';

export interface ChildAcknowledgement extends Acknowledgement {
  /** Resources of this type ... */
  readonly type: string;
  /** ... in these children. */
  readonly of: readonly string[];
  /** @default true */
  readonly when?: boolean;
}

/** Call it last: it reaches what the pipeline has got by then, and nothing that its user adds. */
export function acknowledgeFindings(pipeline: Construct, props: NextjsBuildPipelineProps): void {
  acknowledgeOfChildren(pipeline, [...policies(props), ...functions(), ...stores(props), ...sources(props)]);
}

export function acknowledgeOfChildren(parent: Construct, acknowledgements: readonly ChildAcknowledgement[]): void {
  for (const { type, of, when = true, ...acknowledgement } of acknowledgements) {
    if (!when) continue;
    of.flatMap((id) => parent.node.findChild(id).node.findAll())
      .filter((node): node is CfnResource => CfnResource.isCfnResource(node) && node.cfnResourceType === type)
      .forEach((resource) => acknowledge(resource, acknowledgement));
  }
}

const objectsBelow = (prefix: string) => `Resource::…/${prefix}*`;

const OWN_PREFIX = 'Nobody knows before what files a build will write. The prefix is the pipeline\'s own, in one bucket.';

function policies(props: NextjsBuildPipelineProps): ChildAcknowledgement[] {
  const { buildImage, deploymentsTable, encryptionKey, installSecretsPrefix, permissionsBoundary, vpc } = props;
  const ownStaging = objectsBelow(`${STAGING_ROOT}<codebuild:buildArn>/`);
  const wildcard = { type: 'AWS::IAM::Policy', rules: ['AwsSolutions-IAM5'] };
  return [
    {
      type: 'AWS::IAM::Policy',
      of: ['BuildRole', 'OrchestratorRole', 'FinalizerRole', 'ReconcilerRole', 'Project'],
      rules: ['NIST.800.53.R5-IAMNoInlinePolicy'],
      reason: 'The policy is written for this one role and goes with it. A managed policy could be attached to roles that it was not written for.',
    },
    {
      ...wildcard,
      of: ['BuildRole'],
      findings: [ownStaging],
      reason: 'A build names its files itself. IAM fills in the ARN of the build that asks, so each build reaches its own prefix and no other.',
    },
    {
      ...wildcard,
      of: ['BuildRole'],
      findings: ['Resource::…:log-group:/aws/codebuild/…:*'],
      reason: 'CodeBuild names a log stream after its build. They are the streams of one log group, which has the logs of builds alone.',
    },
    {
      ...wildcard,
      of: ['BuildRole'],
      when: vpc !== undefined,
      findings: ['Resource::…:network-interface/*'],
      reason: 'CodeBuild creates an interface for each build; nobody knows its id before. The right is for CodeBuild alone, in the subnets of the builds.',
    },
    {
      ...wildcard,
      of: ['Project'],
      when: vpc !== undefined,
      findings: ['Resource::*'],
      reason: 'What CodeBuild asks for to start a build in a VPC: EC2 knows no resources for its Describe actions, and interfaces have no id before they are made.',
    },
    {
      ...wildcard,
      of: ['BuildRole'],
      when: buildImage?.repository !== undefined,
      findings: ['Resource::*'],
      reason: 'CodeBuild pulls the build image as this role. The token that it needs for that (ecr:GetAuthorizationToken) knows no resources.',
    },
    {
      type: 'AWS::IAM::ManagedPolicy',
      of: ['BuildBoundary'],
      when: permissionsBoundary === undefined,
      rules: ['AwsSolutions-IAM5'],
      findings: ['Resource::*', ownStaging],
      reason: 'A permissions boundary grants nothing. It bounds what the policy of the build role can grant, now and later.',
    },
    { ...wildcard, of: ['OrchestratorRole'], findings: [HANDOVER_ROOT, CACHE_ROOT].map(objectsBelow), reason: OWN_PREFIX },
    {
      ...wildcard,
      of: ['OrchestratorRole'],
      when: installSecretsPrefix !== undefined,
      findings: [`Resource::…:secret:${Token.isUnresolved(installSecretsPrefix) ? '…' : installSecretsPrefix}*`],
      reason: 'One secret for each project, and projects come and go. Nothing else of the account has a name below the prefix.',
    },
    { ...wildcard, of: ['FinalizerRole'], findings: [STAGING_ROOT, ARTIFACTS_ROOT, STATIC_ROOT, CACHE_ROOT].map(objectsBelow), reason: OWN_PREFIX },
    {
      ...wildcard,
      of: ['OrchestratorRole', 'FinalizerRole', 'ReconcilerRole'],
      when: (deploymentsTable.encryptionKey ?? encryptionKey) !== undefined,
      findings: ['Action::kms:ReEncrypt*', 'Action::kms:GenerateDataKey*'],
      reason: 'What DynamoDB asks of the caller of a table with a customer managed key, as its documentation writes it; on that key alone.',
    },
  ];
}

function functions(): ChildAcknowledgement[] {
  const type = 'AWS::Lambda::Function';
  const nextPeriod = 'The schedule calls again minutes later, and that call does what this one could not. Its event holds nothing worth keeping.';
  const ownDeadLetters = 'A message that fails goes to the dead-letter queue of its queue. For what an SQS event source calls, Lambda uses no other one and no destination.';
  return [
    {
      type,
      of: ['Orchestrator', 'Finalizer', 'Reconciler'],
      rules: ['NIST.800.53.R5-LambdaInsideVPC'],
      reason: 'It calls AWS APIs, over TLS and as its own role, and nothing else; nothing in a VPC is of use to it, and no network can reach it.',
    },
    {
      type,
      of: ['Orchestrator', 'Finalizer', 'Reconciler'],
      rules: ['Serverless-LambdaTracing'],
      reason: 'Tracing needs rights on every resource (xray:PutTraceSegments). What became of a deployment is in its record and in the JSON logs.',
    },
    {
      type,
      of: ['Orchestrator'],
      rules: ['NIST.800.53.R5-LambdaConcurrency'],
      reason: 'The event source bounds it (maxConcurrency). Reserved concurrency would throttle it, and a throttled message uses up a receive.',
    },
    {
      type,
      of: ['Finalizer'],
      rules: ['NIST.800.53.R5-LambdaConcurrency'],
      reason: 'It runs once for each change of a build, and CodeBuild bounds the builds. Throttled, it would only end their deployments later.',
    },
    {
      type,
      of: ['Reconciler'],
      rules: ['NIST.800.53.R5-LambdaConcurrency'],
      reason: 'Its schedule bounds it: a run is over before the next begins. Reserved concurrency would be taken from the rest of the account.',
    },
    { type, of: ['Orchestrator'], rules: ['NIST.800.53.R5-LambdaDLQ', 'Serverless-LambdaDLQ'], reason: ownDeadLetters },
    { type: 'AWS::Lambda::EventSourceMapping', of: ['Orchestrator'], rules: ['Serverless-LambdaEventSourceMappingDestination'], reason: ownDeadLetters },
    { type, of: ['Reconciler'], rules: ['NIST.800.53.R5-LambdaDLQ', 'Serverless-LambdaDLQ'], reason: nextPeriod },
    { type: 'AWS::Lambda::EventInvokeConfig', of: ['Reconciler'], rules: ['Serverless-LambdaAsyncFailureDestination'], reason: nextPeriod },
    { type: 'AWS::Events::Rule', of: ['ReconcilerSchedule'], rules: ['Serverless-EventBusDLQ'], reason: nextPeriod },
  ];
}

function stores({ encryptionKey }: NextjsBuildPipelineProps): ChildAcknowledgement[] {
  return [
    {
      type: 'AWS::SQS::Queue',
      of: ['DeadLetterQueue', 'EventDeadLetterQueue'],
      rules: ['Serverless-SQSRedrivePolicy'],
      reason: 'It is a dead-letter queue itself.',
    },
    {
      type: 'AWS::DynamoDB::Table',
      of: ['StateTable'],
      rules: ['AwsSolutions-DDB3', 'NIST.800.53.R5-DynamoDBPITREnabled', 'NIST.800.53.R5-DynamoDBInBackupPlan'],
      reason: 'Nothing in it is the only copy: the truth about a deployment is its record. A restored older state would name builds that have long ended.',
    },
    {
      type: 'AWS::CodeBuild::Project',
      of: ['Project'],
      rules: ['AwsSolutions-CB4'],
      reason: 'The key of a project is for artifacts and caches that CodeBuild stores, and here it stores none: builds upload to a bucket with encryption of its own.',
    },
    {
      type: 'AWS::Logs::LogGroup',
      of: ['BuildLogs', 'OrchestratorLogs', 'FinalizerLogs', 'ReconcilerLogs'],
      when: encryptionKey === undefined,
      rules: ['NIST.800.53.R5-CloudWatchLogGroupEncrypted'],
      reason: 'CloudWatch Logs encrypts every log group, with a key of its own. Whoever must hold the key gives the pipeline an encryptionKey.',
    },
  ];
}

/** What the source fetcher adds. */
function sources({ encryptionKey, sourceProviders = [] }: NextjsBuildPipelineProps): ChildAcknowledgement[] {
  const [when, type] = [sourceProviders.length > 0, 'AWS::Lambda::Function'];
  const buildSaysSo = 'What it could not fetch, the build says: it waits for its source as long as two calls can take, and fails with CHECKOUT_FAILED.';
  const acknowledgements: ChildAcknowledgement[] = [
    {
      type: 'AWS::IAM::Policy',
      of: ['SourceFetcherRole'],
      rules: ['NIST.800.53.R5-IAMNoInlinePolicy'],
      reason: 'The policy is written for this one role and goes with it. A managed policy could be attached to roles that it was not written for.',
    },
    { type: 'AWS::IAM::Policy', of: ['OrchestratorRole', 'SourceFetcherRole'], rules: ['AwsSolutions-IAM5'], findings: [objectsBelow(SOURCE_ROOT)], reason: OWN_PREFIX },
    {
      type,
      of: ['SourceFetcher'],
      rules: ['NIST.800.53.R5-LambdaInsideVPC'],
      reason: 'It calls AWS APIs and the git hosts of the source providers, over TLS; nothing in a VPC is of use to it, and no network can reach it.',
    },
    {
      type,
      of: ['SourceFetcher'],
      rules: ['Serverless-LambdaTracing'],
      reason: 'Tracing needs rights on every resource (xray:PutTraceSegments). What became of a source is in the JSON logs and in the log of the build.',
    },
    {
      type,
      of: ['SourceFetcher'],
      rules: ['NIST.800.53.R5-LambdaConcurrency'],
      reason: 'It runs once for each build that is started, and CodeBuild bounds the builds. Throttled, it would only make them wait.',
    },
    { type, of: ['SourceFetcher'], rules: ['NIST.800.53.R5-LambdaDLQ', 'Serverless-LambdaDLQ'], reason: buildSaysSo },
    { type: 'AWS::Lambda::EventInvokeConfig', of: ['SourceFetcher'], rules: ['Serverless-LambdaAsyncFailureDestination'], reason: buildSaysSo },
    {
      type: 'AWS::Logs::LogGroup',
      of: ['SourceFetcherLogs'],
      when: encryptionKey === undefined,
      rules: ['NIST.800.53.R5-CloudWatchLogGroupEncrypted'],
      reason: 'CloudWatch Logs encrypts every log group, with a key of its own. Whoever must hold the key gives the pipeline an encryptionKey.',
    },
  ];
  return when ? acknowledgements : [];
}
