/** From a signed push to the check run that shows how it went: webhook, record, queue, build, status events, the git host. */
import { createHmac } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { findFrontDoor, type FrontDoor } from '../../local/front-door';
import { GithubWebhook } from '../../src';
import type { WebhookAnswer } from '../../src/contract/webhook';
import { Forge } from '../support/forge';
import { LocalPipeline, until } from '../support/local-pipeline';
import { COMMIT_SHA } from '../support/requests';
import { projectsTable } from '../support/stacks';
import { ZIP } from '../support/zip-file';

const TIMEOUT_MS = 120_000;
const SECRET = 'what the forge signs with';

/** In place of an app's build: the least that is acceptable is stored, with the AWS CLI as the pipeline's own buildspec does it. */
const BUILDSPEC = JSON.stringify({
  version: 0.2,
  phases: {
    build: {
      commands: [
        `mkdir -p out/artifacts && printf '%s' '${Buffer.from(ZIP).toString('base64')}' | base64 -d > out/artifacts/lambda.zip`,
        'printf \'{}\' > out/artifacts/open-next.output.json && printf \'{"version":1}\' > out/artifacts/manifest.json',
        'aws s3 cp --only-show-errors --recursive out "s3://$ARTIFACTS_BUCKET_NAME/staging/$CODEBUILD_BUILD_ARN/"',
      ],
    },
  },
});

let directory: string;
let forge: Forge;
let pipeline: LocalPipeline;
let frontDoor: FrontDoor;

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'webhook-to-status-'));
  forge = await Forge.start();
  forge.addRepository('acme/shop', directory);
  pipeline = await LocalPipeline.start({
    buildspec: BUILDSPEC,
    functionNetwork: forge.network,
    extend: (stack, builds) => {
      const [privateKey, webhookSecret] = ['app', 'webhook'].map((name) => Secret.fromSecretNameV2(stack, name, `platform/${name}`));
      new GithubWebhook(stack, 'Webhook', {
        pipeline: builds, projectsTable: projectsTable(stack), webhookSecret, repositoryIndexName: 'byRepository', githubApp: { appId: forge.appId, privateKey, host: forge.host },
      });
    },
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
});

async function push(url: string): Promise<WebhookAnswer> {
  const commit = { id: COMMIT_SHA, message: 'A change', added: [], modified: ['pages/index.js'], removed: [] };
  const body = JSON.stringify({
    ref: 'refs/heads/main',
    before: COMMIT_SHA.replace(/./g, '1'),
    after: COMMIT_SHA,
    created: false,
    deleted: false,
    forced: false,
    commits: [commit],
    head_commit: commit,
    repository: { id: 1000, name: 'shop', full_name: 'acme/shop', clone_url: forge.url('acme/shop'), pushed_at: Math.floor(Date.now() / 1000) },
  });
  const signature = `sha256=${createHmac('sha256', SECRET).update(body).digest('hex')}`;
  const headers = { 'content-type': 'application/json', 'x-github-event': 'push', 'x-github-delivery': 'delivery', 'x-hub-signature-256': signature };
  const response = await fetch(url, { method: 'POST', headers, body });
  return await response.json() as WebhookAnswer;
}

test('a push is a deployment whose commit has a check run at the end, and every step had the right to do what it did', async () => {
  const { deployments, outcome } = await push(frontDoor.url);
  expect(outcome).toBe('deployment');
  const record = await pipeline.ended(deployments![0].deploymentId);
  expect(record).toMatchObject({ status: 'success', projectId: 'shop', commitSha: COMMIT_SHA, branch: 'main' });
  const checkRuns = (method: string) => forge.requests.filter((request) => request.method === method && request.path.includes('/check-runs'));
  await until('a check run was made and completed', () => checkRuns('POST').length > 0 && checkRuns('POST').length + checkRuns('PATCH').length > 1, TIMEOUT_MS);
  expect(pipeline.stack.denials).toEqual([]);
}, TIMEOUT_MS);
