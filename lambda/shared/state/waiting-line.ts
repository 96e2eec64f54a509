import type { SQSClient } from '@aws-sdk/client-sqs';
import { OpenDeployments } from './open-deployments';
import { Projects, ProjectState } from './projects';
import { WAKE_ATTRIBUTE } from '../../../src/contract/build-request';
import { DeploymentStore } from '../deployment-store';
import { requestMessage } from '../request-message';

/**
 * Whose turn it is when there is room for a build. The requests themselves wait in the queue; the next one is sent a second time, as a
 * hint without delay. If the hint gets lost, the waiting one comes by itself, only later.
 */
export class WaitingLine {
  constructor(
    private readonly projects: Projects,
    private readonly openDeployments: OpenDeployments,
    private readonly store: DeploymentStore,
    private readonly sqs: SQSClient,
    private readonly queueUrl: string,
  ) {}

  /** Calls the next deployment, if one waits that may start. */
  public async callNext(now: number): Promise<void> {
    for (const project of await this.projects.inTurn()) {
      if (await this.projects.takeTurn(project, now) && await this.callNextOf(project)) return;
    }
  }

  private async callNextOf(project: ProjectState): Promise<boolean> {
    for await (const { deploymentId } of this.openDeployments.waitingOf(project.id)) {
      const record = await this.store.get(deploymentId);
      if (record?.status !== 'queued' || record.startAttemptedAt !== undefined) continue;
      await this.sqs.send(requestMessage(this.queueUrl, record, { [WAKE_ATTRIBUTE]: { DataType: 'Number', StringValue: '1' } }));
      return true;
    }
    await this.projects.doneWaiting(project);
    return false;
  }
}
