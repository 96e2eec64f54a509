/**
 * Objects as plain files: `<directory>/<bucket>/<key>` holds the content, `<directory>/.s3/` what else S3 knows about it.
 *
 * Content arrives in a temporary file and is renamed into place. Whatever must not interleave with another request (condition,
 * rename, description) runs synchronously, within one turn of the event loop: that is all the locking there is.
 */
import { createHash, randomUUID } from 'node:crypto';
import {
  createReadStream, createWriteStream, mkdirSync, openSync, readdirSync, readFileSync, renameSync, rmdirSync, rmSync, statSync, writeFileSync, type Stats,
} from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Checksum } from './checksums';
import { S3Error } from './errors';
import { keyToPath, pathToKey } from './key-path';

/** Bucket names start with a letter or digit, so this cannot be one. */
const HIDDEN = '.s3';

const BUCKET_NAME = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;

/** S3's own limit. */
const MAX_KEY_BYTES = 1024;

/** What a writer says about its object. */
export interface Description {
  /** Without quotes. */
  readonly etag: string;
  /** Hex; missing for multipart uploads. */
  readonly sha256?: string;
  readonly checksum?: Checksum;
  /** Headers to be given back: content type, cache control, `x-amz-meta-*`, ... */
  readonly headers: Record<string, string>;
  /** As in `x-amz-tagging`: a query string. */
  readonly tags?: string;
}

export interface StoredObject extends Description {
  readonly key: string;
  readonly file: string;
  readonly size: number;
  readonly lastModified: Date;
}

interface DescriptionFile extends Description {
  readonly bucket: string;
  readonly key: string;
  readonly size: number;
  readonly mtimeMs: number;
}

export class ObjectStore {
  private readonly temporary: string;
  /** Of the last list, for its next pages: to walk through a hundred thousand files takes seconds. */
  private listed?: { readonly bucket: string; readonly prefix: string; readonly keys: string[] };
  /** How often an object was written: what was listed before knows nothing of it. */
  private commits = 0;

  constructor(private readonly directory: string) {
    this.temporary = join(directory, HIDDEN, 'temporary');
    rmSync(this.temporary, { recursive: true, force: true });
    mkdirSync(this.temporary, { recursive: true });
  }

  /** A place for what is neither an object nor its description. */
  hidden(name: string): string {
    return join(this.directory, HIDDEN, name);
  }

  buckets(): { name: string; created: Date }[] {
    return readdirSync(this.directory, { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && BUCKET_NAME.test(entry.name))
      .map(({ name }) => ({ name, created: statSync(join(this.directory, name)).birthtime }))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  hasBucket(bucket: string): boolean {
    return BUCKET_NAME.test(bucket) && !!stat(join(this.directory, bucket))?.isDirectory();
  }

  createBucket(bucket: string): void {
    if (!BUCKET_NAME.test(bucket)) {
      throw new S3Error(400, 'InvalidBucketName', 'The specified bucket is not valid.', { BucketName: bucket });
    }
    mkdirSync(join(this.directory, bucket), { recursive: true });
  }

  /** Streams content into a temporary file; leaves nothing behind when that fails. */
  async receive(content: AsyncIterable<Buffer>): Promise<string> {
    const file = join(this.temporary, randomUUID());
    try {
      await pipeline(content, createWriteStream(file));
      return file;
    } catch (error) {
      await rm(file, { force: true });
      throw error;
    }
  }

  head(bucket: string, key: string): StoredObject | undefined {
    for (const beside of [false, true]) {
      const file = this.fileOf(bucket, key, beside);
      const stats = stat(file);
      if (stats?.isFile()) {
        return { ...this.describe(bucket, key, stats), key, file, size: stats.size, lastModified: stats.mtime };
      }
    }
    return undefined;
  }

  /** To be called in the same turn as `head`: opened at once, the content stays readable whatever happens to the key meanwhile. */
  read(object: StoredObject, range?: { start: number; end: number }): Readable {
    return createReadStream('', { fd: openSync(object.file, 'r'), ...range });
  }

  /** Makes a received file the object, unless `condition` throws about the one that is there. */
  commit(bucket: string, key: string, received: string, description: Description, condition: (current?: StoredObject) => void = () => {}): void {
    try {
      if (Buffer.byteLength(key) > MAX_KEY_BYTES) {
        throw new S3Error(400, 'KeyTooLongError', 'Your key is too long', { Size: String(Buffer.byteLength(key)), MaxSizeAllowed: String(MAX_KEY_BYTES) });
      }
      condition(this.head(bucket, key));
      const { size, mtimeMs } = statSync(received);
      const descriptionFile = this.descriptionFileOf(bucket, key);
      const written: DescriptionFile = { bucket, key, size, mtimeMs, ...description };
      writeFileSync(`${received}.json`, JSON.stringify(written, undefined, 2));
      mkdirSync(dirname(descriptionFile), { recursive: true });
      const file = this.makeRoom(bucket, key);
      this.listed = undefined;
      this.commits += 1;
      renameSync(received, file);
      renameSync(`${received}.json`, descriptionFile);
    } catch (error) {
      rmSync(received, { force: true });
      rmSync(`${received}.json`, { force: true });
      throw error;
    }
  }

  delete(bucket: string, key: string, condition: (current?: StoredObject) => void = () => {}): void {
    const object = this.head(bucket, key);
    condition(object);
    if (object) {
      rmSync(object.file);
      rmSync(this.descriptionFileOf(bucket, key), { force: true });
      this.removeEmptyDirectories(bucket, dirname(object.file));
    }
  }

  /** Every key with that prefix, in UTF-8 order as S3 lists them. `resumed`: for a next page, in which keys may be that are gone meanwhile. */
  async keys(bucket: string, prefix: string, resumed = false): Promise<string[]> {
    if (resumed && this.listed?.bucket === bucket && this.listed.prefix === prefix) return this.listed.keys;
    const { commits } = this;
    const root = join(this.directory, bucket);
    const folder = prefix.slice(0, prefix.lastIndexOf('/') + 1);
    const found: Buffer[] = [];
    const walk = async (path: string): Promise<void> => {
      for (const entry of await readdir(join(root, path), { withFileTypes: true }).catch(ignoreMissing) ?? []) {
        const below = path === '' ? entry.name : `${path}/${entry.name}`;
        if (entry.isDirectory()) {
          await walk(below);
        } else if (entry.isFile()) {
          const key = pathToKey(below);
          // A file put here by hand may have a name that no key leads to.
          if (key.startsWith(prefix) && (keyToPath(key) === below || keyToPath(key, true) === below)) {
            found.push(Buffer.from(key));
          }
        }
      }
    };
    await walk(folder === '' ? '' : dirname(keyToPath(`${folder}x`)));
    const keys = found.sort(Buffer.compare).map((key) => key.toString());
    if (commits === this.commits) this.listed = { bucket, prefix, keys };
    return keys;
  }

  private fileOf(bucket: string, key: string, beside: boolean): string {
    return `${join(this.directory, bucket)}/${keyToPath(key, beside)}`;
  }

  /** Flat and hashed: a person looks at contents, and a hash has no trouble with what a key may contain. */
  private descriptionFileOf(bucket: string, key: string): string {
    const hash = createHash('sha256').update(key).digest('hex');
    return join(this.directory, HIDDEN, 'descriptions', bucket, hash.slice(0, 2), `${hash}.json`);
  }

  /** A file that somebody put or edited here by hand is an object too, one that nobody has described. */
  private describe(bucket: string, key: string, { size, mtimeMs }: Stats): Description {
    try {
      const written = JSON.parse(readFileSync(this.descriptionFileOf(bucket, key), 'utf8')) as DescriptionFile;
      if (written.size === size && written.mtimeMs === mtimeMs) {
        return written;
      }
    } catch (error) {
      ignoreMissing(error);
    }
    return { etag: createHash('md5').update(`${size}/${mtimeMs}`).digest('hex'), headers: {} };
  }

  /** Where the key's file belongs now, with its directories there and free of files that bear their names. */
  private makeRoom(bucket: string, key: string): string {
    const plain = this.fileOf(bucket, key, false);
    const segments = key.split('/');
    for (let count = 1; count < segments.length; count++) {
      const ancestor = segments.slice(0, count).join('/');
      if (stat(this.fileOf(bucket, ancestor, false))?.isFile()) {
        renameSync(this.fileOf(bucket, ancestor, false), this.fileOf(bucket, ancestor, true));
      }
    }
    mkdirSync(dirname(plain), { recursive: true });
    const beside = this.fileOf(bucket, key, true);
    return stat(plain)?.isDirectory() || stat(beside) ? beside : plain;
  }

  private removeEmptyDirectories(bucket: string, start: string): void {
    for (let path = start; path !== join(this.directory, bucket); path = dirname(path)) {
      try {
        rmdirSync(path);
      } catch {
        return;
      }
    }
  }
}

/** A path that runs through a file (ENOTDIR) or is too long for this file system names nothing either. */
function ignoreMissing(error: unknown): undefined {
  if (!['ENOENT', 'ENOTDIR', 'ENAMETOOLONG'].includes((error as NodeJS.ErrnoException).code ?? '')) {
    throw error;
  }
  return undefined;
}

function stat(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch (error) {
    return ignoreMissing(error);
  }
}
