import type { WebhookAnswer, WebhookDeployment } from '../../src/contract/webhook';
import { quoted } from '../shared/quoted';

export interface Answer {
  readonly status: number;
  readonly body: WebhookAnswer;
}

/** What became of one change for one project. */
export type Result = { readonly projectId: string } & (
  | { readonly kind: 'skipped'; readonly why: string }
  /** A request that no build could be started for. */
  | { readonly kind: 'unbuildable'; readonly why: string }
  | { readonly kind: 'deployment'; readonly branch: string; readonly commitSha: string } & WebhookDeployment
);

export function asAnswer(status: number, outcome: WebhookAnswer['outcome'], reason: string): Answer {
  return { status, body: { outcome, reason } };
}

/** One answer for all: the one that somebody has to do something about comes first. */
export function combined(results: readonly Result[]): Answer {
  const reason = results.map(sentenceOf).join(' ') || 'The payload has no changes.';
  const deployments = results.flatMap((result) => (
    result.kind === 'deployment' ? [{ deploymentId: result.deploymentId, projectId: result.projectId, status: result.status }] : []
  ));
  const [status, outcome] = statusOf(results);
  return { status, body: { outcome, reason, ...(deployments.length > 0 ? { deployments } : {}) } };
}

function statusOf(results: readonly Result[]): [number, WebhookAnswer['outcome']] {
  const statuses = results.map((result) => (result.kind === 'deployment' ? result.status : result.kind));
  // What was done is not done again when it is delivered again.
  if (statuses.includes('unsent')) return [503, 'failed'];
  if (statuses.includes('taken')) return [409, 'failed'];
  if (statuses.includes('enqueued')) return [201, 'deployment'];
  if (statuses.includes('already')) return [200, 'deployment'];
  return statuses.includes('unbuildable') ? [422, 'refused'] : [200, 'skipped'];
}

function sentenceOf(result: Result): string {
  const { projectId } = result;
  if (result.kind === 'skipped') return `${projectId}: skipped, because ${result.why}.`;
  if (result.kind === 'unbuildable') return `${projectId}: cannot be built, because ${result.why}.`;
  const what = `deployment ${result.deploymentId} of commit ${result.commitSha} on ${quoted(result.branch)}`;
  switch (result.status) {
    case 'enqueued':
      return `${projectId}: ${what} is queued.`;
    case 'already':
      return `${projectId}: ${what} was queued before; nothing was done.`;
    case 'taken':
      return `${projectId}: the id of ${what} belongs to another deployment; nothing was done.`;
    case 'unsent':
      return `${projectId}: ${what} could not be put into the queue. Deliver it again; if its record could be written, the pipeline does so by itself within minutes.`;
  }
}
