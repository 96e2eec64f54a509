/** What a simulated world keeps for whoever looks at it afterwards. */
import type { HttpRequest } from './execution-environment';
import type { AwsCall } from './faults';
import type { Outcome } from './invocation';
import { DEPLOYMENTS_TABLE, STATE_TABLE_NAME, type Tables } from './services';
import type { DeploymentRecord } from '../../src/contract/deployment';
import type { DeploymentStatusChangedDetail } from '../../src/contract/events';
import { STATE_KINDS, STATE_TABLE } from '../../src/contract/state-table';

export interface StatusEvent {
  readonly at: number;
  readonly detail: DeploymentStatusChangedDetail;
  readonly resources: readonly string[];
}

/** A record as it was after a write. */
export interface HistoryEntry {
  readonly at: number;
  readonly record: DeploymentRecord;
}

/** A branch's newest deployment, as the state table said from then on. */
export interface BranchHead {
  readonly at: number;
  readonly branchKey: string;
  readonly deploymentId: string;
  readonly createdAt: string;
}

/** What its sender was told about a push. */
export interface PushAnswer {
  readonly deploymentId: string;
  readonly outcome: Outcome;
}

export interface Copy {
  readonly at: number;
  readonly key: string;
}

export class Observation {
  /** Every AWS call, in order. */
  readonly calls: AwsCall[] = [];
  /** What the handlers told the default bus. */
  readonly statusEvents: StatusEvent[] = [];
  /** Every state of every record, by deployment. */
  readonly history = new Map<string, HistoryEntry[]>();
  readonly branchHeads: BranchHead[] = [];
  /** What was copied to its final place. */
  readonly copies: Copy[] = [];
  readonly pushAnswers: PushAnswer[] = [];

  constructor(private readonly tables: Tables, private readonly now: () => number) {}

  /** A call that had success. True: it may have made work for the reconciler. */
  async see({ service, operation }: AwsCall, request: HttpRequest): Promise<boolean> {
    if (/^(Get|Query|Scan|BatchGet|List|Receive|Head)/.test(operation)) return false;
    if (service === 'dynamodb') {
      const { TableName, Key = {} } = JSON.parse(request.body.toString()) as { TableName: string; Key?: Keys };
      if (TableName === DEPLOYMENTS_TABLE) await this.seeRecord(Key.deploymentId.S);
      if (Key.kind?.S === STATE_KINDS.branch) await this.seeHead(Key.id.S);
      // Where the reconciler goes on says nothing about deployments.
      return Key.kind?.S !== STATE_KINDS.cursor;
    }
    if (service === 's3' && operation === 'CopyObject') {
      this.copies.push({ at: this.now(), key: decodeURIComponent(request.path.split('?')[0].slice(1)) });
    }
    return true;
  }

  async seeRecord(deploymentId: string): Promise<void> {
    const record = await this.tables.get(DEPLOYMENTS_TABLE, { deploymentId }) as unknown as DeploymentRecord | undefined;
    if (!record) return;
    const entries = this.history.get(deploymentId) ?? [];
    this.history.set(deploymentId, entries);
    entries.push({ at: this.now(), record });
  }

  seeStatusEvent(detail: string, resources: readonly string[]): void {
    this.statusEvents.push({ at: this.now(), detail: JSON.parse(detail) as DeploymentStatusChangedDetail, resources });
  }

  private async seeHead(id: string): Promise<void> {
    const head = await this.tables.get(STATE_TABLE_NAME, { [STATE_TABLE.partitionKey]: STATE_KINDS.branch, [STATE_TABLE.sortKey]: id });
    if (head) this.branchHeads.push({ at: this.now(), branchKey: id, deploymentId: String(head.deploymentId), createdAt: String(head.createdAt) });
  }
}

type Keys = Readonly<Record<string, { readonly S: string }>>;
