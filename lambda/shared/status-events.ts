import { EventBridgeClient, PutEventsCommand } from '@aws-sdk/client-eventbridge';
import type { DeploymentRecord } from '../../src/contract/deployment';
import { DeploymentStatusChangedDetail, EVENT_SOURCE, PUBLIC_RECORD_FIELDS, STATUS_CHANGED } from '../../src/contract/events';

/** Tells the account's default bus what a deployment's record says now. Throws when EventBridge did not take the event. */
export async function emitStatusChanged(client: EventBridgeClient, record: DeploymentRecord): Promise<void> {
  const detail = Object.fromEntries(PUBLIC_RECORD_FIELDS.map((name) => [name, record[name]])) as unknown as DeploymentStatusChangedDetail;
  const { Entries, FailedEntryCount } = await client.send(new PutEventsCommand({
    Entries: [{ Source: EVENT_SOURCE, DetailType: STATUS_CHANGED, Detail: JSON.stringify(detail) }],
  }));
  if (FailedEntryCount) {
    throw new Error(`EventBridge did not take the status event of deployment ${record.deploymentId}: ${Entries?.[0].ErrorCode} ${Entries?.[0].ErrorMessage}`);
  }
}
