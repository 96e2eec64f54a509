/**
 * A body whose chunks are signed (`STREAMING-AWS4-HMAC-SHA256-PAYLOAD[-TRAILER]`): each signature is over the one before it, the first over
 * that of the headers.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
 */
import { checkSame } from './compare';
import { sha256 } from './sha256';
import type { Signer } from './signer';
import type { StatedSignature } from './stated-signature';

const NOTHING = sha256('');

export class ChunkSignatures {
  private previous: string;

  constructor(private readonly signature: StatedSignature, private readonly signer: Signer) {
    this.previous = signature.value;
  }

  /** `hash`: SHA-256 of the chunk in hex. Throws SignatureError. */
  async checkChunk(given: string | undefined, hash: string): Promise<void> {
    await this.check('AWS4-HMAC-SHA256-PAYLOAD', given, [NOTHING, hash]);
  }

  async checkTrailers(given: string | undefined, trailers: ReadonlyMap<string, string>): Promise<void> {
    await this.check('AWS4-HMAC-SHA256-TRAILER', given, [sha256([...trailers].map(([name, value]) => `${name}:${value}\n`).join(''))]);
  }

  private async check(algorithm: string, given: string | undefined, hashes: readonly string[]): Promise<void> {
    const { region, service, signedAt } = this.signature;
    const longDate = signedAt.toISOString().replace(/[-:]|\.\d+/g, '');
    const scope = `${longDate.slice(0, 8)}/${region}/${service}/aws4_request`;
    const calculated = await this.signer.signText([algorithm, longDate, scope, this.previous, ...hashes].join('\n'));
    checkSame(calculated, given);
    this.previous = calculated;
  }
}
