/**
 * Finds out, when the local run starts, what this machine lacks of a CodeBuild image, and puts that in front of PATH. Tools
 * are tried in the environment of a build: some that work in a terminal need files of the home directory.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { prepareAws } from './aws-cli';
import { buildEnvironment, npmSettings } from './build-environment';
import { tryRun } from './run';
import { installStandIn } from './stand-in';

export interface Image {
  /** Directories that stand before the machine's PATH in a build. */
  readonly pathEntries: readonly string[];
  /** What is different from a CodeBuild image, for the person who started the local run. */
  readonly notes: readonly string[];
  /** All of the machine's environment that a build may see, with the image's PATH. */
  readonly environment: Readonly<Record<string, string>>;
}

export interface ImageOptions {
  /** Where replacements go, private to this run. */
  readonly directory: string;
  /** The developer's environment. */
  readonly env?: NodeJS.ProcessEnv;
  /** Ctrl-C. */
  readonly signal?: AbortSignal;
}

const REQUIRED: Record<string, string> = {
  git: 'Install git: "xcode-select --install" on macOS, "apt-get install git" or "dnf install git" on Linux.',
  bash: 'Install bash: "apt-get install bash", "dnf install bash" or "apk add bash"; macOS has it.',
};

export async function prepareImage({ directory, env = process.env, signal }: ImageOptions): Promise<Image> {
  const bin = join(directory, 'bin');
  const home = join(directory, 'empty-home');
  const emptyFile = join(directory, 'empty-file');
  await Promise.all([bin, home].map((path) => mkdir(path, { recursive: true })));
  await writeFile(emptyFile, '');

  const environmentWith = (pathEntries: readonly string[]): Record<string, string> => buildEnvironment(env, { pathEntries, emptyFile });
  const machine = { ...environmentWith([]), HOME: home };
  await requireTools(machine);

  const pathEntries: string[] = [];
  const notes: string[] = [];
  if (!await runs('node', machine) || !await runs('npm', machine)) {
    // Version managers' shims look for their settings in the home directory.
    pathEntries.push(dirname(process.execPath));
    notes.push(`node or npm on PATH does not run without your home directory: builds use those in ${dirname(process.execPath)}.`);
  }
  const standIns: string[] = [];
  const awsVersion = await tryRun('aws', ['--version'], machine);
  // Ctrl-C ends the tools that are being tried as well: they are not missing.
  signal?.throwIfAborted();
  if (!knowsEndpointVariables(awsVersion)) {
    notes.push(await prepareAws({ directory, bin, env: machine }));
    standIns.push('aws');
  }
  if (await tryRun('zip', ['-v'], machine) === undefined) {
    await installStandIn('zip', bin);
    notes.push('This machine has no zip: builds use a stand-in that knows the options this pipeline needs.');
    standIns.push('zip');
  }
  if (standIns.length > 0) {
    pathEntries.push(bin);
  }
  return { pathEntries, notes, environment: buildEnvironment(env, { pathEntries, emptyFile, npm: await npmSettings(home, env) }) };
}

async function requireTools(env: NodeJS.ProcessEnv): Promise<void> {
  const missing: string[] = [];
  for (const [tool, remedy] of Object.entries(REQUIRED)) {
    if (!await runs(tool, env)) {
      missing.push(`"${tool} --version" does not run on this machine, and builds need it. ${remedy}`);
    }
  }
  if (missing.length > 0) {
    throw new Error(missing.join('\n'));
  }
}

/** "aws-cli/2.9.19 Python/…": an older CLI does not read AWS_ENDPOINT_URL_S3, and would send a build's output to AWS itself. */
export function knowsEndpointVariables(version: string | undefined): boolean {
  const [, major, minor] = /^aws-cli\/(\d+)\.(\d+)\./.exec(version ?? '') ?? [];
  return Number(major) > 2 || (Number(major) === 2 && Number(minor) >= 13) || (Number(major) === 1 && Number(minor) >= 29);
}

async function runs(tool: string, env: NodeJS.ProcessEnv): Promise<boolean> {
  return await tryRun(tool, ['--version'], env) !== undefined;
}
