import { DeploymentKey } from './open-deployments';
import { StateTable } from './state-table';
import { branchKey, STATE_KINDS } from '../../../src/contract/state-table';

interface Branched extends DeploymentKey {
  readonly branch: string;
}

type Newest = Pick<DeploymentKey, 'deploymentId' | 'createdAt'>;

/** The newest deployment of each branch: by `createdAt`, and by id among those of the same moment. */
export class Branches {
  constructor(private readonly table: StateTable) {}

  /** Makes this deployment the newest of its branch if it is; `newer` is set if it is not, `displaced` if another one was until now. */
  public async register(deployment: Branched): Promise<{ newer?: string; displaced?: string }> {
    const { deploymentId, createdAt } = deployment;
    const before = await this.table.updateExpiring<Partial<Newest>>(STATE_KINDS.branch, branchKey(deployment), {
      set: { deploymentId, createdAt },
      condition: 'attribute_not_exists(#createdAt) OR #createdAt < :createdAt OR (#createdAt = :createdAt AND #deploymentId <= :deploymentId)',
    }, 'ALL_OLD');
    if (!before) return { newer: await this.newerThan(deployment) };
    return { displaced: before.deploymentId === deploymentId ? undefined : before.deploymentId };
  }

  /** Id of the branch's newest deployment, if that is not this one. */
  public async newerThan(deployment: Branched): Promise<string | undefined> {
    const newest = await this.table.get<Newest>(STATE_KINDS.branch, branchKey(deployment));
    return newest && isNewer(newest, deployment) ? newest.deploymentId : undefined;
  }
}

function isNewer(a: Newest, b: Newest): boolean {
  return a.createdAt > b.createdAt || (a.createdAt === b.createdAt && a.deploymentId > b.deploymentId);
}
