import { StateTable } from './state-table';
import { STATE_KINDS } from '../../../src/contract/state-table';

const ID = 'codebuild';

/** Nobody sets more; a longer time is another clock's, and not believed. */
const LONGEST_SECONDS = 120;

/**
 * CodeBuild alone knows how many builds it takes: its answer counts builds of other projects of the account too. When it has just refused
 * one, asking again for every waiting request would only add throttling; so for a while only those ask whose turn it is.
 */
export class Capacity {
  private knownUntil = 0;

  constructor(private readonly table: StateTable) {}

  public async isExhausted(now: number): Promise<boolean> {
    if (isAhead(this.knownUntil, now)) return true;
    const state = await this.table.get<{ exhaustedUntil: number }>(STATE_KINDS.capacity, ID);
    this.knownUntil = state?.exhaustedUntil ?? 0;
    return isAhead(this.knownUntil, now);
  }

  public async exhausted(now: number, seconds: number): Promise<void> {
    this.knownUntil = now + seconds;
    await this.table.update(STATE_KINDS.capacity, ID, { set: { exhaustedUntil: this.knownUntil } });
  }
}

function isAhead(until: number, now: number): boolean {
  return until > now && until <= now + LONGEST_SECONDS;
}
