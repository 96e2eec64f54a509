import { timingSafeEqual } from 'node:crypto';
import { SignatureError } from './errors';

/** Takes as long for signatures that have nothing in common as for those that have much. */
export function checkSame(calculated: string, given: string | undefined): void {
  const [expected, found] = [calculated, given ?? ''].map((text) => Buffer.from(text));
  if (expected.length === found.length && timingSafeEqual(expected, found)) return;
  throw new SignatureError('mismatch', 'The request signature we calculated does not match the signature you provided. Check your key and signing method.');
}
