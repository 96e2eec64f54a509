import { SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { OpenDeployments } from './open-deployments';
import { Projects, ProjectState } from './projects';
import { BuildRequest, RECORDED_FIELDS, WAKE_ATTRIBUTE } from '../../../src/contract/build-request';
import type { DeploymentRecord } from '../../../src/contract/deployment';
import { DeploymentStore } from '../deployment-store';

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
      await this.sqs.send(new SendMessageCommand({
        QueueUrl: this.queueUrl,
        MessageBody: JSON.stringify(requestOf(record)),
        MessageGroupId: record.projectId,
        MessageAttributes: { [WAKE_ATTRIBUTE]: { DataType: 'Number', StringValue: '1' } },
      }));
      return true;
    }
    await this.projects.doneWaiting(project);
    return false;
  }
}

/** What the record's producer asked for, but for what the record does not keep. */
export function requestOf(record: DeploymentRecord): BuildRequest {
  return Object.fromEntries(RECORDED_FIELDS.map((field) => [field, record[field]])) as unknown as BuildRequest;
}
