import { TERMINAL_STATUSES } from '../../src/contract/deployment';
import { logger } from '../shared/logger';
import { Pipeline } from '../shared/pipeline';

/**
 * Places that nobody gives back any more: a call that takes one can arrive late, when its deployment has ended and gave back what it had.
 * Such a place would hold its project back for ever.
 */
export class PlacesReview {
  constructor(private readonly pipeline: Pipeline) {}

  public async run(hasTime: () => boolean): Promise<void> {
    const { projects, store } = this.pipeline;
    for await (const { id, building = new Set<string>() } of projects.all()) {
      for (const deploymentId of building) {
        if (!hasTime()) return;
        const record = await store.get(deploymentId);
        if (record && !TERMINAL_STATUSES.includes(record.status)) continue;
        logger.warn('Giving back the place of a deployment that has ended', { projectId: id, deploymentId, status: record?.status });
        await projects.release(id, deploymentId);
      }
    }
  }
}
