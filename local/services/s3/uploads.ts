/** Multipart upload. */
import { createHash } from 'node:crypto';
import { askedAlgorithm, DigestedContent, sentAlgorithm, type Headers } from './body';
import { checksumElements, checksumHeader, checksumHeaders, compositeChecksum, type Checksum, type ChecksumType } from './checksums';
import { writeCondition } from './conditions';
import { storedHeaders } from './descriptions';
import { invalidArgument, invalidRequest, malformedXml, S3Error } from './errors';
import { authorizeWrite } from './objects';
import type { S3Request } from './request';
import type { StoredPart, Upload } from './upload-store';
import { xmlElements, xmlText } from './xml';

/** S3's limits: parts are numbered up to this, and all but the last have at least this size. */
const MAX_PARTS = 10_000;
const MIN_PART_BYTES = 5 * 1024 ** 2;

const uploadOf = ({ uploads, bucket, key, query }: S3Request): Upload => uploads.get(bucket, key, query.get('uploadId') ?? '');

export function partNumberOf({ query }: S3Request): number {
  const value = query.get('partNumber') ?? '';
  const number = Number(value);
  if (!/^\d+$/.test(value) || number < 1 || number > MAX_PARTS) {
    throw invalidArgument('partNumber', value, `Part number must be an integer between 1 and ${MAX_PARTS}, inclusive`);
  }
  return number;
}

export async function createMultipartUpload(request: S3Request): Promise<void> {
  const { bucket, key, headers } = request;
  await authorizeWrite(request);
  request.incoming.resume();
  const algorithm = askedAlgorithm(headers);
  const type = (headers['x-amz-checksum-type'] ?? (algorithm === 'CRC64NVME' ? 'FULL_OBJECT' : 'COMPOSITE')) as ChecksumType;
  const upload = request.uploads.create({
    bucket, key, headers: storedHeaders(headers), tags: headers['x-amz-tagging'], checksum: algorithm && { algorithm, type },
  });
  request.replyXml('InitiateMultipartUploadResult', { Bucket: bucket, Key: key, UploadId: upload.id }, algorithm && {
    'x-amz-checksum-algorithm': algorithm, 'x-amz-checksum-type': type,
  });
}

export async function uploadPart(request: S3Request): Promise<void> {
  const { objects, uploads, headers } = request;
  await request.authorize('PutObject', request, { operation: 'UploadPart' });
  const upload = uploadOf(request);
  const number = partNumberOf(request);
  const sent = sentAlgorithm(headers);
  if (upload.checksum && sent && sent !== upload.checksum.algorithm) {
    throw invalidRequest(`Checksum Type mismatch occurred, expected checksum Type: ${upload.checksum.algorithm.toLowerCase()}, `
      + `actual checksum Type: ${sent.toLowerCase()}`);
  }
  const content = request.content(upload.checksum?.algorithm);
  const received = await objects.receive(content);
  const { size, md5: etag, checksum } = content.digest;
  uploads.commitPart(upload, received, { number, size, etag, checksum });
  request.reply(200, { etag: `"${etag}"`, ...checksumHeaders(checksum) });
}

export async function completeMultipartUpload(request: S3Request): Promise<void> {
  const { objects, uploads, bucket, key, headers } = request;
  await authorizeWrite(request, 'CompleteMultipartUpload');
  const upload = uploadOf(request);
  // A checksum in the headers is the object's, not the document's.
  const document = await request.document({ 'content-length': headers['content-length'], 'x-amz-content-sha256': headers['x-amz-content-sha256'] });
  const parts = completedParts(document, uploads.parts(upload));
  const condition = writeCondition(headers, key);
  condition(objects.head(bucket, key));
  const content = new DigestedContent(uploads.content(parts), upload.checksum?.type === 'FULL_OBJECT' ? upload.checksum.algorithm : undefined);
  const received = await objects.receive(content);
  const checksum = content.digest.checksum ?? compositeOf(upload, parts) ?? believedChecksum(upload, headers);
  const md5s = createHash('md5');
  parts.forEach((part) => md5s.update(Buffer.from(part.etag, 'hex')));
  const etag = `${md5s.digest('hex')}-${parts.length}`;
  const description = { etag, sha256: content.digest.sha256, checksum, headers: upload.headers, tags: upload.tags };
  objects.commit(bucket, key, received, description, (current) => {
    condition(current);
    checkChecksum(checksum, headers);
  });
  uploads.remove(upload);
  const location = `http://${headers.host}/${bucket}/${encodeURIComponent(key)}`;
  request.replyXml('CompleteMultipartUploadResult', { Location: location, Bucket: bucket, Key: key, ETag: `"${etag}"`, ...checksumElements(checksum) });
}

function compositeOf({ checksum }: Upload, parts: StoredPart[]): Checksum | undefined {
  return checksum?.type === 'COMPOSITE' ? compositeChecksum(checksum.algorithm, parts.map((part) => part.checksum?.value)) : undefined;
}

function believedChecksum({ checksum }: Upload, headers: Headers): Checksum | undefined {
  const value = checksum && headers[checksumHeader(checksum.algorithm)];
  return value === undefined ? undefined : { ...checksum!, value };
}

function checkChecksum(checksum: Checksum | undefined, headers: Headers): void {
  const expected = checksum && headers[checksumHeader(checksum.algorithm)];
  if (expected !== undefined && expected !== checksum!.value) {
    throw new S3Error(400, 'BadDigest', `The ${checksum!.algorithm} you specified did not match the calculated checksum.`);
  }
}

/** The parts that the client lists, in its order, each checked against what was stored. */
function completedParts(document: string, stored: StoredPart[]): StoredPart[] {
  const listed = xmlElements(document, 'Part').map((element) => ({ element, number: Number(xmlText(element, 'PartNumber')) }));
  if (listed.length === 0) {
    throw malformedXml();
  }
  if (listed.some(({ number }, index) => index > 0 && !(number > listed[index - 1].number))) {
    throw new S3Error(400, 'InvalidPartOrder', 'The list of parts was not in ascending order. Parts must be ordered by part number.');
  }
  const parts = listed.map(({ element, number }) => {
    const etag = xmlText(element, 'ETag')?.replaceAll('"', '');
    const part = stored.find((candidate) => candidate.number === number);
    const checksum = part?.checksum && xmlText(element, `Checksum${part.checksum.algorithm}`);
    if (!part || part.etag !== etag || (checksum !== undefined && checksum !== part.checksum?.value)) {
      throw new S3Error(400, 'InvalidPart', 'One or more of the specified parts could not be found. The part may not have been uploaded, '
        + 'or the specified entity tag may not match the part\'s entity tag.', { PartNumber: String(number), ETag: etag ?? '' });
    }
    return part;
  });
  const small = parts.slice(0, -1).find((part) => part.size < MIN_PART_BYTES);
  if (small) {
    throw new S3Error(400, 'EntityTooSmall', 'Your proposed upload is smaller than the minimum allowed size', {
      ProposedSize: String(small.size), MinSizeAllowed: String(MIN_PART_BYTES), PartNumber: String(small.number),
    });
  }
  return parts;
}

export async function abortMultipartUpload(request: S3Request): Promise<void> {
  await request.authorize('AbortMultipartUpload');
  request.uploads.remove(uploadOf(request));
  request.reply(204);
}
