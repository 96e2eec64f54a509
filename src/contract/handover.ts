/**
 * What the trusted side hands over to one build: an object that the orchestrator writes and a presigned URL of it (HANDOVER_URL in the
 * build's environment), which holds further presigned URLs. The build's role itself may read nothing.
 */
import type { CacheLayer } from './cache';
import type { SourceHandover } from './source';

export interface Handover {
  readonly version: 1;
  readonly cache: { readonly [layer in CacheLayer]?: CacheHandover };
  /** Secrets of this project that its install gets as environment variables. */
  readonly installEnvironment?: Readonly<Record<string, string>>;
  /** Of the request, for the app's own build script. */
  readonly buildEnvironment?: Readonly<Record<string, string>>;
  /** Not set: the build clones the repository by itself. */
  readonly source?: SourceHandover;
}

export interface CacheHandover {
  /** Presigned GET URLs of archives, the best one first: the branch's, the default branch's. One that is not there answers 403 or 404. */
  readonly urls: readonly string[];
  /** Why this layer is neither restored nor saved. */
  readonly off?: string;
  /** What the work that the layer makes faster took in the last builds that did without it. */
  readonly withoutSeconds?: number;
}

/**
 * CodeBuild provisions a build in a minute or two, and a build restores its cache first of all. One that waits longer in CodeBuild's own
 * queue builds without a cache, and fails if its source was fetched for it.
 */
export const HANDOVER_EXPIRY_SECONDS = 3600;
