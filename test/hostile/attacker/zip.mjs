// Zip files that no zip program would write.
import { crc32, deflateRawSync } from 'node:zlib';

/** `data`: as it lies in the archive. */
export const file = (name, content) => ({ name, method: 0, crc: crc32(content), size: Buffer.byteLength(content), data: Buffer.from(content) });
/** Zeros: a thousandth of their size when they are compressed. */
export function zeros(name, size) {
  const content = Buffer.alloc(size);
  return { name, method: 8, crc: crc32(content), size, data: deflateRawSync(content) };
}

/** Entries with the same `data` share it: it stands in the archive once. */
export function zip(entries) {
  const parts = [];
  const offsets = new Map();
  const directory = [];
  let offset = 0;
  for (const entry of entries) {
    const { name, method, crc, size, data } = entry;
    const facts = Buffer.alloc(26);
    facts.writeUInt16LE(20, 0);
    facts.writeUInt16LE(method, 4);
    facts.writeUInt16LE(33, 8); // 1980-01-01
    facts.writeUInt32LE(crc, 10);
    facts.writeUInt32LE(data.length, 14);
    facts.writeUInt32LE(size, 18);
    facts.writeUInt16LE(Buffer.byteLength(name), 22);
    if (!offsets.has(data)) {
      offsets.set(data, offset);
      const local = Buffer.concat([Buffer.from('PK\x03\x04'), facts, Buffer.from(name), data]);
      parts.push(local);
      offset += local.length;
    }
    const more = Buffer.alloc(14);
    more.writeUInt32LE(offsets.get(data), 10);
    directory.push(Buffer.concat([Buffer.from('PK\x01\x02'), Buffer.from([20, 3]), facts, more, Buffer.from(name)]));
  }
  const central = Buffer.concat(directory);
  const end = Buffer.alloc(18);
  end.writeUInt16LE(entries.length, 4);
  end.writeUInt16LE(entries.length, 6);
  end.writeUInt32LE(central.length, 8);
  end.writeUInt32LE(offset, 12);
  return Buffer.concat([...parts, central, Buffer.from('PK\x05\x06'), end]);
}
