/** `work` for each item, in their order, so many at a time. After a failure none begins; it is thrown when those that had begun have ended. */
export async function concurrently<T>(items: Iterable<T>, atATime: number, work: (item: T) => Promise<void>): Promise<void> {
  // One for all workers. The loop of the one that fails ends a generator, and with it the others' loops; it would not end an array's iterator.
  const remaining = (function* each() {
    yield* items;
  })();
  const worker = async () => {
    for (const item of remaining) await work(item);
  };
  const ends = await Promise.allSettled(Array.from({ length: atATime }, worker));
  const failure = ends.find((end) => end.status === 'rejected');
  if (failure) throw failure.reason;
}
