/** A call that makes no sense: nothing has been built, and nothing will be until the call is another one. */
export class UsageError extends Error {
  public readonly name = 'UsageError';
}
