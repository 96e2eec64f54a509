import { StateTable } from './state-table';
import { STATE_KINDS } from '../../../src/contract/state-table';

/** How far a promotion came: so many of its first objects lie where they belong. */
export interface NotedProgress {
  readonly count: number;
  /** Stands for those objects, and for where they lie. */
  readonly hash: string;
}

/** Of builds with very many objects, so that a promotion that dies need not begin anew. By build: a deployment's id may be used again. */
export class PromotionNotes {
  constructor(private readonly table: StateTable) {}

  public async find(buildId: string): Promise<NotedProgress | undefined> {
    return (await this.table.get<{ progress?: NotedProgress }>(STATE_KINDS.promotion, buildId))?.progress;
  }

  public async note(buildId: string, progress: NotedProgress): Promise<void> {
    await this.table.updateExpiring(STATE_KINDS.promotion, buildId, { set: { progress } });
  }
}
