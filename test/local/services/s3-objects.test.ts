import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import {
  CopyObjectCommand, CreateBucketCommand, DeleteObjectCommand, DeleteObjectsCommand, GetBucketLocationCommand, GetObjectCommand,
  GetObjectTaggingCommand, HeadBucketCommand, HeadObjectCommand, ListBucketsCommand, PutObjectAclCommand, PutObjectCommand, type PutObjectCommandInput,
} from '@aws-sdk/client-s3';
import { clientOf, errorOf, startTestS3, type TestS3 } from './s3-support';

let s3: TestS3;
beforeAll(async () => {
  s3 = await startTestS3();
});
afterAll(() => s3.close());

const put = (key: string, body: PutObjectCommandInput['Body'] = 'content', more: Partial<PutObjectCommandInput> = {}) => (
  s3.client.send(new PutObjectCommand({ Bucket: s3.bucket, Key: key, Body: body, ...more }))
);
const get = (key: string, more: object = {}) => s3.client.send(new GetObjectCommand({ Bucket: s3.bucket, Key: key, ...more }));
const head = (key: string, more: object = {}) => s3.client.send(new HeadObjectCommand({ Bucket: s3.bucket, Key: key, ...more }));
const textOf = async (key: string, more: object = {}) => (await get(key, more)).Body!.transformToString();
const md5 = (content: string | Buffer) => createHash('md5').update(content).digest('hex');

describe('PutObject and GetObject', () => {
  it('give back what was stored, with its description', async () => {
    const { ETag } = await put('described', '{"a":1}', {
      ContentType: 'application/json',
      CacheControl: 'public, max-age=31536000, immutable',
      ContentDisposition: 'inline',
      ContentEncoding: 'gzip',
      ContentLanguage: 'en',
      Metadata: { commit: 'abc', deployment: 'd-1' },
    });
    const stored = await get('described');
    expect(ETag).toBe(`"${md5('{"a":1}')}"`);
    expect(await stored.Body!.transformToString()).toBe('{"a":1}');
    expect(stored).toMatchObject({
      ETag,
      ContentType: 'application/json',
      CacheControl: 'public, max-age=31536000, immutable',
      ContentDisposition: 'inline',
      ContentEncoding: 'gzip',
      ContentLanguage: 'en',
      ContentLength: 7,
      AcceptRanges: 'bytes',
      Metadata: { commit: 'abc', deployment: 'd-1' },
    });
    expect(Math.abs(Date.now() - stored.LastModified!.getTime())).toBeLessThan(60_000);
    expect(await head('described')).toMatchObject({ ETag, ContentType: 'application/json', ContentLength: 7, Metadata: { commit: 'abc' } });
  });

  it('use S3\'s default content type', async () => {
    await s3.client.send(new PutObjectCommand({ Bucket: s3.bucket, Key: 'untyped', Body: Buffer.from('x'), ContentType: undefined }));
    expect((await head('untyped')).ContentType).toMatch(/^(binary|application)\/octet-stream$/);
  });

  it.each([
    'a b', 'a+b', 'a%2Fb', '100%', 'é/ü 😀', 'x&y=<z>', '[...slug]/page.js', '(group)/@modal/page', 'arn:aws:codebuild:us-east-1:1:build/p:u/f',
    'trailing/', 'a//b', '/leading', './dot', 'up/../../../out', '..', '.s3/secret', 'tab\tand\nline', `${'long'.repeat(100)}/${'é'.repeat(200)}`, 'quote"\'`',
    'what?versionId=1#hash', '~tilde', 'comma,semi;colon:', 'back\\slash',
  ])('take the key %j', async (key) => {
    await put(key, `content of ${key}`);
    expect(await textOf(key)).toBe(`content of ${key}`);
    await s3.client.send(new DeleteObjectCommand({ Bucket: s3.bucket, Key: key }));
    expect(await errorOf(get(key))).toBe('404 NoSuchKey');
  });

  it('keep a key beside the keys below it, in either order', async () => {
    await put('beside', 'parent');
    await put('beside/child', 'child');
    await put('beside/child/grandchild', 'grandchild');
    await put('beside', 'parent again');
    expect(await Promise.all(['beside', 'beside/child', 'beside/child/grandchild'].map((key) => textOf(key))))
      .toEqual(['parent again', 'child', 'grandchild']);
    await s3.client.send(new DeleteObjectCommand({ Bucket: s3.bucket, Key: 'beside/child' }));
    expect(await errorOf(get('beside/child'))).toBe('404 NoSuchKey');
    expect(await textOf('beside/child/grandchild')).toBe('grandchild');
    expect(await textOf('beside')).toBe('parent again');
  });

  it('take an empty object', async () => {
    await put('empty', Buffer.alloc(0));
    expect(await textOf('empty')).toBe('');
    expect(await head('empty')).toMatchObject({ ContentLength: 0, ETag: '"d41d8cd98f00b204e9800998ecf8427e"' });
  });

  it('refuse a key over 1,024 bytes', async () => {
    expect(await errorOf(put('k'.repeat(1025)))).toBe('400 KeyTooLongError');
  });

  it('replace the content and the description of an object that exists', async () => {
    await put('replaced', 'one', { Metadata: { a: '1' } });
    await put('replaced', 'two', { Metadata: { b: '2' } });
    expect(await textOf('replaced')).toBe('two');
    expect((await head('replaced')).Metadata).toEqual({ b: '2' });
  });

  it('show a reader the content it began to read, whatever is written meanwhile', async () => {
    const before = Buffer.alloc(8 * 1024 ** 2, 'a');
    await put('busy', before);
    const reading = await get('busy');
    await put('busy', 'b');
    expect(md5(Buffer.from(await reading.Body!.transformToByteArray()))).toBe(md5(before));
    expect(await textOf('busy')).toBe('b');
  });

  it('never mix concurrent writes of one key', async () => {
    const bodies = Array.from({ length: 8 }, (_, index) => Buffer.alloc(300_000 + index, `${index}`));
    await Promise.all(bodies.map((body) => put('contended', body)));
    const stored = Buffer.from(await (await get('contended')).Body!.transformToByteArray());
    expect(bodies.map(md5)).toContain(md5(stored));
    expect((await head('contended')).ETag).toBe(`"${md5(stored)}"`);
  });

  it('say what is missing', async () => {
    expect(await errorOf(get('missing'))).toBe('404 NoSuchKey');
    expect(await errorOf(head('missing'))).toBe('404 NotFound');
    expect(await errorOf(s3.client.send(new GetObjectCommand({ Bucket: 'no-such-bucket', Key: 'k' })))).toBe('404 NoSuchBucket');
    expect(await errorOf(s3.client.send(new PutObjectCommand({ Bucket: 'no-such-bucket', Key: 'k', Body: 'x' })))).toBe('404 NoSuchBucket');
  });
});

describe('Bodies and checksums', () => {
  const content = Buffer.from(Array.from({ length: 300_000 }, (_, index) => index % 251));

  it('decode a stream with a trailing checksum', async () => {
    const stream = Readable.from((function* () {
      for (let at = 0; at < content.length; at += 7001) {
        yield content.subarray(at, at + 7001);
      }
    })());
    await put('streamed', stream, { ContentLength: content.length });
    expect(md5(Buffer.from(await (await get('streamed')).Body!.transformToByteArray()))).toBe(md5(content));
    expect(await head('streamed')).toMatchObject({ ContentLength: content.length, ETag: `"${md5(content)}"` });
    expect((await head('streamed')).ContentEncoding ?? '').not.toContain('aws-chunked');
  });

  it('keep the content encoding of a stream', async () => {
    await put('encoded', Readable.from([content]), { ContentLength: content.length, ContentEncoding: 'br' });
    expect((await head('encoded')).ContentEncoding).toBe('br');
  });

  it.each(['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'] as const)('store and return %s', async (algorithm) => {
    const stored = await put(`sum-${algorithm}`, content, { ChecksumAlgorithm: algorithm });
    const name = `Checksum${algorithm}` as const;
    expect(stored[name]).toMatch(/^[A-Za-z0-9+/]+=*$/);
    const read = await get(`sum-${algorithm}`, { ChecksumMode: 'ENABLED' });
    expect(read[name]).toBe(stored[name]);
    expect(Buffer.from(await read.Body!.transformToByteArray()).equals(content)).toBe(true);
    expect((await head(`sum-${algorithm}`, { ChecksumMode: 'ENABLED' }))[name]).toBe(stored[name]);
    expect((await head(`sum-${algorithm}`))[name]).toBeUndefined();
  });

  it.each(['CRC32', 'SHA1', 'SHA256'] as const)('refuse content that does not have its %s', async (algorithm) => {
    const wrong = { CRC32: 'AAAAAA==', SHA1: `${'A'.repeat(27)}=`, SHA256: `${'A'.repeat(43)}=` }[algorithm];
    expect(await errorOf(put('wrong', content, { [`Checksum${algorithm}`]: wrong }))).toBe('400 BadDigest');
    expect(await errorOf(get('wrong'))).toBe('404 NoSuchKey');
  });

  it('refuse content that does not have its MD5', async () => {
    expect(await errorOf(put('wrong', content, { ContentMD5: createHash('md5').update('other').digest('base64') }))).toBe('400 BadDigest');
    await put('right', content, { ContentMD5: createHash('md5').update(content).digest('base64') });
    expect((await head('right')).ContentLength).toBe(content.length);
  });
});

describe('Ranges', () => {
  beforeAll(() => put('digits', '0123456789'));

  it.each([
    ['bytes=2-4', '234', 'bytes 2-4/10'],
    ['bytes=7-', '789', 'bytes 7-9/10'],
    ['bytes=-3', '789', 'bytes 7-9/10'],
    ['bytes=0-99', '0123456789', 'bytes 0-9/10'],
    ['bytes=-99', '0123456789', 'bytes 0-9/10'],
  ])('%s', async (range, content, contentRange) => {
    const part = await get('digits', { Range: range });
    expect(part).toMatchObject({ ContentRange: contentRange, ContentLength: content.length, $metadata: { httpStatusCode: 206 } });
    expect(await part.Body!.transformToString()).toBe(content);
  });

  it('refuse a range behind the end', async () => {
    expect(await errorOf(get('digits', { Range: 'bytes=10-' }))).toBe('416 InvalidRange');
  });
});

describe('Conditions', () => {
  it('of reads', async () => {
    const { ETag } = await put('conditional');
    expect(await textOf('conditional', { IfMatch: ETag })).toBe('content');
    expect(await errorOf(get('conditional', { IfMatch: '"other"' }))).toBe('412 PreconditionFailed');
    expect(await errorOf(get('conditional', { IfNoneMatch: ETag }))).toMatch(/^304 /);
    expect(await textOf('conditional', { IfNoneMatch: '"other"' })).toBe('content');
    const { LastModified } = await head('conditional');
    expect(await errorOf(get('conditional', { IfModifiedSince: LastModified }))).toMatch(/^304 /);
    expect(await errorOf(get('conditional', { IfUnmodifiedSince: new Date(LastModified!.getTime() - 60_000) }))).toBe('412 PreconditionFailed');
    expect(await textOf('conditional', { IfModifiedSince: new Date(LastModified!.getTime() - 60_000) })).toBe('content');
    expect(await textOf('conditional', { IfUnmodifiedSince: LastModified })).toBe('content');
  });

  it('If-None-Match: * lets one of many writers win', async () => {
    const results = await Promise.all(Array.from({ length: 10 }, (_, index) => errorOf(put('once', `writer ${index}`, { IfNoneMatch: '*' }))));
    expect(results.filter((result) => result === 'no error')).toHaveLength(1);
    expect(results.filter((result) => result === '412 PreconditionFailed')).toHaveLength(9);
    expect(await textOf('once')).toBe(`writer ${results.indexOf('no error')}`);
  });

  it('If-Match replaces only what the writer knows', async () => {
    const { ETag } = await put('known', 'one');
    await put('known', 'two', { IfMatch: ETag });
    expect(await errorOf(put('known', 'three', { IfMatch: ETag }))).toBe('412 PreconditionFailed');
    expect(await errorOf(put('unknown', 'three', { IfMatch: ETag }))).toBe('404 NoSuchKey');
    expect(await textOf('known')).toBe('two');
  });
});

describe('CopyObject', () => {
  const copy = (source: string, target: string, more: object = {}) => s3.client.send(new CopyObjectCommand({
    Bucket: s3.bucket, Key: target, CopySource: `${s3.bucket}/${encodeURIComponent(source)}`, ...more,
  }));
  beforeAll(() => put('source/a b+c é.js', 'let a;', {
    ContentType: 'text/javascript', CacheControl: 'immutable', Metadata: { from: 'build' }, Tagging: 'team=web&stage=dev', ChecksumAlgorithm: 'SHA256',
  }));

  it('copies content, description, tags and checksum', async () => {
    const { CopyObjectResult } = await copy('source/a b+c é.js', 'copied');
    expect(CopyObjectResult).toMatchObject({ ETag: `"${md5('let a;')}"`, LastModified: expect.any(Date) });
    expect(await textOf('copied')).toBe('let a;');
    expect(await head('copied', { ChecksumMode: 'ENABLED' })).toMatchObject({
      ContentType: 'text/javascript',
      CacheControl: 'immutable',
      Metadata: { from: 'build' },
      ChecksumSHA256: createHash('sha256').update('let a;').digest('base64'),
    });
    const { TagSet } = await s3.client.send(new GetObjectTaggingCommand({ Bucket: s3.bucket, Key: 'copied' }));
    expect(TagSet).toEqual([{ Key: 'team', Value: 'web' }, { Key: 'stage', Value: 'dev' }]);
  });

  it('replaces what it is told to', async () => {
    await copy('source/a b+c é.js', 'replaced-copy', {
      MetadataDirective: 'REPLACE', ContentType: 'text/plain', Metadata: { by: 'finalizer' }, TaggingDirective: 'REPLACE', Tagging: '',
    });
    const replaced = await get('replaced-copy');
    expect(await replaced.Body!.transformToString()).toBe('let a;');
    expect(replaced).toMatchObject({ ContentType: 'text/plain', Metadata: { by: 'finalizer' } });
    expect(replaced.CacheControl).toBeUndefined();
    expect((await s3.client.send(new GetObjectTaggingCommand({ Bucket: s3.bucket, Key: 'replaced-copy' }))).TagSet).toEqual([]);
  });

  it('heeds conditions on the source', async () => {
    const { ETag } = await head('source/a b+c é.js');
    expect(await errorOf(copy('source/a b+c é.js', 'conditional-copy', { CopySourceIfMatch: '"other"' }))).toBe('412 PreconditionFailed');
    expect(await errorOf(copy('source/a b+c é.js', 'conditional-copy', { CopySourceIfNoneMatch: ETag }))).toBe('412 PreconditionFailed');
    expect(await errorOf(copy('source/a b+c é.js', 'conditional-copy', { CopySourceIfMatch: ETag }))).toBe('no error');
  });

  it('refuses what is not there, and a copy to itself that changes nothing', async () => {
    expect(await errorOf(copy('missing', 'x'))).toBe('404 NoSuchKey');
    expect(await errorOf(s3.client.send(new CopyObjectCommand({ Bucket: s3.bucket, Key: 'x', CopySource: 'no-such-bucket/key' })))).toBe('404 NoSuchBucket');
    expect(await errorOf(copy('copied', 'copied'))).toBe('400 InvalidRequest');
    await copy('copied', 'copied', { MetadataDirective: 'REPLACE', ContentType: 'text/css' });
    expect((await head('copied')).ContentType).toBe('text/css');
    expect(await textOf('copied')).toBe('let a;');
  });
});

describe('DeleteObject and DeleteObjects', () => {
  it('delete, also what is not there', async () => {
    await put('doomed');
    await s3.client.send(new DeleteObjectCommand({ Bucket: s3.bucket, Key: 'doomed' }));
    await s3.client.send(new DeleteObjectCommand({ Bucket: s3.bucket, Key: 'doomed' }));
    expect(await errorOf(get('doomed'))).toBe('404 NoSuchKey');
  });

  it('delete many, with names that XML has to escape', async () => {
    const keys = ['many/a', 'many/<b>&"c\'', 'many/é 😀'];
    await Promise.all(keys.map((key) => put(key)));
    const result = await s3.client.send(new DeleteObjectsCommand({
      Bucket: s3.bucket, Delete: { Objects: [...keys, 'many/missing'].map((Key) => ({ Key })) },
    }));
    expect(result.Deleted!.map(({ Key }) => Key).sort()).toEqual([...keys, 'many/missing'].sort());
    expect(result.Errors ?? []).toEqual([]);
    expect(await Promise.all(keys.map((key) => errorOf(get(key))))).toEqual(keys.map(() => '404 NoSuchKey'));
  });

  it('say nothing when asked to be quiet', async () => {
    await put('quiet');
    const result = await s3.client.send(new DeleteObjectsCommand({ Bucket: s3.bucket, Delete: { Quiet: true, Objects: [{ Key: 'quiet' }] } }));
    expect(result.Deleted ?? []).toEqual([]);
    expect(await errorOf(get('quiet'))).toBe('404 NoSuchKey');
  });
});

describe('Buckets', () => {
  it('are created, found and listed', async () => {
    const name = `${s3.bucket}-2`.slice(0, 63);
    await s3.client.send(new CreateBucketCommand({ Bucket: name }));
    await s3.client.send(new HeadBucketCommand({ Bucket: name }));
    const { Buckets } = await s3.client.send(new ListBucketsCommand({}));
    expect(Buckets!.map(({ Name }) => Name)).toEqual(expect.arrayContaining([s3.bucket, name]));
    expect(Buckets![0].CreationDate).toBeInstanceOf(Date);
  });

  it('know their region', async () => {
    expect((await s3.client.send(new GetBucketLocationCommand({ Bucket: s3.bucket }))).LocationConstraint).toBeUndefined();
  });

  it('say when they are missing or not possible', async () => {
    expect(await errorOf(s3.client.send(new HeadBucketCommand({ Bucket: 'no-such-bucket' })))).toBe('404 NotFound');
    expect(await errorOf(s3.client.send(new CreateBucketCommand({ Bucket: 'Not_A_Bucket' })))).toBe('400 InvalidBucketName');
  });
});

it('Operations that are left out are refused instead of being taken for others', async () => {
  await put('acl', 'kept');
  // A server that knows ACLs answers otherwise; none may take the document for the object.
  await errorOf(s3.client.send(new PutObjectAclCommand({ Bucket: s3.bucket, Key: 'acl', ACL: 'private' })));
  expect(await textOf('acl')).toBe('kept');
});

it('The client without default checksums works too', async () => {
  const client = clientOf(s3.endpoint, { requestChecksumCalculation: 'WHEN_REQUIRED', responseChecksumValidation: 'WHEN_REQUIRED' });
  try {
    await client.send(new PutObjectCommand({ Bucket: s3.bucket, Key: 'plain', Body: 'plain' }));
    expect(await textOf('plain')).toBe('plain');
  } finally {
    client.destroy();
  }
});
