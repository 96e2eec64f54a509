/** As grants.test.ts, of the webhook: no grant of its two functions is superfluous, and none is missing. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { deniedWithout, grantsOf, type Resources } from './grants-support';
import { findFrontDoor } from '../../../local/front-door';
import type { AccessDecision } from '../../../local/iam/access-control';
import { readAssembly, type StackTemplate } from '../../../local/template/assembly';
import { ACCOUNT_ID, createResolvers, REGION } from '../../../local/template/resolver';
import { GithubWebhook } from '../../../src';
import { Forge } from '../../support/forge';
import { LocalPipeline, until } from '../../support/local-pipeline';
import { deliver, pushPayload } from '../../support/pushes';
import { COMMIT_SHA } from '../../support/requests';
import { ownedWithKeys, projectsTable } from '../../support/stacks';

/** Grants that no call here needs, and why they are there. */
const ONLY_IN_AWS: readonly (readonly [grants: RegExp, reason: string])[] = [
  [/^Webhook\w+Role: kms:(Encrypt|ReEncrypt\*|GenerateDataKey\*) on .*Key[0-9A-F]{8}$/, 'DynamoDB\'s guide asks for them; when it uses them, it does not say'],
  [/^WebhookStatusDeadLetterQueuePolicy: sqs:SendMessage /, 'EventBridge, where the queue does not take an event over'],
];

const TIMEOUT_MS = 120_000;
const SECRET = 'what the forge signs with';

/** Nothing is built here: a build that has failed is told as well. */
const BUILDSPEC = JSON.stringify({ version: 0.2, phases: { build: { commands: ['exit 1'] } } });

let directory: string;
let forge: Forge;
let pipeline: LocalPipeline;
let stack: StackTemplate;
const calls: AccessDecision[] = [];

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'webhook-grants-'));
  forge = await Forge.start();
  forge.addRepository('acme/shop', directory);
  pipeline = await LocalPipeline.start({
    buildspec: BUILDSPEC,
    functionNetwork: forge.network,
    props: ownedWithKeys,
    extend: (scope, builds) => {
      const [privateKey, webhookSecret, outgoingWebhookSecret] = ['app', 'webhook', 'outgoing'].map((name) => Secret.fromSecretNameV2(scope, name, `platform/${name}`));
      new GithubWebhook(scope, 'Webhook', {
        pipeline: builds,
        projectsTable: projectsTable(scope),
        webhookSecret,
        repositoryIndexName: 'byRepository',
        repositoryIdIndexName: 'byRepositoryId',
        githubApp: { appId: forge.appId, privateKey, host: forge.host },
        outgoingWebhookUrl: `https://${forge.host}/hooks/builds`,
        outgoingWebhookSecret,
      });
    },
    onAccessDecision: (decision) => { if (decision.allowed) calls.push(decision); },
  });
  const { secretsManager } = pipeline.stack;
  secretsManager.putSecret('platform/app', forge.privateKey);
  secretsManager.putSecret('platform/outgoing', Buffer.alloc(32, 1).toString('base64'));
  [stack] = (await readAssembly(path.join(pipeline.directory, 'cdk.out'))).stacks;
  await everything();
}, TIMEOUT_MS);

afterAll(async () => {
  await pipeline?.close();
  await forge?.close();
  await rm(directory, { recursive: true, force: true });
});

/** A push to either URL, once more, one that is skipped, and a git host that has a bad moment. */
async function everything(): Promise<void> {
  const frontDoor = await findFrontDoor(pipeline.stack);
  frontDoor.putSecret(SECRET);
  const cloneUrl = forge.url('acme/shop');
  await frontDoor.putProject({ projectId: 'shop', repoUrl: cloneUrl, branch: 'main' });
  let failures = 1;
  forge.answer = ({ path: asked }) => (asked.startsWith('/api/') && failures-- > 0 ? { status: 429, headers: { 'retry-after': '1' } } : undefined);

  const push = pushPayload({ commitSha: COMMIT_SHA, cloneUrl });
  const { answer } = await deliver(frontDoor.url, SECRET, 'push', push);
  expect(answer).toMatchObject({ outcome: 'deployment' });
  expect((await deliver(frontDoor.projectUrl('shop'), SECRET, 'push', push)).answer).toMatchObject({ deployments: [{ status: 'already' }] });
  const skipped = pushPayload({ commitSha: COMMIT_SHA.replaceAll('0', 'f'), cloneUrl, message: 'A word [skip ci]' });
  expect((await deliver(frontDoor.url, SECRET, 'push', skipped)).answer).toMatchObject({ outcome: 'skipped' });
  await pipeline.ended(answer.deployments![0].deploymentId);
  await until('GitHub shows both, and the receiver of the outgoing webhook was told', () => (
    ['failure', 'neutral'].every((wanted) => forge.reports.checkRuns.some(({ conclusion }) => conclusion === wanted)) && forge.notices.length > 0
  ), TIMEOUT_MS);
}

test('each grant is needed: without it a call is denied that was made', () => {
  const queueUrl = (name: string) => `https://sqs.${REGION}.amazonaws.com/${ACCOUNT_ID}/${name}`;
  const resolverOf = (resources: Resources) => createResolvers([{ ...stack, resources }], { region: REGION, queueUrl })[0];
  const grants = grantsOf(stack.resources, resolverOf(stack.resources)).filter(({ name }) => name.startsWith('Webhook'));
  expect(grants.length).toBeGreaterThan(30);
  const superfluous = grants.filter((grant) => deniedWithout(grant, calls, stack.resources, resolverOf).length === 0).map(({ name }) => name);
  expect(superfluous.filter((name) => !ONLY_IN_AWS.some(([pattern]) => pattern.test(name)))).toEqual([]);
  // What is listed as needed by AWS alone is there, and really not needed here.
  expect(ONLY_IN_AWS.filter(([pattern]) => !superfluous.some((name) => pattern.test(name)))).toEqual([]);
}, TIMEOUT_MS);

test('nothing was denied on the way', () => {
  expect(pipeline.stack.denials).toEqual([]);
});
