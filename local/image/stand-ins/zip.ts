/** Stands in for Info-ZIP's `zip` where there is none: makes archives, and adds to archives that it made. */
import { UsageError } from './usage-error';
import { writeArchive } from './zip-archive';
import { parseZip } from './zip-arguments';

/** As zip does for a bad command line, and for anything else. */
const EXIT_USAGE = 16;
const EXIT_FAILED = 15;

async function main(args: readonly string[]): Promise<number> {
  try {
    await writeArchive(await parseZip(args, process.stdin));
    return 0;
  } catch (error) {
    console.error(`zip: ${(error as Error).message}`);
    return error instanceof UsageError ? EXIT_USAGE : EXIT_FAILED;
  }
}

void main(process.argv.slice(2)).then((status) => {
  process.exitCode = status;
});
