import type { Build } from '@aws-sdk/client-codebuild';
import { Finalizer, tellFinalizer } from './finalizer';
import { TERMINAL_STATUSES } from '../../src/contract/deployment';
import { outcomeOf } from '../shared/build-outcome';
import { deploymentIdOf } from '../shared/builds';
import { logger } from '../shared/logger';
import { Pipeline } from '../shared/pipeline';

/**
 * Builds that run although nobody knows them, or nobody wants them any more. The newest builds are looked at, down to a page of builds
 * that have all ended: builds start one after the other, so that older ones have ended too, or stand among the open deployments.
 */
export class RunningBuildsReview {
  constructor(private readonly pipeline: Pipeline, private readonly finalizer: Finalizer) {}

  public async run(hasTime: () => boolean): Promise<void> {
    for await (const page of this.pipeline.builds.newestFirst()) {
      const running = page.filter((build) => outcomeOf(build) === 'running');
      for (const build of running) {
        if (!hasTime()) return;
        await this.review(build);
      }
      if (running.length === 0) return;
    }
  }

  private async review(build: Build): Promise<void> {
    const deploymentId = deploymentIdOf(build);
    // Started by hand, in the console: not ours to judge.
    if (!deploymentId) return;
    const record = await this.pipeline.store.get(deploymentId);
    if (record?.buildId === build.id) return;
    if (record?.status === 'queued' && record.buildId === undefined) {
      logger.info('A build that its deployment does not know', { deploymentId, buildId: build.id });
      await tellFinalizer(this.finalizer, build);
    } else if (!record || record.buildId !== undefined || TERMINAL_STATUSES.includes(record.status)) {
      logger.warn('Stopping a build that nobody wants: its deployment has ended, has another build, or was deleted', { deploymentId, buildId: build.id });
      await this.pipeline.builds.stop(build.id!);
    }
  }
}
