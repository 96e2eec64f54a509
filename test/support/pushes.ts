/** Deliveries of a git host's webhook, signed. */
import { createHmac } from 'node:crypto';
import type { WebhookAnswer } from '../../src/contract/webhook';

export interface Pushed {
  readonly commitSha: string;
  readonly cloneUrl: string;
  readonly message?: string;
}

/** As GitHub tells of a push of one commit to `main`. */
export function pushPayload({ cloneUrl, commitSha, message = 'A change' }: Pushed): object {
  const commit = { id: commitSha, message, added: [], modified: ['pages/index.js'], removed: [] };
  return {
    ref: 'refs/heads/main',
    before: commitSha.replace(/./g, '1'),
    after: commitSha,
    created: false,
    deleted: false,
    forced: false,
    commits: [commit],
    head_commit: commit,
    repository: { id: 1000, clone_url: cloneUrl, pushed_at: Math.floor(Date.now() / 1000) },
  };
}

export interface Answered {
  readonly status: number;
  readonly answer: WebhookAnswer;
}

export async function deliver(url: string, secret: string, event: string, payload: object): Promise<Answered> {
  const body = JSON.stringify(payload);
  const signature = `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`;
  const headers = { 'content-type': 'application/json', 'x-github-event': event, 'x-github-delivery': 'delivery', 'x-hub-signature-256': signature };
  const response = await fetch(url, { method: 'POST', headers, body });
  return { status: response.status, answer: await response.json() as WebhookAnswer };
}
