import { StateTable } from './state-table';
import type { DeploymentArtifacts } from '../../../src/contract/deployment';
import { artifactsKey, STATE_KINDS } from '../../../src/contract/state-table';

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

  /** Before the first object is promoted. */
  public async begin(commit: Commit, deploymentId: string): Promise<void> {
    await this.table.updateExpiring(STATE_KINDS.artifacts, artifactsKey(commit), { set: { deploymentId }, remove: ['inputs', 'artifacts'] });
  }

  /** After the last one, unless another deployment has begun since. */
  public async done(commit: Commit, build: PromotedBuild): Promise<void> {
    const { artifacts, deploymentId, inputs } = build;
    await this.table.updateExpiring(STATE_KINDS.artifacts, artifactsKey(commit), {
      set: { inputs, artifacts }, condition: '#deploymentId = :mine', values: { mine: deploymentId },
    });
  }
}
