/** A GitHub App signs in with its private key and gets a token for one repository, with no more permissions than what it is for. */
import { createPrivateKey, type KeyObject, sign } from 'node:crypto';
import { HostProblem } from './host-problem';
import { type Answer, type HttpsClient, jsonOf } from './https-client';
import { logger } from './logger';
import { quoted } from './quoted';
import type { GitHubAppSettings } from '../../src/contract/source';

/** Seconds. GitHub takes ten minutes at most; a minute lies behind, for clocks that differ. */
const JWT_LIFETIME = 9 * 60;
const CLOCK_SKEW = 60;

const NAME = /^[A-Za-z0-9._-]+$/;

/** As GitHub names them: `{ contents: 'read' }`. */
export type Permissions = Readonly<Record<string, string>>;

/** Where the app is installed for a repository, and what it may do there. */
export interface Installation {
  readonly id: number;
  readonly permissions: Permissions;
  readonly isSuspended: boolean;
  /** The repository's part of the API, under its present name or its number. */
  readonly repositoryUrl: string;
  /** The repository, as a request for a token names it. */
  readonly repository: object;
}

export class GitHubApp {
  private readonly jwt: string;

  constructor(private readonly client: HttpsClient, private readonly settings: Omit<GitHubAppSettings, 'type'>, privateKey: string) {
    try {
      this.jwt = signedToken(settings.appId, createPrivateKey(privateKey), Math.floor(Date.now() / 1000));
    } catch {
      logger.error('Expected the secret of the GitHub App to be its private key (RSA, in PEM format), as GitHub gave it', { secretId: settings.secretId });
      throw this.platformFault('has no usable private key');
    }
  }

  /** To read the contents. Undefined: the app is not installed for the repository, or there is no such repository. */
  public async tokenFor(repository: URL): Promise<string | undefined> {
    const installation = await this.installationOf(repository);
    return installation && this.createToken(installation, { contents: 'read' });
  }

  /** Undefined: as above. */
  public async installationOf(repository: URL): Promise<Installation | undefined> {
    const [owner, name] = repositoryNameOf(repository) ?? [];
    if (owner === undefined || name === undefined) {
      throw new HostProblem(`${quoted(repository.pathname)} names no repository of ${this.settings.host}: expected /<owner>/<repository>.`);
    }
    const found = await this.client.get(new URL(`${this.api}/repos/${owner}/${name}/installation`), this.headers());
    const installation = await jsonOf(found);
    if (found.status === 404) return undefined;
    if (found.status !== 200 || !Number.isSafeInteger(installation.id)) throw this.refused('where is it installed?', found, installation);
    // GitHub answers for a repository that was renamed from where it has no name.
    const id = /\/repositories\/(\d{1,15})\/installation$/.exec(found.url.pathname)?.[1];
    return {
      id: Number(installation.id),
      permissions: Object(installation.permissions) as Permissions,
      isSuspended: Boolean(installation.suspended_at),
      repositoryUrl: found.url.href.replace(/\/installation$/, ''),
      repository: id === undefined ? { repositories: [name] } : { repository_ids: [Number(id)] },
    };
  }

  /** Good for an hour. */
  public async createToken({ id, repository }: Installation, permissions: Permissions): Promise<string> {
    const url = new URL(`${this.api}/app/installations/${id}/access_tokens`);
    const answer = await this.client.post(url, { ...this.headers(), 'content-type': 'application/json' }, JSON.stringify({ ...repository, permissions }));
    const created = await jsonOf(answer);
    const { token } = created;
    if (answer.status === 201 && typeof token === 'string' && token !== '') return token;
    throw this.refused('a token, please', answer, created, permissions);
  }

  private headers() {
    return headersOf(this.jwt);
  }

  private refused(question: string, { status }: Answer, { message }: Readonly<Record<string, unknown>>, permissions: Permissions = {}): HostProblem {
    logger.error('GitHub refuses the app', { host: this.settings.host, question, status, answer: quoted(String(message).replaceAll(this.jwt, '***').slice(0, 200)) });
    switch (status) {
      case 401: return this.platformFault('cannot sign in: its id or its private key is wrong');
      case 403: return this.platformFault('is suspended for the owner of this repository, or may not ask');
      case 422: return this.platformFault('lacks the permission ' + Object.entries(permissions).map(inWords).join(' or ') + ', or access to this repository');
      default: return this.platformFault(`was answered with HTTP ${status}`);
    }
  }

  private platformFault(what: string): HostProblem {
    return new HostProblem(`The platform's GitHub App for ${this.settings.host} ${what}. Tell the platform's team.`);
  }

  /** https://docs.github.com/enterprise-server/rest/using-the-rest-api/getting-started-with-the-rest-api, and GHE.com */
  private get api(): string {
    const { host } = this.settings;
    return host === 'github.com' || host.endsWith('.ghe.com') ? `https://api.${host}` : `https://${host}/api/v3`;
  }
}

/** Owner and name; undefined: this is no repository's URL. */
export function repositoryNameOf({ pathname }: URL): readonly [string, string] | undefined {
  const [owner = '', name = '', ...more] = pathname.replace(/\/+$/, '').replace(/\.git$/, '').split('/').slice(1);
  return NAME.test(owner) && NAME.test(name) && more.length === 0 ? [owner, name] : undefined;
}

/** Of a request to GitHub's API, for the app's own token as for an installation's. */
export function headersOf(token: string) {
  return { 'accept': 'application/vnd.github+json', 'authorization': `Bearer ${token}`, 'x-github-api-version': '2022-11-28' };
}

/** As GitHub's settings pages name a permission. */
function inWords([name, level]: [string, string]): string {
  return `"${name[0].toUpperCase()}${name.slice(1)}: ${level === 'read' ? 'read-only' : 'read and write'}"`;
}

/** JSON Web Token, RS256. */
function signedToken(appId: string, key: KeyObject, now: number): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claim = `${part({ alg: 'RS256', typ: 'JWT' })}.${part({ iat: now - CLOCK_SKEW, exp: now + JWT_LIFETIME, iss: appId })}`;
  return `${claim}.${sign('RSA-SHA256', Buffer.from(claim), key).toString('base64url')}`;
}
