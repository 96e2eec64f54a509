import { join, normalize } from 'node:path';
import * as fc from 'fast-check';
import { keyToPath, pathToKey } from '../../../local/services/s3/key-path';

/** The same keys in every run. */
const RUNS = { seed: 1, numRuns: 500 };

/** Keys made of what is hard: dots, slashes, escapes, markers, control characters, long segments, all of Unicode. */
const segment = fc.oneof(
  fc.constantFrom('', '.', '..', '...', '%', '%25', '%2E', '%+', '+', 'a', 'a%', 'a%+', '.s3', '\0', '\n', '\x7f', '\\', 'é', '😀'),
  fc.string({ unit: 'binary', maxLength: 20 }),
  fc.tuple(fc.constantFrom('.', 'a', '%', '\x01', 'é', '😀'), fc.integer({ min: 1, max: 600 })).map(([character, count]) => character.repeat(count)),
);
const key = fc.array(segment, { minLength: 1, maxLength: 6 }).map((segments) => segments.join('/')).filter((text) => text !== '');

describe('Where an object\'s file lies', () => {
  it.each([
    ['index.html', 'index.html'],
    ['_next/static/chunks/app/[...slug]/page-0a1b.js', '_next/static/chunks/app/[...slug]/page-0a1b.js'],
    ['staging/arn:aws:codebuild:us-east-1:1:build/proj:uuid/a b+c', 'staging/arn:aws:codebuild:us-east-1:1:build/proj:uuid/a b+c'],
    ['100%', '100%25'],
    ['folder/', 'folder/%'],
    ['a//b', 'a/%/b'],
    ['/a', '%/a'],
    ['../../etc/passwd', '%2E%2E/%2E%2E/etc/passwd'],
    ['./a/.', '%2E/a/%2E'],
    ['a\0b\n', 'a%00b%0A'],
  ])('puts key %j at %j', (name, path) => {
    expect(keyToPath(name)).toBe(path);
  });

  it('is its key, unless a file system cannot hold that', () => {
    const plain = fc.array(fc.string({ unit: fc.constantFrom(...'abcXYZ019-_.~:@()[]!\'+ é😀'), minLength: 1, maxLength: 40 }), { minLength: 1 })
      .filter((segments) => !segments.some((text) => text === '.' || text === '..'));
    fc.assert(fc.property(plain, (segments) => {
      expect(keyToPath(segments.join('/'))).toBe(segments.join('/'));
    }), RUNS);
  });

  it('leads back to the key, beside a directory of that name too', () => {
    fc.assert(fc.property(key, fc.boolean(), (name, beside) => {
      expect(pathToKey(keyToPath(name, beside))).toBe(name);
    }), RUNS);
  });

  it('never is the file of another key', () => {
    fc.assert(fc.property(key, fc.boolean(), key, fc.boolean(), (name, beside, other, otherBeside) => {
      fc.pre(name !== other);
      expect(keyToPath(name, beside)).not.toBe(keyToPath(other, otherBeside));
    }), RUNS);
  });

  it('never leaves the directory and has only names that a file system takes', () => {
    fc.assert(fc.property(key, fc.boolean(), (name, beside) => {
      const path = keyToPath(name, beside);
      expect(normalize(join('/root', path))).toBe(`/root/${path}`);
      const bad = path.split('/').filter((part) => /^\.{0,2}$|[\0-\x1f\x7f]/.test(part) || Buffer.byteLength(part) > 255);
      expect(bad).toEqual([]);
    }), RUNS);
  });
});
