import type { SQSRecord } from 'aws-lambda';
import { COMMIT_SHA_PATTERN, ID_PATTERN } from '../../src/contract/build-request';
import type { DeploymentStatus } from '../../src/contract/deployment';
import { type DeploymentStatusChangedDetail, STATUS_CHANGED } from '../../src/contract/events';
import { PUSH_SKIPPED, type PushSkippedDetail } from '../../src/contract/github-status';
import { quoted } from '../shared/quoted';

/** What there is to tell: how a deployment goes, or that a push makes none. */
export type News = DeploymentNews | SkippedNews;

interface Telling {
  /** Whom the news is about: what is told of one thing is told in one place, and newer news takes the place of older. */
  readonly subject: string;
  readonly version: number;
  /** When it happened, ISO 8601. */
  readonly time: string;
}

export interface DeploymentNews extends Telling {
  readonly about: 'deployment';
  readonly detail: DeploymentStatusChangedDetail;
}

export interface SkippedNews extends Telling {
  readonly about: 'skipped push';
  readonly detail: PushSkippedDetail;
}

const STATUSES: readonly DeploymentStatus[] = ['queued', 'building', 'success', 'failed', 'superseded'];

/** Throws if the message is none of the pipeline's. */
export function newsOf({ attributes, body }: Pick<SQSRecord, 'attributes' | 'body'>): News {
  const event = parsed(body);
  const detail = Object(event.detail) as Record<string, unknown>;
  const time = typeof event.time === 'string' ? event.time : new Date(Number(attributes.SentTimestamp)).toISOString();
  const type = event['detail-type'];
  if (type === STATUS_CHANGED && isStatus(detail)) return { about: 'deployment', subject: detail.deploymentId, version: detail.version!, time, detail };
  // The subject is no deployment's: an id has no colon.
  if (type === PUSH_SKIPPED && isSkipped(detail)) return { about: 'skipped push', subject: `skipped:${detail.projectId}:${detail.commitSha}`, version: 1, time, detail };
  throw new Error(`Expected an event of a deployment's status or a skipped push, got ${quoted(String(type).slice(0, 100))} with ${Object.keys(detail).length} fields. `
    + 'Only the pipeline\'s own rule and functions should send to this queue.');
}

/** Where the commit is; undefined: a request that was refused need not have said so. */
export function commitOf({ detail: { commitSha, repoUrl } }: News): { readonly commitSha: string; readonly repository: URL } | undefined {
  if (!COMMIT_SHA_PATTERN.test(commitSha ?? '') || !URL.canParse(repoUrl ?? '')) return undefined;
  return { commitSha, repository: new URL(repoUrl) };
}

function isStatus(detail: Record<string, unknown>): detail is Record<string, unknown> & DeploymentStatusChangedDetail {
  const { deploymentId, status, version } = detail;
  return ID_PATTERN.test(String(deploymentId)) && STATUSES.includes(status as DeploymentStatus) && Number.isSafeInteger(version) && Number(version) > 0;
}

function isSkipped(detail: Record<string, unknown>): detail is Record<string, unknown> & PushSkippedDetail {
  return ID_PATTERN.test(String(detail.projectId)) && COMMIT_SHA_PATTERN.test(String(detail.commitSha)) && typeof detail.repoUrl === 'string' && typeof detail.reason === 'string';
}

function parsed(body: string): Record<string, unknown> {
  try {
    return Object(JSON.parse(body)) as Record<string, unknown>;
  } catch {
    return {};
  }
}
