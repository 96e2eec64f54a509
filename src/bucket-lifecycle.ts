import { Annotations, Duration } from 'aws-cdk-lib';
import * as s3 from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import { CACHE_ROOT, STAGING_ROOT } from './contract/keys';

/** As long as a build event can wait in a dead-letter queue: until then somebody may still want to finalize the build. */
const STAGING_EXPIRATION = Duration.days(14);

/**
 * A branch that nobody builds any more leaves its archives behind. One that is in use goes too, for S3 counts from the last write and what
 * has not changed is not written again: then one build in thirty days is a cold one.
 */
const CACHE_EXPIRATION = Duration.days(30);

/** Two pipelines may share a bucket; S3 wants one rule for a prefix. */
const EXPIRING = new WeakSet<s3.IBucket>();

/**
 * The finalizer removes what it has promoted; this rule removes what it never got to see, and uploads that a killed build left open. The
 * build cache has a rule of its own.
 * Only a bucket of this app can be given a rule: of an imported one the owner has to take care.
 */
export function expireStagingAndCache(scope: Construct, bucket: s3.IBucket): void {
  if (!(bucket instanceof s3.Bucket)) {
    Annotations.of(scope).addInfo(`artifactsBucket is not of this app: give it a lifecycle rule that expires "${STAGING_ROOT}" after `
      + `${STAGING_EXPIRATION.toDays()} days and aborts incomplete multipart uploads, for what builds that died leave behind, and one that expires `
      + `"${CACHE_ROOT}" after ${CACHE_EXPIRATION.toDays()} days.`);
    return;
  }
  if (EXPIRING.has(bucket)) return;
  EXPIRING.add(bucket);
  bucket.addLifecycleRule({
    prefix: STAGING_ROOT,
    expiration: STAGING_EXPIRATION,
    noncurrentVersionExpiration: Duration.days(1),
    abortIncompleteMultipartUploadAfter: Duration.days(1),
  });
  bucket.addLifecycleRule({ prefix: CACHE_ROOT, expiration: CACHE_EXPIRATION, noncurrentVersionExpiration: Duration.days(1) });
}
