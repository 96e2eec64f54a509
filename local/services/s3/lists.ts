/** What lies where: buckets, objects, uploads and their parts. */
import { invalidArgument, S3Error } from './errors';
import type { S3Request } from './request';
import type { XmlNode } from './xml';

/** Most entries of one answer. */
const MAX_ENTRIES = 1000;

export async function listBuckets(request: S3Request): Promise<void> {
  await request.authorize('ListAllMyBuckets', {});
  const buckets = request.objects.buckets().map(({ name, created }) => ({ Name: name, CreationDate: created.toISOString() }));
  request.replyXml('ListAllMyBucketsResult', { Owner: { ID: 'local' }, Buckets: { Bucket: buckets } });
}

export async function createBucket(request: S3Request): Promise<void> {
  await request.authorize('CreateBucket', { bucket: request.bucket });
  request.incoming.resume();
  if (request.objects.hasBucket(request.bucket)) {
    throw new S3Error(409, 'BucketAlreadyOwnedByYou', 'Your previous request to create the named bucket succeeded and you already own it.', {
      BucketName: request.bucket,
    });
  }
  request.objects.createBucket(request.bucket);
  request.reply(200, { location: `/${request.bucket}` });
}

export async function headBucket(request: S3Request): Promise<void> {
  await request.authorize('ListBucket');
  request.reply(200, { 'x-amz-bucket-region': regionOf(request) });
}

/** us-east-1 is the region without a name. */
export async function getBucketLocation(request: S3Request): Promise<void> {
  await request.authorize('GetBucketLocation');
  const region = regionOf(request);
  request.replyXml('LocationConstraint', region === 'us-east-1' ? '' : region);
}

/** Every bucket lies in the region that its caller uses. */
function regionOf({ headers, query }: S3Request): string {
  const credential = /\bCredential=([^,\s]+)/.exec(headers.authorization ?? '')?.[1] ?? query.get('X-Amz-Credential') ?? '';
  return credential.split('/')[2] ?? 'us-east-1';
}

export async function listObjects(request: S3Request): Promise<void> {
  const { bucket, query } = request;
  await authorizeList(request);
  const marker = query.get('marker') ?? '';
  const page = await listPage(request, marker, true);
  const encode = encoder(request);
  request.replyXml('ListBucketResult', {
    Name: bucket,
    Prefix: encode(query.get('prefix') ?? ''),
    Marker: encode(marker),
    NextMarker: page.next !== undefined && query.get('delimiter') ? encode(page.next) : undefined,
    MaxKeys: page.maxKeys,
    ...common(request, page),
  });
}

export async function listObjectsV2(request: S3Request): Promise<void> {
  const { bucket, query } = request;
  await authorizeList(request);
  const token = query.get('continuation-token');
  const startAfter = query.get('start-after');
  const page = await listPage(request, token === null ? startAfter ?? '' : decodeToken(token), token !== null);
  const encode = encoder(request);
  request.replyXml('ListBucketResult', {
    Name: bucket,
    Prefix: encode(query.get('prefix') ?? ''),
    ContinuationToken: token ?? undefined,
    StartAfter: startAfter === null ? undefined : encode(startAfter),
    NextContinuationToken: page.next === undefined ? undefined : encodeToken(page.next),
    KeyCount: page.entries.length,
    MaxKeys: page.maxKeys,
    ...common(request, page),
  });
}

export async function listMultipartUploads(request: S3Request): Promise<void> {
  await request.authorize('ListBucketMultipartUploads', { bucket: request.bucket });
  const prefix = request.query.get('prefix') ?? '';
  const encode = encoder(request);
  // One page: the uploads of one machine. A client that asks for the next one would never end, so none is announced.
  const uploads = request.uploads.list(request.bucket).filter(({ key }) => key.startsWith(prefix));
  request.replyXml('ListMultipartUploadsResult', {
    Bucket: request.bucket,
    Prefix: encode(prefix),
    EncodingType: request.query.get('encoding-type') ?? undefined,
    MaxUploads: MAX_ENTRIES,
    IsTruncated: false,
    Upload: uploads.map(({ key, id, initiated, headers }) => ({
      Key: encode(key), UploadId: id, Initiated: initiated, StorageClass: headers['x-amz-storage-class'] ?? 'STANDARD',
    })),
  });
}

export async function listParts(request: S3Request): Promise<void> {
  const { bucket, key, query, uploads } = request;
  await request.authorize('ListMultipartUploadParts');
  const upload = uploads.get(bucket, key, query.get('uploadId') ?? '');
  const marker = Number(query.get('part-number-marker') ?? 0);
  const maxParts = maxEntries(request, 'max-parts');
  const left = uploads.parts(upload).filter((part) => part.number > marker);
  const page = left.slice(0, maxParts);
  request.replyXml('ListPartsResult', {
    Bucket: bucket,
    Key: key,
    UploadId: upload.id,
    PartNumberMarker: marker,
    NextPartNumberMarker: page.at(-1)?.number ?? marker,
    MaxParts: maxParts,
    IsTruncated: left.length > page.length,
    StorageClass: upload.headers['x-amz-storage-class'] ?? 'STANDARD',
    Part: page.map(({ number, size, etag, lastModified, checksum }) => ({
      PartNumber: number,
      LastModified: lastModified.toISOString(),
      ETag: `"${etag}"`,
      Size: size,
      ...checksum && { [`Checksum${checksum.algorithm}`]: checksum.value },
    })),
  });
}

/** Policies may limit a list with these condition keys; a parameter that is not sent is a key that is not there. */
async function authorizeList(request: S3Request): Promise<void> {
  const sent = ['prefix', 'delimiter', 'max-keys'].flatMap((name) => {
    const value = request.query.get(name);
    return value === null ? [] : [[`s3:${name}`, value]];
  });
  await request.authorize('ListBucket', { bucket: request.bucket }, { context: Object.fromEntries(sent) });
}

interface Entry {
  readonly name: string;
  /** Stands for every key that starts with its name. */
  readonly isPrefix: boolean;
}

interface Page {
  readonly entries: Entry[];
  readonly maxKeys: number;
  /** Name of the last entry, when others follow. */
  readonly next?: string;
}

/** `resumed`: `after` is where a page ended, so that a common prefix in it is done with. */
async function listPage(request: S3Request, after: string, resumed: boolean): Promise<Page> {
  const { objects, bucket, query } = request;
  const prefix = query.get('prefix') ?? '';
  const delimiter = query.get('delimiter') ?? '';
  const maxKeys = maxEntries(request, 'max-keys');
  const start = Buffer.from(after);
  const finished = resumed && delimiter !== '' && after.endsWith(delimiter) ? after : undefined;
  const entries: Entry[] = [];
  for (const key of await objects.keys(bucket, prefix, resumed && after !== '')) {
    if (Buffer.compare(Buffer.from(key), start) <= 0 || (finished !== undefined && key.startsWith(finished))) {
      continue;
    }
    const end = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length);
    const name = end < 0 ? key : key.slice(0, end + delimiter.length);
    if (end >= 0 && entries.at(-1)?.name === name) {
      continue;
    }
    if (entries.length >= maxKeys) {
      return { entries, maxKeys, next: entries.at(-1)?.name };
    }
    entries.push({ name, isPrefix: end >= 0 });
  }
  return { entries, maxKeys };
}

function common(request: S3Request, { entries, next }: Page): XmlNode {
  const encode = encoder(request);
  const delimiter = request.query.get('delimiter');
  return {
    Delimiter: delimiter ? encode(delimiter) : undefined,
    EncodingType: request.query.get('encoding-type') ?? undefined,
    IsTruncated: next !== undefined,
    Contents: entries.filter(({ isPrefix }) => !isPrefix).flatMap(({ name }) => {
      const object = request.objects.head(request.bucket, name);
      return object ? [{
        Key: encode(name),
        LastModified: object.lastModified.toISOString(),
        ETag: `"${object.etag}"`,
        ...object.checksum && { ChecksumAlgorithm: object.checksum.algorithm, ChecksumType: object.checksum.type },
        Size: object.size,
        StorageClass: object.headers['x-amz-storage-class'] ?? 'STANDARD',
      }] : [];
    }),
    CommonPrefixes: entries.filter(({ isPrefix }) => isPrefix).map(({ name }) => ({ Prefix: encode(name) })),
  };
}

function maxEntries({ query }: S3Request, name: string): number {
  const value = query.get(name) ?? String(MAX_ENTRIES);
  if (!/^\d{1,10}$/.test(value)) {
    throw invalidArgument(name, value, `Provided ${name} not an integer or within integer range`);
  }
  return Math.min(Number(value), MAX_ENTRIES);
}

/** With `encoding-type=url` names go out as in a form: a space as `+`, slashes as they are. */
function encoder({ query }: S3Request): (name: string) => string {
  const encoding = query.get('encoding-type');
  if (encoding === null) {
    return (name) => name;
  }
  if (encoding !== 'url') {
    throw invalidArgument('encoding-type', encoding, 'Invalid Encoding Method specified in Request');
  }
  return (name) => new URLSearchParams({ name }).toString().slice('name='.length).replaceAll('%2F', '/');
}

const encodeToken = (after: string): string => Buffer.from(after).toString('base64url');

function decodeToken(token: string): string {
  const after = Buffer.from(token, 'base64url').toString();
  if (token === '' || encodeToken(after) !== token) {
    throw invalidArgument('continuation-token', token, 'The continuation token provided is incorrect');
  }
  return after;
}
