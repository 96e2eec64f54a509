import { StateTable } from './state-table';
import type { DeploymentArtifacts } from '../../../src/contract/deployment';
import { artifactsKey, STATE_KINDS } from '../../../src/contract/state-table';
import type { ItemChange } from '../conditional-update';

interface Commit {
  readonly projectId: string;
  readonly commitSha: string;
}

export interface PromotedBuild {
  /** The deployment that it was built for. */
  readonly deploymentId: string;
  /** What it was built from, see build-inputs.ts. */
  readonly inputs: string;
  readonly artifacts: DeploymentArtifacts;
}

/** How far a promotion came: so many of its first objects lie where they belong. */
export interface NotedProgress {
  readonly count: number;
  /** Stands for those objects, and for where they lie. */
  readonly hash: string;
}

/**
 * Whose build lies below a commit's prefix. Deployments of one commit share it: while one of them promotes, and after two have promoted at
 * the same time, nobody can say what lies there, and nothing is used again.
 */
export class PromotedArtifacts {
  constructor(private readonly table: StateTable) {}

  public async find(commit: Commit): Promise<PromotedBuild | undefined> {
    const item = await this.table.get<Partial<PromotedBuild>>(STATE_KINDS.artifacts, artifactsKey(commit));
    return item?.artifacts && item.inputs !== undefined ? item as PromotedBuild : undefined;
  }

  /** Before the first object is promoted. How far this deployment came before, if nobody else has promoted to the same place since. */
  public async begin(commit: Commit, deploymentId: string): Promise<NotedProgress | undefined> {
    const again = await this.update<{ progress?: NotedProgress }>(commit, {
      set: { deploymentId }, remove: ['inputs', 'artifacts'], condition: '#deploymentId = :deploymentId',
    });
    if (!again) await this.update(commit, { set: { deploymentId }, remove: ['inputs', 'artifacts', 'progress'] });
    return again?.progress;
  }

  /** Unless another deployment has begun since. */
  public async note(commit: Commit, deploymentId: string, progress: NotedProgress): Promise<void> {
    await this.update(commit, { set: { progress }, condition: '#deploymentId = :mine', values: { mine: deploymentId } });
  }

  /** After the last one, unless another deployment has begun since. */
  public async done(commit: Commit, build: PromotedBuild): Promise<void> {
    const { artifacts, deploymentId, inputs } = build;
    await this.update(commit, { set: { inputs, artifacts }, remove: ['progress'], condition: '#deploymentId = :mine', values: { mine: deploymentId } });
  }

  private update<Item>(commit: Commit, change: ItemChange): Promise<Item | undefined> {
    return this.table.updateExpiring<Item>(STATE_KINDS.artifacts, artifactsKey(commit), change);
  }
}
