/**
 * The S3 of a local run: objects are plain files below one directory, requests are those of the current AWS SDKs and CLI,
 * path-style (`http://127.0.0.1:<port>/<bucket>/<key>`).
 *
 * Left out: versions, ACLs, policies, lifecycle, virtual-host addressing, and signatures, which are read for the caller's
 * key but not verified. What is left out answers NotImplemented instead of doing something else.
 */
import { mkdirSync } from 'node:fs';
import { listen, type OnCall } from '../service';
import { ObjectStore } from './object-store';
import { checkExpiry } from './presigned';
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

/** `directory`: created when missing; the buckets in it exist. `onCall`: learns of every call before it is done, and may refuse it. */
export async function startS3(options: { directory: string; onCall?: OnCall }): Promise<S3Service> {
  mkdirSync(options.directory, { recursive: true });
  const objects = new ObjectStore(options.directory);
  const stores: Stores = { objects, uploads: new UploadStore(objects), onCall: options.onCall };
  const { endpoint, close } = await listen(async (incoming, response) => {
    try {
      const request = new S3Request(incoming, response, stores);
      checkExpiry(request.query);
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
