import type { SourceFailureCode } from '../../src/contract/source';

/** Why a source cannot be fetched, in a sentence for the build's log: for the person who pushed, who may not know the platform. */
export class SourceProblem extends Error {
  readonly name: string = 'SourceProblem';

  constructor(reason: string, readonly failureCode: SourceFailureCode = 'CHECKOUT_FAILED') {
    super(reason);
  }
}

/** One that may be gone in a moment. */
export class PassingTrouble extends SourceProblem {
  readonly name = 'PassingTrouble';

  /** `askAgainAt`: in milliseconds since 1970, if the host has said when. */
  constructor(reason: string, readonly askAgainAt?: number) {
    super(reason);
  }
}
