import { Builds } from './builds';
import { DeploymentStore } from './deployment-store';
import { logger } from './logger';
import { OpenDeployments } from './state/open-deployments';
import { StatusEvents } from './status-events';
import type { DeploymentRecord } from '../../src/contract/deployment';

/**
 * What becomes of a deployment when a newer one of its branch was queued. One that has no build ends as superseded. One that has, or may
 * have, is marked first: whoever comes to know its build sees the mark, stops the build or lets it finish, and its end tells of the mark.
 */
export class Superseding {
  constructor(
    private readonly store: DeploymentStore,
    private readonly openDeployments: OpenDeployments,
    private readonly builds: Builds,
    private readonly events: StatusEvents,
    private readonly stopBuilds: boolean,
  ) {}

  public async supersede(deploymentId: string, newerDeploymentId: string): Promise<void> {
    const marked = await this.store.noteNewer(deploymentId, newerDeploymentId);
    if (marked?.status === 'queued') await this.endUnstarted(marked, newerDeploymentId);
    if (marked) await this.stopIfSuperseded(marked);
  }

  /** `claimExpiresAt` is the caller's claim, if it has one. False: it may have a build, or has ended. */
  public async endUnstarted(record: DeploymentRecord, newerDeploymentId: string, claimExpiresAt?: number): Promise<boolean> {
    const ended = await this.store.supersedeUnstarted(record.deploymentId, newerDeploymentId, { claimExpiresAt, completedAt: new Date().toISOString() });
    if (!ended) return false;
    logger.info('Superseded before it was started', { supersededDeploymentId: record.deploymentId, supersededBy: newerDeploymentId });
    if (await this.events.tryToAnnounce(ended)) await this.openDeployments.close(ended);
    return true;
  }

  /** Its end then comes as the end of any build does. */
  public async stopIfSuperseded(record: DeploymentRecord): Promise<void> {
    if (!this.stopBuilds || record.status !== 'building' || record.supersededBy === undefined) return;
    logger.info('Stopping the build of a superseded deployment', { supersededDeploymentId: record.deploymentId, supersededBy: record.supersededBy });
    try {
      await this.builds.stop(record.buildId!);
    } catch (error) {
      // The newer deployment must not wait for this, nor use up its receives.
      logger.warn('The build of a superseded deployment was not stopped; the reconciler does it', { error: error as Error });
    }
  }
}
