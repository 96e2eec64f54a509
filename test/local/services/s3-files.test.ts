import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync, mkdirSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DeleteObjectCommand, GetObjectCommand, HeadObjectCommand, ListObjectsV2Command, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { clientOf, presign } from './s3-support';
import { startS3, type S3Service } from '../../../local/services/s3';

const Bucket = 'artifacts';
let directory: string;
let service: S3Service;
let client: S3Client;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 's3-files-'));
  await start();
  await service.createBucket(Bucket);
});
afterEach(async () => {
  await stop();
  rmSync(directory, { recursive: true, force: true });
});

async function start() {
  service = await startS3({ directory });
  client = clientOf(service.endpoint);
}
async function stop() {
  client.destroy();
  await service.close();
}
const put = (Key: string, Body: string, more: object = {}) => client.send(new PutObjectCommand({ Bucket, Key, Body, ...more }));
const fileOf = (...path: string[]) => readFileSync(join(directory, Bucket, ...path), 'utf8');
const temporaryFiles = () => readdirSync(join(directory, '.s3', 'temporary'));

describe('Objects are files', () => {
  it('at their keys', async () => {
    await put('static/project/abc/_next/app-[id].js', 'let a;');
    await put('staging/arn:aws:codebuild:us-east-1:1:build/p:u/lambda.zip', 'zip');
    expect(fileOf('static/project/abc/_next/app-[id].js')).toBe('let a;');
    expect(fileOf('staging/arn:aws:codebuild:us-east-1:1:build/p:u/lambda.zip')).toBe('zip');
    expect(temporaryFiles()).toEqual([]);
  });

  it('whose directories go with the last one', async () => {
    await put('a/b/c', 'c');
    await put('a/d', 'd');
    await client.send(new DeleteObjectCommand({ Bucket, Key: 'a/b/c' }));
    expect(readdirSync(join(directory, Bucket, 'a'))).toEqual(['d']);
    await client.send(new DeleteObjectCommand({ Bucket, Key: 'a/d' }));
    expect(readdirSync(join(directory, Bucket))).toEqual([]);
    expect(existsSync(join(directory, Bucket))).toBe(true);
  });

  it('and never outside of the bucket\'s directory', async () => {
    await put('../../escaped', 'x');
    await put('../.s3/descriptions/x', 'x');
    expect(readdirSync(directory).sort()).toEqual(['.s3', Bucket]);
    expect(fileOf('%2E%2E/%2E%2E/escaped')).toBe('x');
  });

  it('beside the directory that has their name', async () => {
    await put('docs', 'the key');
    await put('docs/index.html', 'below');
    expect([fileOf('docs%'), fileOf('docs/index.html')]).toEqual(['the key', 'below']);
    await client.send(new DeleteObjectCommand({ Bucket, Key: 'docs/index.html' }));
    await put('docs', 'changed');
    const { Contents } = await client.send(new ListObjectsV2Command({ Bucket }));
    expect(Contents).toMatchObject([{ Key: 'docs', Size: 7 }]);
  });

  it('also those that a person puts or edits there', async () => {
    await put('page.html', 'before', { ContentType: 'text/html', Metadata: { a: '1' } });
    mkdirSync(join(directory, Bucket, 'by-hand'));
    writeFileSync(join(directory, Bucket, 'by-hand', 'file.txt'), 'hello');
    writeFileSync(join(directory, Bucket, 'page.html'), 'edited by hand');
    const read = async (Key: string) => {
      const object = await client.send(new GetObjectCommand({ Bucket, Key, ChecksumMode: 'ENABLED' }));
      return [await object.Body!.transformToString(), object.ContentType, object.Metadata];
    };
    expect(await read('by-hand/file.txt')).toEqual(['hello', 'binary/octet-stream', {}]);
    expect(await read('page.html')).toEqual(['edited by hand', 'binary/octet-stream', {}]);
    const { Contents } = await client.send(new ListObjectsV2Command({ Bucket }));
    expect(Contents).toMatchObject([{ Key: 'by-hand/file.txt', Size: 5 }, { Key: 'page.html', Size: 14 }]);
  });
});

describe('The service', () => {
  it('finds its buckets and objects again', async () => {
    const { ETag } = await put('kept', 'content', { ContentType: 'text/plain', CacheControl: 'no-cache', Metadata: { a: '1' } });
    writeFileSync(join(directory, '.s3', 'temporary', 'left-by-a-crash'), '');
    await stop();
    await start();
    expect(await client.send(new HeadObjectCommand({ Bucket, Key: 'kept' }))).toMatchObject({
      ETag, ContentType: 'text/plain', CacheControl: 'no-cache', Metadata: { a: '1' },
    });
    expect(temporaryFiles()).toEqual([]);
    await service.createBucket(Bucket);
    expect(fileOf('kept')).toBe('content');
  });

  it('listens on 127.0.0.1 only', () => {
    expect(service.endpoint).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
  });

  it('closes soon, with idle connections and with an upload that never ends', async () => {
    await put('warm', 'keeps a connection open');
    const upload = httpRequest(presign(`${service.endpoint}/${Bucket}/endless`, 60), { method: 'PUT', headers: { 'content-length': 1000 } });
    const cut = new Promise((resolve) => upload.on('error', resolve));
    await new Promise<void>((resolve) => upload.write('begin', () => resolve()));
    const started = Date.now();
    await Promise.all([service.close(), service.close(), cut]);
    expect(Date.now() - started).toBeLessThan(3000);
    await expect(fetch(service.endpoint)).rejects.toThrow();
  });

  it('refuses to create what cannot be a bucket', async () => {
    await expect(service.createBucket('../outside')).rejects.toThrow('The specified bucket is not valid.');
    await expect(service.createBucket('.s3')).rejects.toThrow('The specified bucket is not valid.');
  });
});
