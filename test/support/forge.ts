/**
 * A git host on this machine, with private repositories: git's own http-backend behind a password, and as much of GitHub's API as an app needs
 * to sign in. It has a public name, which `network` makes known to functions, `gitEnvironment` to the git of builds, and `joinHere` to this process.
 */
import { generateKeyPairSync, randomBytes, verify } from 'node:crypto';
import dns from 'node:dns';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import https, { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { rootCertificates } from 'node:tls';
import { generateCertificate } from '../../local/git/certificate';
import { type FetchEndpoint, relay, startHttpBackend } from '../../local/git/http-backend';
import { clientEnvironment } from '../../local/git-server';
import { GitHubReports, json } from '../../local/github/reports';
import type { FunctionNetwork } from '../../local/services/lambda/lambda-function';

export interface ForgeRequest {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
}

export interface ForgeAnswer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer | AsyncIterable<Buffer>;
  /** After the body: nothing more comes, nor does the answer end; or the connection breaks. */
  readonly then?: 'hang' | 'break';
}

interface Repository {
  readonly id: number;
  readonly gitDirectory: string;
  readonly isPublic: boolean;
  /** Where the app is installed. */
  readonly isInstalled: boolean;
}

export interface Grant {
  readonly repositories?: readonly string[];
  readonly repository_ids?: readonly number[];
  readonly permissions: Readonly<Record<string, string>>;
}

interface Token {
  /** Of repositories, which keep it when they are renamed. */
  readonly ids: readonly number[];
  readonly permissions: Readonly<Record<string, string>>;
}

/** What came to a webhook. */
export interface Notice {
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

const NAME = 'forge.local-run.example';
const INSTALLATION = 4711;

const { privateKey, publicKey } = generateKeyPairSync('rsa', {
  modulusLength: 2048, publicKeyEncoding: { type: 'spki', format: 'pem' }, privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
});

export class Forge {
  static async start(): Promise<Forge> {
    const { cert, private: key } = await generateCertificate(NAME);
    const directory = await mkdtemp(path.join(tmpdir(), 'forge-'));
    // In it lies the certificate, and where root runs the build, git is another user.
    await chmod(directory, 0o755);
    const server = createServer({ cert, key });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const gitEnvironment = await clientEnvironment(`https://${NAME}:${port}/`, `https://127.0.0.1:${port}/`, cert, directory);
    return new Forge(server, `${NAME}:${port}`, { addresses: { [NAME]: '127.0.0.1' }, certificates: [cert] }, gitEnvironment, directory);
  }

  readonly appId = '123456';
  /** As GitHub gives it. */
  readonly privateKey = privateKey;
  /** Reads every repository. */
  readonly token = `glpat-${randomBytes(15).toString('hex')}`;
  readonly requests: ForgeRequest[] = [];
  /** What the app has asked tokens for. */
  readonly grants: Grant[] = [];
  /** Answers in the place of the forge. */
  answer?: (request: ForgeRequest) => ForgeAnswer | undefined;
  /** As answer, but the API does first what it was asked. */
  answerAfterwards?: (request: ForgeRequest) => ForgeAnswer | undefined;
  /** The API breaks the connection at once, and does what it was asked when this is over. */
  postpone?: (request: ForgeRequest) => Promise<void> | undefined;
  /** What the app may do where it is installed. */
  permissions: Readonly<Record<string, string>> = { contents: 'read', metadata: 'read', checks: 'write', deployments: 'write' };
  /** What was told about commits. */
  readonly reports = new GitHubReports(this.appId);
  /** What was sent to any URL below `/hooks/`. */
  readonly notices: Notice[] = [];
  private readonly repositories = new Map<string, Repository>();
  private readonly renamed = new Map<string, string>();
  private readonly tokens = new Map<string, Token>();
  private leave?: () => void;

  private constructor(
    private readonly server: Server,
    readonly host: string,
    readonly network: FunctionNetwork,
    readonly gitEnvironment: Record<string, string>,
    private readonly directory: string,
  ) {
    server.on('request', (request, response) => void this.serve(request, response).catch(() => response.destroy()));
  }

  /** `name`: as in `acme/shop`. Returns its URL. */
  addRepository(name: string, gitDirectory: string, { isInstalled = true, isPublic = false } = {}): string {
    this.renamed.delete(name);
    this.repositories.set(name, { id: 1000 + this.repositories.size, gitDirectory, isInstalled, isPublic });
    return this.url(name);
  }

  url(name: string): string {
    return `https://${this.host}/${name}.git`;
  }

  rename(from: string, to: string): void {
    this.repositories.set(to, this.repositories.get(from)!);
    this.repositories.delete(from);
    this.renamed.set(from, to);
  }

  /** Every credential that there has ever been. */
  get secrets(): string[] {
    const inBasic = (token: string) => ['oauth2', 'x-access-token'].map((username) => Buffer.from(`${username}:${token}`).toString('base64'));
    const tokens = [this.token, ...this.tokens.keys()];
    return [...tokens, ...tokens.flatMap(inBasic), ...privateKey.split('\n').filter((line) => line.length > 40)];
  }

  /** For handlers that run in this process. */
  joinHere(): void {
    const { lookup } = dns;
    const { ca } = https.globalAgent.options;
    const replaced = ((name: string, options: dns.LookupAllOptions, callback: (...result: unknown[]) => void) => {
      const address = this.network.addresses[name];
      if (address === undefined) return lookup(name, options, callback as never);
      return options.all ? callback(null, [{ address, family: 4 }]) : callback(null, address, 4);
    }) as typeof lookup;
    dns.lookup = replaced;
    https.globalAgent.options.ca = [...rootCertificates, ...this.network.certificates];
    this.leave = () => {
      dns.lookup = lookup;
      https.globalAgent.options.ca = ca;
    };
  }

  async close(): Promise<void> {
    this.leave?.();
    https.globalAgent.destroy();
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
    await rm(this.directory, { recursive: true, force: true });
  }

  private async serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const request = { method: incoming.method!, path: incoming.url!, headers: incoming.headers };
    this.requests.push(request);
    const answer = this.answer?.(request);
    if (answer) return send(response, answer);
    const api = /^\/api\/v3(\/.*)$/.exec(request.path)?.[1];
    if (api) {
      const body = await textOf(incoming);
      const later = this.postpone?.(request);
      if (later) {
        response.destroy();
        await later;
      }
      const done = this.api(api, request, body);
      return later ? undefined : send(response, this.answerAfterwards?.(request) ?? done);
    }
    if (request.path.startsWith('/hooks/')) {
      this.notices.push({ headers: request.headers, body: await textOf(incoming) });
      return send(response, { status: 204 });
    }
    const [, name = '', endpoint, query = ''] = /^\/([^/]+\/[^/]+?)(?:\.git)?\/(info\/refs|git-upload-pack)(\?.*)?$/.exec(request.path) ?? [];
    const renamed = this.renamed.get(name);
    if (renamed) return send(response, { status: 301, headers: { location: `${this.url(renamed)}/${endpoint}${query}` } });
    const refusal = this.refusal(name, incoming.headers.authorization);
    if (refusal) return send(response, refusal);
    return relay(startHttpBackend(this.repositories.get(name)!.gitDirectory, endpoint as FetchEndpoint, incoming), incoming, response);
  }

  private refusal(name: string, authorization: string | undefined): ForgeAnswer | undefined {
    const repository = this.repositories.get(name);
    if (repository?.isPublic) return undefined;
    const token = Buffer.from(/^Basic (.+)$/.exec(authorization ?? '')?.[1] ?? '', 'base64').toString().split(':')[1];
    if (token !== this.token && !this.tokens.has(token)) return { status: 401, headers: { 'www-authenticate': 'Basic realm="forge"' } };
    return repository && (token === this.token || this.tokens.get(token)!.ids.includes(repository.id)) ? undefined : { status: 404 };
  }

  private api(route: string, request: ForgeRequest, body: string): ForgeAnswer {
    const token = this.tokens.get(/^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1] ?? '');
    if (token) return this.report(token, route, request.method, body);
    if (!isSignedByApp(request.headers.authorization, this.appId)) return json(401, { message: 'A JSON web token could not be decoded' });
    const [, id] = /^\/repositories\/(\d+)\/installation$/.exec(route) ?? [];
    const [, name = ''] = /^\/repos\/(.+)\/installation$/.exec(route) ?? [];
    const renamed = this.renamed.get(name);
    if (renamed) return { status: 301, headers: { location: `https://${this.host}/api/v3/repositories/${this.repositories.get(renamed)!.id}/installation` } };
    const repository = id ? [...this.repositories.values()].find((one) => String(one.id) === id) : this.repositories.get(name);
    if (repository?.isInstalled) return json(200, { id: INSTALLATION, permissions: this.permissions, suspended_at: null });
    if (request.method !== 'POST' || route !== `/app/installations/${INSTALLATION}/access_tokens`) return json(404, { message: 'Not Found' });
    return this.createToken(JSON.parse(body) as Grant);
  }

  /** Of one of the repositories that the token is for. */
  private report({ ids, permissions }: Token, route: string, method: string, body: string): ForgeAnswer {
    const [, name, id, rest = ''] = /^\/(?:repos\/([^/]+\/[^/]+)|repositories\/(\d+))(\/.*)$/.exec(route) ?? [];
    const renamed = this.renamed.get(name ?? '');
    if (renamed) {
      return { status: method === 'GET' ? 301 : 307, headers: { location: `https://${this.host}/api/v3/repositories/${this.repositories.get(renamed)!.id}${rest}` } };
    }
    const repository = id === undefined ? this.repositories.get(name ?? '')?.id : Number(id);
    if (repository === undefined || !ids.includes(repository)) return json(404, { message: 'Not Found' });
    return this.reports.answer({ method, route: rest, body, repository, permissions });
  }

  private createToken(grant: Grant): ForgeAnswer {
    const ids = [...this.repositories].filter(([name, { id }]) => grant.repositories?.includes(name.split('/')[1]) || grant.repository_ids?.includes(id)).map(([, { id }]) => id);
    if (ids.length === 0) return json(422, { message: 'There is at least one repository that does not exist or is not accessible to the parent installation.' });
    if (Object.entries(grant.permissions).some(([permission, level]) => this.permissions[permission] !== level)) {
      return json(422, { message: 'The permissions requested are not granted to this installation.' });
    }
    this.grants.push(grant);
    const token = `ghs_${randomBytes(18).toString('hex')}`;
    this.tokens.set(token, { ids, permissions: grant.permissions });
    return json(201, { token, expires_at: new Date(Date.now() + 3_600_000).toISOString(), permissions: grant.permissions });
  }
}

/** GitHub's own conditions: signed with the app's key, issued by the app, good for ten minutes at most. */
function isSignedByApp(authorization: string | undefined, appId: string): boolean {
  const [header, claims, signature] = (/^Bearer (.+)$/.exec(authorization ?? '')?.[1] ?? '').split('.');
  if (!signature || !verify('RSA-SHA256', Buffer.from(`${header}.${claims}`), publicKey, Buffer.from(signature, 'base64url'))) return false;
  const { exp, iat, iss } = JSON.parse(Buffer.from(claims, 'base64url').toString()) as Record<string, unknown>;
  const now = Date.now() / 1000;
  return iss === appId && Number(iat) <= now && Number(exp) > now && Number(exp) <= now + 600;
}

async function textOf(incoming: IncomingMessage): Promise<string> {
  return Buffer.concat(await incoming.toArray() as Buffer[]).toString();
}

async function send(response: ServerResponse, { body = '', headers = {}, status = 200, then }: ForgeAnswer): Promise<void> {
  response.writeHead(status, headers);
  await pipeline(typeof body === 'string' || Buffer.isBuffer(body) ? Readable.from([Buffer.from(body)]) : body, response, { end: false });
  if (then === 'break') response.destroy();
  else if (then !== 'hang') response.end();
  else response.flushHeaders();
}

/** What a git host sends for a fetch: packets, of which text stands for a line, and a number for a special one. */
export function packets(...all: readonly (string | Buffer | 0 | 1 | 2)[]): Buffer {
  return Buffer.concat(all.map((one) => {
    if (typeof one === 'number') return Buffer.from(`000${one}`);
    const content = Buffer.from(one);
    return Buffer.concat([Buffer.from((content.length + 4).toString(16).padStart(4, '0')), content]);
  }));
}

/** For `answer`: what a git host says to the two questions of a fetch. */
export const ADVERTISEMENT = { headers: { 'content-type': 'application/x-git-upload-pack-advertisement' } };
export const RESULT = { headers: { 'content-type': 'application/x-git-upload-pack-result' } };
export const CAPABILITIES = packets('version 2\n', 'agent=forge\n', 'ls-refs\n', 'fetch=shallow wait-for-done\n', 'object-format=sha1\n', 0);
export const isFetch = ({ path: asked }: ForgeRequest) => asked.endsWith('/git-upload-pack');

/** Bytes as they come. */
export function chunksOf(bytes: Buffer, length = 16_384): AsyncIterable<Buffer> {
  return Readable.from((function* () {
    for (let start = 0; start < bytes.length; start += length) yield bytes.subarray(start, start + length);
  })());
}
