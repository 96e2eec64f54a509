/** What can be wrong with a signature. Each service answers it in its own words: aws-json.ts, s3/errors.ts. */
export type SignatureProblem =
  /** It cannot be read. */
  | 'malformed header'
  | 'malformed query'
  /** It is for another region or another service. */
  | 'wrong scope'
  | 'unknown key'
  | 'unknown token'
  /** The clocks of client and service differ too much. */
  | 'wrong time'
  /** Of a presigned URL. */
  | 'expired'
  | 'not yet valid'
  /** A header that must be signed is not. */
  | 'unsigned headers'
  /** Something that was signed has been changed, or it was signed with another secret. */
  | 'mismatch';

export class SignatureError extends Error {
  readonly name = 'SignatureError';

  constructor(readonly problem: SignatureProblem, message: string, readonly details: Readonly<Record<string, string>> = {}) {
    super(message);
  }
}
