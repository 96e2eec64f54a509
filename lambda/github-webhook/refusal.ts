import type { WebhookAnswer } from '../../src/contract/webhook';

/** Ends the work on a delivery with this answer. */
export class Refusal extends Error {
  public constructor(public readonly status: number, reason: string, public readonly outcome: WebhookAnswer['outcome'] = 'refused') {
    super(reason);
  }
}
