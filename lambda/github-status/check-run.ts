import type { News } from './news';
import type { DeploymentStatusChangedDetail } from '../../src/contract/events';

/** As GitHub takes it. */
export interface CheckRun {
  /** What branch protection knows a check by: the same for each commit, another one for each project of a repository. */
  readonly name: string;
  readonly head_sha: string;
  readonly external_id: string;
  readonly status: 'queued' | 'in_progress' | 'completed';
  readonly conclusion?: 'success' | 'failure' | 'neutral';
  readonly details_url?: string;
  readonly started_at?: string;
  readonly completed_at?: string;
  readonly output: { readonly title: string; readonly summary: string };
}

/** GitHub takes 65,535 characters; ours are sentences. */
const MAX_SUMMARY = 10_000;

export function checkRunOf(news: News): CheckRun {
  const { detail, subject, time } = news;
  const fields = { name: `Next.js build: ${detail.projectId}`, head_sha: detail.commitSha, external_id: subject };
  if (news.about === 'skipped push') {
    return { ...fields, status: 'completed', conclusion: 'neutral', completed_at: time, output: { title: 'Skipped', summary: news.detail.reason.slice(0, MAX_SUMMARY) } };
  }
  const { buildStartedAt, completedAt, logsUrl } = news.detail;
  const { sentence, title, ...state } = stateOf(news.detail);
  const log = logLink(logsUrl);
  return {
    ...fields,
    ...state,
    details_url: log,
    started_at: buildStartedAt,
    completed_at: state.status === 'completed' ? completedAt ?? time : undefined,
    output: { title, summary: sentence.slice(0, MAX_SUMMARY) + (log === undefined ? '' : `\n\n[Build log](${log})`) },
  };
}

/** GitHub takes links to web pages only. */
export function logLink(logsUrl: string | undefined): string | undefined {
  return logsUrl !== undefined && /^https?:\/\//.test(logsUrl) ? logsUrl : undefined;
}

function stateOf(detail: DeploymentStatusChangedDetail): Pick<CheckRun, 'status' | 'conclusion'> & { readonly title: string; readonly sentence: string } {
  const { branch, deploymentId, failureCode, failureMessage, reusedFrom, status, supersededBy } = detail;
  const newer = `Deployment ${supersededBy ?? ''} of the same branch is newer: this one does not go live.`;
  switch (status) {
    case 'queued': return { status: 'queued', title: 'Queued', sentence: `Deployment ${deploymentId} of ${branch} waits for its build.` };
    case 'building': return { status: 'in_progress', title: 'Building', sentence: `Deployment ${deploymentId} of ${branch} is being built.` };
    case 'failed': return {
      status: 'completed', conclusion: 'failure', title: `Failed: ${failureCode ?? 'for an unknown reason'}`, sentence: failureMessage ?? 'The deployment failed.',
    };
    case 'superseded': return { status: 'completed', conclusion: 'neutral', title: 'Superseded', sentence: newer };
    case 'success': return {
      status: 'completed',
      conclusion: 'success',
      title: reusedFrom === undefined ? 'Built' : 'Built before',
      sentence: [
        reusedFrom === undefined ? `Deployment ${deploymentId} of ${branch} was built.` : `The same commit has been built before: deployment ${deploymentId} has what ${reusedFrom} left.`,
        ...(supersededBy === undefined ? [] : [newer]),
      ].join(' '),
    };
  }
}
