/** Brings one event to one target: retries, then the dead letter. */
import { setTimeout as delay } from 'node:timers/promises';

/** An event as rules match it and targets get it. */
export interface EventEnvelope {
  readonly 'version': '0';
  readonly 'id': string;
  readonly 'detail-type': string;
  readonly 'source': string;
  readonly 'account': string;
  /** ISO 8601 in UTC, without fractions of a second. */
  readonly 'time': string;
  readonly 'region': string;
  readonly 'resources': readonly string[];
  readonly 'detail': unknown;
}

export interface RuleTarget {
  readonly id: string;
  /** JSON that the target gets instead of the event. */
  readonly input?: string;
  /** At most as many as there are retry delays. */
  readonly maximumRetryAttempts?: number;
  /** Resolves when the target has accepted the event; rejects to have it sent again. */
  deliver(event: unknown): Promise<void>;
  /** Gets what could not be delivered. Missing: the event is lost, as in AWS. */
  deadLetter?(event: unknown, error: unknown): void | Promise<void>;
}

export interface DeliveryOptions {
  /** Before each retry. EventBridge goes on for 24 hours; on a laptop a few seconds tell as much. */
  readonly retryDelaysMs: readonly number[];
  /** Gives up waiting; nothing is dead-lettered then. */
  readonly signal: AbortSignal;
  /** One line about what got lost. */
  readonly onLog: (line: string) => void;
}

/** Never rejects: the sender of an event learns nothing about its targets. */
export async function deliver(ruleName: string, target: RuleTarget, event: EventEnvelope, options: DeliveryOptions): Promise<void> {
  const { retryDelaysMs, signal, onLog } = options;
  const retries = Math.min(target.maximumRetryAttempts ?? retryDelaysMs.length, retryDelaysMs.length);
  for (let attempt = 0; ; attempt += 1) {
    // Each attempt gets its own copy: a target that changes the event must not change it for others.
    const payload = target.input === undefined ? structuredClone(event) : JSON.parse(target.input) as unknown;
    try {
      await target.deliver(payload);
      return;
    } catch (error) {
      if (signal.aborted) {
        return;
      }
      if (attempt >= retries) {
        await giveUp(ruleName, target, payload, error, onLog);
        return;
      }
    }
    await delay(retryDelaysMs[attempt], undefined, { signal }).catch(() => undefined);
    if (signal.aborted) {
      return;
    }
  }
}

async function giveUp(ruleName: string, target: RuleTarget, payload: unknown, error: unknown, onLog: DeliveryOptions['onLog']): Promise<void> {
  const what = `Rule ${ruleName}, target ${target.id}`;
  if (target.deadLetter === undefined) {
    onLog(`${what}: the event was not delivered and is lost (the target has no dead-letter queue): ${String(error)}`);
    return;
  }
  try {
    await target.deadLetter(payload, error);
  } catch (deadLetterError) {
    onLog(`${what}: the event was neither delivered (${String(error)}) nor dead-lettered (${String(deadLetterError)}), and is lost.`);
  }
}
