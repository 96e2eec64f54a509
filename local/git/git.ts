/** Runs git as a child process that sees none of the git settings this process may have inherited (GIT_DIR in a hook, for example). */
import { spawn } from 'node:child_process';
import { devNull } from 'node:os';

/** Whose configuration counts: `user` is what the person at this machine sees, `none` gives the same result on every machine. */
export type GitConfiguration = 'user' | 'none';

/** DEVELOPER_DIR and TMPDIR are for macOS, where `git` is a launcher that looks for the developer tools. */
const INHERITED = ['PATH', 'HOME', 'XDG_CONFIG_HOME', 'TMPDIR', 'DEVELOPER_DIR'];
const USER_CONFIGURATION = ['GIT_CONFIG_GLOBAL', 'GIT_CONFIG_SYSTEM', 'GIT_CONFIG_NOSYSTEM'];

/** Hashing every file of a large monorepo takes about a minute; five mean that git waits for something. */
const TIMEOUT_MILLISECONDS = 5 * 60_000;

/** Configuration as environment variables, which git reads after every file and which leave no trace in a repository. */
export function configurationVariables(settings: ReadonlyArray<readonly [key: string, value: string]>): Record<string, string> {
  const entries = settings.flatMap(([key, value], index) => [[`GIT_CONFIG_KEY_${index}`, key], [`GIT_CONFIG_VALUE_${index}`, value]]);
  return { GIT_CONFIG_COUNT: String(settings.length), ...Object.fromEntries(entries) };
}

export function gitEnvironment(
  configuration: GitConfiguration,
  settings: ReadonlyArray<readonly [key: string, value: string]> = [],
): Record<string, string> {
  const names = configuration === 'user' ? [...INHERITED, ...USER_CONFIGURATION] : INHERITED;
  const inherited = names.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]]));
  return {
    ...Object.fromEntries(inherited),
    ...(configuration === 'none' ? { GIT_CONFIG_NOSYSTEM: '1', GIT_CONFIG_GLOBAL: devNull } : {}),
    ...configurationVariables([
      // Whoever names a folder to be built lets its code run: who owns it no longer matters.
      ['safe.directory', '*'],
      ['safe.bareRepository', 'all'],
      ['core.fsmonitor', 'false'],
      ...settings,
    ]),
    GIT_OPTIONAL_LOCKS: '0', // `git status` would refresh the user's index otherwise
    GIT_TERMINAL_PROMPT: '0',
    LC_ALL: 'C',
  };
}

export interface GitOptions {
  readonly cwd: string;
  readonly environment: Record<string, string>;
  readonly input?: string | Buffer;
}

/** What git prints. Ends with an error that carries git's own when it fails. */
export async function git(args: readonly string[], options: GitOptions): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const child = spawn('git', args, { cwd: options.cwd, env: options.environment, timeout: TIMEOUT_MILLISECONDS });
    const output: Buffer[] = [];
    const errors: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => errors.push(chunk));
    child.stdin.on('error', () => undefined); // git ended before it read everything; its exit status tells why
    child.on('error', (error: NodeJS.ErrnoException) => {
      reject(error.code === 'ENOENT' ? new Error('git was not found. Install git 2.38 or newer and put it on the PATH.') : error);
    });
    child.on('close', (code, signal) => {
      if (code === 0) return resolve(Buffer.concat(output));
      const reason = Buffer.concat(errors).toString().trim() || `it ended with ${signal ?? `status ${code}`}`;
      return reject(new Error(`git ${args[0]} failed in ${options.cwd}: ${reason}`));
    });
    child.stdin.end(options.input);
  });
}
