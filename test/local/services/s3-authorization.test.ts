import {
  AbortMultipartUploadCommand, CompleteMultipartUploadCommand, CopyObjectCommand, CreateBucketCommand, CreateMultipartUploadCommand,
  DeleteObjectCommand, DeleteObjectsCommand, GetBucketLocationCommand, GetObjectCommand, HeadBucketCommand, HeadObjectCommand, ListBucketsCommand,
  ListMultipartUploadsCommand, ListObjectsCommand, ListObjectsV2Command, ListPartsCommand, PutObjectCommand, UploadPartCommand, UploadPartCopyCommand,
} from '@aws-sdk/client-s3';
import { ACCESS_KEY_ID, clientOf, errorOf, presign, startTestS3, type TestS3 } from './s3-support';
import { AccessDeniedError, type ApiCall } from '../../../local/services/service';

let s3: TestS3;
let bucketArn: string;
let calls: ApiCall[] = [];
let denied: (call: ApiCall) => boolean = () => false;

beforeAll(async () => {
  const onCall = async (call: ApiCall) => {
    calls.push(call);
    if (denied(call)) {
      throw new AccessDeniedError(`No policy allows ${call.action} on ${call.resource}.`);
    }
  };
  s3 = await startTestS3({ onCall, trusting: true });
  bucketArn = `arn:aws:s3:::${s3.bucket}`;
  await s3.client.send(new PutObjectCommand({ Bucket: s3.bucket, Key: 'source', Body: 'content' }));
  await s3.client.send(new PutObjectCommand({ Bucket: s3.bucket, Key: 'tagged', Body: 'content', Tagging: 'a=1' }));
});
beforeEach(() => {
  calls = [];
  denied = () => false;
});
afterAll(() => s3.close());

/** `s3:Action on <what follows the bucket's ARN>` */
const checked = () => calls.map(({ action, resource }) => `${action} on ${resource.replace(bucketArn, '')}`);
const target = () => ({ Bucket: s3.bucket, Key: 'target' });

describe('What is checked', () => {
  it.each<[string, () => Promise<unknown>, string[]]>([
    ['PutObject', () => s3.client.send(new PutObjectCommand({ ...target(), Body: 'x' })), ['s3:PutObject on /target']],
    ['PutObject with tags and ACL', () => s3.client.send(new PutObjectCommand({ ...target(), Body: 'x', Tagging: 'a=1', ACL: 'private' })),
      ['s3:PutObject on /target', 's3:PutObjectTagging on /target', 's3:PutObjectAcl on /target']],
    ['GetObject', () => s3.client.send(new GetObjectCommand({ Bucket: s3.bucket, Key: 'source' })), ['s3:GetObject on /source']],
    ['HeadObject', () => s3.client.send(new HeadObjectCommand({ Bucket: s3.bucket, Key: 'source' })), ['s3:GetObject on /source']],
    ['DeleteObject', () => s3.client.send(new DeleteObjectCommand(target())), ['s3:DeleteObject on /target']],
    ['DeleteObjects', () => s3.client.send(new DeleteObjectsCommand({ Bucket: s3.bucket, Delete: { Objects: [{ Key: 'a' }, { Key: 'b/c' }] } })),
      ['s3:DeleteObject on /a', 's3:DeleteObject on /b/c']],
    ['CopyObject', () => s3.client.send(new CopyObjectCommand({ ...target(), CopySource: `${s3.bucket}/source` })),
      ['s3:GetObject on /source', 's3:PutObject on /target']],
    ['CopyObject with tags', () => s3.client.send(new CopyObjectCommand({ ...target(), CopySource: `${s3.bucket}/tagged` })),
      ['s3:GetObject on /tagged', 's3:PutObject on /target', 's3:GetObjectTagging on /tagged', 's3:PutObjectTagging on /target']],
    ['CopyObject leaving the tags', () => s3.client.send(new CopyObjectCommand({
      ...target(), CopySource: `${s3.bucket}/tagged`, TaggingDirective: 'REPLACE',
    })), ['s3:GetObject on /tagged', 's3:PutObject on /target']],
    ['ListBuckets', () => s3.client.send(new ListBucketsCommand({})), ['s3:ListAllMyBuckets on *']],
    ['HeadBucket', () => s3.client.send(new HeadBucketCommand({ Bucket: s3.bucket })), ['s3:ListBucket on ']],
    ['GetBucketLocation', () => s3.client.send(new GetBucketLocationCommand({ Bucket: s3.bucket })), ['s3:GetBucketLocation on ']],
    ['ListMultipartUploads', () => s3.client.send(new ListMultipartUploadsCommand({ Bucket: s3.bucket })), ['s3:ListBucketMultipartUploads on ']],
    ['CreateBucket', () => s3.client.send(new CreateBucketCommand({ Bucket: 'another-bucket' })), ['s3:CreateBucket on arn:aws:s3:::another-bucket']],
  ])('%s', async (_, send, expected) => {
    await send();
    expect(checked()).toEqual(expected);
  });

  it('multipart uploads', async () => {
    const { UploadId } = await s3.client.send(new CreateMultipartUploadCommand(target()));
    const upload = { ...target(), UploadId };
    const { ETag } = await s3.client.send(new UploadPartCommand({ ...upload, PartNumber: 1, Body: 'x' }));
    await s3.client.send(new UploadPartCopyCommand({ ...upload, PartNumber: 2, CopySource: `${s3.bucket}/source` }));
    await s3.client.send(new ListPartsCommand(upload));
    await s3.client.send(new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts: [{ PartNumber: 1, ETag }] } }));
    const { UploadId: other } = await s3.client.send(new CreateMultipartUploadCommand(target()));
    await s3.client.send(new AbortMultipartUploadCommand({ ...target(), UploadId: other }));
    expect(checked()).toEqual([
      's3:PutObject on /target',
      's3:PutObject on /target',
      's3:GetObject on /source', 's3:PutObject on /target',
      's3:ListMultipartUploadParts on /target',
      's3:PutObject on /target',
      's3:PutObject on /target',
      's3:AbortMultipartUpload on /target',
    ]);
  });

  it('lists, with what policies can limit them by', async () => {
    await s3.client.send(new ListObjectsV2Command({ Bucket: s3.bucket, Prefix: 'cache/project-a/', Delimiter: '/', MaxKeys: 5 }));
    await s3.client.send(new ListObjectsCommand({ Bucket: s3.bucket }));
    expect(calls).toMatchObject([
      { action: 's3:ListBucket', resource: bucketArn, context: { 's3:prefix': 'cache/project-a/', 's3:delimiter': '/', 's3:max-keys': '5' } },
      { action: 's3:ListBucket', resource: bucketArn, context: {} },
    ]);
    expect(calls[1].context).toEqual({});
  });

  it('keys as they are, not as they are encoded', async () => {
    const Key = 'staging/arn:aws:codebuild:us-east-1:1:build/p:u/[...slug] é.js';
    await s3.client.send(new PutObjectCommand({ Bucket: s3.bucket, Key, Body: 'x' }));
    expect(calls).toMatchObject([{ service: 's3', action: 's3:PutObject', resource: `${bucketArn}/${Key}`, accessKeyId: ACCESS_KEY_ID }]);
  });
});

describe('Who is calling', () => {
  it('is told by the header, by a presigned URL, or not at all', async () => {
    const other = clientOf(s3.endpoint, { credentials: { accessKeyId: 'AKIDOTHER', secretAccessKey: 'secret' } });
    await other.send(new HeadBucketCommand({ Bucket: s3.bucket }));
    other.destroy();
    await fetch(presign(`${s3.endpoint}/${s3.bucket}/source`, 60));
    await fetch(`${s3.endpoint}/${s3.bucket}/source`);
    expect(calls.map(({ accessKeyId }) => accessKeyId)).toEqual(['AKIDOTHER', ACCESS_KEY_ID, undefined]);
  });
});

describe('A refused call', () => {
  it('is AccessDenied, and nothing is done', async () => {
    denied = ({ action }) => action === 's3:PutObject';
    expect(await errorOf(s3.client.send(new PutObjectCommand({ Bucket: s3.bucket, Key: 'source', Body: Buffer.alloc(1_000_000) })))).toBe('403 AccessDenied');
    expect(await errorOf(s3.client.send(new CopyObjectCommand({ Bucket: s3.bucket, Key: 'new', CopySource: `${s3.bucket}/source` })))).toBe('403 AccessDenied');
    const source = await s3.client.send(new GetObjectCommand({ Bucket: s3.bucket, Key: 'source' }));
    expect(await source.Body!.transformToString()).toBe('content');
  });

  it('says why', async () => {
    denied = () => true;
    await expect(s3.client.send(new GetObjectCommand({ Bucket: s3.bucket, Key: 'source' })))
      .rejects.toThrow(`No policy allows s3:GetObject on ${bucketArn}/source.`);
  });

  it('of one key does not keep DeleteObjects from deleting the others', async () => {
    denied = ({ resource }) => resource.endsWith('/kept');
    const { Deleted, Errors } = await s3.client.send(new DeleteObjectsCommand({
      Bucket: s3.bucket, Delete: { Objects: [{ Key: 'kept' }, { Key: 'gone' }] },
    }));
    expect(Deleted).toMatchObject([{ Key: 'gone' }]);
    expect(Errors).toMatchObject([{ Key: 'kept', Code: 'AccessDenied' }]);
  });

  it('of s3:ListBucket hides whether a key exists', async () => {
    const missing = { Bucket: s3.bucket, Key: 'missing' };
    expect(await errorOf(s3.client.send(new GetObjectCommand(missing)))).toBe('404 NoSuchKey');
    denied = ({ action }) => action === 's3:ListBucket';
    expect(await errorOf(s3.client.send(new GetObjectCommand(missing)))).toBe('403 AccessDenied');
    expect(await errorOf(s3.client.send(new HeadObjectCommand(missing)))).toMatch(/^403 /);
    expect(await errorOf(s3.client.send(new CopyObjectCommand({ ...missing, CopySource: `${s3.bucket}/absent` })))).toBe('403 AccessDenied');
    expect(await errorOf(s3.client.send(new GetObjectCommand({ ...missing, Key: 'source' })))).toBe('no error');
  });
});
