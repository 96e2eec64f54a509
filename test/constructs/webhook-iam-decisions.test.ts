/**
 * What the webhook's roles may do, and who may call its functions, decided as in iam-decisions.test.ts: the tables list what is allowed, everything
 * else that an action of the catalogue could do to a place of a stack is asked as well, and denied.
 */
import type { Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import * as dynamodb from 'aws-cdk-lib/aws-dynamodb';
import * as kms from 'aws-cdk-lib/aws-kms';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { ACTIONS, serviceOf } from './iam-actions';
import { keyPlaces, type Place } from './iam-setups';
import { Account } from '../../local/iam/account';
import { type ContextValues, RequestContext } from '../../local/iam/context';
import type { Caller } from '../../local/iam/principal';
import { ACCOUNT_ID } from '../../local/template/resolver';
import type { GithubWebhookProps, NextjsBuildPipelineProps } from '../../src';
import { EVENT_SOURCE, STATUS_CHANGED } from '../../src/contract/events';
import { REGION, resolverOf } from '../support/account';
import { everythingOfWebhook, importedWithKeys, ownedWithKeys, projectsTable, webhookStack } from '../support/stacks';

type RoleName = 'webhook' | 'status';

const STATE_ACTIONS = ['dynamodb:GetItem', 'dynamodb:UpdateItem'];
const KEY_OF_DYNAMODB = ['kms:Decrypt', 'kms:Encrypt', 'kms:ReEncryptFrom', 'kms:ReEncryptTo', 'kms:GenerateDataKey', 'kms:GenerateDataKeyWithoutPlaintext', 'kms:GenerateDataKeyPair'];
const KEY_OF_SQS: readonly [string[], string[]] = [['kms:GenerateDataKey', 'kms:Decrypt'], ['the pipeline\'s key, through SQS']];

/** Actions, and where. A key that a stack does not have is not asked for there. */
const RIGHTS: Readonly<Record<RoleName, readonly (readonly [actions: readonly string[], places: readonly string[]])[]>> = {
  webhook: [
    [['dynamodb:GetItem'], ['a project', 'a project, naming other attributes']],
    [['dynamodb:UpdateItem'], ['a project']],
    [['dynamodb:Query'], ['the index by repository', 'the index by repository id']],
    [STATE_ACTIONS, ['the deployments table', 'the state table']],
    [['sqs:SendMessage'], ['the queue', 'the status queue']],
    [['secretsmanager:GetSecretValue'], ['the webhook secret']],
    [['logs:CreateLogStream', 'logs:PutLogEvents'], ['the webhook\'s log streams']],
    [KEY_OF_DYNAMODB, ['the table\'s key, through DynamoDB', 'the projects table\'s key, through DynamoDB', 'the pipeline\'s key, through DynamoDB']],
    KEY_OF_SQS,
    [['kms:Decrypt'], ['the secret\'s key, through Secrets Manager']],
  ],
  status: [
    [STATE_ACTIONS, ['the state table']],
    [['sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sqs:GetQueueAttributes', 'sqs:ChangeMessageVisibility'], ['the status queue']],
    [['secretsmanager:GetSecretValue'], ['the secret of the GitHub App', 'the secret of the outgoing webhook']],
    [['logs:CreateLogStream', 'logs:PutLogEvents'], ['the status function\'s log streams']],
    [KEY_OF_DYNAMODB, ['the pipeline\'s key, through DynamoDB']],
    [['kms:Decrypt'], ['the pipeline\'s key, through SQS']],
  ],
};
const ROLE_NAMES = Object.keys(RIGHTS) as RoleName[];

interface SetupProps {
  readonly pipeline: (stack: Stack) => Partial<NextjsBuildPipelineProps>;
  readonly webhook: (stack: Stack) => Partial<GithubWebhookProps>;
}

const ARN = (service: string, name: string) => `arn:aws:${service}:${REGION}:${ACCOUNT_ID}:${name}`;

const SETUPS: Readonly<Record<string, SetupProps>> = {
  'tables and secrets of this app': { pipeline: () => ({}), webhook: () => ({}) },
  'keys of this app': {
    pipeline: ownedWithKeys,
    webhook: (stack) => ({
      projectsTable: projectsTable(stack, new kms.Key(stack, 'ProjectsKey')),
      webhookSecret: new Secret(stack, 'WebhookSecret', { encryptionKey: new kms.Key(stack, 'SecretKey') }),
    }),
  },
  'everything imported, with keys': {
    pipeline: (stack) => ({ ...importedWithKeys(stack), encryptionKey: kms.Key.fromKeyArn(stack, 'PipelineKey', ARN('kms', 'key/pipeline-key')) }),
    webhook: (stack) => ({
      projectsTable: dynamodb.Table.fromTableAttributes(stack, 'Projects', { tableName: 'company-projects', encryptionKey: kms.Key.fromKeyArn(stack, 'ProjectsKey', ARN('kms', 'key/projects-key')) }),
      webhookSecret: Secret.fromSecretAttributes(stack, 'WebhookSecret', {
        secretPartialArn: ARN('secretsmanager', 'secret:platform/webhook'), encryptionKey: kms.Key.fromKeyArn(stack, 'SecretKey', ARN('kms', 'key/secret-key')),
      }),
    }),
  },
};

function setUp(name: string, more: Partial<GithubWebhookProps> = {}) {
  let props: Partial<GithubWebhookProps> = {};
  let pipelineProps: Partial<NextjsBuildPipelineProps> = {};
  const { pipeline, stack, webhook } = webhookStack(
    (scope) => (props = { ...everythingOfWebhook(scope), ...SETUPS[name].webhook(scope), ...more }),
    (scope) => (pipelineProps = SETUPS[name].pipeline(scope)),
  );
  const resolver = resolverOf(Template.fromStack(stack));
  const account = new Account([resolver]);
  const text = (token: string) => resolver.resolve(stack.resolve(token)) as string;
  const named = (type: string, start: string) => resolver.arn(resolver.resourcesOfType(type).find(({ logicalId }) => logicalId.startsWith(start))!.logicalId);
  const projects = props.projectsTable ? text(props.projectsTable.tableArn) : named('AWS::DynamoDB::Table', 'Projects');
  const deployments = pipelineProps.deploymentsTable ? text(pipelineProps.deploymentsTable.tableArn) : named('AWS::DynamoDB::GlobalTable', 'Deployments');
  const secret = props.webhookSecret ? text(props.webhookSecret.secretFullArn ?? `${props.webhookSecret.secretArn}-AbCdEf`) : named('AWS::SecretsManager::Secret', 'WebhookSecret');
  const logStream = (group: string) => ({ arn: ARN('logs', `log-group:${text(group)}:log-stream:stream`) });
  const item = (leadingKey: string, ...attributes: string[]): Place => ({ arn: projects, context: { 'dynamodb:LeadingKeys': [leadingKey], 'dynamodb:Attributes': ['PK', 'SK', ...attributes] } });
  const keyArn = (key?: kms.IKey) => key && text(key.keyArn);
  const roles: Record<RoleName, string> = { webhook: text(webhook.function.role!.roleArn), status: text(webhook.statusFunction!.role!.roleArn) };
  const places: Record<string, Place> = {
    'a project': item('PROJECT#shop', 'repositoryId', 'repoUrl'),
    'a project, naming other attributes': item('PROJECT#shop', 'repositoryId', 'branch'),
    'another kind of item in the projects table': item('USER#1', 'repositoryId'),
    'the index by repository': { arn: `${projects}/index/byRepository` },
    'the index by repository id': { arn: `${projects}/index/byRepositoryId` },
    'another index of the projects table': { arn: `${projects}/index/byUser` },
    'the deployments table': { arn: deployments },
    'an index of the deployments table': { arn: `${deployments}/index/byProject` },
    'the state table': { arn: text(pipeline.stateTable.tableArn) },
    'another table': { arn: ARN('dynamodb', 'table/another') },
    'the queue': { arn: text(pipeline.queue.queueArn) },
    'the dead-letter queue': { arn: text(pipeline.deadLetterQueue.queueArn) },
    'the event dead-letter queue': { arn: text(pipeline.eventDeadLetterQueue.queueArn) },
    'the status queue': { arn: text(webhook.statusQueue!.queueArn) },
    'the status queue, without TLS': { arn: text(webhook.statusQueue!.queueArn), context: { 'aws:SecureTransport': 'false' } },
    'the status dead-letter queue': { arn: text(webhook.statusDeadLetterQueue!.queueArn) },
    'the webhook secret': { arn: secret },
    'the secret of the GitHub App': { arn: ARN('secretsmanager', 'secret:platform/app-AbCdEf') },
    'the secret of the outgoing webhook': { arn: ARN('secretsmanager', 'secret:platform/outgoing-AbCdEf') },
    'a secret beside that of the GitHub App': { arn: ARN('secretsmanager', 'secret:platform/app-two-AbCdEf') },
    'another secret': { arn: ARN('secretsmanager', 'secret:admin-AbCdEf') },
    'the webhook function': { arn: text(webhook.function.functionArn) },
    'the webhook function, through its URL': {
      arn: text(webhook.function.functionArn), context: { 'lambda:FunctionUrlAuthType': 'NONE', 'lambda:InvokedViaFunctionUrl': 'true' },
    },
    'the status function': { arn: text(webhook.statusFunction!.functionArn) },
    'the orchestrator': { arn: text(pipeline.orchestrator.functionArn) },
    'the project of the builds': { arn: text(pipeline.project.projectArn) },
    'the event bus, as the pipeline': { arn: ARN('events', 'event-bus/default'), context: { 'events:source': EVENT_SOURCE, 'events:detail-type': STATUS_CHANGED } },
    'an artifact': { arn: 'arn:aws:s3:::test-artifacts/artifacts/shop/commit/lambda.zip' },
    'the webhook\'s log streams': logStream(webhook.logGroup.logGroupName),
    'the status function\'s log streams': logStream(webhook.statusLogGroup!.logGroupName),
    'the builds\' log streams': logStream(pipeline.buildLogGroup.logGroupName),
    'the webhook\'s role': { arn: roles.webhook },
    'the status function\'s role': { arn: roles.status },
    'the role of the builds': { arn: text(pipeline.project.role!.roleArn) },
    ...keyPlaces('the table\'s key', keyArn(pipelineProps.deploymentsTable?.encryptionKey)),
    ...keyPlaces('the pipeline\'s key', keyArn(pipelineProps.encryptionKey)),
    ...keyPlaces('the projects table\'s key', keyArn(props.projectsTable?.encryptionKey)),
    ...keyPlaces('the secret\'s key', keyArn(props.webhookSecret?.encryptionKey)),
  };
  return {
    roles,
    rule: named('AWS::Events::Rule', 'WebhookStatusRule'),
    places: new Map(Object.entries(places)),
    allows: (caller: Caller, action: string, { arn, context }: Place, conditions?: ContextValues) => account.decide({
      caller, action, resource: arn, context: new RequestContext({ 'aws:SecureTransport': 'true', ...context, ...conditions }),
    }).allowed,
  };
}

describe.each(Object.keys(SETUPS))('With %s', (name) => {
  const setup = setUp(name);
  const everywhere = ACTIONS.flatMap((action) => [...setup.places]
    .filter(([, { arn }]) => arn.split(':')[2] === serviceOf(action)).map(([place]) => ({ action, place })));
  const allowedTo = (caller: Caller, context?: ContextValues) => everywhere
    .filter(({ action, place }) => setup.allows(caller, action, setup.places.get(place)!, context))
    .map(({ action, place }) => `${action} on ${place}`);
  /** What is not everybody's. */
  const ownRightsOf = (caller: Caller, context?: ContextValues) => allowedTo(caller, context).filter((line) => !line.endsWith('through its URL'));

  test.each(ROLE_NAMES)('the role of the %s function may do what the table lists, and nothing else of the catalogue', (role) => {
    const listed = RIGHTS[role].flatMap(([actions, places]) => actions.flatMap((action) => places.filter((place) => setup.places.has(place) || !place.includes('\'s key'))
      .map((place) => `${action} on ${place}`)));
    expect(ownRightsOf({ role: setup.roles[role] }).sort()).toEqual(listed.sort());
  });

  test.each(ROLE_NAMES)('the role of the %s function can be assumed by Lambda only', (role) => {
    const place = setup.places.get(role === 'webhook' ? 'the webhook\'s role' : 'the status function\'s role')!;
    const services = ['lambda.amazonaws.com', 'events.amazonaws.com', 'codebuild.amazonaws.com', 'apigateway.amazonaws.com'];
    expect(services.filter((service) => setup.allows({ service }, 'sts:AssumeRole', place))).toEqual(['lambda.amazonaws.com']);
    expect(ROLE_NAMES.filter((other) => setup.allows({ role: setup.roles[other] }, 'sts:AssumeRole', place))).toEqual([]);
  });

  test('EventBridge sends to the two status queues for the webhook\'s rule, and to none for another', () => {
    const sent = (rule: string | undefined) => ownRightsOf({ service: 'events.amazonaws.com' }, { 'aws:SourceArn': rule, 'aws:SourceAccount': ACCOUNT_ID }).filter((line) => !/kms:/.test(line));
    expect(sent(setup.rule)).toEqual(['sqs:SendMessage on the status queue', 'sqs:SendMessage on the status dead-letter queue']);
    expect(sent(ARN('events', 'rule/another'))).toEqual([]);
    expect(sent(undefined)).toEqual([]);
  });

  test('anybody may call the webhook function through its URL; not without, and nothing else', () => {
    expect(allowedTo('anonymous')).toEqual(['lambda:InvokeFunction on the webhook function, through its URL', 'lambda:InvokeFunctionUrl on the webhook function, through its URL']);
    expect(ownRightsOf({ service: 'apigateway.amazonaws.com' })).toEqual([]);
  });
});

test('without a URL of its own, nobody from outside may call the webhook function', () => {
  const setup = setUp('tables and secrets of this app', { functionUrl: false });
  const place = setup.places.get('the webhook function, through its URL')!;
  expect(['lambda:InvokeFunction', 'lambda:InvokeFunctionUrl'].filter((action) => setup.allows('anonymous', action, place))).toEqual([]);
});

test('without indexes no index can be queried', () => {
  const setup = setUp('tables and secrets of this app', { repositoryIndexName: undefined, repositoryIdIndexName: undefined });
  const queried = [...setup.places].filter(([, { arn }]) => arn.includes(':dynamodb:')).filter(([, place]) => setup.allows({ role: setup.roles.webhook }, 'dynamodb:Query', place));
  expect(queried).toEqual([]);
});
