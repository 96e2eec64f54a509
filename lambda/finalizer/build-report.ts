import * as z from 'zod';
import { CACHE_LAYERS, CACHE_RESULTS } from '../../src/contract/cache';
import type { DeploymentRecord } from '../../src/contract/deployment';
import { WARNING_CODES } from '../../src/contract/warnings';
import { secondsSaved, type Accounts } from '../shared/state/cache-accounts';

/**
 * What the build says of itself in its manifest: how long its phases took, what became of its cache, what it warns of. It comes from a machine that
 * ran the tenant's code. Shown to the tenant, and used for what concerns this tenant's own builds only; cut to size, and left out if it makes no sense.
 */
export type BuildReport = Pick<DeploymentRecord, 'timings' | 'cache' | 'warnings'>;

/** A manifest of ours has a few kilobytes, and some hundred more for each function. */
export const MAX_MANIFEST_BYTES = 1024 ** 2;

/** CodeBuild's longest build, 36 hours. */
const seconds = z.number().min(0).max(129_600).transform((value) => Math.round(value * 10) / 10);
const bytes = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const PHASE = /^[a-z][A-Za-z]{0,31}$/;
const MAX_PHASES = 20;
/** More than anybody reads. */
const MAX_WARNINGS = 10;
/** On one line, not cut within a character. */
const line = (characters: number) => z.string().transform((value) => [...value.replace(/[\p{C}\s]+/gu, ' ')].slice(0, characters).join(''));

const cacheUse = z.object({
  result: z.enum(CACHE_RESULTS),
  reason: line(200).optional(),
  restoredBytes: bytes.optional(),
  restoreSeconds: seconds.optional(),
  savedBytes: bytes.optional(),
  saveSeconds: seconds.optional(),
  workSeconds: seconds.optional(),
});

const warning = z.object({ code: z.enum(WARNING_CODES), message: line(300) });

/** `accounts`: what there was to compare with. */
export function readBuildReport(manifest: string, accounts: Accounts): BuildReport {
  const { cache, timings, warnings } = objectOf(parse(manifest));
  const phases = entriesOf(timings, seconds).filter(([name]) => PHASE.test(name)).slice(0, MAX_PHASES);
  const layers = entriesOf(cache, cacheUse).flatMap(([name, use]) => {
    const layer = CACHE_LAYERS.find((known) => known === name);
    const saved = layer && secondsSaved(accounts[layer]?.without, use);
    return layer ? [[layer, saved === undefined ? use : { ...use, secondsSaved: saved }] as const] : [];
  });
  const warned = entriesOf(Array.isArray(warnings) ? warnings : [], warning).slice(0, MAX_WARNINGS).map(([, one]) => one);
  return {
    ...(phases.length ? { timings: Object.fromEntries(phases) } : {}),
    ...(layers.length ? { cache: Object.fromEntries(layers) } : {}),
    ...(warned.length ? { warnings: warned } : {}),
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function objectOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? value as Record<string, unknown> : {};
}

function entriesOf<T>(value: unknown, schema: z.ZodType<T>): [string, T][] {
  return Object.entries(objectOf(value)).flatMap(([name, entry]) => {
    const parsed = schema.safeParse(entry);
    return parsed.success ? [[name, parsed.data]] : [];
  });
}
