/** Which operation a request is. */
import { copyObject, uploadPartCopy } from './copies';
import { S3Error } from './errors';
import {
  createBucket, getBucketLocation, headBucket, listBuckets, listMultipartUploads, listObjects, listObjectsV2, listParts,
} from './lists';
import { deleteObject, deleteObjects, getObject, getObjectTagging, headObject, putObject } from './objects';
import type { S3Request } from './request';
import { abortMultipartUpload, completeMultipartUpload, createMultipartUpload, uploadPart } from './uploads';

interface Route {
  readonly method: string;
  readonly on: 'service' | 'bucket' | 'object';
  /** Query parameters that make the request this operation; `name=value` where the value matters. */
  readonly when?: readonly string[];
  /** A header that does so. */
  readonly header?: string;
  /** Query parameters that it may carry besides. */
  readonly allows?: readonly string[];
  readonly createsBucket?: boolean;
  readonly handle: (request: S3Request) => Promise<void>;
}

const LIST = ['prefix', 'delimiter', 'max-keys', 'encoding-type'];
const COPY_SOURCE = 'x-amz-copy-source';

/** The first one that fits is the operation. */
const ROUTES: readonly Route[] = [
  { method: 'GET', on: 'service', handle: listBuckets },

  { method: 'GET', on: 'bucket', when: ['location'], handle: getBucketLocation },
  { method: 'GET', on: 'bucket', when: ['uploads'], allows: ['prefix', 'max-uploads', 'encoding-type'], handle: listMultipartUploads },
  { method: 'GET', on: 'bucket', when: ['list-type=2'], allows: [...LIST, 'continuation-token', 'start-after', 'fetch-owner'], handle: listObjectsV2 },
  { method: 'GET', on: 'bucket', allows: [...LIST, 'marker'], handle: listObjects },
  { method: 'HEAD', on: 'bucket', handle: headBucket },
  { method: 'PUT', on: 'bucket', createsBucket: true, handle: createBucket },
  { method: 'POST', on: 'bucket', when: ['delete'], handle: deleteObjects },

  { method: 'GET', on: 'object', when: ['uploadId'], allows: ['max-parts', 'part-number-marker'], handle: listParts },
  { method: 'GET', on: 'object', when: ['tagging'], handle: getObjectTagging },
  { method: 'GET', on: 'object', handle: getObject },
  { method: 'HEAD', on: 'object', handle: headObject },
  { method: 'PUT', on: 'object', when: ['partNumber', 'uploadId'], header: COPY_SOURCE, handle: uploadPartCopy },
  { method: 'PUT', on: 'object', when: ['partNumber', 'uploadId'], handle: uploadPart },
  { method: 'PUT', on: 'object', header: COPY_SOURCE, handle: copyObject },
  { method: 'PUT', on: 'object', handle: putObject },
  { method: 'DELETE', on: 'object', when: ['uploadId'], handle: abortMultipartUpload },
  { method: 'DELETE', on: 'object', handle: deleteObject },
  { method: 'POST', on: 'object', when: ['uploads'], handle: createMultipartUpload },
  { method: 'POST', on: 'object', when: ['uploadId'], handle: completeMultipartUpload },
];

/** Signatures, the SDK's name of the operation, and overrides of response headers. */
const ANYWHERE = /^(x-amz-.*|x-id|response-.*)$/i;

export function routeOf({ method, bucket, key, query, headers }: S3Request): Route {
  const on = key ? 'object' : bucket ? 'bucket' : 'service';
  const route = ROUTES.find((candidate) => (
    candidate.method === method
    && candidate.on === on
    && (!candidate.header || headers[candidate.header] !== undefined)
    && (candidate.when ?? []).every((condition) => {
      const [name, value] = condition.split('=');
      return value === undefined ? query.has(name) : query.get(name) === value;
    })
  ));
  // A parameter may turn the request into another operation (`PUT ?acl`): doing the plain one instead would do harm.
  const known = [...(route?.when ?? []).map((condition) => condition.split('=')[0]), ...route?.allows ?? []];
  const unknown = [...query.keys()].find((name) => !known.includes(name) && !ANYWHERE.test(name));
  if (!route || unknown !== undefined) {
    const operation = `${method} on ${on === 'object' ? 'an object' : `a ${on}`}`;
    throw new S3Error(501, 'NotImplemented', `The local S3 does not know ${operation}${unknown === undefined ? '' : ` with the query parameter ${unknown}`}.`);
  }
  return route;
}
