import { randomUUID } from 'node:crypto';
import type { Channel } from './channel';
import { Refusal } from './github';
import type { News } from './news';
import type { Tellings, Told } from './tellings';
import { PassingTrouble } from '../shared/host-problem';
import { HttpsClient } from '../shared/https-client';
import { logger } from '../shared/logger';

/** For one channel: GitHub gives up a request after ten seconds, and most channels need two of them. */
const CHANNEL_MS = 15_000;

/** For all three. */
export const MAX_TELLING_MS = 3 * CHANNEL_MS;

/**
 * GitHub may still do what it was asked when nobody waits for the answer any more, for as long as it works on a request: ten seconds. Until then
 * nobody looks for what was made, or tells anything newer, which would not stay the newest.
 */
const AFTERMATH_MS = 15_000;

/** Somebody else who tells of this deployment is done within a second or two, mostly. */
const BUSY_MS = 10_000;

const CLAIM_MS = MAX_TELLING_MS + AFTERMATH_MS;

export class Teller {
  constructor(private readonly tellings: Tellings, private readonly channels: readonly Channel[]) {}

  /** Throws if somebody is still to be told. */
  public async tell(news: News): Promise<void> {
    const concerned = this.channels.filter((channel) => channel.concerns(news));
    if (concerned.length === 0) return logger.debug('Nobody is to be told of this: the repository is not of the app\'s host, and there is no webhook');
    const telling = { subject: news.subject, version: news.version, claimedBy: randomUUID() };
    const now = Date.now();
    // Whatever else takes its time: after this, nobody is asked for anything.
    const end = AbortSignal.timeout(MAX_TELLING_MS);
    const claim = await this.tellings.claim(telling, now, now + CLAIM_MS);
    if (claim === 'outdated') return logger.debug('Something newer was told, or is about to be');
    if ('busyUntil' in claim) throw new PassingTrouble('Another invocation tells of this deployment right now.', askAgainAt(claim.busyUntil, now));
    const { told } = claim;

    const problems: unknown[] = [];
    const newlyTold: { -readonly [channel in keyof Told]: Told[channel] } = {};
    for (const channel of concerned) {
      const { version = 0, ...trace } = told[channel.name] ?? {};
      if (version >= news.version) {
        logger.debug('This was told before', { channel: channel.name });
        continue;
      }
      try {
        const client = new HttpsClient(AbortSignal.any([AbortSignal.timeout(CHANNEL_MS), end]));
        newlyTold[channel.name] = { ...await channel.tell(news, trace, client), version: news.version };
        logger.info('Told', { channel: channel.name, status: news.about === 'deployment' ? news.detail.status : 'skipped' });
      } catch (error) {
        // To try again would change nothing, and a repository that is gone is nothing that the platform could mend.
        if (error instanceof Refusal) logger.warn('GitHub will not be told of this', { channel: channel.name, error });
        else problems.push(error);
      }
    }
    const isKept = await this.tellings.end(telling, newlyTold, problems.length === 0 ? undefined : Date.now() + AFTERMATH_MS);
    if (!isKept) problems.push(new Error('It took so long to tell this that somebody else has begun to.'));
    if (problems.length > 0) throw new AggregateError(problems, problems.map((problem) => (problem as Error).message).join(' '));
  }
}

/** Whoever has not been done within its usual time has died, or waits for GitHub: to ask once more before its claim ends would only use up receives. */
function askAgainAt(busyUntil: number, now: number): number {
  const hasJustBegun = busyUntil - now > CLAIM_MS - BUSY_MS;
  return hasJustBegun ? now + BUSY_MS : busyUntil;
}
