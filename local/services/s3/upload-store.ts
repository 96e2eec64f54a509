/** Multipart uploads under way: `<directory>/.s3/uploads/<upload id>/` with a file and a description for each part. */
import { randomBytes } from 'node:crypto';
import { createReadStream, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Checksum, ChecksumAlgorithm, ChecksumType } from './checksums';
import { noSuchUpload } from './errors';
import type { ObjectStore } from './object-store';

export interface Upload {
  readonly id: string;
  readonly bucket: string;
  readonly key: string;
  /** ISO 8601. */
  readonly initiated: string;
  readonly headers: Record<string, string>;
  readonly tags?: string;
  readonly checksum?: { readonly algorithm: ChecksumAlgorithm; readonly type: ChecksumType };
}

export interface Part {
  readonly number: number;
  readonly size: number;
  readonly etag: string;
  readonly checksum?: Checksum;
}

export interface StoredPart extends Part {
  readonly file: string;
  readonly lastModified: Date;
}

export class UploadStore {
  private readonly directory: string;

  constructor(objects: ObjectStore) {
    this.directory = objects.hidden('uploads');
    mkdirSync(this.directory, { recursive: true });
  }

  create(upload: Omit<Upload, 'id' | 'initiated'>): Upload {
    const created: Upload = { id: randomBytes(16).toString('hex'), initiated: new Date().toISOString(), ...upload };
    mkdirSync(join(this.directory, created.id));
    writeFileSync(join(this.directory, created.id, 'upload.json'), JSON.stringify(created, undefined, 2));
    return created;
  }

  /** An upload id is good for its own bucket and key only. */
  get(bucket: string, key: string, id: string): Upload {
    const upload = this.read(id);
    if (upload?.bucket !== bucket || upload.key !== key) {
      throw noSuchUpload(id);
    }
    return upload;
  }

  list(bucket: string): Upload[] {
    return readdirSync(this.directory)
      .map((id) => this.read(id))
      .filter((upload): upload is Upload => upload?.bucket === bucket)
      .sort((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)) || (a.initiated < b.initiated ? -1 : 1));
  }

  commitPart(upload: Upload, received: string, part: Part): void {
    const file = this.partFile(upload, part.number);
    try {
      writeFileSync(`${received}.json`, JSON.stringify(part));
      renameSync(received, file);
      renameSync(`${received}.json`, `${file}.json`);
    } catch (error) {
      rmSync(received, { force: true });
      rmSync(`${received}.json`, { force: true });
      throw this.read(upload.id) ? error : noSuchUpload(upload.id);
    }
  }

  parts(upload: Upload): StoredPart[] {
    return readdirSync(join(this.directory, upload.id))
      .filter((name) => /^\d+$/.test(name))
      .map((name): StoredPart => {
        const file = join(this.directory, upload.id, name);
        return { ...JSON.parse(readFileSync(`${file}.json`, 'utf8')) as Part, file, lastModified: statSync(file).mtime };
      })
      .sort((a, b) => a.number - b.number);
  }

  async* content(parts: StoredPart[]): AsyncGenerator<Buffer> {
    for (const { file } of parts) {
      yield* createReadStream(file);
    }
  }

  remove(upload: Upload): void {
    rmSync(join(this.directory, upload.id), { recursive: true, force: true });
  }

  private partFile(upload: Upload, number: number): string {
    return join(this.directory, upload.id, String(number));
  }

  private read(id: string): Upload | undefined {
    try {
      // The pattern keeps an id that a client made up from being a path.
      return /^[0-9a-f]{32}$/.test(id) ? JSON.parse(readFileSync(join(this.directory, id, 'upload.json'), 'utf8')) as Upload : undefined;
    } catch {
      return undefined;
    }
  }
}
