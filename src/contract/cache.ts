/**
 * The build cache of a project, in layers: an archive each. A branch restores its own, else the default branch's, and writes only its own,
 * so that nobody who may push to some branch can slip something into the builds of the default branch.
 */

export const CACHE_LAYERS = ['dependencies', 'store', 'next', 'tools'] as const;

/**
 * - dependencies: what the install left in the directories named node_modules; fits one content of lockfile and settings only
 * - store: the package manager's own cache, for an install when the lockfile has changed
 * - next: `.next/cache`
 * - tools: OpenNext, the package manager, Node.js, each in the exact version that was used
 */
export type CacheLayer = (typeof CACHE_LAYERS)[number];

/**
 * What became of a layer in one build: restored and right (hit), restored and of help (partial: the store), nothing there (miss), there and
 * of no use (stale: another lockfile; damaged), or not asked for (off).
 */
export const CACHE_RESULTS = ['hit', 'partial', 'miss', 'stale', 'damaged', 'off'] as const;
export type CacheResult = (typeof CACHE_RESULTS)[number];

/** As the build reports it: told by a machine that runs the tenant's code, believed only where it concerns this tenant's own builds. */
export interface CacheUse {
  readonly result: CacheResult;
  /** In a few words, for people. */
  readonly reason?: string;
  /** Of the archive that was restored. */
  readonly restoredBytes?: number;
  /** How long the build waited for it; what went on beside other work does not count. */
  readonly restoreSeconds?: number;
  /** Of the archive that was stored for the next build. */
  readonly savedBytes?: number;
  /** How long the build took to store it. */
  readonly saveSeconds?: number;
  /** What this layer made faster: install, `next build`, fetching tools. */
  readonly workSeconds?: number;
  /** Against the last build that did without this layer, restoring and storing counted in; negative: it cost more than it saved. */
  readonly secondsSaved?: number;
}
