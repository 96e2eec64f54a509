/** The phases of one build, with times and contexts as CodeBuild's API reports them. */

export const PHASE_TYPES = [
  'SUBMITTED', 'QUEUED', 'PROVISIONING', 'DOWNLOAD_SOURCE', 'INSTALL', 'PRE_BUILD', 'BUILD', 'POST_BUILD', 'UPLOAD_ARTIFACTS', 'FINALIZING', 'COMPLETED',
] as const;

export type PhaseType = typeof PHASE_TYPES[number];

/** How a phase or a build ended. */
export type EndStatus = 'SUCCEEDED' | 'FAILED' | 'FAULT' | 'TIMED_OUT' | 'STOPPED';

export interface PhaseContext {
  readonly statusCode: string;
  readonly message: string;
}

export interface Phase {
  readonly phaseType: PhaseType;
  readonly startTime: Date;
  readonly endTime?: Date;
  /** Left out while the phase runs, and for COMPLETED. */
  readonly phaseStatus?: EndStatus;
  readonly contexts?: readonly PhaseContext[];
}

/** What CodeBuild's agent reports for a phase that has nothing to say. */
export const NO_CONTEXT: PhaseContext = { statusCode: '', message: '' };

export class PhaseList {
  private readonly list: Phase[] = [];

  constructor(private readonly onPhase: (phase: Phase) => void = () => undefined) {}

  get all(): readonly Phase[] {
    return this.list;
  }

  /** The one that was entered last; SUBMITTED before there is any. */
  get current(): PhaseType {
    return this.list.at(-1)?.phaseType ?? 'SUBMITTED';
  }

  enter(phaseType: PhaseType): void {
    this.add({ phaseType, startTime: new Date() });
  }

  leave(phaseStatus: EndStatus, contexts?: readonly PhaseContext[]): void {
    const running = this.list.pop();
    if (!running || running.phaseStatus) {
      throw new Error('No phase is running.');
    }
    this.add({ ...running, endTime: new Date(), phaseStatus, contexts });
  }

  private add(phase: Phase): void {
    this.list.push(phase);
    this.onPhase(phase);
  }
}
