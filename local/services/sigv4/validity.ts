/** When a signature counts: that of a header for some minutes, that of a presigned URL until it expires. */
import { SignatureError } from './errors';
import type { StatedSignature } from './stated-signature';

/** By so much the clocks of client and service may differ. */
const MAX_SKEW_MS = 15 * 60_000;
const MAX_PRESIGNED_SKEW_MS = 5 * 60_000;

export function checkValidity({ expires, signedAt }: StatedSignature, now = new Date()): void {
  const age = now.getTime() - signedAt.getTime();
  const times = { ServerTime: now.toISOString() };
  if (expires === undefined) {
    if (Math.abs(age) <= MAX_SKEW_MS) return;
    throw new SignatureError('wrong time', 'The difference between the request time and the current time is too large.', {
      RequestTime: signedAt.toISOString(), ...times, MaxAllowedSkewMilliseconds: String(MAX_SKEW_MS),
    });
  }
  if (age < -MAX_PRESIGNED_SKEW_MS) throw new SignatureError('not yet valid', 'Request is not yet valid', { ...times, 'X-Amz-Date': signedAt.toISOString() });
  const until = new Date(signedAt.getTime() + expires * 1000);
  if (!(until > now)) throw new SignatureError('expired', 'Request has expired', { 'X-Amz-Expires': String(expires), 'Expires': until.toISOString(), ...times });
}
