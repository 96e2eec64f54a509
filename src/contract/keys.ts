import { createHash } from 'crypto';
import type { BuildRequest } from './build-request';
import type { CacheLayer } from './cache';
import type { SourceRequest } from './source';

/**
 * Where things lie in the artifacts bucket. A build writes below its own staging prefix in the same shape
 * (`artifacts/…`, `static/…`); the finalizer promotes that to the deployment's final place.
 */

export const STAGING_ROOT = 'staging/';
export const ARTIFACTS_ROOT = 'artifacts/';
export const STATIC_ROOT = 'static/';
export const CACHE_ROOT = 'cache/';
/** Objects that the orchestrator writes for one build each. Below staging/, so that one lifecycle rule does for both; no build's own prefix. */
export const HANDOVER_ROOT = `${STAGING_ROOT}handover/`;

/** What the source fetcher stores for one build each; below staging/ for the same reason. */
export const SOURCE_ROOT = `${STAGING_ROOT}source/`;

/** The only prefix a build can write to: IAM compares it with `staging/${codebuild:buildArn}/*`. */
export function stagingPrefix(buildArn: string): string {
  return `${STAGING_ROOT}${buildArn}/`;
}

/**
 * One deployment's alone. One commit can be built for several: on another branch, say, by somebody who may not push to the first one, and
 * what that build leaves must not take the place of what is live.
 */
export type BuiltDeployment = Pick<BuildRequest, 'commitSha' | 'deploymentId' | 'projectId'>;

export function artifactsPrefix({ commitSha, deploymentId, projectId }: BuiltDeployment): string {
  return `${ARTIFACTS_ROOT}${projectId}/${commitSha}/${deploymentId}/`;
}

export function staticPrefix({ commitSha, deploymentId, projectId }: BuiltDeployment): string {
  return `${STATIC_ROOT}${projectId}/${commitSha}/${deploymentId}/`;
}

/**
 * Whose cache a build reads and writes: its branch's. Builds without secrets have one of their own for each branch name, because the pull
 * request `pull/7/head` of a fork and a branch of that name are not the same people's. No branch's name holds a colon.
 */
export function cacheOwner({ branch, withoutSecrets }: Pick<BuildRequest, 'branch' | 'withoutSecrets'>): string {
  return withoutSecrets ? `without-secrets:${branch}` : branch;
}

/** An archive of the build cache. Its owner's name may hold whatever git allows in a branch: hence the hash, cut to 128 bits. */
export function cacheKey(projectId: string, owner: string, layer: CacheLayer): string {
  return `${CACHE_ROOT}${projectId}/${createHash('sha256').update(owner).digest('hex').slice(0, 32)}/${layer}`;
}

export function handoverKey(deploymentId: string): string {
  return `${HANDOVER_ROOT}${deploymentId}.json`;
}

/** What a request that waits brought for the app's build. An id has no slash, so this is no other deployment's handover. */
export function buildEnvironmentKey(deploymentId: string): string {
  return `${HANDOVER_ROOT}environment/${deploymentId}.json`;
}

/** Everything that was fetched for a deployment's build, in however many attempts. */
export function sourcePrefix(deploymentId: string): string {
  return `${SOURCE_ROOT}${deploymentId}/`;
}

export interface SourceKeys {
  readonly pack: string;
  readonly status: string;
}

export function sourceKeys({ attempt, deploymentId }: Pick<SourceRequest, 'attempt' | 'deploymentId'>): SourceKeys {
  const prefix = sourcePrefix(deploymentId);
  return { pack: `${prefix}${attempt}.pack`, status: `${prefix}${attempt}.json` };
}

/** Archives of the build cache below a build's staging prefix, one for each layer that it wants to keep. */
export const STAGED_CACHE_DIRECTORY = 'cache/';
/** Zip file of OpenNext's default server function, below the artifacts prefix. */
export const LAMBDA_ZIP = 'lambda.zip';
/** Zip files of every other function OpenNext emitted, below the artifacts prefix. */
export const FUNCTIONS_DIRECTORY = 'functions/';
/** Seed of the incremental (ISR) cache as OpenNext lays it out, below the artifacts prefix. */
export const ISR_CACHE_DIRECTORY = 'isr-cache/';
/** OpenNext's own description of its output: origins, behaviours, functions. Below the artifacts prefix. */
export const OPEN_NEXT_OUTPUT = 'open-next.output.json';
/** Sizes, sha256, versions, timings. Promoted last: where it lies, everything else lies. Below the artifacts prefix. */
export const MANIFEST = 'manifest.json';
