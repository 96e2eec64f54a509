import { inflateRawSync } from 'node:zlib';
import { fromRandomAccessReaderPromise, type Entry, type ZipFile } from 'yauzl';
import { BlockReader, type ReadRange } from './block-reader';
import { concurrently } from './concurrently';
import type { Refusal, StagedObject } from './promotion-plan';
import type { FailureCode } from '../../src/contract/failure-codes';
import { quoted } from '../shared/quoted';

/**
 * Whether a function's zip file is one that Lambda, or whoever unpacks it, can be given. Judged by its central directory and by where its links
 * lead: kilobytes, however large the file is. The files in it are not unpacked: that one of them has more bytes than the directory says, whoever
 * unpacks it has to notice.
 */

/** Lambda's limit for all files of a function. */
const MAX_UNZIPPED_BYTES = 262_144_000;
/** So many bytes that do not compress at all, and their names. */
const MAX_ZIP_BYTES = 300_000_000;
/** As many as the classic format can count; a large function has 10,000. */
const MAX_ENTRIES = 65_535;
/** So many entries with paths of 200 characters. */
const MAX_DIRECTORY_BYTES = 16 * 1024 ** 2;
/** Of an entry in the directory, before its name. */
const DIRECTORY_HEADER_BYTES = 46;
/** Of an entry where its bytes are, before its name. */
const LOCAL_HEADER_BYTES = 30;
/** Of what ends a zip file, before its comment; and so many more if it needs counts of 64 bits. */
const END_BYTES = 22;
const ZIP64_END_BYTES = 76;
/** The only compression that Lambda is sure to know. */
const DEFLATE = 8;
/** It cannot make more of a byte. */
const MAX_EXPANSION = 1032;
/** pnpm makes one for each dependency of each package; a large function has 2,000. */
const MAX_LINKS = 10_000;
/** Linux' limit for a path, and for what a link says. */
const MAX_PATH_BYTES = 4096;
const CONCURRENT_LINKS = 8;
/** Of what a zip file says; it becomes part of a record. */
const SHOWN_CHARACTERS = 200;

/** Info-ZIP's second name of an entry. yauzl goes by it, others by the first. */
const UNICODE_PATH = 0x7075;

/** A zip entry keeps the Unix mode in the upper half of its attributes; the highest four bits of that are the file's type. */
const TYPE_SHIFT = 2 ** 28;
const LINK = 0o12;
/** Not said, directory, file. */
const ORDINARY_TYPES = [0, 0o4, 0o10];

class ZipProblem extends Error {
  constructor(message: string, public readonly failureCode: FailureCode = 'ARTIFACTS_INVALID') {
    super(message);
  }
}

/** Why it is not accepted; undefined: it is. What `read` throws is thrown. */
export async function refusalOfZip({ bytes, name }: StagedObject, read: ReadRange): Promise<Refusal | undefined> {
  const reader = new BlockReader(bytes, read);
  try {
    if (bytes > MAX_ZIP_BYTES) throw new ZipProblem(`has ${bytes} bytes; at most ${MAX_ZIP_BYTES} are accepted`, 'ARTIFACT_TOO_LARGE');
    await check(await fromRandomAccessReaderPromise(reader, bytes, { autoClose: false }), reader);
    return undefined;
  } catch (error) {
    if (reader.failure) throw reader.failure;
    const { message } = error as Error;
    if (error instanceof ZipProblem) return { acceptable: false, failureCode: error.failureCode, problem: `${quoted(name)} ${message}` };
    return { acceptable: false, failureCode: 'ARTIFACTS_INVALID', problem: `${quoted(name)} is not a zip file that can be read: ${shown(message)}` };
  }
}

async function check(zip: ZipFile, reader: BlockReader): Promise<void> {
  if (zip.entryCount === 0) throw new ZipProblem('has nothing in it');
  if (zip.entryCount > MAX_ENTRIES) throw new ZipProblem(`has ${zip.entryCount} entries; at most ${MAX_ENTRIES} are accepted`);
  const names = new Set<string>();
  const links: Entry[] = [];
  const places: [start: number, end: number][] = [];
  let [directoryBytes, unzippedBytes] = [0, 0];
  for await (const entry of zip.eachEntry()) {
    directoryBytes += DIRECTORY_HEADER_BYTES + entry.fileNameLength + entry.extraFieldLength + entry.fileCommentLength;
    if (directoryBytes > MAX_DIRECTORY_BYTES) throw new ZipProblem(`has a directory of more than ${MAX_DIRECTORY_BYTES} bytes`);
    unzippedBytes += entry.uncompressedSize;
    if (unzippedBytes > MAX_UNZIPPED_BYTES) throw new ZipProblem(`unpacks to more than the ${MAX_UNZIPPED_BYTES} bytes that Lambda accepts`, 'ARTIFACT_TOO_LARGE');
    checkEntry(entry);
    const name = nameOf(entry);
    if (names.has(name)) throw new ZipProblem(`has ${shown(name)} twice`);
    names.add(name);
    if (typeOf(entry) === LINK) links.push(entry);
    if (links.length > MAX_LINKS) throw new ZipProblem(`has more than ${MAX_LINKS} links`);
    places.push([entry.relativeOffsetOfLocalHeader, entry.relativeOffsetOfLocalHeader + LOCAL_HEADER_BYTES + entry.fileNameLength + entry.compressedSize]);
  }
  // Whoever goes by the directory's bytes, not by the number of its entries, must find no more. (Its type says boolean.)
  const end = END_BYTES + zip.comment.length;
  if (![end, end + ZIP64_END_BYTES].includes(zip.fileSize - Number(zip.readEntryCursor))) throw new ZipProblem('has more in its directory than the number of entries that it states');
  checkPlaces(places, zip.fileSize);
  checkNothingBelow(links, names);
  await checkTargets(links, zip, reader);
}

function checkEntry(entry: Entry): void {
  const name = shown(entry.fileName);
  // Absolute paths and ".." yauzl refuses itself.
  const isPlain = !entry.fileName.includes('\0') && nameOf(entry).split('/').every((segment) => segment !== '' && segment !== '.');
  if (!isPlain || Buffer.byteLength(entry.fileName) > MAX_PATH_BYTES) throw new ZipProblem(`has ${name}, which is not a plain path`);
  if (entry.extraFields.some(({ id }) => id === UNICODE_PATH)) throw new ZipProblem(`has ${name}, which goes by two names`);
  if (!entry.canDecodeFileData()) throw new ZipProblem(`has ${name}, which is encrypted, or compressed other than with deflate`);
  if (typeOf(entry) !== LINK && !ORDINARY_TYPES.includes(typeOf(entry))) throw new ZipProblem(`has ${name}, which is neither file, directory nor link`);
  if (entry.uncompressedSize > entry.compressedSize * MAX_EXPANSION) {
    throw new ZipProblem(`has ${name}, which cannot be: ${entry.compressedSize} bytes do not unpack to ${entry.uncompressedSize}`);
  }
}

/** The bytes of an entry belong to no other one: else a small file could hold the bytes of a large one many times. */
function checkPlaces(places: [start: number, end: number][], fileSize: number): void {
  places.sort(([a], [b]) => a - b);
  const isRight = places.every(([, end], index) => end <= (places[index + 1]?.[0] ?? fileSize));
  if (!isRight) throw new ZipProblem('has entries that overlap, or that lie outside of it');
}

/** What is unpacked through a link lies elsewhere than its name says. */
function checkNothingBelow(links: readonly Entry[], names: ReadonlySet<string>): void {
  const asDirectory = (name: string) => `${name}/`;
  const linked = new Set(links.map(nameOf).map(asDirectory));
  // What lies below a directory follows it.
  const sorted = [...names].map(asDirectory).sort();
  const below = sorted.find((name, index) => index > 0 && linked.has(sorted[index - 1]) && name.startsWith(sorted[index - 1]));
  if (below !== undefined) throw new ZipProblem(`has ${shown(below)} below a link`);
}

/**
 * A target that goes up first, at most to the top, and then only down, cannot lead out: it goes up from where the link really is, because nothing
 * lies below a link; and each link that it meets on its way down does the same.
 */
async function checkTargets(links: readonly Entry[], zip: ZipFile, reader: BlockReader): Promise<void> {
  const inOrder = [...links].sort((a, b) => a.relativeOffsetOfLocalHeader - b.relativeOffsetOfLocalHeader);
  await concurrently(inOrder, CONCURRENT_LINKS, async (link) => {
    const name = nameOf(link);
    const segments = (await targetOf(link, zip, reader)).split('/');
    const up = segments.findIndex((segment) => segment !== '..');
    const depth = name.split('/').length - 1;
    const leadsOut = segments[0] === '' || (up < 0 ? segments.length : up) > depth || (up >= 0 && segments.slice(up).includes('..'));
    if (leadsOut) throw new ZipProblem(`has ${shown(name)}, a link that does not lead straight to another place in it: ${shown(segments.join('/'))}`);
  });
}

async function targetOf(link: Entry, zip: ZipFile, reader: BlockReader): Promise<string> {
  if (Math.max(link.compressedSize, link.uncompressedSize) > MAX_PATH_BYTES) throw new ZipProblem(`has ${shown(link.fileName)}, a link of more than ${MAX_PATH_BYTES} bytes`);
  const { fileDataStart } = await zip.readLocalFileHeaderPromise(link, { minimal: true });
  const data = await reader.range(fileDataStart, link.compressedSize);
  return (link.compressionMethod === DEFLATE ? inflateRawSync(data, { maxOutputLength: MAX_PATH_BYTES }) : data).toString();
}

function nameOf({ fileName }: Entry): string {
  return fileName.replace(/\/$/, '');
}

function typeOf({ externalFileAttributes }: Entry): number {
  return Math.floor(externalFileAttributes / TYPE_SHIFT);
}

function shown(text: string): string {
  return quoted(text.slice(0, SHOWN_CHARACTERS));
}
