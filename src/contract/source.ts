/**
 * How the source of a repository that needs credentials comes to a build that has none: the orchestrator calls the source fetcher when it
 * starts the build, the fetcher gets exactly the commit from the git host and stores it as one git pack, then a status that says what became
 * of it. The build's handover has a presigned URL of either. Only of hosts that the platform has named a source provider for.
 */
import type { FailureCode } from './failure-codes';

/** In the source fetcher's environment, as a JSON list: how to sign in at each host. */
export type SourceProviderSettings = GitHubAppSettings | TokenSettings;

export interface GitHubAppSettings {
  readonly type: 'gitHubApp';
  /** As in the URLs of repositories, with the port if it is not 443. */
  readonly host: string;
  readonly appId: string;
  /** ARN or name. */
  readonly secretId: string;
}

export interface TokenSettings {
  readonly type: 'token';
  readonly host: string;
  readonly username: string;
  readonly secretId: string;
}

/** The event of the source fetcher. */
export interface SourceRequest {
  readonly deploymentId: string;
  /** A deployment may have to be started more than once; what an earlier call still writes must not be taken for this one's. */
  readonly attempt: string;
  readonly repoUrl: string;
  readonly commitSha: string;
}

/** Written once, after everything else: until then the build waits. */
export type SourceStatus =
  /** The pack is there. */
  | { readonly status: 'ready' }
  /** The platform has no access of its own to this repository: the build clones it, which succeeds if it is public. */
  | { readonly status: 'direct' }
  | { readonly status: 'failed'; readonly failureCode: SourceFailureCode; readonly reason: string };

export type SourceFailureCode = Extract<FailureCode, 'CHECKOUT_FAILED' | 'COMMIT_NOT_FOUND'>;

/** What a build is handed over. */
export interface SourceHandover {
  readonly statusUrl: string;
  readonly packUrl: string;
  readonly waitSeconds: number;
}

/** A shallow pack of 1 GB comes in a minute or so; five are for a host that is busy. */
export const SOURCE_FETCH_SECONDS = 300;

/** A fetcher that crashed is called again by Lambda, once, a minute later: the build waits as long as both can take. */
export const SOURCE_WAIT_SECONDS = 2 * SOURCE_FETCH_SECONDS + 60;
