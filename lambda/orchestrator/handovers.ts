import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import type { BuildRequest } from '../../src/contract/build-request';
import { CACHE_LAYERS, type CacheLayer } from '../../src/contract/cache';
import { CacheHandover, Handover, HANDOVER_EXPIRY_SECONDS } from '../../src/contract/handover';
import { cacheKey, cacheOwner, handoverKey, type SourceKeys } from '../../src/contract/keys';
import { SOURCE_WAIT_SECONDS, type SourceHandover } from '../../src/contract/source';
import { Accounts, whyPaused } from '../shared/state/cache-accounts';

/** CodeBuild's limit for the value of an environment variable. A URL has some 1,500 characters, most of them the function's session token. */
const MAX_URL_LENGTH = 4096;

/** Writes for one build what it may read beyond its own staging prefix, as presigned URLs for exactly one object each. */
export class Handovers {
  constructor(private readonly s3: S3Client, private readonly bucket: string) {}

  /** URL of the handover. */
  public async write(
    request: BuildRequest, accounts: Accounts, installEnvironment?: Handover['installEnvironment'], sourceKeys?: SourceKeys,
  ): Promise<string> {
    const layers = await Promise.all(CACHE_LAYERS.map(async (layer) => [layer, await this.cacheLayer(layer, request, accounts)]));
    const { buildEnvironment } = request;
    const source = sourceKeys && await this.source(sourceKeys);
    const handover: Handover = { version: 1, cache: Object.fromEntries(layers), installEnvironment, buildEnvironment, source };
    const key = handoverKey(request.deploymentId);
    await this.s3.send(new PutObjectCommand({ Bucket: this.bucket, Key: key, Body: JSON.stringify(handover), ContentType: 'application/json' }));
    const url = await this.presign(key);
    if (url.length > MAX_URL_LENGTH) throw new Error(`The handover's URL has ${url.length} characters, CodeBuild takes ${MAX_URL_LENGTH}`);
    return url;
  }

  private async cacheLayer(layer: CacheLayer, request: BuildRequest, accounts: Accounts): Promise<CacheHandover> {
    const { branch, defaultBranch, projectId, withoutCache, withoutSecrets } = request;
    const off = whyPaused(accounts[layer]);
    const withoutSeconds = accounts[layer]?.without;
    if (off !== undefined || withoutCache) return { urls: [], off, withoutSeconds };
    const hasOnlyItsOwn = defaultBranch === undefined || defaultBranch === branch || withoutSecrets;
    const owners = hasOnlyItsOwn ? [cacheOwner(request)] : [cacheOwner(request), defaultBranch];
    // Whether they are there is not asked: the build finds out, and begins with nothing.
    const urls = await Promise.all(owners.map((owner) => this.presign(cacheKey(projectId, owner, layer))));
    return { urls, withoutSeconds };
  }

  private async source({ pack, status }: SourceKeys): Promise<SourceHandover> {
    const [packUrl, statusUrl] = await Promise.all([pack, status].map((key) => this.presign(key)));
    return { statusUrl, packUrl, waitSeconds: SOURCE_WAIT_SECONDS };
  }

  private async presign(key: string): Promise<string> {
    return getSignedUrl(this.s3, new GetObjectCommand({ Bucket: this.bucket, Key: key }), { expiresIn: HANDOVER_EXPIRY_SECONDS });
  }
}
