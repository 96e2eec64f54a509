import { paginateListObjectsV2, S3Client } from '@aws-sdk/client-s3';
import type { BuildRequest } from '../../src/contract/build-request';
import type { DeploymentArtifacts } from '../../src/contract/deployment';
import { logger } from '../shared/logger';
import type { PromotedArtifacts, PromotedBuild } from '../shared/state/promoted-artifacts';

/** S3 lists 1,000 in a call: 20 calls, one after the other, while other requests wait. A site of more files than most is built again. */
const MAX_OBJECTS = 20_000;

/** Finds the build that need not be done again: of the same commit, from the same inputs, and all of it still there. */
export class Reuse {
  constructor(private readonly promoted: PromotedArtifacts, private readonly s3: S3Client, private readonly bucket: string) {}

  /** Whatever cannot be found out means a build. `inputs` is only asked if the commit has been built. */
  public async find(request: BuildRequest, inputs: () => Promise<string | undefined>): Promise<PromotedBuild | undefined> {
    if (request.forceBuild || request.withoutCache) return undefined;
    try {
      const build = await this.promoted.find(request);
      return build && build.inputs === await inputs() && await this.isComplete(build.artifacts) ? build : undefined;
    } catch (error) {
      logger.warn('Whether this commit has been built before was not found out; it is built', { error: error as Error });
      return undefined;
    }
  }

  /** Somebody may have removed some of it: a lifecycle rule of the bucket, a person. */
  private async isComplete({ artifactsPrefix, objectCount, staticPrefix, totalBytes }: DeploymentArtifacts): Promise<boolean> {
    if (objectCount > MAX_OBJECTS) return false;
    let [count, bytes] = [0, 0];
    for (const prefix of [artifactsPrefix, staticPrefix]) {
      for await (const page of paginateListObjectsV2({ client: this.s3 }, { Bucket: this.bucket, Prefix: prefix })) {
        for (const { Size } of page.Contents ?? []) [count, bytes] = [count + 1, bytes + (Size ?? 0)];
      }
    }
    // More, if the deployment's id was used for another build before: file names hold the build's id.
    return count >= objectCount && bytes >= totalBytes;
  }
}
