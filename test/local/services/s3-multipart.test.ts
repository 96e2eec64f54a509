import { createHash } from 'node:crypto';
import {
  AbortMultipartUploadCommand, CompleteMultipartUploadCommand, CreateMultipartUploadCommand, GetObjectCommand, HeadObjectCommand,
  ListMultipartUploadsCommand, ListPartsCommand, PutObjectCommand, UploadPartCommand, UploadPartCopyCommand,
  type CompletedPart, type CreateMultipartUploadCommandInput,
} from '@aws-sdk/client-s3';
import { errorOf, startTestS3, type TestS3 } from './s3-support';

/** The least that S3 takes for a part that is not the last. */
const PART_BYTES = 5 * 1024 ** 2;

const first = Buffer.alloc(PART_BYTES, 'first ');
const second = Buffer.alloc(PART_BYTES + 1, 'second ');
const last = Buffer.from('last');
const digest = (algorithm: string, content: Buffer) => createHash(algorithm).update(content).digest();

let s3: TestS3;
beforeAll(async () => {
  s3 = await startTestS3();
});
afterAll(() => s3.close());

async function create(Key: string, more: Partial<CreateMultipartUploadCommandInput> = {}) {
  const { UploadId } = await s3.client.send(new CreateMultipartUploadCommand({ Bucket: s3.bucket, Key, ...more }));
  const upload = { Bucket: s3.bucket, Key, UploadId };
  return {
    ...upload,
    part: async (PartNumber: number, Body: Buffer, more2: object = {}) => {
      const { ETag, ChecksumSHA256 } = await s3.client.send(new UploadPartCommand({ ...upload, PartNumber, Body, ...more2 }));
      return { PartNumber, ETag, ChecksumSHA256 };
    },
    complete: (Parts: CompletedPart[], more2: object = {}) => (
      s3.client.send(new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts }, ...more2 }))
    ),
  };
}
const bytesOf = async (Key: string, more: object = {}) => (
  Buffer.from(await (await s3.client.send(new GetObjectCommand({ Bucket: s3.bucket, Key, ...more }))).Body!.transformToByteArray())
);
const head = (Key: string, more: object = {}) => s3.client.send(new HeadObjectCommand({ Bucket: s3.bucket, Key, ...more }));

describe('Multipart upload', () => {
  it('joins the parts, in whatever order they arrive', async () => {
    const upload = await create('joined', { ContentType: 'application/zip', CacheControl: 'no-store', Metadata: { a: '1' } });
    expect(await errorOf(head('joined'))).toBe('404 NotFound');
    const parts = await Promise.all([upload.part(7, last), upload.part(2, second), upload.part(1, first)]);
    const result = await upload.complete(parts.reverse());
    const etag = createHash('md5').update(Buffer.concat([first, second, last].map((part) => digest('md5', part)))).digest('hex');
    expect(result).toMatchObject({ Bucket: s3.bucket, Key: 'joined', ETag: `"${etag}-3"`, Location: expect.stringContaining('joined') });
    expect((await bytesOf('joined')).equals(Buffer.concat([first, second, last]))).toBe(true);
    expect(await head('joined')).toMatchObject({
      ContentLength: 2 * PART_BYTES + 5, ContentType: 'application/zip', CacheControl: 'no-store', Metadata: { a: '1' }, ETag: `"${etag}-3"`,
    });
    expect(await errorOf(upload.complete(parts))).toMatch(/^(404 NoSuchUpload|no error)$/);
  });

  it('takes a part again, and leaves out what the client does not list', async () => {
    const upload = await create('selected');
    await upload.part(1, Buffer.from('old'));
    await upload.part(2, Buffer.from('unlisted'));
    const part = await upload.part(1, Buffer.from('new'));
    await upload.complete([part]);
    expect((await bytesOf('selected')).toString()).toBe('new');
  });

  it('has a checksum made of the parts\' checksums', async () => {
    const upload = await create('composite', { ChecksumAlgorithm: 'SHA256' });
    const parts = [
      await upload.part(1, first, { ChecksumAlgorithm: 'SHA256' }),
      await upload.part(2, last, { ChecksumAlgorithm: 'SHA256' }),
    ];
    expect(parts[1].ChecksumSHA256).toBe(digest('sha256', last).toString('base64'));
    const { ChecksumSHA256 } = await upload.complete(parts);
    const composite = digest('sha256', Buffer.concat([digest('sha256', first), digest('sha256', last)])).toString('base64');
    expect(ChecksumSHA256).toBe(`${composite}-2`);
    expect(await head('composite', { ChecksumMode: 'ENABLED' })).toMatchObject({ ChecksumSHA256: `${composite}-2` });
    expect((await bytesOf('composite', { ChecksumMode: 'ENABLED' })).length).toBe(PART_BYTES + 4);
  });

  it('has a checksum of the whole object when it is created so', async () => {
    const upload = await create('full', { ChecksumAlgorithm: 'CRC32', ChecksumType: 'FULL_OBJECT' });
    const parts = [await upload.part(1, Buffer.alloc(PART_BYTES)), await upload.part(2, Buffer.from('123456789'))];
    expect(await errorOf(upload.complete(parts, { ChecksumType: 'FULL_OBJECT', ChecksumCRC32: 'AAAAAA==' }))).toBe('400 BadDigest');
    // By zlib.crc32 over 5 MiB of zeros and the nine digits.
    const ChecksumCRC32 = 'tTrQLA==';
    expect(await upload.complete(parts, { ChecksumType: 'FULL_OBJECT', ChecksumCRC32 })).toMatchObject({ ChecksumCRC32, ChecksumType: 'FULL_OBJECT' });
    expect(await head('full', { ChecksumMode: 'ENABLED' })).toMatchObject({ ChecksumCRC32, ChecksumType: 'FULL_OBJECT' });
  });

  it('refuses parts that do not fit', async () => {
    const upload = await create('refused');
    const [one, two] = [await upload.part(1, Buffer.from('small')), await upload.part(2, last)];
    expect(await errorOf(upload.complete([one, two]))).toBe('400 EntityTooSmall');
    expect(await errorOf(upload.complete([two, one]))).toBe('400 InvalidPartOrder');
    expect(await errorOf(upload.complete([{ PartNumber: 3, ETag: one.ETag }]))).toBe('400 InvalidPart');
    expect(await errorOf(upload.complete([{ PartNumber: 1, ETag: '"0cc175b9c0f1b6a831c399e269772661"' }]))).toBe('400 InvalidPart');
    expect(await errorOf(upload.part(0, last))).toBe('400 InvalidArgument');
    expect(await errorOf(upload.part(10_001, last))).toBe('400 InvalidArgument');
    expect(await errorOf(upload.complete([]))).toBe('400 MalformedXML');
    expect(await errorOf(head('refused'))).toBe('404 NotFound');
  });

  it('heeds If-None-Match when it completes', async () => {
    const upload = await create('taken');
    const part = await upload.part(1, last);
    await s3.client.send(new PutObjectCommand({ Bucket: s3.bucket, Key: 'taken', Body: 'first' }));
    expect(await errorOf(upload.complete([part], { IfNoneMatch: '*' }))).toBe('412 PreconditionFailed');
    expect((await bytesOf('taken')).toString()).toBe('first');
  });

  it('ends when aborted', async () => {
    const { part, complete, ...upload } = await create('aborted');
    const one = await part(1, last);
    await s3.client.send(new AbortMultipartUploadCommand(upload));
    expect(await errorOf(part(2, last))).toBe('404 NoSuchUpload');
    expect(await errorOf(complete([one]))).toBe('404 NoSuchUpload');
    expect(await errorOf(s3.client.send(new AbortMultipartUploadCommand(upload)))).toBe('404 NoSuchUpload');
  });

  it('does not know upload ids that S3 did not give', async () => {
    const upload = { Bucket: s3.bucket, Key: 'k', UploadId: '../../../etc' };
    expect(await errorOf(s3.client.send(new UploadPartCommand({ ...upload, PartNumber: 1, Body: last })))).toBe('404 NoSuchUpload');
    expect(await errorOf(s3.client.send(new ListPartsCommand(upload)))).toBe('404 NoSuchUpload');
  });

  it('lists uploads and parts', async () => {
    const { part, complete, ...upload } = await create('listed/é');
    const parts = [await part(1, first), await part(3, last), await part(4, last)];
    const page = await s3.client.send(new ListPartsCommand({ ...upload, MaxParts: 2 }));
    expect(page).toMatchObject({ UploadId: upload.UploadId, IsTruncated: true, NextPartNumberMarker: '3', MaxParts: 2 });
    expect(page.Parts).toMatchObject([
      { PartNumber: 1, Size: PART_BYTES, ETag: parts[0].ETag }, { PartNumber: 3, Size: 4, ETag: parts[1].ETag },
    ]);
    const rest = await s3.client.send(new ListPartsCommand({ ...upload, PartNumberMarker: page.NextPartNumberMarker }));
    expect(rest.Parts!.map(({ PartNumber }) => PartNumber)).toEqual([4]);
    expect(rest.IsTruncated).toBe(false);
    const { Uploads } = await s3.client.send(new ListMultipartUploadsCommand({ Bucket: s3.bucket, Prefix: 'listed/' }));
    expect(Uploads).toMatchObject([{ Key: 'listed/é', UploadId: upload.UploadId, Initiated: expect.any(Date) }]);
    await s3.client.send(new AbortMultipartUploadCommand(upload));
    expect((await s3.client.send(new ListMultipartUploadsCommand({ Bucket: s3.bucket, Prefix: 'listed/' }))).Uploads ?? []).toEqual([]);
  });
});

describe('UploadPartCopy', () => {
  it('takes parts from another object, whole or a range', async () => {
    await s3.client.send(new PutObjectCommand({ Bucket: s3.bucket, Key: 'big source', Body: second }));
    const { part, complete, ...upload } = await create('assembled');
    const copy = async (PartNumber: number, more: object = {}) => {
      const { CopyPartResult } = await s3.client.send(new UploadPartCopyCommand({
        ...upload, PartNumber, CopySource: `${s3.bucket}/big%20source`, ...more,
      }));
      return { PartNumber, ETag: CopyPartResult!.ETag };
    };
    const parts = [await copy(1), await copy(2, { CopySourceRange: 'bytes=7-12' })];
    expect(parts[0].ETag).toBe(`"${digest('md5', second).toString('hex')}"`);
    await complete(parts);
    expect((await bytesOf('assembled')).equals(Buffer.concat([second, Buffer.from('second')]))).toBe(true);
    expect(await errorOf(copy(3, { CopySource: `${s3.bucket}/missing` }))).toBe('404 NoSuchKey');
  });
});
