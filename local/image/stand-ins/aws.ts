/** Stands in for the AWS CLI where there is none: `aws s3 cp` from files to a bucket, with the CLI's messages and exit statuses. */
import { parseCp } from './aws-arguments';
import { copyToBucket } from './s3-copy';
import { UsageError } from './usage-error';

/** As the AWS CLI v2 does. */
const EXIT_FAILED = 1;
const EXIT_USAGE = 252;

async function main(args: readonly string[]): Promise<number> {
  if (args[0] === '--version') {
    console.log('aws-cli-stand-in/1 (aws s3 cp only)');
    return 0;
  }
  try {
    return await copyToBucket(parseCp(args)) ? 0 : EXIT_FAILED;
  } catch (error) {
    console.error((error as Error).message);
    return error instanceof UsageError ? EXIT_USAGE : EXIT_FAILED;
  }
}

void main(process.argv.slice(2)).then((status) => {
  process.exitCode = status;
});
