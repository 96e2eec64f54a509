/**
 * Content encoding `aws-chunked`, in which SDKs send streams and trailing checksums:
 *
 *   <hex size>[;chunk-signature=...]\r\n <data> \r\n ... 0[;chunk-signature=...]\r\n [<trailer>:<value>\r\n ...] \r\n
 */
import { createHash } from 'node:crypto';
import { S3Error } from './errors';
import type { ChunkSignatures } from '../sigv4/chunk-signatures';

/** A chunk header or a trailer is a size, a name, a signature: anything longer is not aws-chunked. */
const MAX_LINE_BYTES = 1024;

const TRAILER_SIGNATURE = 'x-amz-trailer-signature';

const incomplete = () => new S3Error(400, 'IncompleteBody', 'The aws-chunked body ended before its last chunk.');
const malformed = (line: string) => new S3Error(400, 'InvalidChunkSizeError', `Expected an aws-chunked chunk size, got ${JSON.stringify(line.slice(0, 80))}.`);

/** Yields the content. Trailers, in lower case, are in `trailers` once it is read to its end. Ends with an error if a signature is not right. */
export async function* decodeAwsChunked(
  source: AsyncIterable<Buffer>, trailers: Map<string, string>, signatures?: ChunkSignatures,
): AsyncGenerator<Buffer> {
  const input = new Input(source);
  for (;;) {
    const header = await input.line();
    const hex = /^([0-9a-f]{1,8})(;.*)?$/i.exec(header)?.[1];
    if (!hex) {
      throw malformed(header);
    }
    const size = parseInt(hex, 16);
    const hash = signatures && createHash('sha256');
    for await (const piece of input.bytes(size)) {
      hash?.update(piece);
      yield piece;
    }
    if (signatures && hash) await signatures.checkChunk(/;chunk-signature=([0-9a-f]{64})$/.exec(header)?.[1], hash.digest('hex'));
    if (size === 0) {
      break;
    }
    const end = await input.line();
    if (end !== '') {
      throw malformed(end);
    }
  }
  for (let line = await input.line(true); line !== ''; line = await input.line(true)) {
    const colon = line.indexOf(':');
    trailers.set(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim());
  }
  if (signatures && trailers.size > 0) {
    const { [TRAILER_SIGNATURE]: signature, ...signed } = Object.fromEntries(trailers);
    await signatures.checkTrailers(signature, new Map(Object.entries(signed)));
  }
}

class Input {
  private readonly iterator: AsyncIterator<Buffer>;
  private buffer: Buffer = Buffer.alloc(0);

  constructor(source: AsyncIterable<Buffer>) {
    this.iterator = source[Symbol.asyncIterator]();
  }

  private async more(): Promise<boolean> {
    const { done, value } = await this.iterator.next();
    if (!done) {
      this.buffer = this.buffer.length ? Buffer.concat([this.buffer, value]) : value;
    }
    return !done;
  }

  /** Without its line end. The last line of a body may lack one: some clients leave it out after the trailers. */
  async line(endsAtEof = false): Promise<string> {
    let end: number;
    while ((end = this.buffer.indexOf('\n')) < 0) {
      if (this.buffer.length > MAX_LINE_BYTES) {
        throw malformed(this.buffer.toString('latin1'));
      }
      if (!await this.more()) {
        if (!endsAtEof) {
          throw incomplete();
        }
        end = this.buffer.length;
        break;
      }
    }
    const line = this.buffer.toString('latin1', 0, end).replace(/\r$/, '');
    this.buffer = this.buffer.subarray(end + 1);
    return line;
  }

  async* bytes(size: number): AsyncGenerator<Buffer> {
    for (let left = size; left > 0;) {
      if (this.buffer.length === 0 && !await this.more()) {
        throw incomplete();
      }
      const piece = this.buffer.subarray(0, left);
      this.buffer = this.buffer.subarray(piece.length);
      left -= piece.length;
      yield piece;
    }
  }
}
