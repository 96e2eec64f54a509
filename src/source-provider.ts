import * as secretsmanager from 'aws-cdk-lib/aws-secretsmanager';
import type { SourceProviderSettings } from './contract/source';
import { secretIdOf } from './secret-access';
import { checkGitHubAppId, checkSourceHost } from './validation';

/** A GitHub App: options of `SourceProvider.gitHubApp`, and `githubApp` of `GithubWebhook`. */
export interface GitHubAppOptions {
  /** The app's id or client id, as its settings page shows it. */
  readonly appId: string;

  /**
   * The app's private key: the text of the `.pem` file that GitHub gave, as it is. A new version of the secret is used from the
   * next build on.
   */
  readonly privateKey: secretsmanager.ISecret;

  /**
   * Where the repositories are, as in their URLs: a GitHub Enterprise Server, or `<company>.ghe.com`.
   *
   * @default 'github.com'
   */
  readonly host?: string;
}

/** Options of `SourceProvider.token`. */
export interface TokenOptions {
  /** Where the repositories are, as in their URLs, such as `gitlab.example.com`; with the port if it is not 443. */
  readonly host: string;

  /** The token: the secret's text as a whole. It should be able to read repositories and nothing else. */
  readonly token: secretsmanager.ISecret;

  /**
   * The user name that goes with the token. GitLab, Gitea and Forgejo take any, Bitbucket wants `x-token-auth`.
   *
   * @default 'oauth2'
   */
  readonly username?: string;
}

/**
 * Lets the pipeline build the private repositories of one git host. The credentials stay with a function of the platform, the source
 * fetcher, and reach no build: it gets the commit as an object in S3.
 */
export class SourceProvider {
  /**
   * A GitHub App. For each build the source fetcher asks GitHub for a token that can read the contents of that one repository, and nothing else.
   * A repository where the app is not installed is cloned by the build itself, as a public one.
   *
   * The app needs the repository permission "Contents: read-only", and no webhook.
   *
   * @param options the app, and where it is
   */
  public static gitHubApp(options: GitHubAppOptions): SourceProvider {
    const { appId, host = 'github.com', privateKey } = options;
    checkGitHubAppId(appId);
    return new SourceProvider(host, privateKey, (secretId) => ({ type: 'gitHubApp', host, appId, secretId }));
  }

  /**
   * A token, for git hosts other than GitHub: of GitLab, Bitbucket, Gitea, Forgejo. All repositories of the host are read with it.
   *
   * @param options the token, and where it is good
   */
  public static token(options: TokenOptions): SourceProvider {
    const { host, token, username = 'oauth2' } = options;
    return new SourceProvider(host, token, (secretId) => ({ type: 'token', host, username, secretId }));
  }

  private constructor(
    /** Host of the repositories, as in their URLs. */
    public readonly host: string,
    private readonly secret: secretsmanager.ISecret,
    private readonly settings: (secretId: string) => SourceProviderSettings,
  ) {
    checkSourceHost(host);
  }

  /** @internal */
  public get _secret(): secretsmanager.ISecret {
    return this.secret;
  }

  /** @internal */
  public get _settings(): SourceProviderSettings {
    return this.settings(secretIdOf(this.secret));
  }
}
