/** What every forge's payload comes down to. */

export interface Repository {
  /** Stays the same when the repository is renamed or transferred. Unique at its host. */
  readonly id: string;
  /** What to clone from, with https. */
  readonly cloneUrl: string;
}

/** A commit that became the head of something. */
export interface Change {
  /** Without `refs/heads/`. */
  readonly branch: string;
  readonly commitSha: string;
  /** The head until then, if the payload has it. */
  readonly previousSha?: string;
  /** Left out: the payload does not say when. */
  readonly pushedAt?: Date;
  /** Whatever the committer's clock said, for payloads without `pushedAt`. */
  readonly committedAt?: Date;
  /** Of the commit, if the payload has it. */
  readonly message?: string;
  /** Every file that the push changed. Left out: the payload may not show all of them. */
  readonly changedFiles?: readonly string[];
  /** Of a pull request from a fork: whoever wrote it need not be allowed to push. */
  readonly fromFork?: boolean;
}

/** Something that could have been a change, and why it is none. */
export interface NoChange {
  readonly skip: string;
}

export type ForgeEvent =
  /** The hook was set up; that of a GitHub App names no repository. */
  | { readonly kind: 'ping'; readonly repository?: Repository }
  | { readonly kind: 'changes'; readonly repository: Repository; readonly changes: readonly (Change | NoChange)[] }
  /** No event that could deploy. */
  | { readonly kind: 'ignored'; readonly reason: string };
