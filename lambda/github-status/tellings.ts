import type { Channel, Trace } from './channel';
import { STATE_KINDS } from '../../src/contract/state-table';
import type { StateTable } from '../shared/state/state-table';

/** What was told of one subject, by channel, and the version that was. */
export type Told = { readonly [channel in Channel['name']]?: Trace & { readonly version: number } };

interface Telling {
  readonly subject: string;
  readonly version: number;
  readonly claimedBy: string;
}

/**
 * What was told until now, if one has the right to tell. `busyUntil`: somebody is telling this version, or an older one, until then at the latest.
 * `outdated`: somebody has begun to tell a newer one, and whatever came of it, the message about that one is still there.
 */
export type Claim = { readonly told: Told } | { readonly busyUntil: number } | 'outdated';

/**
 * What was told of each deployment, and whose turn it is to tell. GitHub makes a second check run if it is asked to, and lets an older status
 * take the place of a newer one if that comes later: so one at a time tells of a deployment, and knows what was told before.
 */
export class Tellings {
  constructor(private readonly state: StateTable) {}

  /** Takes the right to tell this version until then (milliseconds since 1970). */
  public async claim({ claimedBy, subject, version }: Telling, now: number, claimExpiresAt: number): Promise<Claim> {
    const told = await this.state.updateExpiring<Told>(STATE_KINDS.told, subject, {
      set: { version, claimedBy, claimExpiresAt },
      // The claim may be one's own: its first answer was lost, and the SDK has asked again.
      condition: '(attribute_not_exists(#claimExpiresAt) OR #claimExpiresAt <= :now OR #claimedBy = :claimedBy)'
        + ' AND (attribute_not_exists(#version) OR #version <= :version)',
      values: { now },
    }, 'ALL_OLD');
    if (told) return { told };
    const other = await this.state.get<{ version?: number; claimExpiresAt?: number }>(STATE_KINDS.told, subject);
    // Without a claim: it has just been given back.
    return (other?.version ?? 0) > version ? 'outdated' : { busyUntil: other?.claimExpiresAt ?? now };
  }

  /** Keeps what was told and gives the right back, now or later. False: somebody else has it by now, and may have told something older since. */
  public async end({ claimedBy, subject }: Telling, told: Told, claimExpiresAt?: number): Promise<boolean> {
    const ended = await this.state.updateExpiring(STATE_KINDS.told, subject, {
      set: { ...told, claimExpiresAt },
      remove: claimExpiresAt === undefined ? ['claimedBy', 'claimExpiresAt'] : [],
      condition: '#claimedBy = :mine',
      values: { mine: claimedBy },
    });
    return ended !== undefined;
  }
}
