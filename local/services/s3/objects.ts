/** Operations on one object, and DeleteObjects. */
import { pipeline } from 'node:stream/promises';
import { askedAlgorithm, sentAlgorithm } from './body';
import { checksumHeaders } from './checksums';
import { checkReadConditions, parseRange, writeCondition, type ByteRange } from './conditions';
import { DEFAULT_CONTENT_TYPE, describe, grantsAcl, storedHeaders } from './descriptions';
import { invalidRequest, malformedXml } from './errors';
import type { StoredObject } from './object-store';
import { asS3Error, type S3Request } from './request';
import { xmlElements, xmlText, type XmlNode } from './xml';

/** How many keys DeleteObjects takes. */
const MAX_DELETED_KEYS = 1000;

/** Headers that a reader may replace with `response-*` in the query. */
const OVERRIDABLE = ['content-type', 'content-language', 'expires', 'cache-control', 'content-disposition', 'content-encoding'];

/** Every right that S3 asks for before it creates an object with these headers. */
export async function authorizeWrite(request: S3Request, operation?: string): Promise<void> {
  await request.authorize('PutObject', request, { operation });
  if (request.headers['x-amz-tagging']) {
    await request.authorize('PutObjectTagging');
  }
  if (grantsAcl(request.headers)) {
    await request.authorize('PutObjectAcl');
  }
  if (request.headers['if-match'] !== undefined) {
    await request.authorize('GetObject');
  }
}

export async function putObject(request: S3Request): Promise<void> {
  const { objects, bucket, key, headers } = request;
  await authorizeWrite(request);
  const condition = writeCondition(headers, key);
  condition(objects.head(bucket, key));
  const content = request.content(askedAlgorithm(headers));
  const received = await objects.receive(content);
  objects.commit(bucket, key, received, describe(content.digest, storedHeaders(headers), headers['x-amz-tagging']), condition);
  request.reply(200, { etag: `"${content.digest.md5}"`, ...checksumHeaders(content.digest.checksum) });
}

export async function getObject(request: S3Request): Promise<void> {
  await request.authorize('GetObject');
  const object = request.objects.head(request.bucket, request.key) ?? await request.refuseMissing();
  checkReadConditions(request.headers, object);
  const range = parseRange(request.headers.range, object.size);
  const content = request.objects.read(object, range);
  writeHead(request, object, range);
  await pipeline(content, request.response);
}

export async function headObject(request: S3Request): Promise<void> {
  await request.authorize('GetObject', request, { operation: 'HeadObject' });
  const object = request.objects.head(request.bucket, request.key) ?? await request.refuseMissing();
  checkReadConditions(request.headers, object);
  writeHead(request, object, parseRange(request.headers.range, object.size));
  request.response.end();
}

function writeHead({ id, headers, query, response }: S3Request, object: StoredObject, range?: ByteRange): void {
  const overrides = OVERRIDABLE.flatMap((name) => {
    const value = query.get(`response-${name}`);
    return value === null ? [] : [[name, value]];
  });
  const tagCount = [...new URLSearchParams(object.tags)].length;
  response.writeHead(range ? 206 : 200, {
    'x-amz-request-id': id,
    'accept-ranges': 'bytes',
    'etag': `"${object.etag}"`,
    'last-modified': object.lastModified.toUTCString(),
    'content-type': DEFAULT_CONTENT_TYPE,
    ...object.headers,
    ...Object.fromEntries(overrides),
    'content-length': range ? range.end - range.start + 1 : object.size,
    ...range && { 'content-range': `bytes ${range.start}-${range.end}/${object.size}` },
    // The checksum is the whole object's: with a range the client would compare it with a piece.
    ...!range && headers['x-amz-checksum-mode'] === 'ENABLED' && checksumHeaders(object.checksum),
    ...tagCount > 0 && { 'x-amz-tagging-count': tagCount },
  });
}

export async function deleteObject(request: S3Request): Promise<void> {
  await request.authorize('DeleteObject');
  request.objects.delete(request.bucket, request.key, writeCondition(request.headers, request.key));
  request.reply(204);
}

export async function deleteObjects(request: S3Request): Promise<void> {
  if (request.headers['content-md5'] === undefined && !sentAlgorithm(request.headers)) {
    throw invalidRequest('Missing required header for this request: Content-MD5 OR x-amz-checksum-*');
  }
  const document = await request.document();
  const keys = xmlElements(document, 'Object').map((object) => xmlText(object, 'Key'));
  if (keys.length === 0 || keys.length > MAX_DELETED_KEYS || keys.some((key) => !key)) {
    throw malformedXml();
  }
  const deleted: XmlNode[] = [];
  const failed: XmlNode[] = [];
  for (const key of keys as string[]) {
    try {
      await request.authorize('DeleteObject', { bucket: request.bucket, key });
      request.objects.delete(request.bucket, key);
      deleted.push({ Key: key });
    } catch (error) {
      const { code, message } = asS3Error(error);
      failed.push({ Key: key, Code: code, Message: message });
    }
  }
  request.replyXml('DeleteResult', { Deleted: xmlText(document, 'Quiet') === 'true' ? [] : deleted, Error: failed });
}

export async function getObjectTagging(request: S3Request): Promise<void> {
  await request.authorize('GetObjectTagging');
  const object = request.objects.head(request.bucket, request.key) ?? await request.refuseMissing();
  const tags = [...new URLSearchParams(object.tags)].map(([Key, Value]) => ({ Key, Value }));
  request.replyXml('Tagging', { TagSet: { Tag: tags } });
}
