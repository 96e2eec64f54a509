import { createHash } from 'node:crypto';
import type { Change } from './change';

/** Crockford's base 32, as in a ULID: no letter looks like a digit, and the order of the characters is that of their values. */
const DIGITS = '0123456789abcdefghjkmnpqrstvwxyz';

/** Milliseconds since 1970 until the year 10889. */
const TIME_LENGTH = 10;

/** 80 bits. */
const HASH_LENGTH = 16;

/**
 * A ULID whose random part is a hash of what is deployed. Nothing in it is of the delivery, only of what is signed: however often and to how
 * many hooks a push is delivered, by whomever, it is one deployment. And the same commit pushed once more, to go back to it, is another.
 */
export function deploymentIdOf(projectId: string, { branch, commitSha, committedAt, previousSha = '', pushedAt }: Change): string {
  const time = (pushedAt ?? committedAt)?.getTime() ?? 0;
  // A branch cannot hold a line break.
  const hash = createHash('sha256').update([projectId, branch, previousSha, commitSha].join('\n')).digest('hex');
  return inBase32(BigInt(time), TIME_LENGTH) + inBase32(BigInt(`0x${hash}`), HASH_LENGTH);
}

/** The last digits of the number. */
function inBase32(value: bigint, length: number): string {
  return Array.from({ length }, (_, place) => DIGITS[Number(value / 32n ** BigInt(place) % 32n)]).reverse().join('');
}
