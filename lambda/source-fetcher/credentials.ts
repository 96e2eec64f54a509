import type { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { SourceProblem } from './source-problem';
import type { SourceProviderSettings, TokenSettings } from '../../src/contract/source';
import { GitHubApp } from '../shared/github-app';
import { type HostProblem, PassingTrouble } from '../shared/host-problem';
import type { HttpsClient } from '../shared/https-client';
import { logger } from '../shared/logger';
import { secretText } from '../shared/secret-text';

/** What signs in at one host, for as long as one source is fetched. It leaves this process in the header of requests to that host only. */
export interface Credential {
  readonly authorization: string;
  /** What a host's answer means; undefined: nothing that has to do with the credential. */
  refused(status: number): HostProblem | undefined;
  /** Takes the credential out of a text, should the host have put it there. */
  conceal(text: string): string;
}

export class Credentials {
  constructor(private readonly secretsManager: SecretsManagerClient, private readonly client: HttpsClient) {}

  /** Undefined: the platform has no access of its own to this repository. */
  public async of(provider: SourceProviderSettings, repository: URL): Promise<Credential | undefined> {
    const secret = await this.secret(provider);
    if (provider.type === 'token') return tokenCredential(provider, secret);
    const token = await new GitHubApp(this.client, provider, secret).tokenFor(repository);
    return token === undefined ? undefined : installationCredential(provider.host, token);
  }

  private async secret({ host, secretId }: SourceProviderSettings): Promise<string> {
    try {
      return await secretText(this.secretsManager, secretId);
    } catch (error) {
      logger.error('The secret of a source provider cannot be read', { host, secretId, error: error as Error });
      throw new SourceProblem(`The platform's credentials for ${host} cannot be read. This is a fault of the platform: the source fetcher's log says why.`);
    }
  }
}

function tokenCredential({ host, username }: TokenSettings, token: string): Credential {
  return basicCredential(username, token, {
    401: new SourceProblem(`${host} does not accept the platform's token: it has expired or was revoked. Tell the platform's team.`),
    403: new SourceProblem(`The platform's token for ${host} may not read this repository. Ask the platform's team for access.`),
    404: new SourceProblem(`${host} has no such repository, or the platform's token may not see it. Check the URL.`),
  });
}

function installationCredential(host: string, token: string): Credential {
  return basicCredential('x-access-token', token, {
    // A token may be older than the news of it: https://github.com/octokit/auth-app.js retries as well.
    401: new PassingTrouble(`${host} does not accept the token that it has just given out.`),
    403: new SourceProblem('The platform\'s GitHub App may not read this repository. Ask for the permission "Contents: read-only".'),
    404: new PassingTrouble(`${host} does not show the repository to the platform's GitHub App.`),
  });
}

function basicCredential(username: string, token: string, refusals: Readonly<Record<number, HostProblem>>): Credential {
  const encoded = Buffer.from(`${username}:${token}`).toString('base64');
  return {
    authorization: `Basic ${encoded}`,
    refused: (status) => refusals[status],
    conceal: (text) => text.replaceAll(token, '***').replaceAll(encoded, '***'),
  };
}
