import { GetObjectCommand, NoSuchKey, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import type { BuildRequest } from '../../src/contract/build-request';
import { buildEnvironmentKey } from '../../src/contract/keys';

type BuildEnvironment = NonNullable<BuildRequest['buildEnvironment']>;

/**
 * A request that waits is called by what the record knows of it, and a record holds no environment: it lies here meanwhile, where only the
 * pipeline's own roles can read.
 */
export class WaitingEnvironments {
  constructor(private readonly s3: S3Client, private readonly bucket: string) {}

  public async keep({ buildEnvironment, deploymentId }: BuildRequest): Promise<void> {
    if (!buildEnvironment) return;
    await this.s3.send(new PutObjectCommand({
      Bucket: this.bucket, Key: buildEnvironmentKey(deploymentId), Body: JSON.stringify(buildEnvironment), ContentType: 'application/json',
    }));
  }

  /** Undefined: it is gone. Without the right to list, S3 says so with a 403. */
  public async find(deploymentId: string): Promise<BuildEnvironment | undefined> {
    try {
      const { Body } = await this.s3.send(new GetObjectCommand({ Bucket: this.bucket, Key: buildEnvironmentKey(deploymentId) }));
      return JSON.parse(await Body!.transformToString()) as BuildEnvironment;
    } catch (error) {
      if (error instanceof NoSuchKey || (error as Error).name === 'AccessDenied') return undefined;
      throw error;
    }
  }
}
