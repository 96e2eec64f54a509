import { createHash } from 'node:crypto';
import type { ObjectFormat } from './git-remote';
import { SourceProblem } from './source-problem';
import { PassingTrouble } from '../shared/host-problem';

/** GitHub asks for repositories below 5 GB, with their whole history. More than that in one commit is not source, and no container has room to build it. */
const MAX_BYTES = 5 * 1024 ** 3;

const TRAILER_BYTES: Readonly<Record<ObjectFormat, number>> = { sha1: 20, sha256: 32 };

/** Passes a pack on while it comes, and throws in place of its end if it is not whole: a pack ends with a hash of everything before. */
export async function* wholePack(pack: AsyncIterable<Buffer>, format: ObjectFormat, maxBytes = MAX_BYTES): AsyncGenerator<Buffer, void> {
  const hash = createHash(format);
  const trailerBytes = TRAILER_BYTES[format];
  let [bytes, held] = [0, Buffer.alloc(0)];
  for await (const chunk of pack) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw new SourceProblem(`This commit has more than ${maxBytes / 1024 ** 3} GB. Take out what is not source.`);
    // Whatever may turn out to be the trailer is held back from the hash.
    const seen = chunk.length < trailerBytes ? Buffer.concat([held, chunk]) : chunk;
    if (seen === chunk) hash.update(held);
    hash.update(seen.subarray(0, Math.max(0, seen.length - trailerBytes)));
    held = Buffer.from(seen.subarray(-trailerBytes));
    yield chunk;
  }
  if (!held.equals(hash.digest())) throw new PassingTrouble('The repository did not arrive whole.');
}
