/**
 * Https as far as a git host is asked, with everything bounded that the host could do to us: silence, redirects, the length of an answer,
 * and the time that is left.
 */
import type { IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import { request } from 'node:https';
import { HostProblem, PassingTrouble } from './host-problem';
import { quoted } from './quoted';

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Where the answer came from: after redirects, not where was asked. */
  readonly url: URL;
  /** To be read to its end, or dropped. */
  readonly body: AsyncGenerator<Buffer, void>;
  drop(): void;
}

/** Hosts know a git client by how its name begins. */
const USER_AGENT = 'git/cdk-nextjs-build-pipeline';

/** A host that packs a large repository sends a sign of life every five seconds, as git does by default. */
const SILENCE_MS = 30_000;

/** A repository that was renamed needs one, and one more if ".git" is missing. */
const MAX_REDIRECTS = 3;
const REDIRECTS = [301, 302, 307, 308];

/** What GitHub tells of an installation or a token has a few kilobytes. */
const MAX_JSON_BYTES = 256 * 1024;

/** GitHub: wait at least a minute if nothing else is said. */
export const RATE_LIMIT_MS = 60_000;

export class HttpsClient {
  /** `signal`: ends whatever goes on. */
  constructor(private readonly signal: AbortSignal, private readonly silenceMs = SILENCE_MS) {}

  /** Follows redirects within the host, so that no credential goes to another one. */
  public async get(start: URL, headers: OutgoingHttpHeaders): Promise<Answer> {
    let url = start;
    for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects += 1) {
      const answer = await this.send('GET', url, headers);
      if (!REDIRECTS.includes(answer.status)) return answer;
      answer.drop();
      url = redirectedTo(answer.headers.location, url);
    }
    throw new HostProblem(`${start.host} redirects more than ${MAX_REDIRECTS} times.`);
  }

  /** Follows no redirect. */
  public async post(url: URL, headers: OutgoingHttpHeaders, body: string): Promise<Answer> {
    return this.send('POST', url, { ...headers, 'content-length': Buffer.byteLength(body) }, body);
  }

  /** Follows no redirect. */
  public async patch(url: URL, headers: OutgoingHttpHeaders, body: string): Promise<Answer> {
    return this.send('PATCH', url, { ...headers, 'content-length': Buffer.byteLength(body) }, body);
  }

  private async send(method: string, url: URL, headers: OutgoingHttpHeaders, body?: string): Promise<Answer> {
    const response = await this.respond(method, url, headers, body);
    const { statusCode: status = 0, headers: received } = response;
    const answer = { status, url, headers: received, body: chunksOf(response, url.host), drop: () => void response.destroy() };
    const askAgainAt = rateLimitEnd(status, received, Date.now());
    if (askAgainAt === undefined && status < 500) return answer;
    answer.drop();
    throw askAgainAt === undefined
      ? new PassingTrouble(`${url.host} answers with HTTP ${status}.`)
      : new PassingTrouble(`${url.host} takes no more requests of the platform for now (HTTP ${status}).`, askAgainAt);
  }

  private async respond(method: string, url: URL, headers: OutgoingHttpHeaders, body?: string): Promise<IncomingMessage> {
    this.signal.throwIfAborted();
    return new Promise((resolve, reject) => {
      const sent = request(url, { method, headers: { 'user-agent': USER_AGENT, ...headers }, timeout: this.silenceMs });
      let response: IncomingMessage | undefined;
      const end = (reason: Error) => (response ?? sent).destroy(reason);
      const abort = () => end(this.signal.reason as Error);
      this.signal.addEventListener('abort', abort, { once: true });
      sent.on('close', () => {
        this.signal.removeEventListener('abort', abort);
        // Of an answer that is none, such as a change of protocols, nothing else is heard.
        reject(new PassingTrouble(`${url.host} ended the connection.`));
      });
      sent.on('timeout', () => end(new Error(`nothing came for ${this.silenceMs / 1000} s`)));
      sent.on('response', (received) => resolve(response = received));
      sent.on('error', (error) => reject(troubleWith(url.host, error)));
      sent.end(body);
    });
  }
}

/** A JSON object, or what is left of it if the host sends something else: nothing. */
export async function jsonOf(answer: Answer): Promise<Readonly<Record<string, unknown>>> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of answer.body) {
    bytes += chunk.length;
    if (bytes > MAX_JSON_BYTES) throw new HostProblem(`${answer.url.host} answers with more than ${MAX_JSON_BYTES} bytes where a few hundred were expected.`);
    chunks.push(chunk);
  }
  try {
    return Object(JSON.parse(Buffer.concat(chunks).toString())) as Record<string, unknown>;
  } catch {
    return {};
  }
}

async function* chunksOf(response: IncomingMessage, host: string): AsyncGenerator<Buffer, void> {
  try {
    yield* response as AsyncIterable<Buffer>;
  } catch (error) {
    throw troubleWith(host, error as Error);
  } finally {
    response.destroy();
  }
}

function redirectedTo(location: string | undefined, from: URL): URL {
  if (location === undefined || !URL.canParse(location, from.href)) throw new HostProblem(`${from.host} redirects to nowhere.`);
  const to = new URL(location, from);
  if (to.protocol !== 'https:' || to.host !== from.host || to.username || to.password) {
    throw new HostProblem(`${from.host} redirects to ${quoted(`${to.protocol}//${to.host}`)}, and the platform's credentials are for ${from.host} alone. Use the repository's own URL.`);
  }
  return to;
}

/** When to ask again, in milliseconds since 1970; undefined: no limit was met. https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api */
export function rateLimitEnd(status: number, headers: IncomingHttpHeaders, now: number): number | undefined {
  if (status !== 429 && status !== 403) return undefined;
  const after = headers['retry-after'];
  if (after !== undefined) return /^\d{1,9}$/.test(after) ? now + Number(after) * 1000 : dateOf(after) ?? now + RATE_LIMIT_MS;
  const reset = String(headers['x-ratelimit-reset'] ?? headers['ratelimit-reset'] ?? '');
  const isUsedUp = String(headers['x-ratelimit-remaining'] ?? headers['ratelimit-remaining'] ?? '') === '0';
  if (isUsedUp && /^\d{1,11}$/.test(reset)) return Number(reset) * 1000;
  return status === 429 ? now + RATE_LIMIT_MS : undefined;
}

function dateOf(text: string): number | undefined {
  const date = Date.parse(text);
  return Number.isNaN(date) ? undefined : date;
}

function troubleWith(host: string, error: Error & { code?: string }): Error {
  // Out of time, which whoever has set the time knows how to say.
  if (error.name === 'TimeoutError') return error;
  return new PassingTrouble(`The connection to ${host} failed: ${error.code ?? error.message}.`);
}
