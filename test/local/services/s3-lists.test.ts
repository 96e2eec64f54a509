import {
  DeleteObjectCommand, ListObjectsCommand, ListObjectsV2Command, paginateListObjectsV2, PutObjectCommand, type ListObjectsV2CommandInput,
} from '@aws-sdk/client-s3';
import { errorOf, startTestS3, type TestS3 } from './s3-support';

/** In the order of S3: by the bytes of their UTF-8 form, in which U+FFxx comes before the emoji (UTF-16 would say otherwise). */
const KEYS = [
  'a', 'a b', 'a-b', 'a/1', 'a/2', 'a/b/3', 'a/b/4', 'a0', 'b//x', 'b/', 'b/c', 'é', '\uff5e', '😀',
].sort((one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other)));

let s3: TestS3;
beforeAll(async () => {
  s3 = await startTestS3();
  await Promise.all(KEYS.map((Key) => s3.client.send(new PutObjectCommand({ Bucket: s3.bucket, Key, Body: Key }))));
});
afterAll(() => s3.close());

const list = (more: Partial<ListObjectsV2CommandInput> = {}) => s3.client.send(new ListObjectsV2Command({ Bucket: s3.bucket, ...more }));
const keysOf = (page: { Contents?: { Key?: string }[] }) => (page.Contents ?? []).map(({ Key }) => Key);
const prefixesOf = (page: { CommonPrefixes?: { Prefix?: string }[] }) => (page.CommonPrefixes ?? []).map(({ Prefix }) => Prefix);

describe('ListObjectsV2', () => {
  it('lists every key in the order of its bytes, with what it is', async () => {
    const page = await list();
    expect(keysOf(page)).toEqual(KEYS);
    expect(page).toMatchObject({ Name: s3.bucket, KeyCount: KEYS.length, IsTruncated: false, MaxKeys: 1000 });
    expect(page.NextContinuationToken).toBeUndefined();
    expect(page.Contents![0]).toMatchObject({
      ETag: '"0cc175b9c0f1b6a831c399e269772661"', Size: 1, StorageClass: 'STANDARD', LastModified: expect.any(Date),
    });
  });

  it.each(['', 'a', 'a/', 'a/b', 'a/b/', 'b/', 'b//', 'é', 'nothing', 'nothing/below', 'a/1/'])('prefix %j', async (prefix) => {
    expect(keysOf(await list({ Prefix: prefix }))).toEqual(KEYS.filter((key) => key.startsWith(prefix)));
  });

  it('rolls keys up at the delimiter', async () => {
    const root = await list({ Delimiter: '/' });
    expect(prefixesOf(root)).toEqual(['a/', 'b/']);
    expect(keysOf(root)).toEqual(KEYS.filter((key) => !key.includes('/')));
    expect(root).toMatchObject({ KeyCount: keysOf(root).length + 2, Delimiter: '/' });
    const below = await list({ Delimiter: '/', Prefix: 'a/' });
    expect([prefixesOf(below), keysOf(below)]).toEqual([['a/b/'], ['a/1', 'a/2']]);
    const folder = await list({ Delimiter: '/', Prefix: 'b/' });
    expect([prefixesOf(folder), keysOf(folder)]).toEqual([['b//'], ['b/', 'b/c']]);
  });

  it.each([1, 2, 3, 5])('pages of %i have every key once', async (pageSize) => {
    const keys: (string | undefined)[] = [];
    for await (const page of paginateListObjectsV2({ client: s3.client, pageSize }, { Bucket: s3.bucket })) {
      expect(page.KeyCount).toBeLessThanOrEqual(pageSize);
      keys.push(...keysOf(page));
    }
    expect(keys).toEqual(KEYS);
  });

  it('shows on a next page what was written and removed since the first', async () => {
    const put = (Key: string) => s3.client.send(new PutObjectCommand({ Bucket: s3.bucket, Key, Body: 'x' }));
    const remove = (Key: string) => s3.client.send(new DeleteObjectCommand({ Bucket: s3.bucket, Key }));
    for (const key of ['changing/1', 'changing/2', 'changing/3']) await put(key);
    const { NextContinuationToken: ContinuationToken } = await list({ Prefix: 'changing/', MaxKeys: 1 });
    await put('changing/4');
    expect(keysOf(await list({ Prefix: 'changing/', ContinuationToken }))).toEqual(['changing/2', 'changing/3', 'changing/4']);
    await remove('changing/2');
    expect(keysOf(await list({ Prefix: 'changing/', ContinuationToken }))).toEqual(['changing/3', 'changing/4']);
    for (const key of ['changing/1', 'changing/3', 'changing/4']) await remove(key);
  });

  it.each([1, 2, 3])('pages of %i have every common prefix once', async (pageSize) => {
    const found: (string | undefined)[] = [];
    for await (const page of paginateListObjectsV2({ client: s3.client, pageSize }, { Bucket: s3.bucket, Delimiter: '/' })) {
      found.push(...keysOf(page), ...prefixesOf(page));
    }
    expect(found.sort()).toEqual([...KEYS.filter((key) => !key.includes('/')), 'a/', 'b/'].sort());
  });

  it('starts after a key, there or not', async () => {
    expect(keysOf(await list({ StartAfter: 'a/2' }))).toEqual(KEYS.slice(KEYS.indexOf('a/2') + 1));
    expect(keysOf(await list({ StartAfter: 'a/2!' }))).toEqual(KEYS.slice(KEYS.indexOf('a/2') + 1));
    expect(keysOf(await list({ StartAfter: 'a/1', Prefix: 'a/' }))).toEqual(['a/2', 'a/b/3', 'a/b/4']);
  });

  it('gives nothing for max-keys 0', async () => {
    expect(await list({ MaxKeys: 0 })).toMatchObject({ KeyCount: 0, IsTruncated: false });
  });

  it('encodes names when asked to, a space as plus', async () => {
    const page = await list({ EncodingType: 'url', Prefix: 'a' });
    expect(page.EncodingType).toBe('url');
    expect(keysOf(page)).toEqual(expect.arrayContaining(['a', 'a+b', 'a-b', 'a/1']));
    expect(keysOf(await list({ EncodingType: 'url', Prefix: 'é' }))).toEqual(['%C3%A9']);
  });

  it('refuses a token that it did not give, and a bucket that is missing', async () => {
    expect(await errorOf(list({ ContinuationToken: '???' }))).toBe('400 InvalidArgument');
    expect(await errorOf(list({ Bucket: 'no-such-bucket' }))).toBe('404 NoSuchBucket');
  });
});

describe('ListObjects (version 1)', () => {
  it('pages with markers', async () => {
    const first = await s3.client.send(new ListObjectsCommand({ Bucket: s3.bucket, MaxKeys: 4 }));
    expect(keysOf(first)).toEqual(KEYS.slice(0, 4));
    expect(first.IsTruncated).toBe(true);
    const second = await s3.client.send(new ListObjectsCommand({ Bucket: s3.bucket, Marker: KEYS[3] }));
    expect(keysOf(second)).toEqual(KEYS.slice(4));
    expect(second).toMatchObject({ IsTruncated: false, Marker: KEYS[3] });
  });

  it('pages with common prefixes as markers', async () => {
    const found: (string | undefined)[] = [];
    let marker: string | undefined;
    for (let round = 0; round < 20; round++) {
      const page = await s3.client.send(new ListObjectsCommand({ Bucket: s3.bucket, Delimiter: '/', MaxKeys: 1, Marker: marker }));
      found.push(...keysOf(page), ...prefixesOf(page));
      marker = page.NextMarker;
      if (!page.IsTruncated) {
        break;
      }
    }
    expect(found.sort()).toEqual([...KEYS.filter((key) => !key.includes('/')), 'a/', 'b/'].sort());
  });
});
