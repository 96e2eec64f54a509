import { App, CfnParameter, Duration, Lazy, RemovalPolicy, Stack } from 'aws-cdk-lib';
import { Match, Template } from 'aws-cdk-lib/assertions';
import * as dynamodb from 'aws-cdk-lib/aws-dynamodb';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as kms from 'aws-cdk-lib/aws-kms';
import * as logs from 'aws-cdk-lib/aws-logs';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { GithubWebhook, type GithubWebhookProps } from '../../src';
import { everythingOfWebhook, forSnapshot, pipelineStack, projectsTable, webhookStack } from '../support/stacks';

const synthesize = (...args: Parameters<typeof webhookStack>) => {
  const { stack, ...constructs } = webhookStack(...args);
  return { stack, ...constructs, template: Template.fromStack(stack) };
};

/** What the webhook adds to its stack. */
const ownIds = (template: Template) => Object.keys(template.toJSON().Resources).filter((id) => /^Webhook(?!Secret)/.test(id));

describe('defaults', () => {
  const { stack, template, webhook } = synthesize();
  const idOf = (construct: { node: { defaultChild?: unknown } }) => stack.getLogicalId(construct.node.defaultChild as never);

  test('anybody may call the function through its URL, and through nothing else: the signature is the authentication', () => {
    template.hasResourceProperties('AWS::Lambda::Url', { AuthType: 'NONE', TargetFunctionArn: { 'Fn::GetAtt': [idOf(webhook.function), 'Arn'] } });
    const permissions = Object.values(template.findResources('AWS::Lambda::Permission', { Properties: { Principal: '*' } })).map(({ Properties }) => Properties);
    const common = { FunctionName: { 'Fn::GetAtt': [idOf(webhook.function), 'Arn'] }, Principal: '*' };
    expect(permissions).toEqual([
      { ...common, Action: 'lambda:InvokeFunctionUrl', FunctionUrlAuthType: 'NONE' },
      { ...common, Action: 'lambda:InvokeFunction', InvokedViaFunctionUrl: true },
    ]);
  });

  test('the URLs can be shown: of all repositories, and of one project', () => {
    const url = { 'Fn::GetAtt': [expect.stringMatching(/^WebhookUrl/), 'FunctionUrl'] };
    expect(stack.resolve(webhook.url)).toEqual(url);
    expect(stack.resolve(webhook.projectUrl('shop'))).toEqual({ 'Fn::Join': ['', [url, 'projects/shop']] });
  });

  test('the function gets an answer out within the ten seconds that GitHub waits, and knows tables, queue and secret', () => {
    template.hasResourceProperties('AWS::Lambda::Function', {
      Description: 'Makes deployments of what is pushed to a git host',
      Timeout: 15,
      Environment: {
        Variables: {
          DEPLOYMENTS_TABLE_NAME: Match.anyValue(),
          STATE_TABLE_NAME: Match.anyValue(),
          BUILD_QUEUE_URL: Match.anyValue(),
          PROJECTS_TABLE_NAME: Match.anyValue(),
          PROJECTS_PARTITION_KEY: 'PK',
          PROJECTS_SORT_KEY: 'SK',
          REPOSITORY_INDEX_NAME: Match.absent(),
          REPOSITORY_ID_INDEX_NAME: Match.absent(),
          WEBHOOK_SECRET_ID: { Ref: Match.stringLikeRegexp('^WebhookSecret') },
        },
      },
    });
  });

  test('nobody is told of statuses', () => {
    for (const part of [webhook.statusFunction, webhook.statusLogGroup, webhook.statusQueue, webhook.statusDeadLetterQueue]) expect(part).toBeUndefined();
    expect(ownIds(template).filter((id) => id.startsWith('WebhookStatus'))).toEqual([]);
  });

  test('failed deliveries are a metric of the function, for an alarm', () => {
    const metric = webhook.metricFailedDeliveries();
    expect(stack.resolve(metric.toMetricConfig().metricStat)).toMatchObject({
      namespace: 'NextjsBuildPipeline',
      metricName: 'FailedDeliveries',
      dimensions: [{ name: 'FunctionName', value: { Ref: idOf(webhook.function) } }],
      statistic: 'Sum',
      period: Duration.minutes(5),
    });
    expect(webhook.metricFailedDeliveries({ period: Duration.minutes(1), label: 'Lost' })).toMatchObject({ period: Duration.minutes(1), label: 'Lost' });
  });

  test('what the webhook adds', () => {
    const resources = forSnapshot(template) as { Resources: Record<string, unknown> };
    expect(Object.fromEntries(ownIds(template).map((id) => [id, resources.Resources[id]]))).toMatchSnapshot();
  });
});

describe('with a GitHub App and an outgoing webhook', () => {
  const { stack, template, webhook } = synthesize(everythingOfWebhook);
  const idOf = (construct: { node: { defaultChild?: unknown } }) => stack.getLogicalId(construct.node.defaultChild as never);

  test('the status function hears of every status of this pipeline, over a queue that keeps what cannot be told', () => {
    const queueArn = { 'Fn::GetAtt': [idOf(webhook.statusQueue!), 'Arn'] };
    const deadLetterArn = { 'Fn::GetAtt': [idOf(webhook.statusDeadLetterQueue!), 'Arn'] };
    template.hasResourceProperties('AWS::Events::Rule', {
      EventPattern: {
        'source': ['cdk-nextjs-build-pipeline'],
        'detail-type': ['Deployment Status Changed'],
        'resources': [{ 'Fn::GetAtt': [Match.stringLikeRegexp('^BuildsProject'), 'Arn'] }],
      },
      Targets: [Match.objectLike({
        Arn: queueArn, DeadLetterConfig: { Arn: deadLetterArn }, RetryPolicy: { MaximumEventAgeInSeconds: 86400, MaximumRetryAttempts: 185 },
      })],
    });
    template.hasResourceProperties('AWS::SQS::Queue', { VisibilityTimeout: 540, RedrivePolicy: { deadLetterTargetArn: deadLetterArn, maxReceiveCount: 20 } });
    template.hasResourceProperties('AWS::Lambda::EventSourceMapping', {
      EventSourceArn: queueArn,
      FunctionName: { Ref: idOf(webhook.statusFunction!) },
      FunctionResponseTypes: ['ReportBatchItemFailures'],
      ScalingConfig: { MaximumConcurrency: 2 },
    });
  });

  test('the status function knows app, host, secrets and its queue', () => {
    template.hasResourceProperties('AWS::Lambda::Function', {
      Description: 'Tells git hosts what became of deployments',
      Timeout: 90,
      Environment: {
        Variables: {
          STATE_TABLE_NAME: Match.anyValue(),
          STATUS_QUEUE_URL: { Ref: idOf(webhook.statusQueue!) },
          GITHUB_APP_ID: '123456',
          GITHUB_APP_SECRET_ID: 'platform/app',
          GITHUB_HOST: 'github.example.com',
          OUTGOING_WEBHOOK_URL: 'https://chat.example.com/hooks/builds',
          OUTGOING_WEBHOOK_SECRET_ID: 'platform/outgoing',
        },
      },
    });
  });

  test('the webhook may send to the status queue what no status event tells: that a push was skipped', () => {
    template.hasResourceProperties('AWS::Lambda::Function', {
      Description: 'Makes deployments of what is pushed to a git host',
      Environment: { Variables: Match.objectLike({ STATUS_QUEUE_URL: { Ref: idOf(webhook.statusQueue!) } }) },
    });
    template.hasResourceProperties('AWS::IAM::Policy', {
      Roles: [{ Ref: idOf(webhook.function.role!) }],
      PolicyDocument: { Statement: Match.arrayWith([Match.objectLike({ Action: 'sqs:SendMessage', Resource: { 'Fn::GetAtt': [idOf(webhook.statusQueue!), 'Arn'] } })]) },
    });
  });

  test('both indexes are told to the function', () => {
    template.hasResourceProperties('AWS::Lambda::Function', {
      ReservedConcurrentExecutions: 20,
      Environment: { Variables: Match.objectLike({ REPOSITORY_INDEX_NAME: 'byRepository', REPOSITORY_ID_INDEX_NAME: 'byRepositoryId' }) },
    });
  });

  test('what the webhook adds', () => {
    const resources = forSnapshot(template) as { Resources: Record<string, unknown> };
    expect(Object.fromEntries(ownIds(template).map((id) => [id, resources.Resources[id]]))).toMatchSnapshot();
  });
});

test('an outgoing webhook alone is enough for the status function, and so is a GitHub App', () => {
  const outgoing = (stack: Stack) => ({ outgoingWebhookUrl: 'https://chat.example.com/', outgoingWebhookSecret: new Secret(stack, 'Outgoing') });
  const app = (stack: Stack) => ({ githubApp: { appId: '1', privateKey: new Secret(stack, 'AppKey') } });
  const variablesWith = (props: (stack: Stack) => Partial<GithubWebhookProps>) => {
    const [found] = Object.values(synthesize(props).template.findResources('AWS::Lambda::Function', {
      Properties: { Description: 'Tells git hosts what became of deployments' },
    }));
    return Object.keys(found.Properties.Environment.Variables).filter((name) => /^(GITHUB|OUTGOING)/.test(name));
  };
  expect(variablesWith(outgoing)).toEqual(['OUTGOING_WEBHOOK_URL', 'OUTGOING_WEBHOOK_SECRET_ID']);
  expect(variablesWith(app)).toEqual(['GITHUB_APP_ID', 'GITHUB_APP_SECRET_ID', 'GITHUB_HOST']);
});

test('the webhook is encrypted, kept and bounded as the pipeline is', () => {
  const { template } = synthesize(everythingOfWebhook, (stack) => ({
    encryptionKey: new kms.Key(stack, 'Key'),
    logRetention: logs.RetentionDays.THREE_MONTHS,
    permissionsBoundary: iam.ManagedPolicy.fromManagedPolicyName(stack, 'Boundary', 'company'),
    removalPolicy: RemovalPolicy.DESTROY,
  }));
  template.allResourcesProperties('AWS::Logs::LogGroup', { RetentionInDays: 90, KmsKeyId: Match.anyValue() });
  template.allResources('AWS::Logs::LogGroup', { DeletionPolicy: 'Delete' });
  template.allResourcesProperties('AWS::IAM::Role', { PermissionsBoundary: Match.anyValue() });
  template.allResourcesProperties('AWS::SQS::Queue', { KmsMasterKeyId: Match.anyValue() });
  template.resourceCountIs('AWS::SQS::Queue', 5);
});

test('EventBridge sends to the status queues for the webhook\'s own rule, also if they have a key', () => {
  const { stack, template, webhook } = synthesize(everythingOfWebhook, (scope) => ({ encryptionKey: new kms.Key(scope, 'Key') }));
  for (const queue of [webhook.statusQueue!, webhook.statusDeadLetterQueue!]) {
    const id = stack.getLogicalId(queue.node.defaultChild as never);
    const [policy] = Object.values(template.findResources('AWS::SQS::QueuePolicy', { Properties: { Queues: [{ Ref: id }] } }));
    const allowed = policy.Properties.PolicyDocument.Statement.filter(({ Effect }: { Effect: string }) => Effect === 'Allow');
    expect(allowed).toEqual([{
      Effect: 'Allow',
      Action: 'sqs:SendMessage',
      Principal: { Service: 'events.amazonaws.com' },
      Resource: { 'Fn::GetAtt': [id, 'Arn'] },
      Condition: { ArnEquals: { 'aws:SourceArn': { 'Fn::GetAtt': [expect.stringMatching(/^WebhookStatusRule/), 'Arn'] } } },
    }]);
  }
});

test('without a URL of its own, nobody may call the function until somebody says so', () => {
  const { template, webhook } = synthesize({ functionUrl: false });
  template.resourceCountIs('AWS::Lambda::Url', 0);
  template.resourcePropertiesCountIs('AWS::Lambda::Permission', { Principal: '*' }, 0);
  const problem = 'Test/Webhook has no URL of its own, because functionUrl is false. Use the URL of what you have put in front of its function.';
  expect(() => webhook.url).toThrow(problem);
  expect(() => webhook.projectUrl('shop')).toThrow(problem);
});

test('an endpoint of the user\'s own is given the right to call the function', () => {
  const { stack, webhook } = webhookStack({ functionUrl: false });
  const gateway = new iam.Role(stack, 'Gateway', { assumedBy: new iam.ServicePrincipal('apigateway.amazonaws.com') });
  expect(webhook.grantInvoke(gateway).success).toBe(true);
  Template.fromStack(stack).hasResourceProperties('AWS::IAM::Policy', {
    PolicyDocument: { Statement: [Match.objectLike({ Action: 'lambda:InvokeFunction', Effect: 'Allow' })] },
    Roles: [{ Ref: Match.stringLikeRegexp('^Gateway') }],
  });
});

test('the webhook need not be in the pipeline\'s stack, nor the table in either, and there can be several', () => {
  const { pipeline, stack } = pipelineStack((scope) => ({ encryptionKey: new kms.Key(scope, 'Key') }));
  const app = stack.node.root as App;
  const table = projectsTable(new Stack(app, 'Data'));
  const frontDoor = new Stack(app, 'FrontDoor');
  for (const id of ['One', 'Two']) {
    const props = { pipeline, projectsTable: table, webhookSecret: new Secret(frontDoor, `${id}Secret`) };
    const privateKey = new Secret(frontDoor, `${id}AppKey`);
    new GithubWebhook(frontDoor, id, { ...props, githubApp: { appId: '1', privateKey } });
  }
  expect(() => app.synth()).not.toThrow();
  Template.fromStack(frontDoor).resourceCountIs('AWS::Lambda::Url', 2);
});

describe('what is not known before the deployment', () => {
  const parameter = (stack: Stack, id: string, type = 'String') => new CfnParameter(stack, id, { type });

  test('passes the checks and reaches the template as it is', () => {
    const { template } = synthesize((stack) => ({
      projectsTable: dynamodb.Table.fromTableName(stack, 'Imported', parameter(stack, 'TableName').valueAsString),
      projectsPartitionKey: parameter(stack, 'PartitionKey').valueAsString,
      projectsSortKey: Lazy.string({ produce: () => 'sort' }),
      repositoryIndexName: parameter(stack, 'IndexName').valueAsString,
      githubApp: { appId: parameter(stack, 'AppId').valueAsString, privateKey: new Secret(stack, 'AppKey'), host: parameter(stack, 'Host').valueAsString },
      outgoingWebhookUrl: parameter(stack, 'Url').valueAsString,
      outgoingWebhookSecret: new Secret(stack, 'Outgoing'),
      reservedConcurrentExecutions: parameter(stack, 'Executions', 'Number').valueAsNumber,
    }));
    template.hasResourceProperties('AWS::Lambda::Function', {
      ReservedConcurrentExecutions: { Ref: 'Executions' },
      Environment: {
        Variables: Match.objectLike({
          PROJECTS_TABLE_NAME: { Ref: 'TableName' }, PROJECTS_PARTITION_KEY: { Ref: 'PartitionKey' }, PROJECTS_SORT_KEY: 'sort', REPOSITORY_INDEX_NAME: { Ref: 'IndexName' },
        }),
      },
    });
    template.hasResourceProperties('AWS::Lambda::Function', {
      Environment: { Variables: Match.objectLike({ GITHUB_APP_ID: { Ref: 'AppId' }, GITHUB_HOST: { Ref: 'Host' }, OUTGOING_WEBHOOK_URL: { Ref: 'Url' } }) },
    });
    // The names of the keys are part of what the function may update.
    template.hasResourceProperties('AWS::IAM::Policy', {
      PolicyDocument: {
        Statement: Match.arrayWith([Match.objectLike({
          Action: 'dynamodb:UpdateItem',
          Condition: Match.objectLike({ 'ForAllValues:StringEquals': { 'dynamodb:Attributes': [{ Ref: 'PartitionKey' }, 'sort', 'repositoryId', 'repoUrl'] } }),
        })]),
      },
    });
  });
});
