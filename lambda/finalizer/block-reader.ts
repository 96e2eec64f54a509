import { RandomAccessReader } from 'yauzl';

/** Bytes of an object from `start` up to but not including `end`. */
export type ReadRange = (start: number, end: number) => Promise<Buffer>;

/** The central directory of most functions fits into one or two, and few of these are needed. */
const BLOCK_BYTES = 256 * 1024;

/** 16 MiB of a zip file at a time, however large it is, and in whatever order it is read. */
const MAX_BLOCKS = 64;

/** An object of a bucket, as yauzl reads it: few bytes here and there, most of them one after the other. */
export class BlockReader extends RandomAccessReader {
  /** Why a block could not be had: not the zip file's doing. */
  public failure?: Error;
  private readonly blocks = new Map<number, Promise<Buffer>>();

  constructor(private readonly bytes: number, private readonly readRange: ReadRange) {
    super();
  }

  /** What a zip file says about places in it is to be taken for nothing more than a claim. */
  public async range(start: number, length: number): Promise<Buffer> {
    const end = start + length;
    if (start < 0 || end > this.bytes) throw new Error(`there are no bytes ${start} to ${end}`);
    const parts: Buffer[] = [];
    for (let at = start; at < end;) {
      const index = Math.floor(at / BLOCK_BYTES);
      const part = (await this.block(index)).subarray(at - index * BLOCK_BYTES, end - index * BLOCK_BYTES);
      parts.push(part);
      at += part.length;
    }
    return parts.length === 1 ? parts[0] : Buffer.concat(parts);
  }

  public override read(buffer: Buffer, offset: number, length: number, position: number, callback: (error: Error | null) => void): void {
    this.range(position, length).then((found) => {
      found.copy(buffer, offset);
      callback(null);
    }).catch(callback);
  }

  private block(index: number): Promise<Buffer> {
    const known = this.blocks.get(index);
    if (known) return known;
    const [oldest] = this.blocks.keys();
    if (this.blocks.size >= MAX_BLOCKS) this.blocks.delete(oldest);
    const start = index * BLOCK_BYTES;
    const block = this.fetch(start, Math.min(start + BLOCK_BYTES, this.bytes));
    this.blocks.set(index, block);
    return block;
  }

  private async fetch(start: number, end: number): Promise<Buffer> {
    try {
      const block = await this.readRange(start, end);
      if (block.length !== end - start) throw new Error(`Expected the bytes ${start} to ${end} of a zip file, got ${block.length} bytes`);
      return block;
    } catch (error) {
      this.failure ??= error as Error;
      throw error;
    }
  }
}
