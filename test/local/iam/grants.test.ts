/**
 * No grant is superfluous: for each one there is a call that is made, and that is denied without it. The calls are those of one run of the
 * whole pipeline with a build of a few files, and of the handlers in the simulated faults; a run for each grant would take hours.
 */
import * as path from 'node:path';
import type { Stack } from 'aws-cdk-lib';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { deniedWithout, grantsOf, type Resources } from './grants-support';
import type { AccessDecision } from '../../../local/iam/access-control';
import { Account } from '../../../local/iam/account';
import { RequestContext } from '../../../local/iam/context';
import { declaredResources } from '../../../local/iam/declared';
import { Encryption, type KeyUse } from '../../../local/iam/encryption';
import { readAssembly, type StackTemplate } from '../../../local/template/assembly';
import { ACCOUNT_ID, createResolvers, REGION } from '../../../local/template/resolver';
import { SourceProvider } from '../../../src';
import { play, type Scenario } from '../../faults/scenario';
import { DEPLOYMENT, ORDINARY } from '../../faults/single-faults';
import { startSimulation, type HandlerName } from '../../simulation';
import { Forge } from '../../support/forge';
import { LocalPipeline, until } from '../../support/local-pipeline';
import { buildRequest } from '../../support/requests';
import { ownedWithKeys } from '../../support/stacks';
import { ZIP } from '../../support/zip-file';

/** Grants that no call here needs, and why they are there. */
const ONLY_IN_AWS: readonly (readonly [grants: RegExp, reason: string])[] = [
  [/^BuildsBuildRole: logs:(CreateLogStream|PutLogEvents) on .*:log-group:\/aws\/codebuild\/[^:]*$/, 'the CDK\'s grant of a CodeBuild project; a stream is below the group'],
  [/^BuildsBuildRole: logs:CreateLogGroup on /, 'the CDK\'s grant of a CodeBuild project; whether CodeBuild does without it where the group exists is not documented'],
  [/^Builds(Build|SourceFetcher)Role: s3:AbortMultipartUpload on /, 'the parts of a large file that could not be stored whole are given up'],
  [/^Builds(Build|SourceFetcher)Role: kms:Decrypt on /, 'S3 asks for it to put the parts of a large file together'],
  [/^Builds\w+Role: kms:(Encrypt|ReEncrypt\*|GenerateDataKey\*) on .*Key[0-9A-F]{8}$/, 'DynamoDB\'s guide asks for them; when it uses them, it does not say'],
  [/^BuildsEventDeadLetterQueuePolicy: sqs:SendMessage /, 'EventBridge, where Lambda does not take the event over'],
];

/** Calls of handlers that need more than luck: what each scenario makes them do stands in front. */
const SCENARIOS: Readonly<Record<string, Scenario>> = {
  'one deployment': ORDINARY,
  'a newer deployment of the branch stops the older one\'s build': {
    ...ORDINARY,
    concurrentBuilds: 2,
    stopSupersededBuilds: true,
    deployments: [{ ...DEPLOYMENT, buildSeconds: 1200 }, { ...DEPLOYMENT, at: 60_000, buildSeconds: 1200 }],
  },
  'a request waits for its project\'s turn and is called': {
    ...ORDINARY,
    concurrentBuilds: 3,
    maxConcurrentBuildsPerProject: 1,
    deployments: [DEPLOYMENT, { ...DEPLOYMENT, at: 5000, branch: 1 }, { ...DEPLOYMENT, at: 10_000, branch: 2 }],
  },
  'a request waits for capacity': { ...ORDINARY, deployments: [{ ...DEPLOYMENT, buildSeconds: 600 }, { ...DEPLOYMENT, at: 5000, project: 1 }] },
  'an invalid request': { ...ORDINARY, deployments: [{ ...DEPLOYMENT, invalid: 'bad commit' }] },
  'all events lost': { ...ORDINARY, eventFaults: ['drop', 'drop'] },
  'CodeBuild forgets a build': { ...ORDINARY, deployments: [{ ...DEPLOYMENT, ending: 'forgotten by CodeBuild' }] },
  'an orchestrator dies after StartBuild, and its message comes back': {
    ...ORDINARY,
    eventFaults: ['drop', 'drop'],
    scheduleFaults: Array(8).fill('drop'),
    callFaults: [{ handler: 'orchestrator', invocation: 0, operation: 'StartBuild', from: 0, times: 1, fault: 'crash after' }],
  },
  'orchestrators die until the request is a dead letter': {
    ...ORDINARY, callFaults: [0, 1, 2].map((invocation) => ({ handler: 'orchestrator', invocation, from: 1, times: 1, fault: 'crash before' })),
  },
  'the same commit again': { ...ORDINARY, deployments: [DEPLOYMENT, { ...DEPLOYMENT, at: 600_000, sameCommit: true }] },
  'a build whose record is gone': { ...ORDINARY, deployments: [{ ...DEPLOYMENT, buildSeconds: 600, hasRecord: true, deletedAfter: 120_000 }] },
};

const ROLES: Readonly<Record<Exclude<HandlerName, 'producer'>, string>> = { orchestrator: 'BuildsOrchestratorRole', finalizer: 'BuildsFinalizerRole', reconciler: 'BuildsReconcilerRole' };

/** A build that takes what was handed over to it, and stores a file of each kind. */
const BUILD = [
  'node -e "fetch(process.env.HANDOVER_URL).then((r) => r.json()).then(({ cache, source }) => Promise.all(Object.values(cache).flatMap(({ urls }) => urls).concat(source?.packUrl ?? []).map((url) => fetch(url))))"',
  // As the checkout does: it waits for a status.
  'node -e "fetch(process.env.HANDOVER_URL).then((r) => r.json()).then(async ({ source }) => { while (source && !(await fetch(source.statusUrl)).ok); })"',
  `mkdir -p out/artifacts out/static out/cache && echo ${Buffer.from(ZIP).toString('base64')} | base64 -d > out/artifacts/lambda.zip && echo "{}" > out/artifacts/open-next.output.json`,
  'echo "{\\"version\\":1}" > out/artifacts/manifest.json && echo x > out/static/main.js',
  'aws s3 cp --only-show-errors --recursive out "s3://$ARTIFACTS_BUCKET_NAME/staging/$CODEBUILD_BUILD_ARN/"',
];
const BUILDSPEC = JSON.stringify({ version: 0.2, phases: { build: { commands: BUILD } } });

/** Ten scenarios and a run take some ten seconds; ten times that is for machines that are busy with something else. */
const BOUND_MS = 240_000;

let stack: StackTemplate;
const calls = new Map<string, AccessDecision>();

function keep(decision: AccessDecision): void {
  if (decision.allowed) calls.set(JSON.stringify([decision.caller, decision.action, decision.resource, decision.context]), decision);
}

const resolverOf = (resources: Resources) => createResolvers([{ ...stack, resources }], { region: REGION, queueUrl: (name) => `https://sqs.${REGION}.amazonaws.com/${ACCOUNT_ID}/${name}` })[0];

async function wholeRun(): Promise<void> {
  // Only the timer of schedules: everything else takes its time.
  jest.useFakeTimers({ doNotFake: ['Date', 'hrtime', 'nextTick', 'performance', 'queueMicrotask', 'setImmediate', 'clearImmediate', 'setTimeout', 'clearTimeout'] });
  const forge = await Forge.start();
  const sourceProviders = (scope: Stack) => [SourceProvider.token({ host: forge.host, token: Secret.fromSecretNameV2(scope, 'Token', 'platform/token') })];
  const pipeline = await LocalPipeline.start({
    props: (scope) => ({ ...ownedWithKeys(scope), sourceProviders: sourceProviders(scope) }),
    buildspec: BUILDSPEC,
    functionNetwork: forge.network,
    onAccessDecision: keep,
  });
  try {
    pipeline.stack.secretsManager.putSecret('platform/token', forge.token);
    [stack] = (await readAssembly(path.join(pipeline.directory, 'cdk.out'))).stacks;
    expect(await pipeline.deploy(buildRequest({ deploymentId: 'whole-run', repoUrl: forge.url('acme/shop') }))).toMatchObject({ status: 'success' });
    await pipeline.stagingRemoved();
    jest.advanceTimersByTime(300_000);
    await until('the schedule has called the reconciler', () => [...calls.values()].some(({ caller, resource }) => caller === 'events.amazonaws.com' && resource.includes('Reconciler')));
    // The finalizer fails on a build that CodeBuild does not know, and Lambda puts the event into the dead-letter queue.
    const finalizer = [...pipeline.stack.functions.values()].find(({ name }) => name === pipeline.pipeline.finalizerName)!;
    const unknown = `arn:aws:codebuild:${REGION}:${ACCOUNT_ID}:build/${pipeline.projectName}:00000000-0000-0000-0000-000000000000`;
    await finalizer.invokeAsync({ detail: { 'build-id': unknown, 'build-status': 'SUCCEEDED' } });
    expect(pipeline.stack.denials).toEqual([]);
  } finally {
    jest.useRealTimers();
    await pipeline.close();
    await forge.close();
  }
}

/** The simulation has names of its own. */
async function simulatedRuns(): Promise<void> {
  const resolver = resolverOf(stack.resources);
  const { resources } = stack;
  const arnOf = (start: string) => resolver.arn(Object.keys(resources).find((id) => new RegExp(`^${start}[0-9A-F]{8}$`).test(id))!);
  const names: readonly (readonly [string, string])[] = [
    ['arn:aws:s3:::artifacts-bucket', arnOf('Artifacts')],
    ['arn:aws:dynamodb:us-east-1:123456789012:table/deployments', arnOf('Deployments')],
    ['arn:aws:dynamodb:us-east-1:123456789012:table/state', arnOf('BuildsStateTable')],
    ['arn:aws:sqs:us-east-1:123456789012:builds', arnOf('BuildsQueue')],
    ['arn:aws:sqs:us-east-1:123456789012:dead-letters', arnOf('BuildsDeadLetterQueue')],
    ['arn:aws:codebuild:us-east-1:123456789012:project/builds', arnOf('BuildsProject')],
    ['arn:aws:lambda:us-east-1:123456789012:function:finalizer', arnOf('BuildsFinalizer')],
    ['arn:aws:events:us-east-1:123456789012:event-bus/default', `arn:aws:events:${REGION}:${ACCOUNT_ID}:event-bus/default`],
  ];
  const rename = (arn: string) => {
    const [from, to] = names.find(([name]) => arn === name || arn.startsWith(`${name}/`)) ?? [];
    if (from === undefined) throw new Error(`The simulation has ${arn}, and nobody said what that is in the template.`);
    return to + arn.slice(from.length);
  };
  const account = new Account([resolver]);
  const encryption = new Encryption(declaredResources([resolver]), REGION);
  const require = (caller: string, { action, context = {}, resource }: KeyUse) => {
    const whole = { ...context, 'aws:SecureTransport': 'true' };
    const { allowed, reason } = account.decide({ caller: { role: caller }, action, resource, context: new RequestContext(whole) });
    if (!allowed) throw new Error(reason);
    keep({ caller, action, resource, context: whole, allowed, reason });
  };
  const simulation = await startSimulation();
  try {
    for (const scenario of Object.values(SCENARIOS)) {
      const { world } = await play(simulation, scenario, {
        onPermission: (handler, call) => {
          if (call.probe || handler === 'producer') return;
          const renamed = { ...call, resource: rename(call.resource), context: call.context ?? {} };
          [renamed, ...encryption.usesOf(renamed)].forEach((needed) => require(arnOf(ROLES[handler]), needed));
        },
      });
      await world.close();
    }
  } finally {
    simulation.close();
  }
}

beforeAll(async () => {
  await wholeRun();
  await simulatedRuns();
}, BOUND_MS);

test('each grant is needed: without it a call is denied that was made', () => {
  const grants = grantsOf(stack.resources, resolverOf(stack.resources));
  expect(grants.length).toBeGreaterThan(80);
  const superfluous = grants.filter((grant) => deniedWithout(grant, calls.values(), stack.resources, resolverOf).length === 0).map(({ name }) => name);
  expect(superfluous.filter((name) => !ONLY_IN_AWS.some(([pattern]) => pattern.test(name)))).toEqual([]);
  // What is listed as needed by AWS alone is there, and really not needed here.
  expect(ONLY_IN_AWS.filter(([pattern]) => !superfluous.some((name) => pattern.test(name)))).toEqual([]);
}, BOUND_MS);

describe('A run without a grant fails or misses something, and says what', () => {
  const without = (name: RegExp): ((resources: Resources) => Resources) => (resources) => {
    const grants = grantsOf(resources, resolverOf(resources)).filter((grant) => name.test(grant.name));
    expect(grants).toHaveLength(1);
    return grants[0].without(resources);
  };

  test('a build that may store nothing', async () => {
    const pipeline = await LocalPipeline.start({ buildspec: BUILDSPEC, change: without(/^BuildsBuildRole: s3:PutObject/) });
    try {
      expect(await pipeline.deploy(buildRequest({ deploymentId: 'stores-nothing' }))).toMatchObject({ status: 'failed' });
      const [{ caller, action, resource }] = pipeline.stack.denials;
      expect([caller, action]).toEqual([expect.stringContaining('BuildsBuildRole'), 's3:PutObject']);
      expect(resource).toMatch(/^arn:aws:s3:::[^/]+\/staging\/arn:aws:codebuild:/);
    } finally {
      await pipeline.close();
    }
  }, BOUND_MS);

  test('an orchestrator that may not start builds: the request goes to the dead-letter queue', async () => {
    const pipeline = await LocalPipeline.start({ buildspec: BUILDSPEC, change: without(/^BuildsOrchestratorRole: codebuild:StartBuild/) });
    try {
      await pipeline.pipeline.send(buildRequest({ deploymentId: 'starts-nothing' }));
      const denial = await until('a call is denied', () => pipeline.stack.denials.find(({ action }) => action === 'codebuild:StartBuild'));
      expect(denial.reason).toContain('because no identity-based policy allows the codebuild:StartBuild action');
      expect(await pipeline.builds()).toEqual([]);
    } finally {
      await pipeline.close();
    }
  }, BOUND_MS);

  test('a queue that Lambda may not read with the function\'s role: the stack does not start', async () => {
    await expect(LocalPipeline.start({ buildspec: BUILDSPEC, change: without(/^BuildsOrchestratorRole: sqs:ReceiveMessage/) }))
      .rejects.toThrow('is not authorized to perform: sqs:ReceiveMessage');
  }, BOUND_MS);
});
