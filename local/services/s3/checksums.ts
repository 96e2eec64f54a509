/** The checksums of S3's `x-amz-checksum-*` headers, computed while a body streams by. */
import { createHash } from 'node:crypto';

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

const ALGORITHMS: Record<ChecksumAlgorithm, () => RunningChecksum> = {
  CRC32: () => new Crc(0xedb88320n, 32),
  CRC32C: () => new Crc(0x82f63b78n, 32),
  CRC64NVME: () => new Crc(0x9a6c9329ac4bc9b5n, 64),
  SHA1: () => createHash('sha1'),
  SHA256: () => createHash('sha256'),
};

export const CHECKSUM_ALGORITHMS = Object.keys(ALGORITHMS) as ChecksumAlgorithm[];

export const startChecksum = (algorithm: ChecksumAlgorithm): RunningChecksum => ALGORITHMS[algorithm]();

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

export function compositeChecksum(algorithm: ChecksumAlgorithm, parts: string[]): Checksum {
  const running = startChecksum(algorithm);
  parts.forEach((part) => running.update(Buffer.from(part, 'base64')));
  return { algorithm, value: `${running.digest().toString('base64')}-${parts.length}`, type: 'COMPOSITE' };
}

interface CrcTable {
  readonly low: Uint32Array;
  readonly high: Uint32Array;
}

const TABLES = new Map<bigint, CrcTable>();

function tableOf(polynomial: bigint): CrcTable {
  let table = TABLES.get(polynomial);
  if (!table) {
    table = { low: new Uint32Array(256), high: new Uint32Array(256) };
    for (let index = 0; index < 256; index++) {
      let value = BigInt(index);
      for (let bit = 0; bit < 8; bit++) {
        value = value & 1n ? (value >> 1n) ^ polynomial : value >> 1n;
      }
      table.low[index] = Number(value & 0xffffffffn);
      table.high[index] = Number(value >> 32n);
    }
    TABLES.set(polynomial, table);
  }
  return table;
}

/** Reflected CRC of 32 or 64 bits, in two halves because JavaScript's bit operators have 32 bits. */
class Crc implements RunningChecksum {
  private low = 0xffffffff;
  private high: number;

  constructor(private readonly polynomial: bigint, private readonly bits: 32 | 64) {
    this.high = bits === 64 ? 0xffffffff : 0;
  }

  update(data: Buffer): void {
    const table = tableOf(this.polynomial);
    let { low, high } = this;
    for (let position = 0; position < data.length; position++) {
      const index = (low ^ data[position]) & 0xff;
      low = ((low >>> 8) | (high << 24)) ^ table.low[index];
      high = (high >>> 8) ^ table.high[index];
    }
    this.low = low;
    this.high = high;
  }

  digest(): Buffer {
    const result = Buffer.alloc(this.bits / 8);
    result.writeUInt32BE(~this.low >>> 0, result.length - 4);
    if (this.bits === 64) {
      result.writeUInt32BE(~this.high >>> 0, 0);
    }
    return result;
  }
}
