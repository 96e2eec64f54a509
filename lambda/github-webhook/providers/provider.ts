import type { ForgeEvent } from '../change';

/** A forge that sends webhooks. */
export interface Provider {
  readonly name: string;
  /** Header that names the event. */
  readonly eventHeader: string;
  /** Header that proves who sent it, and what it has to be, for whoever set it up wrongly. */
  readonly proofHeader: string;
  readonly expectedProof: string;
  /** Whether the proof is one of this secret's. Takes as long for a wrong one as for a right one. */
  proves(proof: string, body: Buffer, secret: string): Promise<boolean>;
  /** Throws PayloadProblem. */
  read(event: string, payload: unknown): ForgeEvent;
}
