import { createHash, Hash } from 'node:crypto';
import type { Promotion } from './promotion-plan';
import type { NotedProgress } from '../shared/state/promotion-notes';

/** A second of copying. A note costs a write; what was copied after the last one is copied again. Most builds have fewer objects. */
const NOTE_EVERY = 1_000;

/** How far a promotion has come, noted from time to time: copies begin in the order of the plan and end in any. */
export class PromotionProgress {
  /** So many of the first objects lie where they belong. */
  private count: number;
  private noted: number;
  /** Of those. */
  private readonly hash: Hash;
  private readonly ahead = new Set<Promotion>();

  /** `earlier`: how far a try came that died. It counts if what it copied is what is there to be copied now. */
  constructor(
    private readonly promotions: readonly Promotion[], earlier: NotedProgress | undefined, private readonly note: (progress: NotedProgress) => Promise<void>,
  ) {
    const hash = hashOf(promotions.slice(0, earlier?.count ?? 0));
    const goesOn = earlier !== undefined && digestOf(hash) === earlier.hash;
    this.hash = goesOn ? hash : hashOf([]);
    this.count = goesOn ? earlier.count : 0;
    this.noted = this.count;
  }

  public get remaining(): readonly Promotion[] {
    return this.promotions.slice(this.count);
  }

  public async copied(promotion: Promotion): Promise<void> {
    this.ahead.add(promotion);
    for (let next = this.promotions[this.count]; this.ahead.delete(next); next = this.promotions[this.count]) {
      add(this.hash, next);
      this.count += 1;
    }
    if (this.count < this.noted + NOTE_EVERY) return;
    this.noted = this.count;
    await this.note({ count: this.count, hash: digestOf(this.hash) });
  }
}

function hashOf(promotions: readonly Promotion[]): Hash {
  const hash = createHash('sha256');
  promotions.forEach((promotion) => add(hash, promotion));
  return hash;
}

function add(hash: Hash, { etag, name, targetKey }: Promotion): void {
  hash.update(`${JSON.stringify([name, etag, targetKey])}\n`);
}

function digestOf(hash: Hash): string {
  return hash.copy().digest('hex');
}
