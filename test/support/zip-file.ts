/** Zip files as a function's is, and as somebody might make one on purpose: every field can be another than it should. */

export interface ZipEntry {
  readonly name: string | Buffer;
  /** As it lies in the file. */
  readonly content?: string | Buffer;
  /** Unix mode, the file's type included. */
  readonly mode?: number;
  /** 0: stored, 8: deflate. */
  readonly method?: number;
  readonly flags?: number;
  readonly compressedSize?: number;
  readonly uncompressedSize?: number;
  /** Where the directory says that the entry is. */
  readonly offset?: number;
  readonly extra?: Buffer;
}

export interface ZipEnd {
  readonly entryCount?: number;
  readonly directoryOffset?: number;
  readonly comment?: string;
}

export const LINK_MODE = 0o12_0777;

/** Made on Unix, if it has a mode. */
const VERSION_MADE_BY_UNIX = 0x0300 + 20;
const VERSION = 20;

export function zipFile(entries: readonly ZipEntry[], end: ZipEnd = {}): Buffer {
  const locals: Buffer[] = [];
  const headers: Buffer[] = [];
  let at = 0;
  for (const entry of entries) {
    const local = localPart(entry);
    headers.push(directoryHeader(entry, entry.offset ?? at));
    locals.push(local);
    at += local.length;
  }
  const directory = Buffer.concat(headers);
  return Buffer.concat([...locals, directory, endRecord(entries.length, directory.length, at, end)]);
}

/** The smallest one that is acceptable. Of ASCII characters only: it can be written as text, too. */
export const ZIP = zipFile([{ name: 'index.mjs' }]).toString('latin1');

function localPart({ content = '', ...entry }: ZipEntry): Buffer {
  const [name, data] = [Buffer.from(entry.name), Buffer.from(content)];
  const header = Buffer.alloc(30);
  header.write('PK\x03\x04', 'latin1');
  header.writeUInt16LE(VERSION, 4);
  writeCommon(header, 6, { content, ...entry });
  header.writeUInt16LE(name.length, 26);
  return Buffer.concat([header, name, data]);
}

function directoryHeader({ extra = Buffer.alloc(0), mode, ...entry }: ZipEntry, offset: number): Buffer {
  const name = Buffer.from(entry.name);
  const header = Buffer.alloc(46);
  header.write('PK\x01\x02', 'latin1');
  header.writeUInt16LE(mode === undefined ? VERSION : VERSION_MADE_BY_UNIX, 4);
  header.writeUInt16LE(VERSION, 6);
  writeCommon(header, 8, entry);
  header.writeUInt16LE(name.length, 28);
  header.writeUInt16LE(extra.length, 30);
  header.writeUInt32LE((mode ?? 0) * 2 ** 16, 38);
  header.writeUInt32LE(offset, 42);
  return Buffer.concat([header, name, extra]);
}

/** Flags, method, time, CRC and sizes stand in the same order in both headers. Nobody looks at time and CRC. */
function writeCommon(header: Buffer, at: number, { compressedSize, content = '', flags = 0, method = 0, uncompressedSize }: Omit<ZipEntry, 'name'>): void {
  header.writeUInt16LE(flags, at);
  header.writeUInt16LE(method, at + 2);
  header.writeUInt32LE(compressedSize ?? Buffer.byteLength(content), at + 12);
  header.writeUInt32LE(uncompressedSize ?? Buffer.byteLength(content), at + 16);
}

function endRecord(count: number, directoryBytes: number, offset: number, { comment = '', directoryOffset = offset, entryCount = count }: ZipEnd): Buffer {
  const record = Buffer.alloc(22);
  record.write('PK\x05\x06', 'latin1');
  record.writeUInt16LE(entryCount, 8);
  record.writeUInt16LE(entryCount, 10);
  record.writeUInt32LE(directoryBytes, 12);
  record.writeUInt32LE(directoryOffset, 16);
  record.writeUInt16LE(Buffer.byteLength(comment), 20);
  return Buffer.concat([record, Buffer.from(comment)]);
}
