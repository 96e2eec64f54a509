/** A stand-in was asked for something that only the real program does. */
export class UsageError extends Error {
  readonly name = 'UsageError';
}
