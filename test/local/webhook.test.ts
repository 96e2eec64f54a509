/** `npm run local -- webhook`: a delivery becomes a build on this machine, with the real handlers and the rights that the template gives them. */
import { createHmac } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { GetCommand } from '@aws-sdk/lib-dynamodb';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { type RunningWebhook, serveWebhook } from '../../local/webhook-command';
import { GithubWebhook } from '../../src';
import type { WebhookAnswer } from '../../src/contract/webhook';
import { synthesizePipeline, until } from '../support/local-pipeline';
import { projectsTable } from '../support/stacks';

/** A build that ends with its install, and the time to start everything, on a machine that is busy. */
const TIMEOUT_MS = 120_000;

const SECRET = 'what GitHub signs with';

let directory: string;
let running: RunningWebhook;
let served: Promise<unknown>;
const lines: string[] = [];
const controller = new AbortController();

beforeAll(async () => {
  directory = await realpath(await mkdtemp(path.join(tmpdir(), 'webhook-')));
  await chmod(directory, 0o755); // where root runs this, the app is another user's
  const template = synthesizePipeline(path.join(directory, 'cdk.out'), {}, (stack, pipeline) => {
    new GithubWebhook(stack, 'Webhook', {
      pipeline,
      projectsTable: projectsTable(stack),
      webhookSecret: new Secret(stack, 'WebhookSecret'),
      repositoryIndexName: 'byRepository',
      repositoryIdIndexName: 'byRepositoryId',
      githubApp: { appId: '123456', privateKey: Secret.fromSecretNameV2(stack, 'AppKey', 'platform/github-app') },
    });
  });
  const source = path.join(directory, 'shop');
  await createApp(source);
  const command = { source, template, branch: 'main', projectId: 'shop', secret: SECRET, environment: {} };
  running = await new Promise((resolve, reject) => {
    served = serveWebhook(command, (line) => lines.push(line), controller.signal, resolve);
    served.catch(reject);
  });
}, TIMEOUT_MS);

afterAll(async () => {
  controller.abort();
  await served?.catch(() => undefined);
  await rm(directory, { recursive: true, force: true });
});

/** Its install fails: the deployment has been through everything by then. */
async function createApp(folder: string): Promise<void> {
  const next = { name: 'next', version: '16.4.6' };
  const dependencies = { next: 'file:vendor' };
  const packages = { '': { dependencies }, 'node_modules/next': { resolved: 'vendor', link: true }, 'vendor': next };
  await mkdir(path.join(folder, 'vendor'), { recursive: true });
  await writeFile(path.join(folder, 'vendor', 'package.json'), JSON.stringify(next));
  await writeFile(path.join(folder, 'package.json'), JSON.stringify({ dependencies, scripts: { preinstall: 'exit 7' } }));
  await writeFile(path.join(folder, 'package-lock.json'), JSON.stringify({ lockfileVersion: 3, requires: true, packages }));
}

/** The push that the terminal offers. */
function offered(): { url: string; headers: Record<string, string>; file: string } {
  const text = lines.join('\n');
  const [, url, file] = /curl -sS (\S+)[^]*--data-binary @(\S+)/.exec(text)!;
  return { url, file, headers: Object.fromEntries([...text.matchAll(/-H '([^:]+): ([^']+)'/g)].map(([, name, value]) => [name, value])) };
}

async function deliver(url: string, headers: Record<string, string>, body: string) {
  const response = await fetch(url, { method: 'POST', headers, body });
  return { status: response.status, answer: await response.json() as WebhookAnswer };
}

const sign = (body: string) => `sha256=${createHmac('sha256', SECRET).update(body).digest('hex')}`;

test('the terminal shows URL and secret, and a push of the folder that becomes a deployment as it stands there', async () => {
  const { file, headers, url } = offered();
  expect(url).toBe(running.frontDoor.projectUrl('shop'));
  expect(lines).toEqual(expect.arrayContaining([`  Payload URL   ${url}`, `  Secret        ${SECRET}`]));

  const { answer, status } = await deliver(url, headers, await readFile(file, 'utf8'));
  expect({ answer, status }).toMatchObject({ answer: { outcome: 'deployment', deployments: [{ projectId: 'shop', status: 'enqueued' }] }, status: expect.any(Number) });
  const { deploymentId } = answer.deployments![0];
  await until('the end is shown', () => lines.some((line) => line.includes('FAILED INSTALL_FAILED')), TIMEOUT_MS);
  expect(lines.filter((line) => line.includes(`${deploymentId}: `)).map((line) => line.split(': ')[1])).toEqual(expect.arrayContaining(['building', 'failed']));
}, TIMEOUT_MS);

test('it also shows what GitHub would: a check run at the commit and a deployment, from a double of GitHub on this machine', async () => {
  await until('GitHub is told of the end', () => lines.some((line) => /GitHub .*deployment of .* to Production: failure/.test(line)), TIMEOUT_MS);
  const told = lines.flatMap((line) => /GitHub +(.*)/.exec(line)?.[1] ?? []);
  expect(told).toContainEqual(expect.stringMatching(/^check run "Next\.js build: shop" of [0-9a-f]{7}: failure \(Failed: INSTALL_FAILED\)$/));
  expect(told.findIndex((what) => what.includes('in_progress'))).toBeLessThan(told.findIndex((what) => what.includes('failure')));
}, TIMEOUT_MS);

test('the same push once more is the same deployment, with the URL of all repositories, too', async () => {
  const { file, headers } = offered();
  const { answer } = await deliver(running.frontDoor.url, { ...headers, 'x-github-delivery': 'another' }, await readFile(file, 'utf8'));
  expect(answer).toMatchObject({ outcome: 'deployment', deployments: [{ projectId: 'shop', status: 'already' }] });
}, TIMEOUT_MS);

test('a form is read as well, and a body that is not what was signed is refused', async () => {
  const { headers, url } = offered();
  const form = `payload=${encodeURIComponent(JSON.stringify({ zen: 'Speak like a human.' }))}`;
  const asForm = { ...headers, 'content-type': 'application/x-www-form-urlencoded', 'x-github-event': 'ping', 'x-hub-signature-256': sign(form) };
  expect((await deliver(url, asForm, form)).status).toBe(200);
  expect((await deliver(url, asForm, `${form} `)).status).toBe(401);
  await until('the terminal says what was answered', () => lines.some((line) => /webhook +The header x-hub-signature-256 is not what GitHub sends/.test(line)));
});

test('the project has learned its repository, and nothing was denied on the way', async () => {
  const { stack } = running;
  const { Item } = await stack.dynamodb.client.send(new GetCommand({ TableName: tableName(), Key: { PK: 'PROJECT#shop', SK: 'METADATA' } }));
  expect(Item).toMatchObject({ projectId: 'shop', repositoryId: '1' });
  expect(stack.denials).toEqual([]);
});

function tableName(): string {
  const [resolver] = running.stack.resolvers;
  return resolver.physicalName(resolver.resourcesOfType('AWS::DynamoDB::Table').find(({ logicalId }) => logicalId.startsWith('Projects'))!.logicalId);
}

interface ExamplesOfEvent {
  readonly name: string;
  readonly examples: readonly { readonly action?: string; readonly repository?: object }[];
}

test('every example payload of GitHub is answered as documented; those of repositories that no project is of, with 404', async () => {
  const examplesDirectory = path.dirname(require.resolve('@octokit/webhooks-examples/package.json'));
  const sources = (await readdir(examplesDirectory, { withFileTypes: true })).filter((entry) => entry.isDirectory() && entry.name !== 'node_modules');
  let answers = 0;
  for (const { name } of sources) {
    const events = JSON.parse(await readFile(path.join(examplesDirectory, name, 'index.json'), 'utf8')) as ExamplesOfEvent[];
    for (const { examples, name: event } of events) {
      for (const payload of examples) {
        const isOfProjects = ['ping', 'push'].includes(event) || (event === 'pull_request' && ['opened', 'reopened', 'synchronize'].includes(payload.action!));
        const body = JSON.stringify(payload);
        const headers = { 'content-type': 'application/json', 'x-github-event': event, 'x-github-delivery': 'example', 'x-hub-signature-256': sign(body) };
        const { answer, status } = await deliver(running.frontDoor.url, headers, body);
        expect([name, event, status, answer.reason]).toEqual([name, event, !isOfProjects ? 202 : payload.repository ? 404 : 200, expect.stringMatching(/\.$/)]);
        answers += 1;
      }
    }
  }
  expect(answers).toBeGreaterThan(700);
}, TIMEOUT_MS);

// The last one: it ends what the others need.
test('Ctrl-C ends it: nobody listens any more, and no file is left', async () => {
  const { file, url } = offered();
  controller.abort(Object.assign(new Error('Stopped.'), { name: 'AbortError' }));
  await expect(served).rejects.toThrow('Stopped.');
  await expect(fetch(url)).rejects.toThrow('fetch failed');
  expect(existsSync(path.dirname(file))).toBe(false);
});
