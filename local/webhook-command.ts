/** `npm run local -- webhook`: serves the webhook of the pipeline on this machine, and shows the deployments that deliveries make. */
import { createHmac, randomBytes, randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import * as path from 'node:path';
import { checkPaths } from './build-command';
import { findFrontDoor, type FrontDoor } from './front-door';
import { describeStatus } from './report';
import { type Running, type Session, withSession } from './session';
import { isRemote, prepareSource, type Source } from './source';
import { TERMINAL_STATUSES } from '../src/contract/deployment';
import { EVENT_SOURCE, STATUS_CHANGED, type DeploymentStatusChangedDetail } from '../src/contract/events';

export interface WebhookCommand {
  /** Folder or git URL: the repository of the project. */
  readonly source: string;
  readonly commit?: string;
  /** Not set: the source's own. */
  readonly branch?: string;
  readonly rootDirectory?: string;
  readonly projectId?: string;
  /** Not set: a random one. */
  readonly secret?: string;
  readonly environment: Readonly<Record<string, string>>;
  /** A cdk.out with one pipeline and one webhook in it; without it an example is synthesized. */
  readonly template?: string;
  readonly state?: string;
  readonly secrets?: string;
}

/** What a test looks into while the command runs. */
export interface RunningWebhook extends Running {
  readonly frontDoor: FrontDoor;
}

/** After the end of a deployment the pipeline tidies up. It takes less than a second. */
const SETTLE_MS = 5_000;

/** Serves until it is told to stop, and then rejects with the signal's reason. */
export async function serveWebhook(
  command: WebhookCommand, write: (line: string) => void, signal: AbortSignal, whenReady?: (running: RunningWebhook) => void,
): Promise<never> {
  await checkPaths(command);
  const { environment, secrets, state, template } = command;
  return withSession({ environment, secrets, state, template, example: 'webhook' }, write, signal, async (session) => {
    const { gitServer, workDirectory } = session;
    const source = await prepareSource(command.source, { commit: command.commit, gitServer, scratchDirectory: workDirectory, signal });
    const running = await session.start(source);
    const frontDoor = await findFrontDoor(running.stack);
    session.name([frontDoor.functionName, 'webhook']);
    const { branch = source.branch, projectId = source.name, rootDirectory, secret = randomBytes(16).toString('hex') } = command;
    frontDoor.putSecret(secret);
    await frontDoor.putProject({ projectId, name: projectId, repoUrl: source.repoUrl, branch, ...(rootDirectory === undefined ? {} : { rootDirectory }) });
    showDeployments(session, running);

    write(`Serving ${source.description}`);
    write(`Pushes to the branch ${branch} of ${source.repoUrl} are deployments of the project ${projectId}.`);
    write(`  Payload URL   ${frontDoor.projectUrl(projectId)}`);
    write(`  Secret        ${secret}`);
    (await waysToPush({ command, source, branch, secret, url: frontDoor.projectUrl(projectId), directory: workDirectory })).forEach((line) => write(line));
    write('Waiting for deliveries; Ctrl-C ends it.\n');
    session.progress.restart();
    whenReady?.({ ...running, frontDoor });
    return stopped(signal);
  });
}

async function stopped(signal: AbortSignal): Promise<never> {
  signal.throwIfAborted();
  return new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true }));
}

/** By the pipeline's own status events, one line each; at the end of a deployment what a build shows. */
function showDeployments(session: Session, { pipeline, stack }: Running): void {
  const shown = new Map<string, number>();
  const deliver = async (event: unknown) => {
    const { detail } = event as { detail: DeploymentStatusChangedDetail };
    const { deploymentId, version = 0 } = detail;
    // They come at least once, and in no certain order.
    if (version <= (shown.get(deploymentId) ?? 0)) return;
    shown.set(deploymentId, version);
    session.progress.step('deployment', `${deploymentId}: ${describeStatus(detail)}`);
    if (!TERMINAL_STATUSES.includes(detail.status)) return;
    await stack.settled(SETTLE_MS);
    const record = await pipeline.deployment(deploymentId);
    if (record) await session.show(stack, record, await session.report(stack, pipeline, record));
  };
  // Not awaited: what is settled waits for deliveries.
  const target = { id: 'terminal', deliver: async (event: unknown) => { void deliver(event).catch((error: Error) => session.write(`Note: ${error.message}`)); } };
  stack.events.addRule({ name: 'terminal', pattern: { 'source': [EVENT_SOURCE], 'detail-type': [STATUS_CHANGED] }, targets: [target] });
}

interface PushOptions {
  readonly command: WebhookCommand;
  readonly source: Source;
  readonly branch: string;
  readonly secret: string;
  readonly url: string;
  readonly directory: string;
}

/** GitHub's own tool for a repository that is there; for a folder a signed push, as GitHub would send it. */
async function waysToPush({ branch, command, directory, secret, source, url }: PushOptions): Promise<string[]> {
  if (isRemote(command.source)) {
    const [, name] = /^https:\/\/github\.com\/([^/]+\/[^/]+?)(?:\.git)?$/.exec(source.repoUrl) ?? [];
    return name === undefined ? [] : ['  With the GitHub CLI (gh extension install cli/gh-webhook), real pushes come here:', `    gh webhook forward --repo=${name} --events=push --secret=${inShell(secret)} --url=${url}`];
  }
  const body = JSON.stringify(pushPayload(source, branch));
  const file = path.join(directory, 'push.json');
  await writeFile(file, body);
  const signature = createHmac('sha256', secret).update(body).digest('hex');
  return [
    '  A push of it, as GitHub would send it:',
    `    curl -sS ${url} -H 'content-type: application/json' -H 'x-github-event: push' -H 'x-github-delivery: ${randomUUID()}' \\`,
    `      -H 'x-hub-signature-256: sha256=${signature}' --data-binary @${inShell(file)}`,
  ];
}

/** As one word of a command to paste. */
function inShell(text: string): string {
  return /^[\w./:=+-]+$/.test(text) ? text : `'${text.replaceAll('\'', '\'\\\'\'')}'`;
}

/** The fields of https://docs.github.com/en/webhooks/webhook-events-and-payloads#push that say what was pushed. */
function pushPayload({ commitSha, name, repoUrl }: Source, branch: string): object {
  const commit = { id: commitSha, message: 'Local push', timestamp: new Date().toISOString(), added: [], modified: [], removed: [] };
  return {
    ref: `refs/heads/${branch}`,
    before: '0'.repeat(commitSha.length),
    after: commitSha,
    created: true,
    deleted: false,
    forced: false,
    commits: [commit],
    head_commit: commit,
    repository: { id: 1, name, full_name: `local/${name}`, clone_url: repoUrl, html_url: repoUrl.replace(/\.git$/, ''), default_branch: branch, pushed_at: Math.floor(Date.now() / 1000) },
  };
}
