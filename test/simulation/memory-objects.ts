/** The embedded S3's store without files: thousands of worlds would wear a disk out. Its API, conditions and answers stay its own. */
import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { ObjectStore, type Description, type StoredObject } from '../../local/services/s3/object-store';

/** Nobody asks. */
const MODIFIED = new Date(0);

export class MemoryObjects extends ObjectStore {
  private readonly stored = new Map<string, StoredObject & { readonly content: Buffer }>();
  private readonly received = new Map<string, Buffer>();

  constructor(directory: string, private readonly bucketName: string) {
    super(directory);
  }

  override hasBucket(bucket: string): boolean {
    return bucket === this.bucketName;
  }

  override async receive(content: AsyncIterable<Buffer>): Promise<string> {
    const chunks: Buffer[] = [];
    for await (const chunk of content) chunks.push(chunk);
    const name = randomUUID();
    this.received.set(name, Buffer.concat(chunks));
    return name;
  }

  override head(_: string, key: string): StoredObject | undefined {
    return this.stored.get(key);
  }

  override read(object: StoredObject, range?: { start: number; end: number }): Readable {
    const { content } = this.stored.get(object.key)!;
    return Readable.from([range ? content.subarray(range.start, range.end + 1) : content]);
  }

  /** Of an object, without waiting. */
  text(key: string): string | undefined {
    return this.stored.get(key)?.content.toString();
  }

  override commit(bucket: string, key: string, received: string, description: Description, condition: (current?: StoredObject) => void = () => {}): void {
    const content = this.received.get(received)!;
    this.received.delete(received);
    condition(this.head(bucket, key));
    this.stored.set(key, { ...description, key, file: '', size: content.length, lastModified: MODIFIED, content });
  }

  override delete(bucket: string, key: string, condition: (current?: StoredObject) => void = () => {}): void {
    condition(this.head(bucket, key));
    this.stored.delete(key);
  }

  override async keys(_: string, prefix: string): Promise<string[]> {
    return [...this.stored.keys()].filter((key) => key.startsWith(prefix)).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  }

  clear(): void {
    this.stored.clear();
    this.received.clear();
  }
}
