/** Conditional requests and byte ranges. */
import type { Headers } from './body';
import { noSuchKey, notModified, preconditionFailed, S3Error } from './errors';
import type { StoredObject } from './object-store';

/** HTTP dates have whole seconds. */
const seconds = (date: Date): number => Math.floor(date.getTime() / 1000);

function matches(header: string, etag: string): boolean {
  return header.split(',').map((item) => item.trim().replace(/^W\//, '').replace(/^"(.*)"$/, '$1')).some((item) => item === '*' || item === etag);
}

/** For reads, and with prefix `x-amz-copy-source-` for the source of a copy, where an unmodified source is an error. */
export function checkReadConditions(headers: Headers, object: StoredObject, prefix = ''): void {
  const header = (name: string) => headers[prefix + name];
  const ifMatch = header('if-match');
  const ifNoneMatch = header('if-none-match');
  const ifUnmodifiedSince = Date.parse(header('if-unmodified-since') ?? '');
  const ifModifiedSince = Date.parse(header('if-modified-since') ?? '');
  const unchanged = (condition: string) => (prefix ? preconditionFailed(condition) : notModified());
  if (ifMatch !== undefined) {
    if (!matches(ifMatch, object.etag)) {
      throw preconditionFailed('If-Match');
    }
  } else if (seconds(object.lastModified) > seconds(new Date(ifUnmodifiedSince))) {
    throw preconditionFailed('If-Unmodified-Since');
  }
  if (ifNoneMatch !== undefined) {
    if (matches(ifNoneMatch, object.etag)) {
      throw unchanged('If-None-Match');
    }
  } else if (seconds(object.lastModified) <= seconds(new Date(ifModifiedSince))) {
    throw unchanged('If-Modified-Since');
  }
}

/** For writes, to be called at the moment of writing. */
export function writeCondition(headers: Headers, key: string): (current?: StoredObject) => void {
  const ifMatch = headers['if-match'];
  const ifNoneMatch = headers['if-none-match'];
  if (ifNoneMatch !== undefined && ifNoneMatch !== '*') {
    throw new S3Error(501, 'NotImplemented', 'A header you provided implies functionality that is not implemented', { Header: 'If-None-Match' });
  }
  return (current) => {
    if (ifNoneMatch !== undefined && current) {
      throw preconditionFailed('If-None-Match');
    }
    if (ifMatch !== undefined && !current) {
      throw noSuchKey(key);
    }
    if (ifMatch !== undefined && !matches(ifMatch, current!.etag)) {
      throw preconditionFailed('If-Match');
    }
  };
}

export interface ByteRange {
  readonly start: number;
  /** The last byte itself. */
  readonly end: number;
}

/** Like S3, ignores a header that is not one single range of bytes. */
export function parseRange(header: string | undefined, size: number): ByteRange | undefined {
  const [, first, last] = /^bytes=(\d*)-(\d*)$/.exec(header?.trim() ?? '') ?? ['', '', ''];
  if (first === '' && last === '') {
    return undefined;
  }
  const range = first === ''
    ? { start: Math.max(0, size - Number(last)), end: size - 1 }
    : { start: Number(first), end: Math.min(size - 1, last === '' ? size - 1 : Number(last)) };
  if (first !== '' && last !== '' && Number(last) < Number(first)) {
    return undefined;
  }
  if (range.start >= size) {
    throw new S3Error(416, 'InvalidRange', 'The requested range is not satisfiable', { RangeRequested: header!, ActualObjectSize: String(size) });
  }
  return range;
}
