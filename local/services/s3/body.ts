/** A request's content: decoded, measured, and compared with everything the client said about it. */
import { createHash } from 'node:crypto';
import type { Caller } from '../sigv4';
import { decodeAwsChunked } from './aws-chunked';
import { CHECKSUM_ALGORITHMS, checksumHeader, parseAlgorithm, startChecksum, type Checksum, type ChecksumAlgorithm } from './checksums';
import { invalidRequest, S3Error } from './errors';
import { ChunkSignatures } from '../sigv4/chunk-signatures';

export type Headers = Readonly<Record<string, string | undefined>>;

/** What S3 knows about content that it has stored. */
export interface ContentDigest {
  readonly size: number;
  /** MD5 in hex. */
  readonly md5: string;
  /** SHA-256 in hex. */
  readonly sha256: string;
  readonly checksum?: Checksum;
}

/** Largest object of a single PUT. */
const MAX_PUT_BYTES = 5 * 1024 ** 3;

/** Passes content through and digests it on the way. */
export class DigestedContent {
  private digested?: ContentDigest;

  constructor(private readonly source: AsyncIterable<Buffer>, private readonly algorithm?: ChecksumAlgorithm) {}

  async* [Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    const md5 = createHash('md5');
    const sha256 = createHash('sha256');
    const running = this.algorithm && startChecksum(this.algorithm);
    let size = 0;
    for await (const chunk of this.source) {
      size += chunk.length;
      this.onSize(size);
      md5.update(chunk);
      sha256.update(chunk);
      running?.update(chunk);
      yield chunk;
    }
    this.digested = this.verified({
      size,
      md5: md5.digest('hex'),
      sha256: sha256.digest('hex'),
      checksum: running && { algorithm: this.algorithm!, value: running.digest().toString('base64'), type: 'FULL_OBJECT' },
    });
  }

  /** Only after the content was read to its end. */
  get digest(): ContentDigest {
    if (!this.digested) {
      throw new Error('The content must be read to its end before its digest is known.');
    }
    return this.digested;
  }

  protected onSize(_size: number): void {}

  /** Throws when the content is not what it should be. */
  protected verified(digest: ContentDigest): ContentDigest {
    return digest;
  }
}

/** The body of a request. Reading it to its end throws when it is not what the headers or trailers promised. */
export class RequestContent extends DigestedContent {
  private readonly trailers: Map<string, string>;

  /** `algorithm`: computed when the client sends no checksum itself. `caller`: who has signed the headers, and maybe the chunks. */
  constructor(body: AsyncIterable<Buffer>, private readonly headers: Headers, { algorithm, caller }: { algorithm?: ChecksumAlgorithm; caller?: Caller } = {}) {
    const trailers = new Map<string, string>();
    super(isAwsChunked(headers) ? decodeAwsChunked(body, trailers, chunkSignatures(headers, caller)) : body, sentAlgorithm(headers) ?? algorithm);
    this.trailers = trailers;
    const length = isAwsChunked(headers) ? headers['x-amz-decoded-content-length'] : headers['content-length'];
    if (length === undefined) {
      throw new S3Error(411, 'MissingContentLength', 'You must provide the Content-Length HTTP header.');
    }
    this.onSize(Number(length));
  }

  protected override onSize(size: number): void {
    if (size > MAX_PUT_BYTES) {
      throw new S3Error(400, 'EntityTooLarge', 'Your proposed upload exceeds the maximum allowed size', { MaxSizeAllowed: String(MAX_PUT_BYTES) });
    }
  }

  protected override verified(digest: ContentDigest): ContentDigest {
    const { size, md5, sha256, checksum } = digest;
    const decodedLength = this.headers['x-amz-decoded-content-length'];
    if (decodedLength !== undefined && Number(decodedLength) !== size) {
      throw new S3Error(400, 'IncompleteBody', `The request promised ${decodedLength} bytes in x-amz-decoded-content-length and sent ${size}.`);
    }
    const contentMd5 = this.headers['content-md5'];
    if (contentMd5 !== undefined && contentMd5 !== Buffer.from(md5, 'hex').toString('base64')) {
      throw new S3Error(400, 'BadDigest', 'The Content-MD5 you specified did not match what we received.');
    }
    const contentSha256 = this.headers['x-amz-content-sha256'];
    if (contentSha256 !== undefined && /^[0-9a-f]{64}$/i.test(contentSha256) && contentSha256.toLowerCase() !== sha256) {
      throw new S3Error(400, 'XAmzContentSHA256Mismatch', 'The provided \'x-amz-content-sha256\' header does not match what was computed.');
    }
    const algorithm = sentAlgorithm(this.headers);
    if (!algorithm) {
      return digest;
    }
    const value = this.trailers.get(checksumHeader(algorithm)) ?? this.headers[checksumHeader(algorithm)];
    if (value === undefined) {
      throw new S3Error(400, 'MalformedTrailerError', `The request announced the trailer ${checksumHeader(algorithm)} and did not send it.`);
    }
    if (checksum && checksum.value !== value) {
      throw new S3Error(400, 'BadDigest', `The ${algorithm} you specified did not match the calculated checksum.`);
    }
    return { ...digest, checksum: { algorithm, value, type: 'FULL_OBJECT' } };
  }
}

function isAwsChunked(headers: Headers): boolean {
  return /^STREAMING-/.test(headers['x-amz-content-sha256'] ?? '') || /\baws-chunked\b/.test(headers['content-encoding'] ?? '');
}

/** Nothing to check, if the client has signed no chunks, or if nobody verifies what he has signed. */
function chunkSignatures(headers: Headers, caller?: Caller): ChunkSignatures | undefined {
  const { signature, signer } = caller ?? {};
  const signed = /^STREAMING-AWS4-HMAC-SHA256-PAYLOAD/.test(headers['x-amz-content-sha256'] ?? '');
  return signed && signature && signer ? new ChunkSignatures(signature, signer) : undefined;
}

/** Algorithm of the checksum that the request carries, in a header or announced as trailer. */
export function sentAlgorithm(headers: Headers): ChecksumAlgorithm | undefined {
  const trailers = (headers['x-amz-trailer'] ?? '').toLowerCase().split(',').map((name) => name.trim());
  const sent = CHECKSUM_ALGORITHMS.filter((algorithm) => (
    headers[checksumHeader(algorithm)] !== undefined || trailers.includes(checksumHeader(algorithm))
  ));
  if (sent.length > 1) {
    throw invalidRequest('Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.');
  }
  const announced = headers['x-amz-sdk-checksum-algorithm'];
  if (announced !== undefined && sent.length === 0) {
    throw invalidRequest('x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.');
  }
  return sent[0];
}

/** `x-amz-checksum-algorithm`, with which a client asks S3 to compute one. */
export function askedAlgorithm(headers: Headers): ChecksumAlgorithm | undefined {
  const name = headers['x-amz-checksum-algorithm'];
  const algorithm = parseAlgorithm(name);
  if (name !== undefined && !algorithm) {
    throw invalidRequest(`Checksum algorithm provided is unsupported. Please try again with any of the valid types: [${CHECKSUM_ALGORITHMS.join(', ')}]`);
  }
  return algorithm;
}
