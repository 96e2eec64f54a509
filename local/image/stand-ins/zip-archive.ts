/** Writes a zip archive next to its place and moves it there when it is complete. */
import { createWriteStream } from 'node:fs';
import { lstat, readdir, readFile, readlink, realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { ZipFile } from 'yazl';
import type { ZipArguments } from './zip-arguments';
import { mergeArchives } from './zip-merge';

export async function writeArchive(args: ZipArguments): Promise<void> {
  const added = `${args.archive}.${process.pid}.tmp`;
  try {
    const zip = new ZipFile();
    const written = pipeline(zip.outputStream, createWriteStream(added));
    // A failure while the entries are collected comes first; the stream's own is awaited below.
    written.catch(() => undefined);
    zip.on('error', (error: Error) => (zip.outputStream as NodeJS.ReadableStream & { destroy(error: Error): void }).destroy(error));
    const self = await realpath(dirname(args.archive)).then((directory) => join(directory, basename(args.archive)));
    const seen = new Set<string>();
    for (const name of args.names) {
      await add(zip, args, name, [self, await realpath(added).catch(() => added)], seen);
    }
    zip.end();
    await written;
    const existing = await readFile(args.archive).catch(() => undefined);
    if (existing) {
      await writeFile(added, mergeArchives(existing, await readFile(added)));
    }
    await rename(added, args.archive);
  } finally {
    await rm(added, { force: true });
  }
}

/** `own`: the archive itself and its unfinished copy, which may lie in the directory that is being packed. */
async function add(zip: ZipFile, args: ZipArguments, name: string, own: readonly string[], seen: Set<string>): Promise<void> {
  // What lies in the archive is relative, without "./" in front.
  const entry = name.split('/').filter((part) => part !== '' && part !== '.').join('/');
  const link = await lstat(name).catch(() => undefined);
  if (!link) {
    throw new Error(`name not matched: ${name}`);
  }
  const keepLink = args.symlinks && link.isSymbolicLink();
  const file = keepLink ? link : await stat(name);
  if (seen.has(entry) && entry !== '' || !file.isDirectory() && own.includes(await realpath(dirname(name)).then((path) => join(path, basename(name))))) {
    return;
  }
  seen.add(entry);
  const options = { mtime: file.mtime, mode: file.mode, forceDosTimestamp: args.noExtraFields };
  const compression = { compress: args.compressionLevel > 0, compressionLevel: args.compressionLevel };
  if (!args.quiet && entry) {
    console.log(`  adding: ${entry}`);
  }
  if (keepLink) {
    zip.addBuffer(Buffer.from(await readlink(name)), entry, { ...options, compress: false });
  } else if (file.isDirectory()) {
    if (entry && !args.noDirectories) {
      zip.addEmptyDirectory(entry, options);
    }
    for (const child of args.recursive ? (await readdir(name)).sort() : []) {
      await add(zip, args, `${name}/${child}`, own, seen);
    }
  } else {
    zip.addFile(name, entry, { ...options, ...compression });
  }
}
