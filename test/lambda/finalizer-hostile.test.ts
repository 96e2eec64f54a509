/** What a build that has everything in its hands but its staging prefix can make the finalizer do: nothing to anybody else. */
import { GetObjectCommand, HeadObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { finalizer } from './finalizer-support';
import { failureMessage } from '../../src/contract/failure-codes';
import { stagingPrefix } from '../../src/contract/keys';
import { COMMIT_SHA } from '../support/requests';
import { LINK_MODE, zipFile, ZIP } from '../support/zip-file';

const pipeline = finalizer();
const Bucket = 'artifacts-bucket';
const OTHER_COMMIT = 'b'.repeat(40);

/** What lies in the bucket, but for this build's staging: key, content, type, and when it was written. */
async function neighbours(): Promise<Record<string, unknown>> {
  const keys = (await pipeline.keys('')).filter((key) => !key.startsWith(stagingPrefix(pipeline.arn)) && !key.includes(`/${pipeline.id}/${COMMIT_SHA}/${pipeline.id}/`));
  return Object.fromEntries(await Promise.all(keys.map(async (Key) => {
    const { ETag, ContentType, LastModified } = await pipeline.s3.send(new HeadObjectCommand({ Bucket, Key }));
    return [Key, { ETag, ContentType, LastModified }];
  })));
}

/** Another commit of the project, and projects whose ids begin alike. */
async function neighbourhood(): Promise<void> {
  for (const project of [pipeline.id, `${pipeline.id}0`, pipeline.id.slice(0, -1), 'victim']) {
    for (const [root, name] of [['artifacts', 'lambda.zip'], ['artifacts', 'manifest.json'], ['static', 'index.html']]) {
      await pipeline.s3.send(new PutObjectCommand({ Bucket, Key: `${root}/${project}/${OTHER_COMMIT}/${name}`, Body: `of ${project}`, ContentType: 'text/x-before' }));
    }
    await pipeline.s3.send(new PutObjectCommand({ Bucket, Key: `cache/${project}/${'0'.repeat(32)}/next`, Body: `of ${project}` }));
  }
}

describe('Objects of another project, another commit, another branch are as they were, after a build stored', () => {
  test.each<[string, readonly string[]]>([
    ['names that go up', [`static/../../static/victim/${OTHER_COMMIT}/index.html`, `artifacts/functions/../../../victim/${OTHER_COMMIT}/lambda.zip`]],
    ['names that go up in a URL', [`static/%2e%2e/%2e%2e/victim/${OTHER_COMMIT}/index.html`, `static/..%2f..%2fvictim%2f${OTHER_COMMIT}%2findex.html`]],
    ['names of other roots', [`victim/${OTHER_COMMIT}/index.html`, `cache/victim/${'0'.repeat(32)}/next`, `staging/${OTHER_COMMIT}`]],
    ['names that look like keys', [`static/victim/${OTHER_COMMIT}/index.html`, `static/${OTHER_COMMIT}/index.html`]],
    ['names with backslashes and control characters', [`static/..\\..\\victim\\${OTHER_COMMIT}\\index.html`, 'static/a\u0000b', 'static/\u001b[2J']],
    ['a name of 1,024 bytes with its prefix', [`static/${'k'.repeat(900)}`]],
    ['archives of a cache', ['cache/next', 'cache/dependencies']],
  ])('%s', async (_, names) => {
    await neighbourhood();
    const before = await neighbours();
    await pipeline.stage([...names]);
    await pipeline.deliver();
    const after = await neighbours();
    expect(Object.keys(before).length).toBeGreaterThanOrEqual(16);
    for (const [key, object] of Object.entries(before)) expect([key, after[key]]).toEqual([key, object]);
    // What is new is the cache of this project's branch.
    expect(Object.keys(after).filter((key) => !(key in before) && !key.startsWith(`cache/${pipeline.id}/`))).toEqual([]);
    expect(await pipeline.staged()).toBe(0);
  });
});

test('a page among the artifacts is no page to a browser, whatever the build says it is', async () => {
  for (const name of ['artifacts/isr-cache/page.html', 'artifacts/isr-cache/page.svg']) {
    await pipeline.s3.send(new PutObjectCommand({
      Bucket, Key: stagingPrefix(pipeline.arn) + name, Body: '<script>alert(1)</script>', ContentType: 'text/html', ContentDisposition: 'inline', Metadata: { own: 'x' },
    }));
  }
  await pipeline.deliver();
  for (const name of ['page.html', 'page.svg']) {
    const { ContentDisposition, ContentType, Metadata } = await pipeline.s3.send(new HeadObjectCommand({ Bucket, Key: `artifacts/${pipeline.id}/${COMMIT_SHA}/${pipeline.id}/isr-cache/${name}` }));
    expect({ ContentDisposition, ContentType, Metadata }).toEqual({ ContentDisposition: undefined, ContentType: 'application/octet-stream', Metadata: {} });
  }
});

describe('A function\'s zip file', () => {
  test.each<[string, string, Buffer, string, 'ARTIFACTS_INVALID' | 'ARTIFACT_TOO_LARGE']>([
    ['that is none', 'artifacts/lambda.zip', Buffer.from('zip'), 'is not a zip file that can be read', 'ARTIFACTS_INVALID'],
    ['that leads out', 'artifacts/functions/image-optimization-function.zip', zipFile([{ name: '../x' }]), 'invalid relative path', 'ARTIFACTS_INVALID'],
    ['with a link that leads out', 'artifacts/lambda.zip', zipFile([{ name: 'x', content: '/etc/passwd', mode: LINK_MODE }]), 'a link that does not lead straight', 'ARTIFACTS_INVALID'],
    ['that is a bomb', 'artifacts/lambda.zip', zipFile([{ name: 'x', content: Buffer.alloc(300_000), method: 8, uncompressedSize: 300_000_000 }]), 'unpacks to more than', 'ARTIFACT_TOO_LARGE'],
  ])('%s fails the deployment, and nothing of it is promoted', async (_, name, content, problem, failureCode) => {
    await pipeline.stageObject(name, content);
    await pipeline.deliver();
    const record = await pipeline.record();
    expect(record).toMatchObject({ status: 'failed', failureCode, failureMessage: expect.stringContaining(problem) });
    expect(record.failureMessage).toContain(`${failureMessage(failureCode)} Reason: "${name}" `);
    expect((await pipeline.promoted()).filter((key) => key.includes(COMMIT_SHA))).toEqual([]);
    expect(await pipeline.staged()).toBe(0);
  });

  test('that was exchanged after the list is not what is checked or copied', async () => {
    let exchanged = false;
    pipeline.onS3Call = async ({ action, resource }) => {
      if (exchanged || action !== 's3:GetObject' || !resource.endsWith('artifacts/lambda.zip')) return;
      exchanged = true;
      await pipeline.exchange('artifacts/lambda.zip');
    };
    await pipeline.deliver();
    expect(await pipeline.record()).toMatchObject({ status: 'failed', failureCode: 'ARTIFACTS_INVALID', failureMessage: expect.stringContaining('cannot be read: PreconditionFailed') });
    expect(await pipeline.promoted()).toEqual([]);
  });

  test('arrives as it was stored', async () => {
    await pipeline.deliver();
    const { Body } = await pipeline.s3.send(new GetObjectCommand({ Bucket, Key: `artifacts/${pipeline.id}/${COMMIT_SHA}/${pipeline.id}/lambda.zip` }));
    expect(await Body!.transformToString()).toBe(ZIP);
  });
});
