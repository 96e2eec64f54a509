/**
 * Adds the entries of one zip archive to another: both bodies one after the other, both directories at the end, with the
 * positions of the second moved. Enough for archives that the stand-in wrote itself; others are refused.
 */
const END_SIGNATURE = 0x06054b50;
const END_LENGTH = 22;
const ENTRY_SIGNATURE = 0x02014b50;
const ENTRY_LENGTH = 46;
/** From here on a zip file needs the Zip64 format, whose records look different. */
const ZIP64_COUNT = 0xffff;
const ZIP64_OFFSET = 0xffffffff;

interface Archive {
  readonly body: Buffer;
  readonly directory: Buffer;
  readonly entries: readonly { readonly position: number; readonly name: string }[];
}

export function mergeArchives(existing: Buffer, added: Buffer): Buffer {
  const [first, second] = [existing, added].map(read);
  const names = new Set(first.entries.map(({ name }) => name));
  const twice = second.entries.find(({ name }) => names.has(name));
  if (twice) {
    throw new Error(`${twice.name} is in the archive already, and the stand-in for zip does not replace entries. Remove the archive first, or install zip.`);
  }
  const moved = Buffer.from(second.directory);
  for (const { position } of second.entries) {
    moved.writeUInt32LE(moved.readUInt32LE(position + 42) + first.body.length, position + 42);
  }
  const count = first.entries.length + second.entries.length;
  const offset = first.body.length + second.body.length;
  const size = first.directory.length + moved.length;
  if (count >= ZIP64_COUNT || offset + size >= ZIP64_OFFSET) {
    throw new Error('The archive would have more than 65,534 entries or 4 GB, and the stand-in for zip does not add to one so large. Install zip.');
  }
  const end = Buffer.alloc(END_LENGTH);
  end.writeUInt32LE(END_SIGNATURE, 0);
  end.writeUInt16LE(count, 8);
  end.writeUInt16LE(count, 10);
  end.writeUInt32LE(size, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([first.body, second.body, first.directory, moved, end]);
}

function read(archive: Buffer): Archive {
  const end = archive.length - END_LENGTH;
  if (end < 0 || archive.readUInt32LE(end) !== END_SIGNATURE) {
    throw new Error('The archive exists, and is not one that the stand-in for zip wrote. Remove it first, or install zip.');
  }
  const count = archive.readUInt16LE(end + 10);
  const offset = archive.readUInt32LE(end + 16);
  if (count === ZIP64_COUNT || offset === ZIP64_OFFSET) {
    throw new Error('The archive is in the Zip64 format, and the stand-in for zip does not add to such. Install zip.');
  }
  const directory = archive.subarray(offset, end);
  const entries = [];
  for (let position = 0; position < directory.length;) {
    if (directory.readUInt32LE(position) !== ENTRY_SIGNATURE) {
      throw new Error('The directory of the archive is damaged. Remove the archive and make it again.');
    }
    const [nameLength, extraLength, commentLength] = [28, 30, 32].map((field) => directory.readUInt16LE(position + field));
    entries.push({ position, name: directory.toString('utf8', position + ENTRY_LENGTH, position + ENTRY_LENGTH + nameLength) });
    position += ENTRY_LENGTH + nameLength + extraLength + commentLength;
  }
  return { body: archive.subarray(0, offset), directory, entries };
}
