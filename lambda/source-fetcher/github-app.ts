/** A GitHub App signs in with its private key and gets a token for one repository, which can read its contents and nothing else. */
import { createPrivateKey, type KeyObject, sign } from 'node:crypto';
import { type Answer, type HttpsClient, jsonOf } from './https-client';
import { SourceProblem } from './source-problem';
import type { GitHubAppSettings } from '../../src/contract/source';
import { logger } from '../shared/logger';
import { quoted } from '../shared/quoted';

/** Seconds. GitHub takes ten minutes at most; a minute lies behind, for clocks that differ. */
const JWT_LIFETIME = 9 * 60;
const CLOCK_SKEW = 60;

const NAME = /^[A-Za-z0-9._-]+$/;

export class GitHubApp {
  private readonly jwt: string;

  constructor(private readonly client: HttpsClient, private readonly settings: GitHubAppSettings, privateKey: string) {
    try {
      this.jwt = signedToken(settings.appId, createPrivateKey(privateKey), Math.floor(Date.now() / 1000));
    } catch {
      logger.error('Expected the secret of the GitHub App to be its private key (RSA, in PEM format), as GitHub gave it', { secretId: settings.secretId });
      throw this.platformFault('has no usable private key');
    }
  }

  /** Undefined: the app is not installed for the repository, or there is no such repository. */
  public async tokenFor(repository: URL): Promise<string | undefined> {
    const [owner, name, ...more] = repository.pathname.replace(/\/+$/, '').replace(/\.git$/, '').split('/').slice(1);
    if (!NAME.test(owner ?? '') || !NAME.test(name ?? '') || more.length > 0) {
      throw new SourceProblem(`${quoted(repository.pathname)} names no repository of ${this.settings.host}: expected /<owner>/<repository>.`);
    }
    const found = await this.client.get(new URL(`${this.api}/repos/${owner}/${name}/installation`), this.headers());
    const installation = await jsonOf(found);
    if (found.status === 404) return undefined;
    if (found.status !== 200 || !Number.isSafeInteger(installation.id)) throw this.refused('where is it installed?', found, installation);
    // GitHub answers for a repository that was renamed from where it has no name.
    const id = /\/repositories\/(\d{1,15})\/installation$/.exec(found.url.pathname)?.[1];
    return this.createToken(Number(installation.id), id === undefined ? { repositories: [name] } : { repository_ids: [Number(id)] });
  }

  private async createToken(installationId: number, repository: object): Promise<string> {
    const url = new URL(`${this.api}/app/installations/${installationId}/access_tokens`);
    const answer = await this.client.post(url, { ...this.headers(), 'content-type': 'application/json' },
      JSON.stringify({ ...repository, permissions: { contents: 'read' } }));
    const created = await jsonOf(answer);
    const { token } = created;
    if (answer.status === 201 && typeof token === 'string' && token !== '') return token;
    throw this.refused('a token, please', answer, created);
  }

  private headers() {
    return { 'accept': 'application/vnd.github+json', 'authorization': `Bearer ${this.jwt}`, 'x-github-api-version': '2022-11-28' };
  }

  private refused(question: string, { status }: Answer, { message }: Readonly<Record<string, unknown>>): SourceProblem {
    logger.error('GitHub refuses the app', { host: this.settings.host, question, status, answer: quoted(String(message).replaceAll(this.jwt, '***').slice(0, 200)) });
    switch (status) {
      case 401: return this.platformFault('cannot sign in: its id or its private key is wrong');
      case 403: return this.platformFault('is suspended for the owner of this repository, or may not ask');
      case 422: return this.platformFault('lacks the permission "Contents: read-only", or access to this repository');
      default: return this.platformFault(`was answered with HTTP ${status}`);
    }
  }

  private platformFault(what: string): SourceProblem {
    return new SourceProblem(`The platform's GitHub App for ${this.settings.host} ${what}. Tell the platform's team.`);
  }

  /** https://docs.github.com/enterprise-server/rest/using-the-rest-api/getting-started-with-the-rest-api, and GHE.com */
  private get api(): string {
    const { host } = this.settings;
    return host === 'github.com' || host.endsWith('.ghe.com') ? `https://api.${host}` : `https://${host}/api/v3`;
  }
}

/** JSON Web Token, RS256. */
function signedToken(appId: string, key: KeyObject, now: number): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claim = `${part({ alg: 'RS256', typ: 'JWT' })}.${part({ iat: now - CLOCK_SKEW, exp: now + JWT_LIFETIME, iss: appId })}`;
  return `${claim}.${sign('RSA-SHA256', Buffer.from(claim), key).toString('base64url')}`;
}
