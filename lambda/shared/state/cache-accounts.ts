import { StateTable } from './state-table';
import { CACHE_LAYERS, type CacheLayer, type CacheUse } from '../../../src/contract/cache';
import { STATE_KINDS } from '../../../src/contract/state-table';

/** What a layer of a project's build cache has cost and saved. Seconds. */
export interface LayerAccount {
  /** What the work takes that the layer makes faster, if it is done without: the last builds' mean. */
  readonly without?: number;
  /** What the layer saved in each of the last builds, its cost deducted. */
  readonly saved: readonly number[];
  /** So many builds do without it, because it cost more than it saved. */
  readonly pausedFor?: number;
}

export type Accounts = { readonly [layer in CacheLayer]?: LayerAccount };

/** Build times vary by a fifth from one build to the next: one bad build says nothing, three do. */
const ENOUGH_BUILDS = 3;
const REMEMBERED_BUILDS = 5;
/** Then it is tried again: apps grow. Often enough for a project that deploys once a day, rarely enough not to matter. */
const PAUSE_BUILDS = 20;

/** The accounts of each project. Two builds that end at the same time may lose one entry: they are averages. */
export class CacheAccounts {
  constructor(private readonly table: StateTable) {}

  public async of(projectId: string): Promise<Accounts> {
    return (await this.table.get<{ accounts?: Accounts }>(STATE_KINDS.cache, projectId))?.accounts ?? {};
  }

  public async settle(projectId: string, uses: { readonly [layer in CacheLayer]?: CacheUse }): Promise<void> {
    const accounts = await this.of(projectId);
    const settled = CACHE_LAYERS.flatMap((layer) => {
      const [account, use] = [accounts[layer], uses[layer]];
      const next = use ? settle(account, use) : account;
      return next ? [[layer, next]] : [];
    });
    await this.table.updateExpiring(STATE_KINDS.cache, projectId, { set: { accounts: Object.fromEntries(settled) } });
  }
}

/** Why a layer is to be left alone; undefined: it is not. */
export function whyPaused(account: LayerAccount | undefined): string | undefined {
  if (!account?.pausedFor) return undefined;
  return `it cost more than it saved in the last builds; tried again in ${account.pausedFor} builds`;
}

/** What a build with this layer saved, its cost deducted; undefined: it was not used, or there is nothing to compare with. */
export function secondsSaved(without: number | undefined, use: CacheUse): number | undefined {
  const cost = (use.restoreSeconds ?? 0) + (use.saveSeconds ?? 0);
  switch (use.result) {
    case 'hit':
    case 'partial':
      return without === undefined || use.workSeconds === undefined ? undefined : rounded(without - use.workSeconds - cost);
    case 'stale':
    case 'damaged':
      return rounded(-cost);
    // What is not there yet has to be paid for once.
    case 'miss':
    case 'off':
      return undefined;
  }
}

/** The account after one more build. */
export function settle(account: LayerAccount | undefined, use: CacheUse): LayerAccount {
  const { pausedFor = 0, saved = [], without } = account ?? {};
  const didWithout = use.result !== 'hit' && use.result !== 'partial' && use.workSeconds !== undefined;
  const nextWithout = didWithout ? rounded(without === undefined ? use.workSeconds! : (without + use.workSeconds!) / 2) : without;
  if (use.result === 'off') return { without: nextWithout, saved: [], ...(pausedFor > 1 ? { pausedFor: pausedFor - 1 } : {}) };
  const entry = secondsSaved(without, use);
  const nextSaved = entry === undefined ? saved : [...saved, entry].slice(-REMEMBERED_BUILDS);
  const isLoss = nextSaved.length >= ENOUGH_BUILDS && nextSaved.reduce((sum, seconds) => sum + seconds, 0) < 0;
  return isLoss ? { without: nextWithout, saved: [], pausedFor: PAUSE_BUILDS } : { without: nextWithout, saved: nextSaved };
}

const rounded = (seconds: number) => Math.round(seconds * 10) / 10;
