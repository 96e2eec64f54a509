import { StateTable } from './state-table';
import { openDeploymentKey, openDeploymentsOf, STATE_KINDS } from '../../../src/contract/state-table';
import type { ItemChange } from '../conditional-update';

/** Names a deployment, and its place in its project's line. */
export interface DeploymentKey {
  readonly deploymentId: string;
  readonly projectId: string;
  readonly createdAt: string;
}

export interface OpenDeployment extends DeploymentKey {
  /** When its message was last in somebody's hands, in epoch seconds. */
  readonly seenAt: number;
  /** Its producer may not have sent the request yet, nor even written the record. Whoever sees the request takes this away. */
  readonly unsent?: boolean;
  /** A copy of its message is in the queue, and comes by within the longest delay that SQS knows. */
  readonly waits?: boolean;
  /** Its build, once that is known. */
  readonly buildId?: string;
  /** Its message seemed to be lost, and was sent again. Once is enough. */
  readonly resentAt?: number;
}

/**
 * Where to look for deployments that have not ended: an entry is there before anything is started, and goes last of all. Without it the
 * reconciler would have to read the whole table of records.
 */
export class OpenDeployments {
  constructor(private readonly table: StateTable) {}

  public async see(deployment: DeploymentKey, seenAt: number): Promise<void> {
    const { deploymentId, projectId, createdAt } = deployment;
    await this.table.update(STATE_KINDS.open, openDeploymentKey(deployment), { set: { deploymentId, projectId, createdAt, seenAt }, remove: ['waits', 'unsent'] });
  }

  /** Before a producer writes the record: should it die, the reconciler sends the request. Changes nothing once the request was sent. */
  public async expect(deployment: DeploymentKey, seenAt: number): Promise<void> {
    const { deploymentId, projectId, createdAt } = deployment;
    await this.table.update(STATE_KINDS.open, openDeploymentKey(deployment), {
      set: { deploymentId, projectId, createdAt, seenAt, unsent: true },
      condition: 'attribute_not_exists(#deploymentId) OR #unsent = :unsent',
    });
  }

  /** The request is in the queue. Unless somebody has seen it there already. */
  public async sent(deployment: DeploymentKey, seenAt: number): Promise<void> {
    await this.table.update(STATE_KINDS.open, openDeploymentKey(deployment), {
      set: { seenAt }, remove: ['unsent'], condition: '#unsent = :unsent', values: { unsent: true },
    });
  }

  public async get(deployment: DeploymentKey): Promise<OpenDeployment | undefined> {
    return this.table.get<OpenDeployment>(STATE_KINDS.open, openDeploymentKey(deployment));
  }

  /** As see, for a deployment that was seen before. Undefined: it is not open any more. */
  public async stillOpen(deployment: DeploymentKey, seenAt: number): Promise<OpenDeployment | undefined> {
    return this.change(deployment, { seenAt });
  }

  /** Unless somebody else has seen it since. */
  public async waits(deployment: DeploymentKey, seenAt: number): Promise<void> {
    await this.change(deployment, { waits: true }, { condition: '#seenAt = :mine', values: { mine: seenAt } });
  }

  public async started(deployment: DeploymentKey, buildId: string): Promise<void> {
    await this.change(deployment, { buildId });
  }

  public async resent(deployment: DeploymentKey, resentAt: number): Promise<void> {
    await this.change(deployment, { resentAt });
  }

  public async close(deployment: DeploymentKey): Promise<void> {
    await this.table.delete(STATE_KINDS.open, openDeploymentKey(deployment));
  }

  /** Unless somebody has come back to it since `open` was read. */
  public async closeUnlessSeen(open: OpenDeployment): Promise<void> {
    await this.table.deleteIf(STATE_KINDS.open, openDeploymentKey(open), '#seenAt = :seenAt', { seenAt: open.seenAt });
  }

  /** The project's deployments without a build whose requests are in the queue, the oldest first. */
  public async *waitingOf(projectId: string): AsyncGenerator<OpenDeployment> {
    let after: string | undefined;
    do {
      // Few: mostly the first one is the one, behind those that are being built.
      const page = await this.table.page<OpenDeployment>(STATE_KINDS.open, { prefix: openDeploymentsOf(projectId), after, limit: 25 });
      yield* page.items.filter(({ buildId, unsent }) => buildId === undefined && !unsent);
      after = page.next;
    } while (after !== undefined);
  }

  public async page(after: string | undefined, limit: number) {
    return this.table.page<OpenDeployment>(STATE_KINDS.open, { after, limit });
  }

  private async change(
    deployment: DeploymentKey, set: Partial<OpenDeployment>, only: Pick<ItemChange, 'condition' | 'values'> = { condition: 'attribute_exists(#deploymentId)' },
  ): Promise<OpenDeployment | undefined> {
    return this.table.update<OpenDeployment>(STATE_KINDS.open, openDeploymentKey(deployment), { set, ...only });
  }
}
