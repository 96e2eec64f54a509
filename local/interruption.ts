/** Ctrl-C, a closed terminal, a closed pipe: what runs is told to stop and given the time to clean up; a second Ctrl-C does not wait. */
import { UsageError } from './usage-error';

/** npm passes Ctrl-C on to a process that has got it from the terminal already; no one presses it twice that fast. */
const SAME_CTRL_C_MS = 500;

const EXIT_STATUS = 130;

export async function runUntilInterrupted<T>(run: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  let stoppedAt = 0;
  const stop = () => {
    if (controller.signal.aborted) return;
    stoppedAt = Date.now();
    controller.abort(Object.assign(new Error('Stopped.'), { name: 'AbortError' }));
    console.error('\nStopping: ending builds and services, removing temporary files. Press Ctrl-C again to leave at once.');
  };
  const interrupt = () => {
    if (controller.signal.aborted && Date.now() - stoppedAt > SAME_CTRL_C_MS) process.exit(EXIT_STATUS);
    stop();
  };
  // These stay: once nobody reads, every further line is an error again.
  [process.stdout, process.stderr].forEach((stream) => stream.on('error', stop));
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  signals.forEach((name) => process.on(name, interrupt));
  try {
    const result = await run(controller.signal);
    controller.signal.throwIfAborted();
    return result;
  } catch (error) {
    // Ctrl-C also reaches the children, so that any error may come first.
    throw controller.signal.aborted ? controller.signal.reason : error;
  } finally {
    signals.forEach((name) => process.off(name, interrupt));
  }
}

/** What a process ends with after this error. */
export function exitStatusOf(error: Error): number {
  return error instanceof UsageError ? 2 : error.name === 'AbortError' ? EXIT_STATUS : 1;
}
