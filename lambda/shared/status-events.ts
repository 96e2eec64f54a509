import { EventBridgeClient, PutEventsCommand } from '@aws-sdk/client-eventbridge';
import { DeploymentStore } from './deployment-store';
import { logger } from './logger';
import { Branches } from './state/branches';
import type { DeploymentRecord } from '../../src/contract/deployment';
import { DeploymentStatusChangedDetail, EVENT_SOURCE, PUBLIC_RECORD_FIELDS, STATUS_CHANGED } from '../../src/contract/events';

/** Tells the account's default bus what a deployment's record says, once for each version of it, and again when that is in doubt. */
export class StatusEvents {
  constructor(
    private readonly client: EventBridgeClient,
    private readonly store: DeploymentStore,
    private readonly branches: Branches,
    private readonly buildProjectArn: string,
  ) {}

  /** Throws when EventBridge did not take the event. */
  public async announce(record: DeploymentRecord): Promise<void> {
    // A record without a version is as its producer wrote it: nobody has received the request yet.
    if (record.version === undefined || record.version <= (record.announcedVersion ?? 0)) return;
    const told = { ...record, supersededBy: await this.supersededBy(record) };
    const detail = Object.fromEntries(PUBLIC_RECORD_FIELDS.map((name) => [name, told[name]])) as unknown as DeploymentStatusChangedDetail;
    const { Entries, FailedEntryCount } = await this.client.send(new PutEventsCommand({
      Entries: [{ Source: EVENT_SOURCE, DetailType: STATUS_CHANGED, Resources: [this.buildProjectArn], Detail: JSON.stringify(detail) }],
    }));
    if (FailedEntryCount) {
      throw new Error(`EventBridge did not take the status event of deployment ${record.deploymentId}: ${Entries?.[0].ErrorCode} ${Entries?.[0].ErrorMessage}`);
    }
    await this.store.markAnnounced(record.deploymentId, record.version);
  }

  /** False: the event is still to be sent. The reconciler sends it, as long as the deployment is among the open ones. */
  public async tryToAnnounce(record: DeploymentRecord): Promise<boolean> {
    try {
      await this.announce(record);
      return true;
    } catch (error) {
      logger.error('Status event was not sent; the record is right, and the reconciler will send it', error as Error);
      return false;
    }
  }

  /** The success may be old news: EventBridge did not take it at the time, and a newer deployment has gone live since. */
  private async supersededBy(record: DeploymentRecord): Promise<string | undefined> {
    return record.supersededBy ?? (record.status === 'success' ? await this.branches.newerThan(record) : undefined);
  }
}
