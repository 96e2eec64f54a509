/** The checksums of S3's `x-amz-checksum-*` headers, computed while content streams by. */
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';

export type ChecksumAlgorithm = 'CRC32' | 'CRC32C' | 'CRC64NVME' | 'SHA1' | 'SHA256';

/** COMPOSITE: a checksum of the parts' checksums, with `-<number of parts>` behind it. */
export type ChecksumType = 'FULL_OBJECT' | 'COMPOSITE';

export interface Checksum {
  readonly algorithm: ChecksumAlgorithm;
  /** Base64. */
  readonly value: string;
  readonly type: ChecksumType;
}

export interface RunningChecksum {
  update(data: Buffer): unknown;
  digest(): Buffer;
}

export const CHECKSUM_ALGORITHMS: readonly ChecksumAlgorithm[] = ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'];

/**
 * Nothing for the algorithms that Node.js does not have: CRC32C, CRC64NVME, and CRC32 before 20.15. Their checksums are
 * believed and kept; the client that reads the object verifies them.
 */
export function startChecksum(algorithm: ChecksumAlgorithm): RunningChecksum | undefined {
  switch (algorithm) {
    case 'SHA1':
    case 'SHA256':
      return createHash(algorithm);
    case 'CRC32':
      return typeof crc32 === 'function' ? new Crc32() : undefined;
    default:
      return undefined;
  }
}

class Crc32 implements RunningChecksum {
  private value = 0;

  update(data: Buffer): void {
    this.value = crc32(data, this.value);
  }

  digest(): Buffer {
    const result = Buffer.alloc(4);
    result.writeUInt32BE(this.value);
    return result;
  }
}

export const checksumHeader = (algorithm: ChecksumAlgorithm): string => `x-amz-checksum-${algorithm.toLowerCase()}`;

export function parseAlgorithm(name: string | undefined): ChecksumAlgorithm | undefined {
  return CHECKSUM_ALGORITHMS.find((algorithm) => algorithm === name?.toUpperCase());
}

export function checksumHeaders(checksum: Checksum | undefined): Record<string, string> {
  return checksum ? { [checksumHeader(checksum.algorithm)]: checksum.value, 'x-amz-checksum-type': checksum.type } : {};
}

/** Element of a response, e.g. `ChecksumCRC32`. */
export function checksumElements(checksum: Checksum | undefined): Record<string, string> {
  return checksum ? { [`Checksum${checksum.algorithm}`]: checksum.value, ChecksumType: checksum.type } : {};
}

/** Undefined where a part's checksum or the algorithm itself is missing. */
export function compositeChecksum(algorithm: ChecksumAlgorithm, parts: readonly (string | undefined)[]): Checksum | undefined {
  const running = startChecksum(algorithm);
  if (!running || parts.includes(undefined)) {
    return undefined;
  }
  parts.forEach((part) => running.update(Buffer.from(part!, 'base64')));
  return { algorithm, value: `${running.digest().toString('base64')}-${parts.length}`, type: 'COMPOSITE' };
}
