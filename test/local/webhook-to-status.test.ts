/** From a signed push of a real app to the check run that shows how it went: webhook, record, queue, build, status events, the git host. Takes minutes. */
import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import type { Stack } from 'aws-cdk-lib';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { findFrontDoor, type FrontDoor } from '../../local/front-door';
import { snapshot } from '../../local/git-server';
import { GithubWebhook, SourceProvider } from '../../src';
import { Forge } from '../support/forge';
import { LocalPipeline, until } from '../support/local-pipeline';
import { deliver, pushPayload } from '../support/pushes';
import { projectsTable } from '../support/stacks';

/** One to three minutes on a quiet machine, of which a slow registry or busy processors can make a multiple. */
const TIMEOUT_MS = 15 * 60_000;

const APP = path.join(__dirname, '..', '..', 'examples', 'nextjs-app');
const SECRET = 'what the forge signs with';

let directory: string;
let commitSha: string;
let forge: Forge;
let pipeline: LocalPipeline;
let frontDoor: FrontDoor;

/** One GitHub App for all: it is told of pushes, reads the private repository, and shows how its deployments go. */
beforeAll(async () => {
  directory = await realpath(await mkdtemp(path.join(tmpdir(), 'webhook-to-status-')));
  forge = await Forge.start();
  const app = await snapshot(APP, path.join(directory, 'snapshot'));
  ({ commitSha } = app);
  forge.addRepository('acme/shop', app.repository);
  const appOf = (stack: Stack, id: string) => ({ appId: forge.appId, privateKey: Secret.fromSecretNameV2(stack, id, 'platform/app'), host: forge.host });
  pipeline = await LocalPipeline.start({
    props: (stack) => ({ sourceProviders: [SourceProvider.gitHubApp(appOf(stack, 'SourceKey'))] }),
    extend: (stack, builds) => {
      const webhookSecret = Secret.fromSecretNameV2(stack, 'WebhookSecret', 'platform/webhook');
      new GithubWebhook(stack, 'Webhook', {
        pipeline: builds, projectsTable: projectsTable(stack), webhookSecret, repositoryIndexName: 'byRepository', githubApp: appOf(stack, 'StatusKey'),
      });
    },
    functionNetwork: forge.network,
  });
  pipeline.stack.secretsManager.putSecret('platform/app', forge.privateKey);
  frontDoor = await findFrontDoor(pipeline.stack);
  frontDoor.putSecret(SECRET);
  await frontDoor.putProject({ projectId: 'shop', name: 'Shop', repoUrl: forge.url('acme/shop'), branch: 'main', userId: 'somebody' });
}, TIMEOUT_MS);

afterAll(async () => {
  await pipeline?.close();
  await forge?.close();
  await rm(directory, { recursive: true, force: true });
}, TIMEOUT_MS);

test('a push of a private repository is a deployment, which GitHub shows as a success, and every step had the right to do what it did', async () => {
  const { answer, status } = await deliver(frontDoor.url, SECRET, 'push', pushPayload({ commitSha, cloneUrl: forge.url('acme/shop') }));
  expect({ answer, status }).toMatchObject({ answer: { outcome: 'deployment' }, status: 201 });
  const { deploymentId } = answer.deployments![0];
  expect(await pipeline.record(deploymentId)).toMatchObject({ projectId: 'shop', commitSha, branch: 'main' });
  const record = await pipeline.ended(deploymentId, TIMEOUT_MS);
  if (record.status !== 'success') throw new Error(`${record.failureMessage}\n${record.buildId && await pipeline.buildLog(record.buildId)}`);
  expect(await pipeline.pipeline.objects(record.artifacts!.artifactsPrefix)).toContainEqual({ key: record.artifacts!.lambdaKey, bytes: expect.any(Number) });

  const { checkRuns, deployments: gitHubDeployments } = forge.reports;
  await until('GitHub shows the end', () => gitHubDeployments[0]?.statuses.at(-1)?.state === 'success');
  expect(checkRuns).toEqual([expect.objectContaining({
    name: 'Next.js build: shop', head_sha: commitSha, external_id: deploymentId, status: 'completed', conclusion: 'success', details_url: record.logsUrl,
  })]);
  expect(gitHubDeployments).toEqual([expect.objectContaining({ sha: commitSha, environment: 'Production', payload: { deploymentId, projectId: 'shop' } })]);
  // The last that the finalizer does.
  await pipeline.stagingRemoved();
  expect(pipeline.stack.denials).toEqual([]);
}, TIMEOUT_MS);
