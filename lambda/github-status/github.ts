/** GitHub's API, for the repositories of one host where the app is installed. */
import type { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { LONGEST_LIMIT } from './coming-back';
import { STATUS_PERMISSIONS } from '../../src/contract/github-status';
import type { GitHubAppSettings } from '../../src/contract/source';
import { GitHubApp, headersOf, repositoryNameOf } from '../shared/github-app';
import { HostProblem, PassingTrouble } from '../shared/host-problem';
import { type Answer, type HttpsClient, jsonOf, RATE_LIMIT_MS } from '../shared/https-client';
import { logger } from '../shared/logger';
import { quoted } from '../shared/quoted';
import { secretText } from '../shared/secret-text';

export type Permission = keyof typeof STATUS_PERMISSIONS;
export type Json = Readonly<Record<string, unknown>>;

/** GitHub will not do it, now or later: there is no such repository or commit, or the app may not. */
export class Refusal extends HostProblem {
  readonly name = 'Refusal';
}

interface Access {
  readonly url: string;
  readonly token: string;
  readonly permissions: readonly Permission[];
  readonly goodUntil: number;
}

/** A token is good for an hour; what was begun with it must come to an end. */
const TOKEN_MS = 50 * 60_000;
/** A few hundred bytes each. Whoever has more repositories asks for a token more often. */
const MAX_TOKENS = 1_000;

export class GitHub {
  private readonly accesses = new Map<string, Access>();
  /** GitHub asks to be left alone once it has said so, and bans who does not. By repository: limits are an installation's, and it has few. */
  private readonly leaveAloneUntil = new Map<string, number>();

  constructor(private readonly secretsManager: SecretsManagerClient, readonly settings: Omit<GitHubAppSettings, 'type'>) {}

  public serves(repository: URL): boolean {
    return repository.host === this.settings.host && repositoryNameOf(repository) !== undefined;
  }

  /** Undefined: the app is not installed there, or may not do this. */
  public async repository(repository: URL, permission: Permission, client: HttpsClient): Promise<GitHubRepository | undefined> {
    const key = repository.pathname.toLowerCase();
    this.checkLimit(key);
    try {
      const access = await this.access(key, repository, client);
      if (!access?.permissions.includes(permission)) return undefined;
      return new GitHubRepository(access, client, () => this.accesses.delete(key), (until) => this.leaveAlone(key, until));
    } catch (error) {
      if (error instanceof PassingTrouble && error.askAgainAt !== undefined) this.leaveAlone(key, error.askAgainAt);
      throw error;
    }
  }

  private leaveAlone(key: string, until: number): void {
    this.leaveAloneUntil.set(key, Math.min(until, Date.now() + LONGEST_LIMIT * 1000));
  }

  private checkLimit(key: string): void {
    const until = this.leaveAloneUntil.get(key);
    if (until === undefined) return;
    if (until > Date.now()) throw new PassingTrouble(`${this.settings.host} takes no more requests of the platform for now.`, until);
    this.leaveAloneUntil.delete(key);
  }

  private async access(key: string, repository: URL, client: HttpsClient): Promise<Access | undefined> {
    const known = this.accesses.get(key);
    if (known && known.goodUntil > Date.now()) return known;
    const access = await this.askForAccess(repository, client);
    if (this.accesses.size >= MAX_TOKENS) this.accesses.clear();
    if (access) this.accesses.set(key, access);
    return access;
  }

  private async askForAccess(repository: URL, client: HttpsClient): Promise<Access | undefined> {
    const app = new GitHubApp(client, this.settings, await secretText(this.secretsManager, this.settings.secretId));
    const goodUntil = Date.now() + TOKEN_MS;
    const installation = await app.installationOf(repository);
    if (!installation || installation.isSuspended) {
      logger.debug('GitHub is told nothing of this repository: the app is not installed there, or suspended', { repository: repository.pathname });
      return undefined;
    }
    const wanted = Object.entries(STATUS_PERMISSIONS).filter(([name, level]) => installation.permissions[name] === level);
    const permissions = wanted.map(([name]) => name as Permission);
    if (!permissions.includes('checks')) {
      logger.warn('The GitHub App may not write checks here: it needs the permission "Checks: read and write", and the owner\'s consent to it', { repository: repository.pathname });
    }
    if (permissions.length === 0) return undefined;
    return { url: installation.repositoryUrl, token: await app.createToken(installation, Object.fromEntries(wanted)), permissions, goodUntil };
  }
}

/** One repository, for as long as one message is dealt with. */
export class GitHubRepository {
  constructor(
    private readonly access: Access,
    private readonly client: HttpsClient,
    private readonly forget: () => void,
    private readonly leaveAlone: (until: number) => void,
  ) {}

  public async get(path: string): Promise<Json> {
    return this.ask((url, headers) => this.client.get(url, headers), path);
  }

  public async create(path: string, body: object): Promise<Json> {
    return this.ask((url, headers) => this.client.post(url, { ...headers, 'content-type': 'application/json' }, JSON.stringify(body)), path);
  }

  public async change(path: string, body: object): Promise<Json> {
    return this.ask((url, headers) => this.client.patch(url, { ...headers, 'content-type': 'application/json' }, JSON.stringify(body)), path);
  }

  private async ask(send: (url: URL, headers: ReturnType<typeof headersOf>) => Promise<Answer>, path: string): Promise<Json> {
    try {
      const answer = await send(new URL(this.access.url + path), headersOf(this.access.token));
      const json = await jsonOf(answer);
      if (answer.status === 200 || answer.status === 201) return json;
      throw this.problem(answer, json);
    } catch (error) {
      if (error instanceof PassingTrouble && error.askAgainAt !== undefined) this.leaveAlone(error.askAgainAt);
      throw error;
    }
  }

  private problem({ status, url }: Answer, { message }: Json): HostProblem {
    const words = String(message).replaceAll(this.access.token, '***').slice(0, 200);
    const said = `${url.host} answers with HTTP ${status}: ${quoted(words)}.`;
    // A limit for those who write much has no header that says so.
    if (status === 403 && /rate limit|abuse/i.test(words)) return new PassingTrouble(said, Date.now() + RATE_LIMIT_MS);
    switch (status) {
      // The app's installation has changed, or the repository was renamed: nothing that is known of it may be true.
      case 301: case 302: case 307: case 308: case 401:
        this.forget();
        return new PassingTrouble(said);
      case 403: case 404: case 410: case 422: case 451:
        this.forget();
        return new Refusal(said);
      case 409:
        return new PassingTrouble(said);
      default:
        return new HostProblem(said);
    }
  }
}
