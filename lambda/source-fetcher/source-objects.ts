import { Readable } from 'node:stream';
import { PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import type { SourceKeys } from '../../src/contract/keys';
import type { SourceStatus } from '../../src/contract/source';

/** What of a pack is in memory: a part that fills and two under way. 10,000 parts, as many as S3 takes, would have 80 GB. */
const PART_BYTES = 8 * 1024 ** 2;
const PARTS_AT_ONCE = 2;

/** The two objects that one build gets from the source fetcher. */
export class SourceObjects {
  constructor(private readonly s3: S3Client, private readonly bucket: string, private readonly keys: SourceKeys) {}

  /** Stores it as it comes; what throws while it comes, leaves nothing behind. */
  public async storePack(pack: AsyncGenerator<Buffer, void>): Promise<void> {
    const body = Readable.from(pack, { objectMode: false });
    const params = { Bucket: this.bucket, Key: this.keys.pack, Body: body };
    try {
      await new Upload({ client: this.s3, params, partSize: PART_BYTES, queueSize: PARTS_AT_ONCE }).done();
    } finally {
      // If it was S3 that failed, the host would wait for somebody to take the rest.
      body.destroy();
    }
  }

  /** The first status stays: Lambda may deliver one call twice. */
  public async storeStatus(status: SourceStatus): Promise<void> {
    try {
      await this.s3.send(new PutObjectCommand({
        Bucket: this.bucket, Key: this.keys.status, Body: JSON.stringify(status), ContentType: 'application/json', IfNoneMatch: '*',
      }));
    } catch (error) {
      if ((error as Error).name !== 'PreconditionFailed') throw error;
    }
  }
}
