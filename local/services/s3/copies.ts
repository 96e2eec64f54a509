/** CopyObject and UploadPartCopy: content that comes from another object of this server. */
import { askedAlgorithm, DigestedContent } from './body';
import { checksumElements, checksumHeaders } from './checksums';
import { checkReadConditions, parseRange, writeCondition, type ByteRange } from './conditions';
import { describe, storedHeaders } from './descriptions';
import { invalidArgument, invalidRequest } from './errors';
import type { StoredObject } from './object-store';
import { authorizeWrite } from './objects';
import { decodeUri, type S3Request } from './request';
import { partNumberOf } from './uploads';

/** What a copy with the COPY directive does not take along. */
const NOT_COPIED = ['x-amz-storage-class', 'x-amz-website-redirect-location', 'x-amz-server-side-encryption', 'x-amz-server-side-encryption-aws-kms-key-id'];

export async function copyObject(request: S3Request): Promise<void> {
  const { objects, bucket, key, headers } = request;
  const replaceHeaders = directive(request, 'x-amz-metadata-directive') === 'REPLACE';
  const replaceTags = directive(request, 'x-amz-tagging-directive') === 'REPLACE';
  const name = sourceOf(request);
  const source = await authorizedSource(request, name);
  await authorizeWrite(request);
  if (source.tags && !replaceTags) {
    await request.authorize('GetObjectTagging', name);
    await request.authorize('PutObjectTagging');
  }
  const unchanged = !replaceHeaders && !NOT_COPIED.some((header) => headers[header] !== undefined);
  if (name.bucket === bucket && name.key === key && unchanged) {
    throw invalidRequest('This copy request is illegal because it is trying to copy an object to itself without changing the object\'s metadata, '
      + 'storage class, website redirect location or encryption attributes.');
  }
  const condition = writeCondition(headers, key);
  const { content, object } = await openSource(request, name);
  const digested = new DigestedContent(content, askedAlgorithm(headers) ?? object.checksum?.algorithm);
  const received = await objects.receive(digested);
  const kept = Object.entries(object.headers).filter(([header]) => !NOT_COPIED.includes(header));
  const asked = NOT_COPIED.flatMap((header) => (headers[header] === undefined ? [] : [[header, headers[header]]]));
  const description = describe(
    digested.digest,
    replaceHeaders ? storedHeaders(headers) : Object.fromEntries([...kept, ...asked]),
    replaceTags ? headers['x-amz-tagging'] : object.tags,
  );
  objects.commit(bucket, key, received, description, condition);
  const { lastModified, etag, checksum } = objects.head(bucket, key) ?? await request.refuseMissing();
  request.replyXml('CopyObjectResult', { LastModified: lastModified.toISOString(), ETag: `"${etag}"`, ...checksumElements(checksum) });
}

export async function uploadPartCopy(request: S3Request): Promise<void> {
  const { objects, uploads, bucket, key, headers } = request;
  const name = sourceOf(request);
  await authorizedSource(request, name);
  await request.authorize('PutObject', request, { operation: 'UploadPartCopy' });
  const upload = uploads.get(bucket, key, request.query.get('uploadId') ?? '');
  const number = partNumberOf(request);
  const { content } = await openSource(request, name, headers['x-amz-copy-source-range']);
  const digested = new DigestedContent(content, upload.checksum?.algorithm);
  const received = await objects.receive(digested);
  const { size, md5: etag, checksum } = digested.digest;
  uploads.commitPart(upload, received, { number, size, etag, checksum });
  request.replyXml('CopyPartResult', { LastModified: new Date().toISOString(), ETag: `"${etag}"`, ...checksumElements(checksum) }, checksumHeaders(checksum));
}

interface Source {
  readonly bucket: string;
  readonly key: string;
}

/** `x-amz-copy-source: [/]bucket/key`, URL-encoded; a `+` means a space, so a plus must be sent as `%2B`. */
function sourceOf({ headers }: S3Request): Source {
  const header = headers['x-amz-copy-source'] ?? '';
  const path = decodeUri(header.split('?')[0].replaceAll('+', '%20')).replace(/^\//, '');
  const slash = path.indexOf('/');
  if (slash <= 0 || slash === path.length - 1) {
    throw invalidArgument('x-amz-copy-source', header, 'Copy Source must mention the source bucket and key: sourcebucket/sourcekey');
  }
  return { bucket: path.slice(0, slash), key: path.slice(slash + 1) };
}

async function authorizedSource(request: S3Request, name: Source): Promise<StoredObject> {
  request.requireBucket(name.bucket);
  await request.authorize('GetObject', name);
  return request.objects.head(name.bucket, name.key) ?? await request.refuseMissing(name);
}

async function openSource(request: S3Request, name: Source, range?: string): Promise<{ object: StoredObject; content: AsyncIterable<Buffer> }> {
  const object = request.objects.head(name.bucket, name.key) ?? await request.refuseMissing(name);
  checkReadConditions(request.headers, object, 'x-amz-copy-source-');
  const bytes: ByteRange | undefined = parseRange(range, object.size);
  if (range !== undefined && !bytes) {
    throw invalidArgument('x-amz-copy-source-range', range, 'The x-amz-copy-source-range value must be of the form bytes=first-last where first and last '
      + 'are the zero-based offsets of the first and last bytes to copy');
  }
  return { object, content: request.objects.read(object, bytes) };
}

function directive({ headers }: S3Request, name: string): 'COPY' | 'REPLACE' {
  const value = headers[name] ?? 'COPY';
  if (value !== 'COPY' && value !== 'REPLACE') {
    throw invalidArgument(name, value, `Unknown ${name}: expected COPY or REPLACE.`);
  }
  return value;
}
