import { setTimeout as sleep } from 'node:timers/promises';
import { SourceProblem } from './source-problem';
import { PassingTrouble } from '../shared/host-problem';
import { logger } from '../shared/logger';

/** Three tries: a connection that broke off is back in a second, a host that is restarted in a few. */
const PAUSES_MS = [1_000, 5_000];

/** `deadline`: in milliseconds since 1970; no wait goes beyond it. */
export async function withRetries<T>(deadline: number, act: () => Promise<T>): Promise<T> {
  for (const pause of PAUSES_MS) {
    try {
      return await act();
    } catch (error) {
      if (!(error instanceof PassingTrouble)) throw error;
      const wait = error.askAgainAt === undefined ? pause : Math.max(pause, error.askAgainAt - Date.now());
      if (Date.now() + wait >= deadline) throw withTime(error);
      logger.warn('The source is tried to be fetched again', { error, afterSeconds: Math.ceil(wait / 1000) });
      await sleep(wait);
    }
  }
  return act().catch((error: unknown) => { throw error instanceof PassingTrouble ? withTime(error) : error; });
}

function withTime({ askAgainAt, message }: PassingTrouble): SourceProblem {
  if (askAgainAt === undefined) return new SourceProblem(`${message} Try again later.`);
  return new SourceProblem(`${message} Try again after ${new Date(askAgainAt).toISOString().slice(0, 16).replace('T', ' ')} UTC.`);
}
