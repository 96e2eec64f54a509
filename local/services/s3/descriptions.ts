/** Which headers of a request describe the object that it writes. */
import type { ContentDigest, Headers } from './body';
import type { Description } from './object-store';

const STORED = new Set([
  'content-type', 'content-language', 'expires', 'cache-control', 'content-disposition', 'content-encoding',
  'x-amz-website-redirect-location', 'x-amz-storage-class', 'x-amz-server-side-encryption', 'x-amz-server-side-encryption-aws-kms-key-id',
]);

/** S3's own default. */
export const DEFAULT_CONTENT_TYPE = 'binary/octet-stream';

export function storedHeaders(headers: Headers): Record<string, string> {
  const stored: Record<string, string> = { 'content-type': DEFAULT_CONTENT_TYPE };
  for (const [name, value] of Object.entries(headers)) {
    if (value && (STORED.has(name) || name.startsWith('x-amz-meta-'))) {
      stored[name] = value;
    }
  }
  // aws-chunked is how the request was sent, not what the object is.
  const encodings = (stored['content-encoding'] ?? '').split(',').map((item) => item.trim()).filter((item) => item && item !== 'aws-chunked');
  delete stored['content-encoding'];
  return encodings.length ? { ...stored, 'content-encoding': encodings.join(',') } : stored;
}

export function describe({ md5, sha256, checksum }: ContentDigest, headers: Record<string, string>, tags?: string): Description {
  return { etag: md5, sha256, checksum, headers, tags };
}

export function grantsAcl(headers: Headers): boolean {
  return Object.keys(headers).some((name) => name === 'x-amz-acl' || name.startsWith('x-amz-grant-'));
}
