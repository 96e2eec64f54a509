/** Requests and URLs signed by the AWS SDK's signer, for what no SDK client would send. */
import { SignatureV4 } from '@smithy/signature-v4';
import { Sha256 } from '../../local/services/sigv4/sha256';

export interface SigningOptions {
  readonly accessKeyId?: string;
  readonly secretAccessKey?: string;
  readonly service?: string;
  readonly region?: string;
  readonly signingDate?: Date;
  readonly sessionToken?: string;
}

export interface UnsignedRequest {
  readonly method?: string;
  /** In place of the URL's, as it is sent. */
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Signed as it is; what is sent may be something else. */
  readonly body?: string;
}

function signerOf({ accessKeyId = 'AKIDTEST', secretAccessKey = 'secret', service = 's3', region = 'us-east-1', sessionToken }: SigningOptions): SignatureV4 {
  const credentials = { accessKeyId, secretAccessKey, sessionToken };
  return new SignatureV4({ credentials, region, service, sha256: Sha256, uriEscapePath: service !== 's3', applyChecksum: service === 's3' });
}

/** The headers with which the request is to be sent. */
export async function signedHeaders(url: string, { body, headers, method = 'GET', path }: UnsignedRequest = {}, options: SigningOptions = {}): Promise<Record<string, string>> {
  const { host, pathname, searchParams } = new URL(url);
  const request = { protocol: 'http:', hostname: host, path: path ?? pathname, query: Object.fromEntries(searchParams), method, body, headers: { host, ...headers } };
  const { host: _, ...signed } = (await signerOf(options).sign(request, { signingDate: options.signingDate })).headers;
  return signed;
}

/** A presigned URL of S3, which may carry what would be headers. */
export async function presignedUrl(
  url: string, { expiresIn = 60, hoisted = {}, method = 'GET', ...options }: SigningOptions & { expiresIn?: number; hoisted?: Record<string, string>; method?: string } = {},
): Promise<string> {
  const { host, origin, pathname, searchParams } = new URL(url);
  const headers = { host, 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD', ...hoisted };
  const request = { protocol: 'http:', hostname: host, path: pathname, query: Object.fromEntries(searchParams), method, headers };
  const { query = {} } = await signerOf(options).presign(request, { signingDate: options.signingDate, expiresIn });
  return `${origin}${pathname}?${new URLSearchParams(query as Record<string, string>)}`;
}
