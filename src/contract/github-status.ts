/**
 * The function that tells the outside how deployments go: check runs and deployments at GitHub, and a webhook of the platform's own. It takes
 * the pipeline's status events (events.ts) from a queue, as EventBridge puts them there.
 */

/** In its environment, beside HANDLER_ENV.stateTable. */
export const STATUS_ENV = {
  /** The GitHub App's id or client id. Not set: GitHub is told nothing. */
  appId: 'GITHUB_APP_ID',
  /** ARN or name of the secret that is the app's private key. */
  privateKeySecret: 'GITHUB_APP_SECRET_ID',
  /** As in the URLs of repositories. Not set: github.com. */
  host: 'GITHUB_HOST',
  /** Not set: there is no webhook. It may be a secret in itself, as those of chats are. */
  outgoingUrl: 'OUTGOING_WEBHOOK_URL',
  /** ARN or name of the secret that signs the webhook: 24 to 64 bytes in Base64, after `whsec_` or without it. */
  outgoingSecret: 'OUTGOING_WEBHOOK_SECRET_ID',
  /** Its own queue, where a message that cannot be dealt with now is made to wait. */
  queueUrl: 'STATUS_QUEUE_URL',
} as const;

/** A batch of ten messages, each of which may have to wait for a slow host; what does not fit in comes back. */
export const STATUS_FUNCTION_SECONDS = 90;

/** Waits grow from half a minute to a quarter of an hour: some four hours, longer than a git host is away, before a message is given up. */
export const STATUS_MAX_RECEIVES = 20;

/** What the app needs at GitHub. Deployments are told where they may be, and not missed where not. */
export const STATUS_PERMISSIONS = { checks: 'write', deployments: 'write' } as const;

/** `detail-type` of a message that no status event stands behind: a push that makes no deployment. Sent to the queue by whoever skips it. */
export const PUSH_SKIPPED = 'Push Skipped';

/** `detail` of such a message. */
export interface PushSkippedDetail {
  readonly projectId: string;
  readonly commitSha: string;
  readonly repoUrl: string;
  /** A sentence for the person who pushed. */
  readonly reason: string;
}
