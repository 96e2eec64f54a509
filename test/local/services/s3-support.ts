/** A fresh bucket per test file, on a server of its own or on the S3 that S3_CONFORMANCE_ENDPOINT names (to judge the tests themselves). */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreateBucketCommand, S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import { startS3 } from '../../../local/services/s3';
import type { OnCall } from '../../../local/services/service';

export const ACCESS_KEY_ID = 'AKIDLOCAL';
export const SECRET_ACCESS_KEY = 'secret';

export interface TestS3 {
  readonly client: S3Client;
  readonly endpoint: string;
  readonly bucket: string;
  /** Of the embedded server's files. */
  readonly directory: string;
  close(): Promise<void>;
}

export function clientOf(endpoint: string, config: S3ClientConfig = {}): S3Client {
  return new S3Client({
    endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: ACCESS_KEY_ID, secretAccessKey: SECRET_ACCESS_KEY },
    maxAttempts: 1,
    ...config,
  });
}

/** `trusting`: believes whoever names a key. Otherwise everybody has the same secret, and must sign with it. */
export async function startTestS3({ onCall, trusting = false }: { onCall?: OnCall; trusting?: boolean } = {}): Promise<TestS3> {
  const directory = mkdtempSync(join(tmpdir(), 's3-test-'));
  const external = process.env.S3_CONFORMANCE_ENDPOINT;
  const service = external ? undefined : await startS3({ directory, onCall, ...trusting ? {} : { secretOf: () => SECRET_ACCESS_KEY } });
  const endpoint = external ?? service!.endpoint;
  const client = clientOf(endpoint);
  const bucket = `bucket-${randomUUID()}`;
  if (service) {
    await service.createBucket(bucket);
  } else {
    await client.send(new CreateBucketCommand({ Bucket: bucket }));
  }
  return {
    client,
    endpoint,
    bucket,
    directory,
    close: async () => {
      client.destroy();
      await service?.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** What a refused request says: `404 NoSuchKey`. */
export async function errorOf(sent: Promise<unknown>): Promise<string> {
  try {
    await sent;
  } catch (error) {
    const { name, $metadata } = error as { name: string; $metadata?: { httpStatusCode?: number } };
    return `${$metadata?.httpStatusCode} ${name}`;
  }
  return 'no error';
}

/** A presigned URL for a server that trusts: the signature is not one. */
export function presign(url: string, expiresIn: number, signedAt = new Date(), extra: Record<string, string> = {}): string {
  const date = signedAt.toISOString().replace(/[-:]|\.\d+/g, '');
  return `${url}?${new URLSearchParams({
    'X-Amz-Algorithm': 'AWS4-HMAC-SHA256',
    'X-Amz-Credential': `${ACCESS_KEY_ID}/${date.slice(0, 8)}/us-east-1/s3/aws4_request`,
    'X-Amz-Date': date,
    'X-Amz-Expires': String(expiresIn),
    'X-Amz-SignedHeaders': 'host',
    'X-Amz-Signature': '0'.repeat(64),
    ...extra,
  })}`;
}
