import fc from 'fast-check';
import { MAX_FUNCTIONS, MAX_OBJECT_BYTES, MAX_STAGED_OBJECTS, planPromotion, StagedObject } from '../../lambda/finalizer/promotion-plan';
import { COMMIT_SHA } from '../support/requests';

const TARGET = { projectId: 'project-1', commitSha: COMMIT_SHA, deploymentId: 'deployment-1', branch: 'main' };
const COMPLETE: StagedObject[] = ['lambda.zip', 'open-next.output.json', 'manifest.json'].map((name) => ({ name: `artifacts/${name}`, bytes: 10 }));
const plan = (...names: string[]) => planPromotion([...COMPLETE, ...names.map((name) => ({ name, bytes: 1 }))], TARGET);

function promotionOf(name: string) {
  const result = plan(name);
  if (!result.acceptable) throw new Error(result.problem);
  return result.promotions.find((promotion) => promotion.name === name);
}

test.each([
  ['artifacts/functions/image-optimization-function.zip', `artifacts/project-1/${COMMIT_SHA}/deployment-1/functions/image-optimization-function.zip`, 'application/zip', undefined],
  ['artifacts/isr-cache/abc/index.cache', `artifacts/project-1/${COMMIT_SHA}/deployment-1/isr-cache/abc/index.cache`, 'application/octet-stream', undefined],
  ['artifacts/isr-cache/evil.html', `artifacts/project-1/${COMMIT_SHA}/deployment-1/isr-cache/evil.html`, 'application/octet-stream', undefined],
  ['static/_next/static/chunks/main-1a2b.js', `static/project-1/${COMMIT_SHA}/deployment-1/_next/static/chunks/main-1a2b.js`, 'application/javascript; charset=utf-8', 'public, max-age=31536000, immutable'],
  ['static/docs/_next/static/x.css', `static/project-1/${COMMIT_SHA}/deployment-1/docs/_next/static/x.css`, 'text/css; charset=utf-8', 'public, max-age=31536000, immutable'],
  ['static/robots.txt', `static/project-1/${COMMIT_SHA}/deployment-1/robots.txt`, 'text/plain; charset=utf-8', 'public, max-age=0, must-revalidate'],
  ['static/photo.webp', `static/project-1/${COMMIT_SHA}/deployment-1/photo.webp`, 'image/webp', 'public, max-age=0, must-revalidate'],
  ['static/BUILD_ID', `static/project-1/${COMMIT_SHA}/deployment-1/BUILD_ID`, 'application/octet-stream', 'public, max-age=0, must-revalidate'],
  ['static/a b+c(ü)%2F.png', `static/project-1/${COMMIT_SHA}/deployment-1/a b+c(ü)%2F.png`, 'image/png', 'public, max-age=0, must-revalidate'],
])('%s goes to %s as %s, %s', (name, targetKey, contentType, cacheControl) => {
  expect(promotionOf(name)).toEqual({ name, targetKey, contentType, cacheControl });
});

test('the manifest is kept for last: where it lies, everything else lies', () => {
  const result = plan('static/robots.txt');
  expect(result).toMatchObject({ acceptable: true, manifest: { name: 'artifacts/manifest.json' }, totalBytes: 31 });
  expect(result.acceptable && result.promotions.map(({ name }) => name)).toEqual(['artifacts/lambda.zip', 'artifacts/open-next.output.json', 'static/robots.txt']);
});

test.each(['lambda.zip', 'open-next.output.json', 'manifest.json'])('%s must be there', (missing) => {
  const staged = COMPLETE.filter(({ name }) => name !== `artifacts/${missing}`);
  expect(planPromotion(staged, TARGET)).toEqual({ acceptable: false, failureCode: 'ARTIFACTS_MISSING', problem: `${missing} missing` });
});

test('a build that stored nothing is not a success', () => {
  expect(planPromotion([], TARGET)).toMatchObject({ acceptable: false, failureCode: 'ARTIFACTS_MISSING' });
});

test.each([
  'other.txt', 'artifacts/other.txt', 'artifacts/functions/x.sh', 'artifacts/functions/../lambda.zip', 'artifacts/functions/a/b.zip', 'artifacts/', 'static/', 'static', '',
  'static/../../x', 'static/a/./b', 'static//b', 'static/a\u0000b', 'static/a\nb', 'static/a\\b', 'cache/x', 'staging/x', `static/${'k'.repeat(1000)}`,
])('%j is not accepted, nor anything beside it', (name) => {
  expect(plan(name)).toMatchObject({ acceptable: false, failureCode: 'ARTIFACTS_INVALID' });
});

test('the name of what is not accepted is shown, but does nothing else to a terminal or a page', () => {
  expect(plan('static/\u009b2J\u202e/../x')).toMatchObject({ problem: '"static/\\u{9b}2J\\u{202e}/../x" is not an object that a build may store' });
});

test('what is copied is what was checked', () => {
  const staged = COMPLETE.map((object) => ({ ...object, etag: `"${object.name}"` }));
  const result = planPromotion(staged, TARGET);
  expect(result).toMatchObject({ acceptable: true, manifest: { etag: '"artifacts/manifest.json"' } });
  expect(result.acceptable && result.promotions.map(({ etag }) => etag)).toEqual(['"artifacts/lambda.zip"', '"artifacts/open-next.output.json"']);
});

test('an archived object, which nobody could copy, is not accepted', () => {
  expect(planPromotion([...COMPLETE, { name: 'static/x', bytes: 1, storageClass: 'GLACIER' }], TARGET))
    .toEqual({ acceptable: false, failureCode: 'ARTIFACTS_INVALID', problem: '"static/x" has the storage class GLACIER' });
  expect(planPromotion([...COMPLETE, { name: 'static/x', bytes: 1, storageClass: 'STANDARD' }], TARGET)).toMatchObject({ acceptable: true });
});

test.each<[string, Partial<StagedObject>]>([
  ['too large', { bytes: MAX_OBJECT_BYTES + 1 }],
  ['archived, so that nobody could copy it', { storageClass: 'GLACIER' }],
])('an archive of the cache that is %s is left behind, and the build is a success all the same', (_, change) => {
  const archives = [{ name: 'cache/dependencies', bytes: 1, ...change }, { name: 'cache/next', bytes: MAX_OBJECT_BYTES }];
  const result = planPromotion([...COMPLETE, ...archives], TARGET);
  expect(result.acceptable && result.cache.map(({ name }) => name)).toEqual(['cache/next']);
});

test('the functions are those zip files that can be deployed', () => {
  const result = plan('artifacts/functions/api.zip', 'static/download.zip', 'artifacts/isr-cache/x.zip');
  expect(result.acceptable && result.functionZips.map(({ name }) => name)).toEqual(['artifacts/lambda.zip', 'artifacts/functions/api.zip']);
});

test('floods are not accepted', () => {
  expect(plan(...Array.from({ length: MAX_FUNCTIONS }, (_, index) => `artifacts/functions/${index}.zip`))).toMatchObject({ problem: '101 functions; at most 100 are accepted' });
  expect(planPromotion([...COMPLETE, { name: 'static/x', bytes: MAX_OBJECT_BYTES + 1 }], TARGET)).toMatchObject({ acceptable: false });
  const many = Array.from({ length: MAX_STAGED_OBJECTS }, (_, index) => ({ name: `static/${index}`, bytes: 1 }));
  expect(planPromotion([...COMPLETE, ...many], TARGET)).toMatchObject({ acceptable: false, problem: 'more than 100000 objects' });
  const heavy = Array.from({ length: 6 }, (_, index) => ({ name: `static/${index}`, bytes: MAX_OBJECT_BYTES }));
  expect(planPromotion([...COMPLETE, ...heavy], TARGET)).toMatchObject({ acceptable: false });
});

test('whatever a build stores, nothing leaves the deployment\'s own prefix, and no two objects meet', () => {
  const segment = fc.oneof(fc.string({ unit: 'binary', maxLength: 12 }), fc.constantFrom('..', '.', '', '_next', 'static', 'functions', 'x.zip'));
  const name = fc.tuple(fc.constantFrom('static', 'artifacts', 'cache', '..'), fc.array(segment, { maxLength: 5 })).map(([root, rest]) => [root, ...rest].join('/'));
  fc.assert(fc.property(fc.uniqueArray(name, { maxLength: 8 }), (names) => {
    const result = planPromotion([...COMPLETE, ...names.map((each) => ({ name: each, bytes: 1 }))], TARGET);
    if (!result.acceptable) return;
    const keys = [...result.promotions, result.manifest].map(({ targetKey }) => targetKey);
    expect(new Set(keys).size).toBe(keys.length);
    for (const key of keys) {
      expect(key).toMatch(new RegExp(`^(artifacts|static)/project-1/${COMMIT_SHA}/deployment-1/.`, 's'));
      expect(key.split('/')).not.toContain('..');
      expect(Buffer.byteLength(key)).toBeLessThanOrEqual(1024);
    }
  }), { numRuns: 2000 });
});
