import type { SourceFailureCode } from '../../src/contract/source';
import { HostProblem } from '../shared/host-problem';

/** Why a source cannot be fetched, in a sentence for the build's log: for the person who pushed, who may not know the platform. */
export class SourceProblem extends HostProblem {
  readonly name: string = 'SourceProblem';

  constructor(reason: string, readonly failureCode: SourceFailureCode = 'CHECKOUT_FAILED') {
    super(reason);
  }
}

/** What a host has done to us is as good as a checkout that failed. */
export function failureCodeOf(problem: HostProblem): SourceFailureCode {
  return problem instanceof SourceProblem ? problem.failureCode : 'CHECKOUT_FAILED';
}
