import { StateTable } from './state-table';
import type { DeploymentArtifacts } from '../../../src/contract/deployment';
import { artifactsKey, STATE_KINDS } from '../../../src/contract/state-table';

interface Commit {
  readonly projectId: string;
  readonly commitSha: string;
  readonly branch: string;
}

export interface PromotedBuild {
  /** The deployment that it was built for. */
  readonly deploymentId: string;
  /** What it was built from, see build-inputs.ts. */
  readonly inputs: string;
  readonly artifacts: DeploymentArtifacts;
}

/** The last build of each commit of a branch that succeeded, for deployments to come that ask for the same. */
export class PromotedArtifacts {
  constructor(private readonly table: StateTable) {}

  public async find(commit: Commit): Promise<PromotedBuild | undefined> {
    return this.table.get<PromotedBuild>(STATE_KINDS.artifacts, artifactsKey(commit));
  }

  public async add(commit: Commit, { artifacts, deploymentId, inputs }: PromotedBuild): Promise<void> {
    await this.table.updateExpiring(STATE_KINDS.artifacts, artifactsKey(commit), { set: { artifacts, deploymentId, inputs } });
  }
}
