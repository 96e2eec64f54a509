/** Unpacks a function's zip file. What is in it was made by a tenant's build, so nothing may be written or linked outside. */
import { lstat, readFile, realpath, rm, symlink } from 'node:fs/promises';
import * as path from 'node:path';
import extract from 'extract-zip';

/** A zip entry keeps the Unix mode in the upper half of its attributes; the highest four bits of that are the file's type. */
const MODE_SHIFT = 0x1_0000;
const TYPE_SHIFT = 0o1_0000;
const TYPE_LINK = 0o12;
const PLAIN_FILE_MODE = 0o10_0644;

/** @param directory an existing, empty directory */
export async function unpack(zipFile: string, directory: string): Promise<void> {
  const root = await realpath(directory);
  const links = new Set<string>();
  const unpacked = extract(path.resolve(zipFile), {
    dir: root,
    // A link comes out as a file that holds its target. It becomes a link when everything else is there, so that no entry is written through one.
    onEntry: (entry) => {
      const mode = Math.floor(entry.externalFileAttributes / MODE_SHIFT);
      if (Math.floor(mode / TYPE_SHIFT) !== TYPE_LINK) return;
      links.add(path.join(root, entry.fileName));
      entry.externalFileAttributes = PLAIN_FILE_MODE * MODE_SHIFT;
    },
  });
  await unpacked.catch((error: Error) => {
    throw new Error(`${zipFile} could not be unpacked: ${error.message}. Expected the zip file of a function.`);
  });
  for (const link of links) await makeLink(root, link);
  for (const link of links) await refuseOutside(root, link);
}

async function makeLink(root: string, link: string): Promise<void> {
  const target = await readFile(link, 'utf8');
  if (!isInside(root, path.resolve(path.dirname(link), target))) throw outside(root, link, target);
  await rm(link);
  await symlink(target, link);
}

/** Links to links can lead further than each of them says. */
async function refuseOutside(root: string, link: string): Promise<void> {
  if (!(await lstat(link)).isSymbolicLink()) return;
  const target = await realpath(link).catch(() => root); // it leads nowhere
  if (!isInside(root, target)) throw outside(root, link, target);
}

function isInside(root: string, target: string): boolean {
  return target === root || target.startsWith(root + path.sep);
}

function outside(root: string, link: string, target: string): Error {
  return new Error(`${path.relative(root, link)} in the zip file is a link to ${target}, outside of the function's directory. Expected links inside it only.`);
}
