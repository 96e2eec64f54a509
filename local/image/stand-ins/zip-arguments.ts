/** The command line of `zip`, as far as the stand-in knows it. */
import { createInterface } from 'node:readline';
import { UsageError } from './usage-error';

export interface ZipArguments {
  readonly archive: string;
  readonly names: readonly string[];
  readonly quiet: boolean;
  /** -r */
  readonly recursive: boolean;
  /** -y: store symbolic links as links, not what they point to. */
  readonly symlinks: boolean;
  /** -X: no time beyond the one that every zip file has. */
  readonly noExtraFields: boolean;
  /** -D: no entries for directories. */
  readonly noDirectories: boolean;
  readonly compressionLevel: number;
}

const KNOWN = /^[qryXD@0-9]$/;
const HINT = 'This machine has no zip, and its stand-in only knows "zip -q -r -y -X -D -0..-9 <archive>.zip <names>" and "-@" for names from standard input. Install zip for more.';

export async function parseZip(args: readonly string[], stdin: NodeJS.ReadableStream): Promise<ZipArguments> {
  const options = new Set<string>();
  const positional: string[] = [];
  for (const argument of args) {
    if (!argument.startsWith('-') || argument === '-') {
      positional.push(argument);
    } else {
      const letters = argument.startsWith('--') ? [argument] : [...argument.slice(1)];
      const unknown = letters.find((letter) => !KNOWN.test(letter));
      if (unknown) {
        throw new UsageError(`${argument} is not implemented. ${HINT}`);
      }
      letters.forEach((letter) => options.add(letter));
    }
  }
  const [archive, ...names] = positional;
  if (archive === undefined || positional.includes('-')) {
    throw new UsageError(`expected the name of an archive. ${HINT}`);
  }
  if (options.has('@')) {
    for await (const line of createInterface({ input: stdin, crlfDelay: Infinity })) {
      if (line) {
        names.push(line);
      }
    }
  }
  if (names.length === 0) {
    throw new UsageError(`expected the names of files to put into ${archive}. ${HINT}`);
  }
  return {
    archive: /\.[^/]+$/.test(archive) ? archive : `${archive}.zip`,
    names,
    quiet: options.has('q'),
    recursive: options.has('r'),
    symlinks: options.has('y'),
    noExtraFields: options.has('X'),
    noDirectories: options.has('D'),
    // zip's default.
    compressionLevel: Number([...options].filter((letter) => /\d/.test(letter)).at(-1) ?? 6),
  };
}
