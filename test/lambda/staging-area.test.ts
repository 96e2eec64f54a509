/** What no emulator gives: a build that stores faster than its staging area is emptied. */
import { DeleteObjectCommand, DeleteObjectsCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import { type AwsStub, mockClient } from 'aws-sdk-client-mock';
import { MAX_STAGED_OBJECTS } from '../../lambda/finalizer/promotion-plan';
import { StagingArea } from '../../lambda/finalizer/staging-area';

const PAGE = 1_000;
/** Three times of what is removed: as good as endless, but a test without the bound still ends. */
const PAGES = 3 * MAX_STAGED_OBJECTS / PAGE;

let s3: AwsStub<object, { $metadata: object }, object>;
let pages: number;
beforeEach(() => {
  pages = 0;
  s3 = mockClient(S3Client as never) as never;
});

const area = () => new StagingArea(new S3Client({ region: 'eu-central-1' }), 'bucket', 'staging/build/');
const fillWith = (name: (index: number) => string) => s3.on(ListObjectsV2Command as never).callsFake(() => {
  pages += 1;
  const objects = Array.from({ length: PAGE }, (_, index) => ({ Key: `staging/build/${name(pages * PAGE + index)}` }));
  return { Contents: objects, IsTruncated: pages < PAGES, NextContinuationToken: `${pages}` };
});

test('what a build may have stored is removed, and a flood that goes on is left to the lifecycle rule', async () => {
  fillWith((index) => `${index}`);
  s3.on(DeleteObjectsCommand as never).resolves({} as never);
  await area().remove();
  expect(s3.commandCalls(DeleteObjectsCommand as never).length * PAGE).toBeGreaterThan(MAX_STAGED_OBJECTS);
  expect(s3.commandCalls(DeleteObjectsCommand as never).length * PAGE).toBeLessThanOrEqual(MAX_STAGED_OBJECTS + PAGE);
});

test('keys that XML has no way to write are removed many at a time', async () => {
  fillWith((index) => `\u0001${index}`);
  let [running, most] = [0, 0];
  s3.on(DeleteObjectCommand as never).callsFake(async () => {
    most = Math.max(most, running += 1);
    await new Promise(setImmediate);
    running -= 1;
    return {};
  });
  await area().remove();
  expect(most).toBe(50);
});
