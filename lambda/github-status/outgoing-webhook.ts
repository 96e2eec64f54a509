/**
 * Tells each change of a deployment's status to a URL of the platform's choice, signed as https://www.standardwebhooks.com says, so that
 * receivers can check it with a library. Other git hosts and chats are told this way.
 */
import { createHmac } from 'node:crypto';
import type { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import type { Channel, Trace } from './channel';
import type { DeploymentNews, News } from './news';
import { HostProblem } from '../shared/host-problem';
import type { HttpsClient } from '../shared/https-client';
import { logger } from '../shared/logger';
import { previousSecretText, secretText } from '../shared/secret-text';

export const EVENT_TYPE = 'deployment.status_changed';

/** A new secret is signed with after this time at the latest; receivers know it by then, or still know the one before. */
const SECRETS_MS = 5 * 60_000;

/** What the standard asks for. */
const KEY_BYTES = { min: 24, max: 64 };

export class OutgoingWebhook implements Channel {
  readonly name = 'outgoingWebhook';
  private readonly url: URL;
  private known?: { readonly keys: readonly Buffer[]; readonly goodUntil: number };

  /** The URL may be a secret: nothing but its host is ever shown. */
  constructor(private readonly secretsManager: SecretsManagerClient, url: string, private readonly secretId: string) {
    if (!URL.canParse(url) || new URL(url).protocol !== 'https:') throw new Error('Expected the URL of the outgoing webhook to begin with https://.');
    this.url = new URL(url);
  }

  public concerns(news: News): boolean {
    return news.about === 'deployment';
  }

  public async tell(news: News, _before: Trace, client: HttpsClient): Promise<Trace> {
    const { detail, time, version } = news as DeploymentNews;
    const body = JSON.stringify({ type: EVENT_TYPE, timestamp: time, data: detail });
    // Of one thing told, however often it is sent.
    const id = messageId(detail.deploymentId, version);
    const timestamp = Math.floor(Date.now() / 1000);
    const signatures = (await this.keys()).map((key) => signature(key, id, timestamp, body));
    const { drop, status } = await client.post(this.url, {
      'content-type': 'application/json',
      'user-agent': 'cdk-nextjs-build-pipeline',
      'webhook-id': id,
      'webhook-timestamp': String(timestamp),
      'webhook-signature': signatures.join(' '),
    }, body);
    drop();
    if (status >= 200 && status < 300) return {};
    if (status !== 410) throw new HostProblem(`The outgoing webhook's host ${this.url.host} answers with HTTP ${status}, where one of 200 to 299 was expected.`);
    // The standard's word for: no more of these.
    logger.warn('The outgoing webhook\'s URL is gone (HTTP 410). Configure another one, or none', { host: this.url.host });
    return {};
  }

  /** The secret and the one before: whoever still checks with that one need not change at the same moment. */
  private async keys(): Promise<readonly Buffer[]> {
    if (this.known && this.known.goodUntil > Date.now()) return this.known.keys;
    const current = keyOf(await secretText(this.secretsManager, this.secretId));
    if (!current) {
      throw new Error(`Expected the secret ${this.secretId} of the outgoing webhook to be ${KEY_BYTES.min} to ${KEY_BYTES.max} bytes in Base64, after "whsec_" or without it. `
        + 'Put such a value there: 32 random letters and digits will do.');
    }
    const previous = keyOf(await previousSecretText(this.secretsManager, this.secretId) ?? '');
    const keys = previous && !previous.equals(current) ? [current, previous] : [current];
    this.known = { keys, goodUntil: Date.now() + SECRETS_MS };
    return keys;
  }
}

/** Full stops separate what is signed; an id may have some. */
export function messageId(deploymentId: string, version: number): string {
  return `msg_${Buffer.from(`${deploymentId}#${version}`).toString('base64url')}`;
}

export function signature(key: Buffer, id: string, timestamp: number, body: string): string {
  return `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`;
}

export function keyOf(secret: string): Buffer | undefined {
  const text = secret.trim().replace(/^whsec_/, '');
  const key = /^[A-Za-z0-9+/]+={0,2}$/.test(text) ? Buffer.from(text, 'base64') : Buffer.alloc(0);
  return key.length >= KEY_BYTES.min && key.length <= KEY_BYTES.max ? key : undefined;
}
