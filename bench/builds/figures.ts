/** Seconds of each variant, and what they say against each other. */

export const VARIANTS = ['naive', 'cold', 'warm', 'warmDeps', 'reuse', 'floor'] as const;
export type Variant = (typeof VARIANTS)[number];

export interface AppFigures {
  readonly name: string;
  /** One for each round. */
  readonly seconds: Readonly<Record<Variant, readonly number[]>>;
  /** All archives of the branch. */
  readonly cacheBytes: number;
  readonly artifactBytes: number;
}

/** What the product promises. */
const BARS: ReadonlyArray<readonly [title: string, of: Variant, against: Variant | undefined, most: number]> = [
  ['cold / naive', 'cold', 'naive', 0.8],
  ['warm / floor', 'warm', 'floor', 1.25],
  ['warm / naive', 'warm', 'naive', 0.5],
  ['reuse, seconds', 'reuse', undefined, 5],
];

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return Math.round(50 * (sorted[Math.floor(middle)] + sorted[Math.ceil(middle)])) / 100;
}

export function print({ artifactBytes, cacheBytes, name, seconds }: AppFigures): void {
  console.log(`\n${name}: cache ${megabytes(cacheBytes)}, artifacts ${megabytes(artifactBytes)}`);
  for (const variant of VARIANTS) {
    console.log(`  ${variant.padEnd(16)} ${median(seconds[variant]).toFixed(1).padStart(7)} s   (${seconds[variant].map((value) => value.toFixed(1)).join(', ')})`);
  }
  for (const [title, of, against, most] of BARS) {
    const value = median(seconds[of]) / (against === undefined ? 1 : median(seconds[against]));
    console.log(`  ${title.padEnd(16)} ${value.toFixed(2).padStart(7)}     ${value <= most ? 'at most' : 'MORE THAN'} ${most}`);
  }
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
