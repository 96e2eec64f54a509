/** Repositories, and steps of the build that read them: what they find out, or how they fail. */
import { ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { EXIT_CODES } from '../../src/contract/failure-codes';

/** Each run leaves a module in the process: some 20 KB. */
const RUNS_PER_PROCESS = 2000;

export interface Repository {
  readonly files: Readonly<Record<string, string>>;
  /** Directory of the app. */
  readonly app?: string;
  /** What earlier steps found out. */
  readonly facts?: Readonly<Record<string, string>>;
  /** All files are tracked. */
  readonly git?: boolean;
}

export interface StepOutcome {
  readonly status: number;
  readonly output: string;
  readonly facts: Readonly<Record<string, string>>;
}

export class Steps {
  public readonly top: string;
  private readonly directory = realpathSync(mkdtempSync(path.join(os.tmpdir(), 'fuzz-steps-')));
  private child?: ChildProcess;
  private runs = 0;

  constructor() {
    this.top = path.join(this.directory, 'checkout');
    // The real one takes its time to say its version.
    mkdirSync(path.join(this.directory, 'bin'));
    writeFileSync(path.join(this.directory, 'bin', 'npm'), '#!/bin/sh\necho 10.2.3\n');
    chmodSync(path.join(this.directory, 'bin', 'npm'), 0o755);
  }

  /** An outcome for each. */
  public async run(step: string, repositories: readonly Repository[]): Promise<StepOutcome[]> {
    if (this.child === undefined || this.runs > RUNS_PER_PROCESS) this.start();
    this.runs += repositories.length;
    const answer = once(this.child!, 'message');
    this.child!.send({ step, directory: this.directory, repositories });
    const [outcomes] = await answer;
    return outcomes;
  }

  public close(): void {
    this.child?.kill();
    rmSync(this.directory, { recursive: true, force: true });
  }

  private start(): void {
    this.child?.kill();
    this.runs = 0;
    const exitCodes = Object.fromEntries(Object.entries(EXIT_CODES).map(([code, status]) => [`EXIT_${code}`, String(status)]));
    const child = fork(path.join(__dirname, 'step-runner.mjs'), {
      execArgv: [],
      env: { ...exitCodes, PATH: `${this.directory}/bin:${process.env.PATH}`, HOME: this.directory, CODEBUILD_BUILD_IMAGE: 'image', OPEN_NEXT_VERSION: '' },
    });
    // Whoever waits for an answer has to know.
    child.once('exit', (status, signal) => child.emit('error', new Error(`The process that runs the steps ended with ${signal ?? status}`)));
    child.on('error', () => {});
    this.child = child;
  }
}
