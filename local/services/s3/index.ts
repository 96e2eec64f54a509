/**
 * The S3 of a local run: objects are plain files below one directory, requests are those of the current AWS SDKs and CLI,
 * path-style (`http://127.0.0.1:<port>/<bucket>/<key>`).
 *
 * Left out: versions, ACLs, policies, lifecycle and virtual-host addressing. What is left out answers NotImplemented instead of doing
 * something else.
 */
import { mkdirSync } from 'node:fs';
import { listen, type OnCall } from '../service';
import { authenticate, type SecretOf } from '../sigv4';
import { ObjectStore } from './object-store';
import { replyError, S3Request, type Stores } from './request';
import { routeOf } from './routes';
import { UploadStore } from './upload-store';

export interface S3Service {
  /** `http://127.0.0.1:<port>` */
  readonly endpoint: string;
  /** Leaves a bucket that exists as it is. */
  createBucket(name: string): Promise<void>;
  close(): Promise<void>;
}

export interface S3Options {
  /** Created when missing; the buckets in it exist. */
  readonly directory: string;
  readonly region?: string;
  /** Learns of every call before it is done, and may refuse it. */
  readonly onCall?: OnCall;
  readonly secretOf?: SecretOf;
}

export async function startS3(options: S3Options): Promise<S3Service> {
  mkdirSync(options.directory, { recursive: true });
  const objects = new ObjectStore(options.directory);
  const stores: Stores = { objects, uploads: new UploadStore(objects), onCall: options.onCall };
  const authentication = { service: 's3', region: options.region ?? 'us-east-1', secretOf: options.secretOf };
  const { endpoint, close } = await listen(async (incoming, response) => {
    try {
      const request = new S3Request(incoming, response, stores, await authenticate(incoming, authentication));
      const route = routeOf(request);
      if (route.on !== 'service' && !route.createsBucket) {
        request.requireBucket();
      }
      await route.handle(request);
    } catch (error) {
      replyError(incoming, response, error);
    }
  });
  return { endpoint, close, createBucket: async (name) => objects.createBucket(name) };
}
