import { App, Aspects, CfnParameter, Duration, RemovalPolicy, Stack } from 'aws-cdk-lib';
import { Match, Template } from 'aws-cdk-lib/assertions';
import * as codebuild from 'aws-cdk-lib/aws-codebuild';
import * as dynamodb from 'aws-cdk-lib/aws-dynamodb';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as kms from 'aws-cdk-lib/aws-kms';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as logs from 'aws-cdk-lib/aws-logs';
import * as s3 from 'aws-cdk-lib/aws-s3';
import { NextjsBuildPipeline } from '../../src';
import { deploymentsTable, forSnapshot, importedWithKeys, pipelineStack, synthesize } from '../support/stacks';

describe('defaults', () => {
  const { stack, pipeline, template } = synthesize();
  const idOf = (construct: { node: { defaultChild?: unknown } }) => stack.getLogicalId(construct.node.defaultChild as never);

  test('messages wait 1800 s for an orchestrator that died, are kept 14 days, and go to the dead-letter queue after 3 receives', () => {
    template.hasResourceProperties('AWS::SQS::Queue', {
      VisibilityTimeout: 1800,
      MessageRetentionPeriod: 1209600,
      RedrivePolicy: { deadLetterTargetArn: { 'Fn::GetAtt': [idOf(pipeline.deadLetterQueue), 'Arn'] }, maxReceiveCount: 3 },
    });
    template.resourcePropertiesCountIs('AWS::SQS::Queue', { MessageRetentionPeriod: 1209600, SqsManagedSseEnabled: true }, 3);
  });

  test('only the queue may use the dead-letter queue, and no queue the one for events', () => {
    const queues = template.findResources('AWS::SQS::Queue');
    const { sourceQueueArns: [sourceArn], redrivePermission } = queues[idOf(pipeline.deadLetterQueue)].Properties.RedriveAllowPolicy;
    expect(redrivePermission).toBe('byQueue');
    // The ARN ends with the very name that the queue gets.
    expect(sourceArn['Fn::Join'][1].slice(-2)).toEqual([
      expect.stringMatching(/^:Test-Builds-/), { 'Fn::Select': [2, { 'Fn::Split': ['/', { Ref: 'AWS::StackId' }] }] },
    ]);
    expect(sourceArn['Fn::Join'][1].slice(-2)).toEqual([`:${queues[idOf(pipeline.queue)].Properties.QueueName['Fn::Join'][1][0]}`, queues[idOf(pipeline.queue)].Properties.QueueName['Fn::Join'][1][1]]);
    expect(queues[idOf(pipeline.eventDeadLetterQueue)].Properties.RedriveAllowPolicy).toEqual({ redrivePermission: 'denyAll' });
  });

  test('no queue answers without TLS', () => {
    const refusing = Object.values(template.findResources('AWS::SQS::QueuePolicy', {
      Properties: { PolicyDocument: { Statement: Match.arrayWith([Match.objectLike({ Effect: 'Deny', Action: 'sqs:*', Condition: { Bool: { 'aws:SecureTransport': 'false' } } })]) } },
    })).flatMap(({ Properties }) => Properties.Queues.map(({ Ref }: { Ref: string }) => Ref));
    expect(refusing.sort()).toEqual([pipeline.queue, pipeline.deadLetterQueue, pipeline.eventDeadLetterQueue].map(idOf).sort());
  });

  test('builds run in standard:7.0 with Node.js 22 on SMALL, unprivileged, for at most 30 minutes', () => {
    template.hasResourceProperties('AWS::CodeBuild::Project', {
      Environment: {
        Image: 'aws/codebuild/standard:7.0',
        ComputeType: 'BUILD_GENERAL1_SMALL',
        PrivilegedMode: false,
        EnvironmentVariables: Match.arrayWith([{ Name: 'NODE_VERSION', Type: 'PLAINTEXT', Value: '22' }]),
      },
      TimeoutInMinutes: 30,
      Source: { Type: 'NO_SOURCE' },
      Artifacts: { Type: 'NO_ARTIFACTS' },
      Cache: { Type: 'NO_CACHE' },
    });
  });

  test('the orchestrator takes one message at a time and answers for each', () => {
    template.hasResourceProperties('AWS::Lambda::EventSourceMapping', {
      BatchSize: 1,
      ScalingConfig: { MaximumConcurrency: 5 },
      FunctionResponseTypes: ['ReportBatchItemFailures'],
      EventSourceArn: { 'Fn::GetAtt': [idOf(pipeline.queue), 'Arn'] },
      FunctionName: { Ref: idOf(pipeline.orchestrator) },
    });
  });

  test('the start and every terminal status of a build of this project reach the finalizer, or the dead-letter queue for events', () => {
    template.hasResourceProperties('AWS::Events::Rule', {
      EventPattern: {
        'source': ['aws.codebuild'],
        'detail-type': ['CodeBuild Build State Change'],
        'detail': { 'project-name': [{ Ref: idOf(pipeline.project) }], 'build-status': ['IN_PROGRESS', 'SUCCEEDED', 'FAILED', 'FAULT', 'STOPPED', 'TIMED_OUT'] },
      },
      Targets: [Match.objectLike({
        Arn: { 'Fn::GetAtt': [idOf(pipeline.finalizer), 'Arn'] },
        DeadLetterConfig: { Arn: { 'Fn::GetAtt': [idOf(pipeline.eventDeadLetterQueue), 'Arn'] } },
        RetryPolicy: { MaximumEventAgeInSeconds: 86400, MaximumRetryAttempts: 185 },
      })],
    });
    template.hasResourceProperties('AWS::Lambda::Function', Match.objectLike({
      Timeout: 900, DeadLetterConfig: { TargetArn: { 'Fn::GetAtt': [idOf(pipeline.eventDeadLetterQueue), 'Arn'] } },
    }));
  });

  test('every five minutes the reconciler runs, for at most 4.5, and is not called again in between', () => {
    template.hasResourceProperties('AWS::Events::Rule', {
      ScheduleExpression: 'rate(5 minutes)',
      Targets: [Match.objectLike({ Arn: { 'Fn::GetAtt': [idOf(pipeline.reconciler), 'Arn'] }, RetryPolicy: { MaximumRetryAttempts: 0 } })],
    });
    expect(template.findResources('AWS::Lambda::Function')[idOf(pipeline.reconciler)].Properties).toMatchObject({ Timeout: 270, MemorySize: 512 });
    template.hasResourceProperties('AWS::Lambda::EventInvokeConfig', {
      FunctionName: { Ref: idOf(pipeline.reconciler) }, MaximumRetryAttempts: 0, MaximumEventAgeInSeconds: 60,
    });
  });

  test('the pipeline\'s own table has the keys of the contract, expires items, and is paid per request', () => {
    const { Properties, DeletionPolicy } = template.findResources('AWS::DynamoDB::Table')[idOf(pipeline.stateTable)];
    expect(Properties).toMatchObject({
      KeySchema: [{ AttributeName: 'kind', KeyType: 'HASH' }, { AttributeName: 'id', KeyType: 'RANGE' }],
      AttributeDefinitions: [{ AttributeName: 'kind', AttributeType: 'S' }, { AttributeName: 'id', AttributeType: 'S' }],
      TimeToLiveSpecification: { AttributeName: 'expiresAt', Enabled: true },
      BillingMode: 'PAY_PER_REQUEST',
    });
    expect(Properties.SSESpecification).toBeUndefined();
    expect(DeletionPolicy).toBe('Delete');
  });

  test('functions run the bundled handlers on a pinned runtime, with log groups of their own', () => {
    template.resourcePropertiesCountIs('AWS::Lambda::Function', { Runtime: 'nodejs24.x', Handler: 'index.handler', Architectures: ['arm64'] }, 3);
    const groups = [pipeline.orchestratorLogGroup, pipeline.finalizerLogGroup, pipeline.reconcilerLogGroup];
    expect([pipeline.orchestrator, pipeline.finalizer, pipeline.reconciler].map((fn) => template.findResources('AWS::Lambda::Function')[idOf(fn)].Properties.LoggingConfig))
      .toEqual(groups.map((group) => ({ LogGroup: { Ref: idOf(group) } })));
  });

  test('each function is told what it works on, and no more', () => {
    const environment = (fn: lambda.Function) => template.findResources('AWS::Lambda::Function')[idOf(fn)].Properties.Environment.Variables;
    const all = {
      DEPLOYMENTS_TABLE_NAME: { Ref: idOf(stack.node.findChild('Deployments')) },
      STATE_TABLE_NAME: { Ref: idOf(pipeline.stateTable) },
      BUILD_PROJECT_NAME: { Ref: idOf(pipeline.project) },
      BUILD_PROJECT_ARN: { 'Fn::GetAtt': [idOf(pipeline.project), 'Arn'] },
      BUILD_QUEUE_URL: { Ref: idOf(pipeline.queue) },
    };
    const bucket = { ARTIFACTS_BUCKET_NAME: { Ref: idOf(stack.node.findChild('Artifacts')) } };
    expect(environment(pipeline.orchestrator)).toEqual({ ...all, ...bucket, MAX_RECEIVE_COUNT: '3', MESSAGE_RETENTION_SECONDS: '1209600' });
    expect(environment(pipeline.finalizer)).toEqual({ ...all, ...bucket });
    expect(environment(pipeline.reconciler)).toEqual({
      ...all,
      DEAD_LETTER_QUEUE_URL: { Ref: idOf(pipeline.deadLetterQueue) },
      FINALIZER_FUNCTION_NAME: { Ref: idOf(pipeline.finalizer) },
      MESSAGE_RETENTION_SECONDS: '1209600',
      VISIBILITY_TIMEOUT_SECONDS: '1800',
    });
  });

  test('logs expire after a month, those of builds in the group that CodeBuild writes to by default', () => {
    template.resourcePropertiesCountIs('AWS::Logs::LogGroup', { RetentionInDays: 30 }, 4);
    template.hasResourceProperties('AWS::Logs::LogGroup', { LogGroupName: { 'Fn::Join': ['', ['/aws/codebuild/', { Ref: idOf(pipeline.project) }]] } });
  });

  test('queues and the pipeline\'s own table go with the stack, logs stay', () => {
    template.allResources('AWS::SQS::Queue', { DeletionPolicy: 'Delete' });
    template.allResources('AWS::Logs::LogGroup', { DeletionPolicy: 'Retain' });
  });

  test('what builds leave behind in staging expires, and so does a cache that nobody writes any more', () => {
    template.hasResourceProperties('AWS::S3::Bucket', {
      LifecycleConfiguration: {
        Rules: [
          Match.objectLike({ Prefix: 'staging/', ExpirationInDays: 14, AbortIncompleteMultipartUpload: { DaysAfterInitiation: 1 }, Status: 'Enabled' }),
          Match.objectLike({ Prefix: 'cache/', ExpirationInDays: 30, Status: 'Enabled' }),
        ],
      },
    });
  });

  test('the whole template', () => {
    expect(forSnapshot(template)).toMatchSnapshot();
  });
});

describe('options', () => {
  test('every number and name can be changed', () => {
    const { template } = synthesize((stack) => ({
      ...importedWithKeys(stack),
      visibilityTimeout: Duration.minutes(10),
      messageRetention: Duration.days(4),
      maxReceiveCount: 5,
      batchSize: 10,
      maxConcurrency: 2,
      maxConcurrentBuildsPerProject: 3,
      installSecretsPrefix: 'builds/install/',
      stopSupersededBuilds: true,
      reconcileInterval: Duration.minutes(2),
      buildImage: codebuild.LinuxArmBuildImage.fromCodeBuildImageId('aws/codebuild/amazonlinux-aarch64-standard:3.0'),
      computeType: codebuild.ComputeType.LARGE,
      buildTimeout: Duration.hours(1),
      nodeVersion: '24',
      openNextVersion: '4.1.12',
      functionArchitecture: lambda.Architecture.ARM_64,
      buildEnvironment: { FEATURE_FLAG: 'on' },
      vpc: new ec2.Vpc(stack, 'Vpc', { maxAzs: 2 }),
      vpcSubnets: { subnetType: ec2.SubnetType.PRIVATE_WITH_EGRESS },
      encryptionKey: new kms.Key(stack, 'Key'),
      logRetention: logs.RetentionDays.THREE_MONTHS,
      permissionsBoundary: iam.ManagedPolicy.fromManagedPolicyName(stack, 'Boundary', 'company-boundary'),
      removalPolicy: RemovalPolicy.DESTROY,
    }));
    template.hasResourceProperties('AWS::SQS::Queue', { VisibilityTimeout: 600, MessageRetentionPeriod: 345600, RedrivePolicy: Match.objectLike({ maxReceiveCount: 5 }) });
    template.hasResourceProperties('AWS::Lambda::EventSourceMapping', { BatchSize: 10, ScalingConfig: { MaximumConcurrency: 2 } });
    template.hasResourceProperties('AWS::CodeBuild::Project', {
      TimeoutInMinutes: 60,
      VpcConfig: Match.objectLike({ VpcId: { Ref: Match.stringLikeRegexp('Vpc') } }),
      Environment: {
        Image: 'aws/codebuild/amazonlinux-aarch64-standard:3.0',
        Type: 'ARM_CONTAINER',
        ComputeType: 'BUILD_GENERAL1_LARGE',
        EnvironmentVariables: Match.arrayWith([
          { Name: 'FEATURE_FLAG', Type: 'PLAINTEXT', Value: 'on' }, { Name: 'BUILD_ENVIRONMENT', Type: 'PLAINTEXT', Value: 'FEATURE_FLAG' }, { Name: 'NODE_VERSION', Type: 'PLAINTEXT', Value: '24' }, { Name: 'OPEN_NEXT_VERSION', Type: 'PLAINTEXT', Value: '4.1.12' },
          { Name: 'FUNCTION_ARCHITECTURE', Type: 'PLAINTEXT', Value: 'arm64' },
        ]),
      },
    });
    const limits = (handler: string) => Match.objectLike({ Description: Match.stringLikeRegexp(handler), Environment: { Variables: Match.objectLike({ MAX_CONCURRENT_BUILDS_PER_PROJECT: '3' }) } });
    const stopping = { Environment: { Variables: Match.objectLike({ STOP_SUPERSEDED_BUILDS: 'true' }) } };
    ['^Turns', '^Promotes', '^Repairs'].forEach((handler) => template.hasResourceProperties('AWS::Lambda::Function', limits(handler)));
    ['^Turns', '^Repairs'].forEach((handler) => template.hasResourceProperties('AWS::Lambda::Function', { ...stopping, Description: Match.stringLikeRegexp(handler) }));
    template.hasResourceProperties('AWS::Lambda::Function', {
      Description: Match.stringLikeRegexp('^Turns'), Environment: { Variables: Match.objectLike({ INSTALL_SECRETS_PREFIX: 'builds/install/' }) },
    });
    template.hasResourceProperties('AWS::Events::Rule', { ScheduleExpression: 'rate(2 minutes)' });
    template.hasResourceProperties('AWS::Lambda::Function', { Description: Match.stringLikeRegexp('^Repairs'), Timeout: 90 });
    template.hasResourceProperties('AWS::DynamoDB::Table', { SSESpecification: Match.objectLike({ SSEEnabled: true, SSEType: 'KMS' }) });
    template.resourcePropertiesCountIs('AWS::SQS::Queue', { KmsMasterKeyId: Match.anyValue() }, 3);
    template.resourcePropertiesCountIs('AWS::Logs::LogGroup', { RetentionInDays: 90, KmsKeyId: Match.anyValue() }, 4);
    template.allResources('AWS::Logs::LogGroup', { DeletionPolicy: 'Delete' });
    template.allResourcesProperties('AWS::IAM::Role', { PermissionsBoundary: Match.anyValue() });
    template.resourceCountIs('AWS::IAM::ManagedPolicy', 0);
    expect(forSnapshot(template)).toMatchSnapshot();
  });

  test.each([[1, 30], [4, 210], [5, 270], [60, 270]])('a reconciler that runs every %i minutes runs for at most %i seconds: it is over when the next one begins', (minutes, timeout) => {
    const { template } = synthesize({ reconcileInterval: Duration.minutes(minutes) });
    template.hasResourceProperties('AWS::Lambda::Function', { Description: Match.stringLikeRegexp('^Repairs'), Timeout: timeout });
  });

  test('running builds are left to finish, unless somebody wants them stopped', () => {
    expect(JSON.stringify(synthesize({ stopSupersededBuilds: false }).template.toJSON())).not.toContain('STOP_SUPERSEDED_BUILDS');
  });

  test('numbers that are known only at deployment reach the functions', () => {
    const numberOf = (stack: Stack, id: string) => new CfnParameter(stack, id, { type: 'Number' }).valueAsNumber;
    const { template } = synthesize((stack) => ({
      maxReceiveCount: numberOf(stack, 'Receives'),
      maxConcurrentBuildsPerProject: numberOf(stack, 'BuildLimit'),
      visibilityTimeout: Duration.seconds(numberOf(stack, 'Visibility')),
      messageRetention: Duration.seconds(numberOf(stack, 'Retention')),
      reconcileInterval: Duration.minutes(numberOf(stack, 'Interval')),
    }));
    const variables = Object.values(template.findResources('AWS::Lambda::Function')).map(({ Properties }) => Properties.Environment.Variables);
    expect(Object.assign({}, ...variables)).toMatchObject({
      MAX_RECEIVE_COUNT: { Ref: 'Receives' },
      MAX_CONCURRENT_BUILDS_PER_PROJECT: { Ref: 'BuildLimit' },
      VISIBILITY_TIMEOUT_SECONDS: { Ref: 'Visibility' },
      MESSAGE_RETENTION_SECONDS: { Ref: 'Retention' },
    });
    template.hasResourceProperties('AWS::Events::Rule', { ScheduleExpression: { 'Fn::Join': ['', ['rate(', { Ref: 'Interval' }, ' minutes)']] } });
    // The period may turn out to be the shortest.
    template.hasResourceProperties('AWS::Lambda::Function', { Description: Match.stringLikeRegexp('^Repairs'), Timeout: 30 });
  });

  test('an image that is not CodeBuild\'s own is asked for no Node.js version, which CodeBuild would refuse', () => {
    const buildSpecOf = (buildImage?: codebuild.IBuildImage) =>
      Object.values(synthesize({ buildImage }).template.findResources('AWS::CodeBuild::Project'))[0].Properties.Source.BuildSpec as string;
    expect(buildSpecOf()).toContain('runtime-versions');
    expect(buildSpecOf(codebuild.LinuxBuildImage.fromDockerRegistry('node:22'))).not.toContain('runtime-versions');
  });

  test('a given key may be used by the services that write with it', () => {
    const { template } = synthesize((stack) => ({ encryptionKey: new kms.Key(stack, 'Key') }));
    template.hasResourceProperties('AWS::KMS::Key', {
      KeyPolicy: {
        Statement: Match.arrayWith([
          Match.objectLike({ Principal: { Service: { 'Fn::Join': ['', ['logs.', { Ref: 'AWS::Region' }, '.amazonaws.com']] } }, Action: Match.arrayWith(['kms:GenerateDataKey*']) }),
          Match.objectLike({ Principal: { Service: 'events.amazonaws.com' }, Action: ['kms:GenerateDataKey', 'kms:Decrypt'] }),
        ]),
      },
    });
  });

  test('a boundary put on by an aspect reaches every role', () => {
    const { stack } = pipelineStack();
    iam.PermissionsBoundary.of(stack).apply(iam.ManagedPolicy.fromManagedPolicyName(stack, 'Boundary', 'company-boundary'));
    Template.fromStack(stack).allResourcesProperties('AWS::IAM::Role', {
      PermissionsBoundary: { 'Fn::Join': ['', ['arn:', { Ref: 'AWS::Partition' }, ':iam::', { Ref: 'AWS::AccountId' }, ':policy/company-boundary']] },
    });
  });
});

describe('the caller\'s bucket and table', () => {
  test('a Table as well as a TableV2', () => {
    synthesize((stack) => ({ deploymentsTable: new dynamodb.Table(stack, 'V1', { partitionKey: { name: 'deploymentId', type: dynamodb.AttributeType.STRING } }) }));
  });

  test('may lie in another stack', () => {
    const app = new App();
    const data = new Stack(app, 'Data');
    const [artifactsBucket, table] = [new s3.Bucket(data, 'Artifacts', { encryption: s3.BucketEncryption.KMS }), deploymentsTable(data)];
    const builds = new Stack(app, 'Builds');
    new NextjsBuildPipeline(builds, 'Pipeline', { artifactsBucket, deploymentsTable: table });
    Template.fromStack(builds).hasResourceProperties('AWS::CodeBuild::Project', {
      Environment: { EnvironmentVariables: Match.arrayWith([Match.objectLike({ Name: 'ARTIFACTS_BUCKET_NAME', Value: { 'Fn::ImportValue': Match.stringLikeRegexp('Data:') } })]) },
    });
  });

  test('an imported bucket is not touched', () => {
    const { template } = synthesize((stack) => ({ artifactsBucket: s3.Bucket.fromBucketName(stack, 'Imported', 'company-artifacts') }));
    template.resourceCountIs('AWS::S3::Bucket', 0);
    template.resourceCountIs('AWS::S3::BucketPolicy', 0);
  });

  test('two pipelines fit in one stack, and share a bucket and a table', () => {
    const { stack, pipeline } = pipelineStack();
    const bucket = stack.node.findChild('Artifacts') as s3.Bucket;
    const second = new NextjsBuildPipeline(stack, 'Other', { artifactsBucket: bucket, deploymentsTable: stack.node.findChild('Deployments') as dynamodb.TableV2 });
    const template = Template.fromStack(stack);
    template.resourceCountIs('AWS::CodeBuild::Project', 2);
    expect(second.queue.queueName).not.toEqual(pipeline.queue.queueName);
    const [{ Properties }] = Object.values(template.findResources('AWS::S3::Bucket'));
    expect(Properties.LifecycleConfiguration.Rules.map(({ Prefix }: { Prefix: string }) => Prefix)).toEqual(['staging/', 'cache/']);
  });

  test('works in a stack with a known account and Region too', () => {
    const { template } = synthesize({}, { env: { account: '111122223333', region: 'eu-central-1' } });
    template.hasResourceProperties('AWS::IAM::Role', {
      AssumeRolePolicyDocument: { Statement: [Match.objectLike({ Principal: { Service: 'codebuild.amazonaws.com' }, Condition: { StringEquals: { 'aws:SourceAccount': '111122223333' } } })] },
    });
  });
});

describe('producers', () => {
  test('grantEnqueue lets a role send to the queue, and nothing else', () => {
    const { stack, pipeline } = pipelineStack();
    const grant = pipeline.grantEnqueue(new iam.Role(stack, 'Producer', { assumedBy: new iam.AccountRootPrincipal() }));
    grant.assertSuccess();
    Template.fromStack(stack).hasResourceProperties('AWS::IAM::Policy', {
      Roles: [{ Ref: Match.stringLikeRegexp('^Producer') }],
      PolicyDocument: {
        Statement: [{ Effect: 'Allow', Action: ['sqs:SendMessage', 'sqs:GetQueueAttributes', 'sqs:GetQueueUrl'], Resource: stack.resolve(pipeline.queue.queueArn) }],
      },
    });
  });

  test('addProducer also tells the function the queue\'s URL', () => {
    const { stack, pipeline } = pipelineStack();
    const producer = new lambda.Function(stack, 'Producer', {
      runtime: new lambda.Runtime('nodejs24.x', lambda.RuntimeFamily.NODEJS, { supportsInlineCode: true }),
      handler: 'producer.handler',
      code: lambda.Code.fromInline('exports.handler = () => {}'),
    });
    pipeline.addProducer(producer).assertSuccess();
    Template.fromStack(stack).hasResourceProperties('AWS::Lambda::Function', { Environment: { Variables: { BUILD_QUEUE_URL: stack.resolve(pipeline.queue.queueUrl) } }, Handler: 'producer.handler' });
  });

  test('the construct itself is no principal: a right for untrusted builds has to be written out on the project', () => {
    expect('grantPrincipal' in pipelineStack().pipeline).toBe(false);
  });
});

test('synthesizing adds no aspect and no lookup to the app', () => {
  const { stack } = pipelineStack();
  expect(Aspects.of(stack).all).toHaveLength(0);
  expect((stack.node.root as App).synth().manifest.missing).toBeUndefined();
});
