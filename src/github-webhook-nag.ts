/** What cdk-nag finds in a webhook and what is so on purpose, with the reason; see nag-acknowledgements.ts. */
import * as kms from 'aws-cdk-lib/aws-kms';
import { Construct } from 'constructs';
import { GithubWebhookProps } from './github-webhook-props';
import { acknowledgeOfChildren, ChildAcknowledgement } from './nag-acknowledgements';

const FUNCTION = 'AWS::Lambda::Function';

export function acknowledgeWebhookFindings(webhook: Construct, props: GithubWebhookProps): void {
  const { deploymentsTable, encryptionKey } = props.pipeline._props;
  const ownRetry = 'The caller waits for its answer. A delivery that failed is redelivered from the page of the git host, or the reconciler repairs it.';
  acknowledgeOfChildren(webhook, [
    ...ofEveryFunction(props, [props.projectsTable.encryptionKey, deploymentsTable.encryptionKey, encryptionKey]),
    { type: FUNCTION, of: ['Function'], rules: ['NIST.800.53.R5-LambdaDLQ', 'Serverless-LambdaDLQ'], reason: ownRetry },
    {
      type: FUNCTION,
      of: ['Function'],
      when: props.reservedConcurrentExecutions === undefined,
      rules: ['NIST.800.53.R5-LambdaConcurrency'],
      reason: 'A bound turns away deliveries that nobody sends again. Whoever wants one gives the webhook reservedConcurrentExecutions.',
    },
    {
      type: 'AWS::Lambda::Permission',
      of: props.functionUrl ?? true ? ['UrlPermission', 'InvokeThroughUrlPermission'] : [],
      rules: ['NIST.800.53.R5-LambdaFunctionPublicAccessProhibited'],
      reason: 'A git host has no AWS credentials. The signature of a delivery is its authentication, and nothing is done without a valid one.',
    },
  ]);
}

export function acknowledgeStatusFindings(status: Construct, props: GithubWebhookProps): void {
  const ownDeadLetters = 'A message that fails goes to the dead-letter queue of its queue. For what an SQS event source calls, Lambda uses no other one and no destination.';
  acknowledgeOfChildren(status, [
    ...ofEveryFunction(props, [props.pipeline._props.encryptionKey]),
    { type: FUNCTION, of: ['Function'], rules: ['NIST.800.53.R5-LambdaDLQ', 'Serverless-LambdaDLQ'], reason: ownDeadLetters },
    { type: 'AWS::Lambda::EventSourceMapping', of: ['Function'], rules: ['Serverless-LambdaEventSourceMappingDestination'], reason: ownDeadLetters },
    {
      type: FUNCTION,
      of: ['Function'],
      rules: ['NIST.800.53.R5-LambdaConcurrency'],
      reason: 'The event source bounds it (maxConcurrency). Reserved concurrency would throttle it, and a throttled message uses up a receive.',
    },
    { type: 'AWS::SQS::Queue', of: ['DeadLetterQueue'], rules: ['Serverless-SQSRedrivePolicy'], reason: 'It is a dead-letter queue itself.' },
  ]);
}

function ofEveryFunction({ pipeline }: GithubWebhookProps, keysOfTables: readonly (kms.IKey | undefined)[]): ChildAcknowledgement[] {
  const { encryptionKey } = pipeline._props;
  return [
    {
      type: 'AWS::IAM::Policy',
      of: ['FunctionRole'],
      rules: ['NIST.800.53.R5-IAMNoInlinePolicy'],
      reason: 'The policy is written for this one role and goes with it. A managed policy could be attached to roles that it was not written for.',
    },
    {
      type: 'AWS::IAM::Policy',
      of: ['FunctionRole'],
      when: keysOfTables.some((key) => key !== undefined),
      rules: ['AwsSolutions-IAM5'],
      findings: ['Action::kms:ReEncrypt*', 'Action::kms:GenerateDataKey*'],
      reason: 'What DynamoDB asks of the caller of a table with a customer managed key, as its documentation writes it; on that key alone.',
    },
    {
      type: FUNCTION,
      of: ['Function'],
      rules: ['NIST.800.53.R5-LambdaInsideVPC'],
      reason: 'It calls AWS APIs and git hosts, over TLS; nothing in a VPC is of use to it.',
    },
    {
      type: FUNCTION,
      of: ['Function'],
      rules: ['Serverless-LambdaTracing'],
      reason: 'Tracing needs rights on every resource (xray:PutTraceSegments). What became of a delivery or an event is in the JSON logs.',
    },
    {
      type: 'AWS::Logs::LogGroup',
      of: ['FunctionLogs'],
      when: encryptionKey === undefined,
      rules: ['NIST.800.53.R5-CloudWatchLogGroupEncrypted'],
      reason: 'CloudWatch Logs encrypts every log group, with a key of its own. Whoever must hold the key gives the pipeline an encryptionKey.',
    },
  ];
}
