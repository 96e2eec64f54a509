import { CopyObjectCommand, DeleteObjectCommand, DeleteObjectsCommand, GetObjectCommand, paginateListObjectsV2, S3Client } from '@aws-sdk/client-s3';
import { concurrently } from './concurrently';
import { MAX_STAGED_OBJECTS, Promotion, StagedObject } from './promotion-plan';
import { logger } from '../shared/logger';
import { quoted } from '../shared/quoted';

/** S3 answers a copy of a small object in some 50 ms; 50 at a time stay far below its 3,500 writes per second and prefix. */
const CONCURRENT_CALLS = 50;

/** DeleteObjects takes at most 1,000 keys. */
const DELETE_BATCH = 1_000;

/** What XML 1.0 has no way to write. */
const NOT_IN_XML = /[\p{Cc}\uFFFE\uFFFF]/u;

/** S3's answers about an object as the build stored it (archived, encrypted with a key of its own, exchanged); trying again changes nothing. */
const REFUSALS = new Set(['InvalidObjectState', 'InvalidRequest', 'PreconditionFailed']);

export class RefusedObjectError extends Error {}

/** What one build wrote below its staging prefix. */
export class StagingArea {
  constructor(private readonly s3: S3Client, private readonly bucket: string, private readonly prefix: string) {}

  /** Lists one object more than is acceptable at the most, so that a flood cannot fill the function's memory. */
  public async list(): Promise<StagedObject[]> {
    const objects: StagedObject[] = [];
    for await (const page of paginateListObjectsV2({ client: this.s3 }, { Bucket: this.bucket, Prefix: this.prefix })) {
      for (const { Key, Size, ETag, StorageClass } of page.Contents ?? []) {
        objects.push({ name: Key!.slice(this.prefix.length), bytes: Size ?? 0, etag: ETag, storageClass: StorageClass });
      }
      if (objects.length > MAX_STAGED_OBJECTS) break;
    }
    return objects;
  }

  /** Of an object that was checked to be small. */
  public async read(object: Pick<StagedObject, 'name' | 'etag'>): Promise<string> {
    return (await this.get(object)).toString();
  }

  /** From `start` up to but not including `end`. */
  public async readRange(object: Pick<StagedObject, 'name' | 'etag'>, start: number, end: number): Promise<Buffer> {
    return this.get(object, `bytes=${start}-${end - 1}`);
  }

  /** `beforeEach` is asked before each copy, and throws to go no further; `afterEach` learns of each that is done. */
  public async promote(
    promotions: readonly Promotion[], beforeEach: () => Promise<void>, afterEach: (promotion: Promotion) => Promise<void> = async () => {},
  ): Promise<void> {
    await concurrently(promotions, CONCURRENT_CALLS, async (promotion) => {
      await beforeEach();
      await this.copy(promotion);
      await afterEach(promotion);
    });
  }

  /** All of what a build may store. Of a flood, or what still comes in, the rest is left to the bucket's lifecycle rule. */
  public async remove(): Promise<void> {
    let removed = 0;
    for await (const page of paginateListObjectsV2({ client: this.s3, pageSize: DELETE_BATCH }, { Bucket: this.bucket, Prefix: this.prefix })) {
      if (!page.Contents?.length) continue;
      if (removed > MAX_STAGED_OBJECTS) {
        logger.warn('More objects are staged than are removed now: the lifecycle rule does it', { prefix: this.prefix, removed });
        return;
      }
      const keys = page.Contents.map(({ Key }) => Key!);
      removed += keys.length;
      // XML, which DeleteObjects sends, cannot carry every character that a key may have; a URL can.
      await concurrently(keys.filter((key) => NOT_IN_XML.test(key)), CONCURRENT_CALLS, async (Key) => {
        await this.s3.send(new DeleteObjectCommand({ Bucket: this.bucket, Key }));
      });
      const others = keys.filter((key) => !NOT_IN_XML.test(key));
      if (!others.length) continue;
      const { Errors = [] } = await this.s3.send(new DeleteObjectsCommand({
        Bucket: this.bucket, Delete: { Objects: others.map((Key) => ({ Key })), Quiet: true },
      }));
      // S3 answers 200 even if it has removed nothing.
      if (Errors.length) throw new Error(`${Errors.length} staged objects were not removed, ${Errors[0].Key} for one: ${Errors[0].Code} ${Errors[0].Message}`);
    }
  }

  /** As the object was listed, not what a build's credentials may have put in its place since. */
  private async get({ etag, name }: Pick<StagedObject, 'name' | 'etag'>, range?: string): Promise<Buffer> {
    const command = new GetObjectCommand({ Bucket: this.bucket, Key: this.prefix + name, IfMatch: etag, Range: range });
    const { Body } = await refusing(name, 'read', this.s3.send(command));
    return Buffer.from(await Body!.transformToByteArray());
  }

  private async copy(promotion: Promotion): Promise<void> {
    const source = this.prefix + promotion.name;
    await refusing(promotion.name, 'copied', this.s3.send(new CopyObjectCommand({
      Bucket: this.bucket,
      Key: promotion.targetKey,
      CopySource: `${this.bucket}/${source.split('/').map(encodeURIComponent).join('/')}`,
      // As in get: what was checked.
      CopySourceIfMatch: promotion.etag,
      // Metadata and tags of the source are the tenant's; REPLACE takes neither over, and needs no right to read tags.
      MetadataDirective: 'REPLACE',
      TaggingDirective: 'REPLACE',
      ContentType: promotion.contentType,
      CacheControl: promotion.cacheControl,
    })));
  }
}

async function refusing<T>(name: string, done: 'read' | 'copied', call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    const { name: reason } = error as Error;
    throw REFUSALS.has(reason) ? new RefusedObjectError(`${quoted(name)} cannot be ${done}: ${reason}`) : error;
  }
}
