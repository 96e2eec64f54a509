/** The stacks whose policies are judged, and what a role could want to touch in them, by the names that a reviewer would use. */
import { Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import * as kms from 'aws-cdk-lib/aws-kms';
import * as s3 from 'aws-cdk-lib/aws-s3';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { Account } from '../../local/iam/account';
import { RequestContext, type ContextValues } from '../../local/iam/context';
import type { Decision } from '../../local/iam/decision';
import type { Caller } from '../../local/iam/principal';
import { ACCOUNT_ID } from '../../local/template/resolver';
import { type NextjsBuildPipeline, type NextjsBuildPipelineProps, SourceProvider } from '../../src';
import { EVENT_SOURCE, STATUS_CHANGED } from '../../src/contract/events';
import { REGION, resolverOf } from '../support/account';
import { importedWithKeys, ownedWithKeys, pipelineStack } from '../support/stacks';

export interface Place {
  readonly arn: string;
  readonly context?: ContextValues;
}

export interface Setup {
  /** What each role is, by its ARN. */
  readonly roles: Readonly<Record<'build' | 'orchestrator' | 'finalizer' | 'reconciler' | 'source fetcher', string>>;
  readonly rules: Readonly<Record<'buildStateChanged' | 'reconcilerSchedule', string>>;
  readonly places: ReadonlyMap<string, Place>;
  decide(caller: Caller, action: string, place: Place, context?: ContextValues): Decision;
}

/** The build that asks, wherever a build asks. */
const BUILD = `arn:aws:codebuild:${REGION}:${ACCOUNT_ID}:build/builds:11111111-1111-1111-1111-111111111111`;
const OTHER_BUILD = BUILD.replaceAll('1111-', '2222-');

const SETUPS: Readonly<Record<string, (stack: Stack) => Partial<NextjsBuildPipelineProps>>> = {
  'own bucket and table': (stack) => ({ artifactsBucket: new s3.Bucket(stack, 'Artifacts', { enforceSSL: true }) }),
  'own bucket, table and queues with keys': ownedWithKeys,
  'imported bucket and table with keys': (stack) => ({
    ...importedWithKeys(stack), encryptionKey: kms.Key.fromKeyArn(stack, 'PipelineKey', `arn:aws:kms:${REGION}:${ACCOUNT_ID}:key/pipeline-key`),
  }),
};

export const SETUP_NAMES = Object.keys(SETUPS);

const INSTALL_SECRETS = 'nextjs/install/';
const TOKEN_KEY = `arn:aws:kms:${REGION}:${ACCOUNT_ID}:key/token-key`;

const sourceProviders = (stack: Stack) => [
  SourceProvider.gitHubApp({ appId: '1', privateKey: Secret.fromSecretNameV2(stack, 'AppKey', 'platform/app') }),
  SourceProvider.token({
    host: 'gitlab.example.com',
    token: Secret.fromSecretAttributes(stack, 'Token', {
      secretCompleteArn: `arn:aws:secretsmanager:${REGION}:${ACCOUNT_ID}:secret:platform/token-AbCdEf`, encryptionKey: kms.Key.fromKeyArn(stack, 'TokenKey', TOKEN_KEY),
    }),
  }),
];

/** `change`: what somebody does to the pipeline after it has been made. */
export function setUp(name: string, change: (pipeline: NextjsBuildPipeline) => void = () => undefined): Setup {
  let props: Partial<NextjsBuildPipelineProps> = {};
  const everything = (scope: Stack) => ({ installSecretsPrefix: INSTALL_SECRETS, sourceProviders: sourceProviders(scope) });
  const { stack, pipeline } = pipelineStack((scope) => (props = { ...everything(scope), ...SETUPS[name](scope) }));
  change(pipeline);
  const template = Template.fromStack(stack);
  const resolver = resolverOf(template);
  const account = new Account([resolver]);
  const text = (token: string) => resolver.resolve(stack.resolve(token)) as string;
  const named = (type: string, start: string) => resolver.arn(resolver.resourcesOfType(type).find(({ logicalId }) => logicalId.startsWith(start))!.logicalId);
  const { artifactsBucket, deploymentsTable, encryptionKey } = props;
  const bucket = text(artifactsBucket!.bucketArn);
  const table = deploymentsTable ? text(deploymentsTable.tableArn) : named('AWS::DynamoDB::GlobalTable', 'Deployments');
  const project = text(pipeline.project.projectArn);
  const logStream = (group: string, stream = 'stream') => ({ arn: `arn:aws:logs:${REGION}:${ACCOUNT_ID}:log-group:${text(group)}:log-stream:${stream}` });
  const secret = (secretName: string) => ({ arn: `arn:aws:secretsmanager:${REGION}:${ACCOUNT_ID}:secret:${secretName}` });
  const roles = {
    'build': text(pipeline.project.role!.roleArn),
    'orchestrator': text(pipeline.orchestrator.role!.roleArn),
    'finalizer': text(pipeline.finalizer.role!.roleArn),
    'reconciler': text(pipeline.reconciler.role!.roleArn),
    'source fetcher': text(pipeline.sourceFetcher!.role!.roleArn),
  };
  const places: Record<string, Place> = {
    'its own staging prefix': { arn: `${bucket}/staging/${BUILD}/artifacts/lambda.zip` },
    'another build\'s staging prefix': { arn: `${bucket}/staging/${OTHER_BUILD}/artifacts/lambda.zip` },
    'the staging prefix of a build whose id begins like its own': { arn: `${bucket}/staging/${BUILD}2/artifacts/lambda.zip` },
    'staging/handover/': { arn: `${bucket}/staging/handover/deployment.json` },
    'staging/source/': { arn: `${bucket}/staging/source/deployment/attempt.pack` },
    'artifacts/': { arn: `${bucket}/artifacts/project/commit/lambda.zip` },
    'static/': { arn: `${bucket}/static/project/commit/index.html` },
    'cache/': { arn: `${bucket}/cache/project/branch/next` },
    'elsewhere in the bucket': { arn: `${bucket}/stagingx/file` },
    'the bucket, below artifacts/': { arn: bucket, context: { 's3:prefix': 'artifacts/project/commit/' } },
    'the bucket, below static/': { arn: bucket, context: { 's3:prefix': 'static/project/commit/' } },
    'the bucket, below staging/': { arn: bucket, context: { 's3:prefix': `staging/${BUILD}/` } },
    'the bucket, below cache/': { arn: bucket, context: { 's3:prefix': 'cache/project/' } },
    'the bucket as a whole': { arn: bucket },
    'another bucket': { arn: 'arn:aws:s3:::another-bucket' },
    'an object of another bucket': { arn: `arn:aws:s3:::another-bucket/staging/${BUILD}/file` },

    'the deployments table': { arn: table },
    'an index of the deployments table': { arn: `${table}/index/by-project` },
    'the state table': { arn: text(pipeline.stateTable.tableArn) },
    'another table': { arn: `arn:aws:dynamodb:${REGION}:${ACCOUNT_ID}:table/another` },

    'the queue': { arn: text(pipeline.queue.queueArn) },
    'the dead-letter queue': { arn: text(pipeline.deadLetterQueue.queueArn) },
    'the event dead-letter queue': { arn: text(pipeline.eventDeadLetterQueue.queueArn) },
    'the queue, without TLS': { arn: text(pipeline.queue.queueArn), context: { 'aws:SecureTransport': 'false' } },

    'the project': { arn: project },
    'the project, with environment variables': { arn: project, context: { 'codebuild:environment.environmentVariables.name': ['DEPLOYMENT_ID', 'PROJECT_ID'] } },
    'the project, where CodeBuild fills in what the project says': {
      arn: project, context: { 'codebuild:environment.image': 'aws/codebuild/standard:7.0', 'codebuild:serviceRole': roles.build, 'codebuild:environment.privilegedMode': 'false' },
    },
    'the project, with another buildspec': { arn: project, context: { 'codebuild:source.buildspec': 'true' } },
    'the project, with another image': { arn: project, context: { 'codebuild:environment.image': 'attacker/image' } },
    'the project, with another role': { arn: project, context: { 'codebuild:serviceRole': `arn:aws:iam::${ACCOUNT_ID}:role/Admin` } },
    'the project, privileged': { arn: project, context: { 'codebuild:environment.privilegedMode': 'true' } },
    'another project': { arn: `arn:aws:codebuild:${REGION}:${ACCOUNT_ID}:project/another` },

    'the event bus, as the pipeline': { arn: `arn:aws:events:${REGION}:${ACCOUNT_ID}:event-bus/default`, context: { 'events:source': EVENT_SOURCE, 'events:detail-type': STATUS_CHANGED } },
    'the event bus, as CodeBuild': { arn: `arn:aws:events:${REGION}:${ACCOUNT_ID}:event-bus/default`, context: { 'events:source': 'aws.codebuild', 'events:detail-type': 'CodeBuild Build State Change' } },
    'the event bus, with another kind of event': { arn: `arn:aws:events:${REGION}:${ACCOUNT_ID}:event-bus/default`, context: { 'events:source': EVENT_SOURCE, 'events:detail-type': 'Something Else' } },

    'the orchestrator': { arn: text(pipeline.orchestrator.functionArn) },
    'the finalizer': { arn: text(pipeline.finalizer.functionArn) },
    'a version of the finalizer': { arn: `${text(pipeline.finalizer.functionArn)}:1` },
    'the reconciler': { arn: text(pipeline.reconciler.functionArn) },
    'the source fetcher': { arn: text(pipeline.sourceFetcher!.functionArn) },

    'the builds\' log group': { arn: `arn:aws:logs:${REGION}:${ACCOUNT_ID}:log-group:${text(pipeline.buildLogGroup.logGroupName)}` },
    'the builds\' log streams': logStream(pipeline.buildLogGroup.logGroupName),
    'the orchestrator\'s log streams': logStream(pipeline.orchestratorLogGroup.logGroupName),
    'the finalizer\'s log streams': logStream(pipeline.finalizerLogGroup.logGroupName),
    'the reconciler\'s log streams': logStream(pipeline.reconcilerLogGroup.logGroupName),
    'the source fetcher\'s log streams': logStream(pipeline.sourceFetcherLogGroup!.logGroupName),
    'another log group\'s streams': logStream('/aws/lambda/another'),

    ...keyPlaces('the bucket\'s key', artifactsBucket?.encryptionKey && text(artifactsBucket.encryptionKey.keyArn)),
    ...keyPlaces('the table\'s key', deploymentsTable?.encryptionKey && text(deploymentsTable.encryptionKey.keyArn)),
    ...keyPlaces('the pipeline\'s key', encryptionKey && text(encryptionKey.keyArn)),
    ...keyPlaces('the token\'s key', TOKEN_KEY),

    ...Object.fromEntries(Object.entries(roles).map(([role, arn]) => [`the ${role}'s role`, { arn }])),
    'another role': { arn: `arn:aws:iam::${ACCOUNT_ID}:role/Admin` },
    'the secret of a project\'s install': secret(`${INSTALL_SECRETS}project-AbCdEf`),
    'the secret of the GitHub App': secret('platform/app-AbCdEf'),
    'the secret of the token': secret('platform/token-AbCdEf'),
    'a secret beside that of the GitHub App': secret('platform/app-two-AbCdEf'),
    'a secret whose name begins almost like those': secret('nextjs/installation-AbCdEf'),
    'another secret': secret('token-AbCdEf'),
    'a secret of another account': { arn: `arn:aws:secretsmanager:${REGION}:999999999999:secret:${INSTALL_SECRETS}project-AbCdEf` },
    'a parameter': { arn: `arn:aws:ssm:${REGION}:${ACCOUNT_ID}:parameter/token` },
  };
  return {
    roles,
    rules: { buildStateChanged: named('AWS::Events::Rule', 'BuildsBuildStateChanged'), reconcilerSchedule: named('AWS::Events::Rule', 'BuildsReconcilerSchedule') },
    places: new Map(Object.entries(places)),
    decide: (caller, action, { arn, context }, more) => account.decide({
      caller,
      action,
      resource: arn,
      context: new RequestContext({
        'aws:SecureTransport': 'true',
        // CodeBuild puts these two into what its builds ask, and into nothing else.
        ...(typeof caller === 'object' && 'role' in caller && caller.role === roles.build ? { 'codebuild:buildArn': BUILD, 'codebuild:projectArn': project } : {}),
        ...context,
        ...more,
      }),
    }),
  };
}

/** No key: no such places. */
export function keyPlaces(name: string, arn: string | undefined): Record<string, Place> {
  if (arn === undefined) return {};
  const through = (service: string) => ({ arn, context: { 'kms:ViaService': `${service}.${REGION}.amazonaws.com` } });
  return {
    [name]: { arn },
    [`${name}, through S3`]: through('s3'),
    [`${name}, through DynamoDB`]: through('dynamodb'),
    [`${name}, through SQS`]: through('sqs'),
    [`${name}, through Secrets Manager`]: through('secretsmanager'),
  };
}
