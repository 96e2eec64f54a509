/**
 * What each role may do, decided by IAM's rules over the synthesized policies, permissions boundary, trust and resource policies included.
 * The tables list what is allowed. Everything else that an action of the catalogue could do to a place of a stack is asked as well, and denied.
 */
import * as iam from 'aws-cdk-lib/aws-iam';
import { ACTIONS, serviceOf } from './iam-actions';
import { SETUP_NAMES, setUp, type Setup } from './iam-setups';
import type { Caller } from '../../local/iam/principal';
import { ACCOUNT_ID } from '../../local/template/resolver';

type RoleName = keyof Setup['roles'];

/** Actions, and where. A place that a stack does not have (a key) is not asked for there. */
type Rights = readonly (readonly [actions: readonly string[], places: readonly string[]])[];

const STATE_ACTIONS = ['dynamodb:GetItem', 'dynamodb:UpdateItem', 'dynamodb:DeleteItem', 'dynamodb:Query'];
const LOG_ACTIONS = ['logs:CreateLogStream', 'logs:PutLogEvents'];
const KEY_OF_DYNAMODB = ['kms:Decrypt', 'kms:Encrypt', 'kms:ReEncryptFrom', 'kms:ReEncryptTo', 'kms:GenerateDataKey', 'kms:GenerateDataKeyWithoutPlaintext', 'kms:GenerateDataKeyPair'];
const KEY_OF_S3_OR_SQS = ['kms:GenerateDataKey', 'kms:Decrypt'];
const ALL_BUILDS_OF_THE_PROJECT = ['the project', 'the project, with environment variables', 'the project, where CodeBuild fills in what the project says'];
/** The denials are about StartBuild alone. */
const HOWEVER_THE_BUILD = [
  ...ALL_BUILDS_OF_THE_PROJECT, 'the project, with another buildspec', 'the project, with another image', 'the project, with another role', 'the project, privileged',
];
const STAGING = ['its own staging prefix', 'another build\'s staging prefix', 'the staging prefix of a build whose id begins like its own', 'staging/handover/', 'staging/source/'];

const EVERY_FUNCTION: Rights = [
  [['dynamodb:GetItem', 'dynamodb:UpdateItem'], ['the deployments table']],
  [STATE_ACTIONS, ['the state table']],
  [['codebuild:BatchGetBuilds'], HOWEVER_THE_BUILD],
  [['sqs:SendMessage'], ['the queue']],
  [['events:PutEvents'], ['the event bus, as the pipeline']],
  [KEY_OF_DYNAMODB, ['the table\'s key, through DynamoDB', 'the pipeline\'s key, through DynamoDB']],
  [KEY_OF_S3_OR_SQS, ['the pipeline\'s key, through SQS']],
];

const RIGHTS: Readonly<Record<RoleName, Rights>> = {
  'build': [
    [['s3:PutObject', 's3:AbortMultipartUpload'], ['its own staging prefix']],
    [KEY_OF_S3_OR_SQS, ['the bucket\'s key, through S3']],
    [[...LOG_ACTIONS, 'logs:CreateLogGroup'], ['the builds\' log streams', 'the builds\' log group']],
  ],
  'orchestrator': [
    ...EVERY_FUNCTION,
    [LOG_ACTIONS, ['the orchestrator\'s log streams']],
    [['codebuild:StartBuild'], ALL_BUILDS_OF_THE_PROJECT],
    [['codebuild:StopBuild', 'codebuild:ListBuildsForProject', 'codebuild:BatchGetProjects'], HOWEVER_THE_BUILD],
    [['sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sqs:GetQueueAttributes', 'sqs:ChangeMessageVisibility'], ['the queue']],
    [['s3:PutObject', 's3:GetObject'], ['staging/handover/']],
    [['s3:GetObject'], ['cache/', 'staging/source/']],
    [['lambda:InvokeFunction'], ['the source fetcher']],
    [['s3:ListBucket'], ['the bucket, below artifacts/', 'the bucket, below static/']],
    [['secretsmanager:GetSecretValue'], ['the secret of a project\'s install']],
    [KEY_OF_S3_OR_SQS, ['the bucket\'s key, through S3']],
  ],
  'finalizer': [
    ...EVERY_FUNCTION,
    [LOG_ACTIONS, ['the finalizer\'s log streams']],
    [['sqs:SendMessage'], ['the event dead-letter queue']],
    [['s3:GetObject', 's3:DeleteObject'], STAGING],
    [['s3:PutObject'], ['artifacts/', 'static/', 'cache/']],
    [['s3:ListBucket'], ['the bucket, below staging/']],
    [KEY_OF_S3_OR_SQS, ['the bucket\'s key, through S3']],
  ],
  'reconciler': [
    ...EVERY_FUNCTION,
    [LOG_ACTIONS, ['the reconciler\'s log streams']],
    [['codebuild:StopBuild', 'codebuild:ListBuildsForProject'], HOWEVER_THE_BUILD],
    [['sqs:ReceiveMessage'], ['the dead-letter queue']],
    [['lambda:InvokeFunction'], ['the finalizer']],
  ],
  'source fetcher': [
    [LOG_ACTIONS, ['the source fetcher\'s log streams']],
    [['s3:PutObject', 's3:AbortMultipartUpload'], ['staging/source/']],
    [['secretsmanager:GetSecretValue'], ['the secret of the GitHub App', 'the secret of the token']],
    [['kms:Decrypt'], ['the token\'s key, through Secrets Manager']],
    [KEY_OF_S3_OR_SQS, ['the bucket\'s key, through S3']],
  ],
};

/** What must not be, in so many words; the complement of the table says it, too. */
const BUILD_MAY_NOT: Rights = [
  [['s3:PutObject', 's3:PutObjectAcl', 's3:PutObjectTagging', 's3:DeleteObject'], [
    'another build\'s staging prefix', 'the staging prefix of a build whose id begins like its own', 'staging/handover/', 'staging/source/', 'artifacts/', 'static/', 'cache/',
    'elsewhere in the bucket', 'an object of another bucket',
  ]],
  [['s3:GetObject', 's3:DeleteObject', 's3:PutObjectAcl'], ['its own staging prefix']],
  [['s3:GetObject'], ['cache/', 'artifacts/', 'static/', 'staging/handover/', 'staging/source/', 'another build\'s staging prefix']],
  [['s3:ListBucket', 's3:ListBucketMultipartUploads', 's3:PutBucketPolicy'], ['the bucket as a whole', 'the bucket, below staging/']],
  [['dynamodb:GetItem', 'dynamodb:PutItem', 'dynamodb:UpdateItem', 'dynamodb:Scan'], ['the deployments table', 'the state table']],
  [['sqs:SendMessage', 'sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sqs:PurgeQueue'], ['the queue', 'the dead-letter queue', 'the event dead-letter queue']],
  [['codebuild:StartBuild', 'codebuild:StopBuild', 'codebuild:RetryBuild', 'codebuild:BatchGetBuilds', 'codebuild:UpdateProject'], ['the project']],
  [LOG_ACTIONS, ['the orchestrator\'s log streams', 'another log group\'s streams']],
  [['logs:GetLogEvents', 'logs:FilterLogEvents'], ['the builds\' log streams']],
  [['events:PutEvents'], ['the event bus, as the pipeline', 'the event bus, as CodeBuild']],
  [['lambda:InvokeFunction'], ['the finalizer', 'the orchestrator', 'the reconciler', 'the source fetcher']],
  [['sts:AssumeRole'], ['the build\'s role', 'the orchestrator\'s role', 'another role']],
  [['iam:PassRole'], ['the build\'s role', 'another role']],
  [['secretsmanager:GetSecretValue'], ['the secret of a project\'s install', 'the secret of the GitHub App', 'the secret of the token', 'another secret']],
  [['ssm:GetParameter', 'ssm:GetParameters'], ['a parameter']],
  [['kms:Decrypt', 'kms:GenerateDataKey'], ['the bucket\'s key', 'the bucket\'s key, through Secrets Manager', 'the table\'s key, through DynamoDB', 'the pipeline\'s key, through SQS']],
];

const ORCHESTRATOR_MAY_NOT: Rights = [
  [['codebuild:StartBuild'], ['the project, with another buildspec', 'the project, with another image', 'the project, with another role', 'the project, privileged', 'another project']],
  [['secretsmanager:GetSecretValue'], ['a secret whose name begins almost like those', 'the secret of the GitHub App', 'another secret', 'a secret of another account']],
  [['secretsmanager:PutSecretValue', 'secretsmanager:DescribeSecret'], ['the secret of a project\'s install']],
];

const rowsOf = (rights: Rights) => rights.flatMap(([actions, places]) => actions.flatMap((action) => places.map((place) => [action, place] as const)));
const ROLE_NAMES = Object.keys(RIGHTS) as RoleName[];

describe.each(SETUP_NAMES)('With %s', (name) => {
  const setup = setUp(name);
  const roleOf = (role: RoleName): Caller => ({ role: setup.roles[role] });
  const here = (rights: Rights) => rowsOf(rights).filter(([, place]) => setup.places.has(place) || !isKey(place));

  describe.each(ROLE_NAMES)('the role of the %s', (role) => {
    test.each(here(RIGHTS[role]))('may %s on %s', (action, place) => {
      expect(setup.decide(roleOf(role), action, setup.places.get(place)!)).toMatchObject({ allowed: true });
    });

    test('may do nothing else of the catalogue', () => {
      const allowed = new Set(rowsOf(RIGHTS[role]).map(([action, place]) => `${action} on ${place}`));
      const asked = ACTIONS.flatMap((action) => [...setup.places].filter(([, { arn }]) => arn.split(':')[2] === serviceOf(action)).map(([placeName, place]) => ({ action, placeName, place })));
      const tooMuch = asked.filter(({ action, placeName, place }) => !allowed.has(`${action} on ${placeName}`) && setup.decide(roleOf(role), action, place).allowed);
      expect(tooMuch.map(({ action, placeName }) => `${action} on ${placeName}`)).toEqual([]);
    });

    test('may do nothing on a resource of which nobody has heard', () => {
      for (const action of ACTIONS) {
        const place = { arn: `arn:aws:${serviceOf(action)}:us-east-1:999999999999:unheard-of` };
        expect(setup.decide(roleOf(role), action, place).reason).toContain('is not authorized');
      }
    });

    test('can be assumed by its service only, and by no role', () => {
      const trusted = role === 'build' ? 'codebuild.amazonaws.com' : 'lambda.amazonaws.com';
      const place = setup.places.get(`the ${role}'s role`)!;
      const assume = (caller: Caller, account = ACCOUNT_ID) => setup.decide(caller, 'sts:AssumeRole', place, { 'aws:SourceAccount': account }).allowed;
      const services = ['codebuild.amazonaws.com', 'lambda.amazonaws.com', 'events.amazonaws.com', 'ec2.amazonaws.com', 'scheduler.amazonaws.com'];
      expect(services.filter((service) => assume({ service }))).toEqual([trusted]);
      expect(ROLE_NAMES.filter((other) => assume(roleOf(other)))).toEqual([]);
      expect(assume('anonymous')).toBe(false);
    });
  });

  test.each(here(BUILD_MAY_NOT))('a build may not %s on %s', (action, place) => {
    expect(setup.decide(roleOf('build'), action, setup.places.get(place)!)).toMatchObject({ allowed: false });
  });

  test.each(here(ORCHESTRATOR_MAY_NOT))('the orchestrator may not %s on %s', (action, place) => {
    expect(setup.decide(roleOf('orchestrator'), action, setup.places.get(place)!)).toMatchObject({ allowed: false });
  });

  test('a caller that is no build has no staging prefix, not even with the build\'s role', () => {
    const nobody = { 'codebuild:buildArn': undefined, 'codebuild:projectArn': undefined };
    for (const place of [...STAGING]) {
      expect(setup.decide(roleOf('build'), 's3:PutObject', setup.places.get(place)!, nobody).allowed).toBe(false);
    }
    expect(setup.decide(roleOf('build'), 's3:PutObject', { arn: `${setup.places.get('the bucket as a whole')!.arn}/staging/\${codebuild:buildArn}/x` }, nobody).allowed).toBe(false);
  });

  test('CodeBuild cannot be made to use the build\'s role for another account', () => {
    const assume = (account: string | undefined) => setup.decide({ service: 'codebuild.amazonaws.com' }, 'sts:AssumeRole', setup.places.get('the build\'s role')!, { 'aws:SourceAccount': account }).allowed;
    expect([assume(ACCOUNT_ID), assume('999999999999'), assume(undefined)]).toEqual([true, false, false]);
  });

  test('no queue answers without TLS', () => {
    for (const action of ['sqs:SendMessage', 'sqs:ReceiveMessage']) {
      expect(setup.decide(roleOf('orchestrator'), action, setup.places.get('the queue')!).allowed).toBe(true);
      expect(setup.decide(roleOf('orchestrator'), action, setup.places.get('the queue, without TLS')!).reason).toContain('explicit deny in a resource-based policy');
    }
  });

  describe('EventBridge, on its own behalf', () => {
    const ask = (action: string, place: string, rule: string | undefined) => setup.decide({ service: 'events.amazonaws.com' }, action, setup.places.get(place)!, { 'aws:SourceArn': rule, 'aws:SourceAccount': ACCOUNT_ID }).allowed;
    const allowedPlaces = (action: string, rule: string | undefined) => [...setup.places].filter(([, { arn, context }]) => arn.split(':')[2] === serviceOf(action) && !context).map(([place]) => place)
      .filter((place) => ask(action, place, rule));

    test('calls the finalizer for the rule of build events, the reconciler for the schedule, and nothing for another rule', () => {
      expect(allowedPlaces('lambda:InvokeFunction', setup.rules.buildStateChanged)).toEqual(['the finalizer']);
      expect(allowedPlaces('lambda:InvokeFunction', setup.rules.reconcilerSchedule)).toEqual(['the reconciler']);
      expect(allowedPlaces('lambda:InvokeFunction', `arn:aws:events:us-east-1:${ACCOUNT_ID}:rule/another`)).toEqual([]);
      expect(allowedPlaces('lambda:InvokeFunction', undefined)).toEqual([]);
    });

    test('sends to the event dead-letter queue for the rule of build events, and to no other queue', () => {
      expect(allowedPlaces('sqs:SendMessage', setup.rules.buildStateChanged)).toEqual(['the event dead-letter queue']);
      expect(allowedPlaces('sqs:SendMessage', setup.rules.reconcilerSchedule)).toEqual([]);
      expect(allowedPlaces('sqs:SendMessage', `arn:aws:events:us-east-1:${ACCOUNT_ID}:rule/another`)).toEqual([]);
    });
  });

  test('no other service, and nobody without credentials, may do anything of the catalogue', () => {
    const callers: Caller[] = ['anonymous', { service: 'sns.amazonaws.com' }, { service: 's3.amazonaws.com' }, { service: 'apigateway.amazonaws.com' }];
    for (const caller of callers) {
      const allowed = ACTIONS.flatMap((action) => [...setup.places].filter(([, place]) => setup.decide(caller, action, place).allowed).map(([place]) => `${action} on ${place}`));
      expect(allowed).toEqual([]);
    }
  });
});

describe('When somebody gives the build\'s role every right on everything, its boundary', () => {
  const setup = setUp('own bucket, table and queues with keys', ({ project }) => project.addToRolePolicy(new iam.PolicyStatement({ actions: ['*'], resources: ['*'] })));
  const allowed = ACTIONS.flatMap((action) => [...setup.places]
    .filter(([, place]) => serviceOf(action) === place.arn.split(':')[2] && setup.decide({ role: setup.roles.build }, action, place).allowed)
    .map(([place]) => ({ action, place })));

  test.each(['dynamodb', 'sqs', 'events', 'lambda', 'iam', 'sts', 'secretsmanager', 'ssm'])('leaves nothing of %s', (service) => {
    expect(allowed.filter(({ action }) => action.startsWith(`${service}:`))).toEqual([]);
  });

  test('leaves of S3 and KMS what the role has without it', () => {
    expect(allowed.filter(({ action }) => /^(s3|kms):/.test(action)).map(({ action, place }) => `${action} on ${place}`)).toEqual([
      's3:PutObject on its own staging prefix', 's3:AbortMultipartUpload on its own staging prefix',
      'kms:Decrypt on the bucket\'s key, through S3', 'kms:GenerateDataKey on the bucket\'s key, through S3',
    ]);
  });

  test('leaves logs and builds: UntrustedCodeBoundaryPolicy allows a build to write logs and to start, stop and retry builds', () => {
    expect([...new Set(allowed.map(({ action }) => action).filter((action) => !/^(s3|kms):/.test(action)))]).toEqual([
      'codebuild:StartBuild', 'codebuild:StopBuild', 'codebuild:RetryBuild', 'logs:CreateLogGroup', 'logs:CreateLogStream', 'logs:PutLogEvents',
    ]);
  });
});

describe('With a key of this app for the pipeline', () => {
  const setup = setUp('own bucket, table and queues with keys');
  const key = setup.places.get('the pipeline\'s key')!;

  test('EventBridge uses it for the encrypted dead-letter queue of this account, CloudWatch Logs for log groups of this account', () => {
    const events = (action: string, account: string) => setup.decide({ service: 'events.amazonaws.com' }, action, key, { 'aws:SourceAccount': account }).allowed;
    expect(['kms:GenerateDataKey', 'kms:Decrypt'].map((action) => [events(action, ACCOUNT_ID), events(action, '999999999999')])).toEqual([[true, false], [true, false]]);
    const logs = (logGroup: string) => setup.decide({ service: 'logs.us-east-1.amazonaws.com' }, 'kms:GenerateDataKey', key, { 'kms:EncryptionContext:aws:logs:arn': logGroup }).allowed;
    expect(logs(`arn:aws:logs:us-east-1:${ACCOUNT_ID}:log-group:any`)).toBe(true);
    expect(logs('arn:aws:logs:us-east-1:999999999999:log-group:any')).toBe(false);
  });
});

function isKey(place: string): boolean {
  return place.includes('\'s key');
}
