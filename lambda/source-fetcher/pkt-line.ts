/** Git's pkt-line format: four hex digits say how long a packet is, themselves included. https://git-scm.com/docs/protocol-common */
import { SourceProblem } from './source-problem';
import { PassingTrouble } from '../shared/host-problem';
import { quoted } from '../shared/quoted';

export type Packet = Buffer | 'flush' | 'delimiter' | 'end';

const DIGITS = 4;
/** Of a packet as a whole, as git has it. */
const MAX_LENGTH = 65_520;

/** Lengths that no packet with content can have. 3 is not defined. */
const SPECIAL: Readonly<Record<number, Packet>> = { 0: 'flush', 1: 'delimiter', 2: 'end' };

export function packet(text: string): string {
  return (text.length + DIGITS).toString(16).padStart(DIGITS, '0') + text;
}

export const FLUSH = '0000';
export const DELIMITER = '0001';

export async function* packetsOf(chunks: AsyncIterable<Buffer>, host: string): AsyncGenerator<Packet, void> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of chunks) {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    while (rest.length >= DIGITS) {
      const length = lengthOf(rest, host);
      if (rest.length < length) break;
      yield SPECIAL[length] ?? rest.subarray(DIGITS, length);
      rest = rest.subarray(Math.max(DIGITS, length));
    }
  }
  if (rest.length > 0) throw new PassingTrouble(`${host} has broken off within a packet.`);
}

function lengthOf(bytes: Buffer, host: string): number {
  const digits = bytes.toString('latin1', 0, DIGITS);
  const length = /^[0-9a-f]{4}$/i.test(digits) ? Number.parseInt(digits, 16) : NaN;
  if (length in SPECIAL || length >= DIGITS && length <= MAX_LENGTH) return length;
  throw new SourceProblem(`${host} does not speak git's protocol: expected the length of a packet, in four hex digits, got ${quoted(digits)}.`);
}
