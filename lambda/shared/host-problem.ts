/** Why a host did not do what it was asked, in a sentence for people who may not know the platform, and without a word of what signs in there. */
export class HostProblem extends Error {
  readonly name: string = 'HostProblem';
}

/** One that may be gone in a moment. */
export class PassingTrouble extends HostProblem {
  readonly name = 'PassingTrouble';

  /** `askAgainAt`: in milliseconds since 1970, if the host has said when. */
  constructor(reason: string, readonly askAgainAt?: number) {
    super(reason);
  }
}
