/** The AWS CLI, because build steps use it. Skipped where there is none. */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { HeadObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { SECRET_ACCESS_KEY, startTestS3, type TestS3 } from './s3-support';

const hasCli = (process.env.PATH ?? '').split(delimiter).some((path) => existsSync(join(path, 'aws')));

/** The CLI starts slowly on a busy machine. */
const TIMEOUT_MS = 120_000;

(hasCli ? describe : describe.skip)(`The AWS CLI${hasCli ? '' : ' (skipped: no `aws` on the PATH)'}`, () => {
  let s3: TestS3;
  let work: string;
  beforeAll(async () => {
    s3 = await startTestS3();
    work = mkdtempSync(join(tmpdir(), 's3-cli-'));
    writeFileSync(join(work, 'credentials'), '');
    // Without it the CLI version 1 presigns as before SigV4.
    writeFileSync(join(work, 'config'), '[default]\ns3 =\n  signature_version = s3v4\n');
  });
  afterAll(async () => {
    await s3.close();
    rmSync(work, { recursive: true, force: true });
  });

  /** With an environment of its own: neither the user's profile nor proxies may take part. */
  async function aws(...args: string[]): Promise<string> {
    const { stdout } = await promisify(execFile)('aws', args, {
      timeout: TIMEOUT_MS,
      env: {
        PATH: process.env.PATH,
        HOME: work,
        AWS_CONFIG_FILE: join(work, 'config'),
        AWS_SHARED_CREDENTIALS_FILE: join(work, 'credentials'),
        AWS_EC2_METADATA_DISABLED: 'true',
        AWS_ACCESS_KEY_ID: 'AKIDCLI',
        AWS_SECRET_ACCESS_KEY: SECRET_ACCESS_KEY,
        AWS_REGION: 'us-east-1',
        AWS_DEFAULT_REGION: 'us-east-1',
        AWS_ENDPOINT_URL_S3: s3.endpoint,
        AWS_PAGER: '',
      },
    });
    return stdout;
  }

  const FILES: Record<string, Buffer> = {
    'index.html': Buffer.from('<html></html>'),
    'empty.txt': Buffer.alloc(0),
    '_next/static/chunks/app/[...slug]/page 1+2.js': Buffer.from('let a;'),
    'é/😀 ü.css': Buffer.from('a {}'),
    "quote's & (parens).txt": Buffer.from('x'),
    // Over the 8 MiB above which the CLI uploads, downloads and copies in parts.
    'large.bin': Buffer.alloc(9 * 1024 ** 2, 'large'),
  };
  const tree = (root: string) => readdirSync(root, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).length;

  it('copies a tree up, from prefix to prefix, and down again', async () => {
    for (const [name, content] of Object.entries(FILES)) {
      mkdirSync(dirname(join(work, 'up', name)), { recursive: true });
      writeFileSync(join(work, 'up', name), content);
    }
    const staging = `s3://${s3.bucket}/staging/arn:aws:codebuild:us-east-1:1:build/p:u`;
    await aws('s3', 'cp', '--recursive', '--no-progress', '--cache-control', 'immutable', join(work, 'up'), staging);
    await aws('s3', 'cp', '--recursive', '--no-progress', staging, `s3://${s3.bucket}/static`);
    await aws('s3', 'cp', '--recursive', '--no-progress', `s3://${s3.bucket}/static`, join(work, 'down'));
    for (const [name, content] of Object.entries(FILES)) {
      expect([name, readFileSync(join(work, 'down', name)).equals(content)]).toEqual([name, true]);
    }
    expect(tree(join(work, 'down'))).toBe(Object.keys(FILES).length);
    expect(await s3.client.send(new HeadObjectCommand({ Bucket: s3.bucket, Key: 'static/index.html' })))
      .toMatchObject({ ContentType: 'text/html', CacheControl: 'immutable' });
    expect((await s3.client.send(new HeadObjectCommand({ Bucket: s3.bucket, Key: 'static/large.bin' }))).ContentLength).toBe(9 * 1024 ** 2);
  }, TIMEOUT_MS);

  it('lists, syncs with deletion, and removes a tree', async () => {
    mkdirSync(join(work, 'sync'));
    writeFileSync(join(work, 'sync', 'one'), '1');
    await s3.client.send(new PutObjectCommand({ Bucket: s3.bucket, Key: 'sync/old & gone', Body: 'x' }));
    await aws('s3', 'sync', '--delete', '--no-progress', join(work, 'sync'), `s3://${s3.bucket}/sync`);
    expect(await aws('s3', 'ls', '--recursive', `s3://${s3.bucket}/sync/`)).toMatch(/^\S+ \S+\s+1 sync\/one\n$/);
    expect(await aws('s3', 'ls', `s3://${s3.bucket}/`)).toContain('PRE sync/');
    expect(await aws('s3', 'ls')).toContain(s3.bucket);
    await aws('s3', 'rm', '--recursive', `s3://${s3.bucket}/sync`);
    await expect(aws('s3', 'ls', `s3://${s3.bucket}/sync/`)).rejects.toMatchObject({ code: 1 });
  }, TIMEOUT_MS);

  it('writes to standard output, and presigns', async () => {
    await s3.client.send(new PutObjectCommand({ Bucket: s3.bucket, Key: 'signed', Body: 'by CLI' }));
    expect(await aws('s3', 'cp', `s3://${s3.bucket}/signed`, '-')).toBe('by CLI');
    const url = (await aws('s3', 'presign', '--expires-in', '60', `s3://${s3.bucket}/signed`)).trim();
    expect(url.startsWith(s3.endpoint)).toBe(true);
    expect(await (await fetch(url)).text()).toBe('by CLI');
  }, TIMEOUT_MS);
});
