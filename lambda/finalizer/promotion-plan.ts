import { contentType } from 'mime-types';
import { CACHE_LAYERS, type CacheLayer } from '../../src/contract/cache';
import type { FailureCode } from '../../src/contract/failure-codes';
import {
  artifactsPrefix, type BuiltDeployment, cacheKey, cacheOwner, FUNCTIONS_DIRECTORY, ISR_CACHE_DIRECTORY, LAMBDA_ZIP, MANIFEST, OPEN_NEXT_OUTPUT,
  STAGED_CACHE_DIRECTORY, staticPrefix,
} from '../../src/contract/keys';
import { quoted } from '../shared/quoted';

/**
 * Decides where each staged object goes, and whether the whole is acceptable. What a build stored is hostile input: names, sizes
 * and number are checked here, content type and caching are chosen here, and nothing the build says about itself is believed.
 */

export interface StagedObject {
  /** Below the build's staging prefix, for example `static/_next/static/chunks/main.js`. */
  readonly name: string;
  readonly bytes: number;
  readonly etag?: string;
  /** As S3 lists it; a build can choose one that cannot be read, such as GLACIER. */
  readonly storageClass?: string;
}

export interface Promotion {
  readonly name: string;
  /** Of the object that was checked. */
  readonly etag?: string;
  readonly targetKey: string;
  readonly contentType: string;
  readonly cacheControl?: string;
}

/** What the promotion is for. */
export interface PromotionTarget extends BuiltDeployment {
  readonly branch: string;
  readonly withoutSecrets?: boolean;
}

export interface Refusal {
  readonly acceptable: false;
  readonly problem: string;
  readonly failureCode: FailureCode;
}

export type PromotionPlan =
  | {
    readonly acceptable: true;
    readonly promotions: readonly Promotion[];
    readonly manifest: Promotion;
    readonly manifestBytes: number;
    readonly totalBytes: number;
    /** Those among them that have to be looked into (function-zip.ts). */
    readonly functionZips: readonly StagedObject[];
    /** Archives of the build cache: for the next build, no part of the artifacts. */
    readonly cache: readonly Promotion[];
  }
  | Refusal;

/** A site of 20,000 files is large; five times that is not a site. At 50 copies at a time 100,000 still fit the finalizer's 15 minutes. */
export const MAX_STAGED_OBJECTS = 100_000;
/** S3 copies at most 5 GB with one CopyObject; Lambda takes 250 MB. */
export const MAX_OBJECT_BYTES = 1024 ** 3;
export const MAX_TOTAL_BYTES = 5 * 1024 ** 3;
/** OpenNext makes five, and one for each that an app splits off. Each is looked into, which takes a second, or some for a hostile one. */
export const MAX_FUNCTIONS = 100;
/** S3's limit on the UTF-8 length of a key. */
const MAX_KEY_BYTES = 1024;

/** Next.js puts a content hash or the build id into these paths: they never change. */
const IMMUTABLE = /(^|\/)_next\/static\//;

const REQUIRED = [LAMBDA_ZIP, OPEN_NEXT_OUTPUT, MANIFEST];
const FUNCTION_ZIP = new RegExp(`^${FUNCTIONS_DIRECTORY}[A-Za-z0-9][A-Za-z0-9._-]*\\.zip$`);

export function planPromotion(all: readonly StagedObject[], target: PromotionTarget): PromotionPlan {
  if (all.length > MAX_STAGED_OBJECTS) return refuse(`more than ${MAX_STAGED_OBJECTS} objects`);
  const [cached, staged] = [all.filter(isCache), all.filter((object) => !isCache(object))];
  const totalBytes = staged.reduce((sum, object) => sum + object.bytes, 0);
  if (totalBytes > MAX_TOTAL_BYTES) return refuse(`${totalBytes} bytes in all; at most ${MAX_TOTAL_BYTES} are accepted`);

  const promotions: Promotion[] = [];
  let [manifest, manifestBytes]: [Promotion?, number?] = [];
  for (const object of staged) {
    if (object.bytes > MAX_OBJECT_BYTES) return refuse(`${quoted(object.name)} has ${object.bytes} bytes; at most ${MAX_OBJECT_BYTES} are accepted`);
    if (!canBeCopied(object)) return refuse(`${quoted(object.name)} has the storage class ${object.storageClass}`);
    const promotion = promote(object, target);
    if (!promotion) return refuse(`${quoted(object.name)} is not an object that a build may store`);
    if (object.name === `artifacts/${MANIFEST}`) [manifest, manifestBytes] = [promotion, object.bytes]; else promotions.push(promotion);
  }
  const functionZips = staged.filter(({ name }) => isZip(name));
  if (functionZips.length > MAX_FUNCTIONS) return refuse(`${functionZips.length} functions; at most ${MAX_FUNCTIONS} are accepted`);
  const missing = REQUIRED.filter((name) => !staged.some((object) => object.name === `artifacts/${name}`));
  if (!manifest || missing.length) return refuse(`${missing.join(', ')} missing`, 'ARTIFACTS_MISSING');
  return { acceptable: true, promotions, manifest, manifestBytes: manifestBytes!, totalBytes, functionZips, cache: planCache(cached, target) };
}

const CACHE_NAMES = new Map(CACHE_LAYERS.map((layer) => [STAGED_CACHE_DIRECTORY + layer, layer]));

function isCache({ name }: StagedObject): boolean {
  return CACHE_NAMES.has(name);
}

function canBeCopied({ storageClass = 'STANDARD' }: StagedObject): boolean {
  return storageClass === 'STANDARD';
}

/** A cache never fails a build: what is not acceptable is left behind, and the next build begins without it. */
function planCache(staged: readonly StagedObject[], target: PromotionTarget): Promotion[] {
  return staged
    .filter((object) => object.bytes <= MAX_OBJECT_BYTES && canBeCopied(object))
    .map(({ name, etag }) => ({
      name, etag, targetKey: cacheKey(target.projectId, cacheOwner(target), CACHE_NAMES.get(name) as CacheLayer), contentType: 'application/octet-stream',
    }));
}

function promote({ name, etag }: StagedObject, target: PromotionTarget): Promotion | undefined {
  if (!isPlainPath(name)) return undefined;
  const [root, ...rest] = name.split('/');
  const path = rest.join('/');
  if (rest.length === 0) return undefined;
  if (root === 'static') {
    return within({
      name,
      etag,
      targetKey: staticPrefix(target) + path,
      contentType: contentType(path.split('/').pop()!) || 'application/octet-stream',
      cacheControl: IMMUTABLE.test(path) ? 'public, max-age=31536000, immutable' : 'public, max-age=0, must-revalidate',
    });
  }
  if (root === 'artifacts' && isArtifact(path)) {
    return within({ name, etag, targetKey: artifactsPrefix(target) + path, contentType: artifactType(path) });
  }
  return undefined;
}

function isPlainPath(name: string): boolean {
  return !/[\p{Cc}\p{Cs}\\]/u.test(name) && name.split('/').every((segment) => segment !== '' && segment !== '.' && segment !== '..');
}

function isZip(name: string): boolean {
  const [root, ...rest] = name.split('/');
  const path = rest.join('/');
  return root === 'artifacts' && (path === LAMBDA_ZIP || FUNCTION_ZIP.test(path));
}

function isArtifact(path: string): boolean {
  return REQUIRED.includes(path) || FUNCTION_ZIP.test(path) || path.startsWith(ISR_CACHE_DIRECTORY);
}

/** Nothing below artifacts/ is meant for a browser: a page smuggled into the ISR cache is data, not HTML. */
function artifactType(path: string): string {
  if (path.startsWith(ISR_CACHE_DIRECTORY)) return 'application/octet-stream';
  return path.endsWith('.zip') ? 'application/zip' : 'application/json';
}

function within(promotion: Promotion): Promotion | undefined {
  return Buffer.byteLength(promotion.targetKey) <= MAX_KEY_BYTES ? promotion : undefined;
}

function refuse(problem: string, failureCode: FailureCode = 'ARTIFACTS_INVALID'): Refusal {
  return { acceptable: false, problem, failureCode };
}
