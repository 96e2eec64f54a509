/** Signs a request again with the secret of its key, as the AWS SDK does: whoever has signed the same with the same secret comes to the same signature. */
import type { IncomingMessage } from 'node:http';
import { SignatureV4 } from '@smithy/signature-v4';
import { Sha256 } from './sha256';
import { queryOf, type StatedSignature } from './stated-signature';

const CONTENT_SHA256 = 'x-amz-content-sha256';

export class Signer {
  private readonly signature: SignatureV4;

  constructor(private readonly stated: StatedSignature, secretAccessKey: string) {
    const { accessKeyId, region, service } = stated;
    this.signature = new SignatureV4({
      credentials: { accessKeyId, secretAccessKey },
      region,
      service,
      sha256: Sha256,
      // S3 signs the path as it is encoded; the others encode it once more.
      uriEscapePath: service !== 's3',
      applyChecksum: false,
    });
  }

  /** `payload`: what the request says, or what was found, of its body. */
  async sign(request: Pick<IncomingMessage, 'headers' | 'method' | 'url'>, payload: string): Promise<string> {
    const { expires, presigned, service, signedAt: signingDate, signedHeaders } = this.stated;
    const [path] = (request.url ?? '').split('?', 1);
    const signed = signedHeaders.flatMap((name) => (request.headers[name] === undefined ? [] : [[name, String(request.headers[name])]]));
    const toSign = {
      protocol: 'http:',
      hostname: '',
      method: request.method ?? '',
      path: service === 's3' ? encodedOnce(path) : path,
      query: queryBag(queryOf(request.url ?? '')),
      // The SDK takes from this header what it signs of the body; it is not itself among the signed ones unless the client had it there.
      headers: { ...Object.fromEntries(signed), [CONTENT_SHA256]: payload },
    };
    const options = { signingDate, signableHeaders: new Set(signedHeaders), unsignableHeaders: new Set([CONTENT_SHA256]) };
    if (presigned) {
      const unhoistableHeaders = new Set([...signedHeaders, CONTENT_SHA256]);
      const { query } = await this.signature.presign(toSign, { ...options, expiresIn: expires, unhoistableHeaders });
      return String(query?.['X-Amz-Signature']);
    }
    const { headers } = await this.signature.sign(toSign, options);
    return headers.authorization.slice(-SIGNATURE_LENGTH);
  }

  async signText(text: string): Promise<string> {
    return this.signature.sign(text, { signingDate: this.stated.signedAt });
  }
}

const SIGNATURE_LENGTH = 64;

/** Clients differ in what they leave unencoded on the way; all sign what S3 would encode. */
function encodedOnce(path: string): string {
  try {
    return path.split('/').map((segment) => encodeURIComponent(decodeURIComponent(segment)).replace(/[!'()*]/g, percentEncoded)).join('/');
  } catch {
    // No UTF-8. S3 answers that by itself.
    return path;
  }
}

function percentEncoded(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
}

function queryBag(query: URLSearchParams): Record<string, string | string[]> {
  return Object.fromEntries([...new Set(query.keys())].map((name) => {
    const values = query.getAll(name);
    return [name, values.length > 1 ? values : values[0]];
  }));
}
