/**
 * An `aws` for a machine that has none: the AWS CLI v1 that aws-cdk-lib brings along as a zip of pure Python, or, without a
 * Python that runs it, a stand-in for the one command that the build needs.
 */
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import extractZip from 'extract-zip';
import { tryRun } from './run';
import { installStandIn, quote, writeExecutable } from './stand-in';

export interface AwsCliOptions {
  /** Where the CLI is unpacked. */
  readonly directory: string;
  /** Where the program `aws` goes. */
  readonly bin: string;
  /** Environment of a build. */
  readonly env: NodeJS.ProcessEnv;
}

/** What the CLI v1 of the zip supports. */
const PYTHON_MINORS = [13, 12, 11, 10];
const PYTHONS = ['python3', ...PYTHON_MINORS.map((minor) => `python3.${minor}`)];

/** Returns what to tell the person who started the local run. */
export async function prepareAws(options: AwsCliOptions): Promise<string> {
  const python = await findPython(options.env);
  const version = python && await installCli(python, options);
  if (version) {
    return `This machine has no aws, or one too old to be led to 127.0.0.1: builds use the one that aws-cdk-lib brings along (${version.split(' ')[0]}).`;
  }
  await installStandIn('aws', options.bin);
  return 'This machine has no aws that could be led to 127.0.0.1, and no Python 3.10 to 3.13 that could run the one of aws-cdk-lib: builds use a stand-in that only knows "aws s3 cp" to a bucket.';
}

/** The interpreter itself: what is on PATH may be a version manager's shim, which is slow and looks at the current directory. */
async function findPython(env: NodeJS.ProcessEnv): Promise<string | undefined> {
  for (const command of PYTHONS) {
    const answer = await tryRun(command, ['-I', '-c', 'import sys; print("%d.%d %s" % (sys.version_info[0], sys.version_info[1], sys.executable))'], env);
    const [version, ...path] = (answer ?? '').split(' ');
    if (PYTHON_MINORS.some((minor) => version === `3.${minor}`)) {
      return path.join(' ');
    }
  }
  return undefined;
}

async function installCli(python: string, { directory, bin, env }: AwsCliOptions): Promise<string | undefined> {
  const zip = cliZip();
  if (!zip) {
    return undefined;
  }
  const cli = join(directory, 'awscli-v1');
  await extractZip(zip, { dir: cli });
  const launcher = join(bin, 'aws-cli-v1.py');
  await writeFile(launcher, [
    'import sys',
    `sys.path.insert(0, ${JSON.stringify(join(cli, 'awscli'))})`,
    'from awscli.clidriver import main',
    'sys.exit(main())',
    '',
  ].join('\n'));
  const aws = join(bin, 'aws');
  // -I: neither the current directory nor PYTHONPATH, which belong to the app, add modules to the CLI.
  await writeExecutable(aws, `#!/bin/sh\nexec ${quote(python)} -I ${quote(launcher)} "$@"\n`);
  return tryRun(aws, ['--version'], env);
}

/** aws-cdk-lib depends on it; this project does not. */
function cliZip(): string | undefined {
  try {
    const manifest = createRequire(require.resolve('aws-cdk-lib/package.json')).resolve('@aws-cdk/asset-awscli-v1/package.json');
    const zip = join(dirname(manifest), 'lib', 'layer.zip');
    return existsSync(zip) ? zip : undefined;
  } catch {
    return undefined;
  }
}
