/** Ctrl-C: what runs is told to stop and given the time to clean up; a second Ctrl-C does not wait. */
export async function runUntilInterrupted<T>(run: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const interrupt = () => {
    if (controller.signal.aborted) process.exit(130);
    console.error('\nStopping: ending builds and services, removing temporary files. Press Ctrl-C again to leave at once.');
    controller.abort(Object.assign(new Error('Stopped.'), { name: 'AbortError' }));
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  signals.forEach((name) => process.on(name, interrupt));
  try {
    return await run(controller.signal);
  } finally {
    signals.forEach((name) => process.off(name, interrupt));
  }
}
