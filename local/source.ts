/** What to build: a folder of this machine, as a commit that the build can fetch, or a commit of a repository somewhere else. */
import { execFile } from 'node:child_process';
import * as path from 'node:path';
import { promisify } from 'node:util';
import { snapshot, type GitServer } from './git-server';
import { UsageError } from './usage-error';

export interface Source {
  readonly repoUrl: string;
  readonly commitSha: string;
  readonly branch: string;
  readonly description: string;
  /** A project id that fits, made of the folder's or the repository's name. */
  readonly name: string;
}

/** A remote that does not answer within a minute will not answer the build either. */
const REMOTE_TIMEOUT_MS = 60_000;

export interface SourceOptions {
  /** Commit-ish of a folder's repository; full SHA, branch or tag of a remote one. */
  readonly commit?: string;
  readonly gitServer: GitServer;
  readonly scratchDirectory: string;
  readonly signal?: AbortSignal;
}

const FULL_SHA = /^([0-9a-f]{40}|[0-9a-f]{64})$/;

/** A URL, or git's host:path. */
export function isRemote(source: string): boolean {
  return /^([^/\s]+@[\w.-]+|[A-Za-z][\w+.-]*):/.test(source);
}

export async function prepareSource(source: string, options: SourceOptions): Promise<Source> {
  return isRemote(source) ? remoteSource(source, options) : folderSource(source, options);
}

async function folderSource(folder: string, { commit, gitServer, scratchDirectory }: SourceOptions): Promise<Source> {
  const { repository, commitSha, branch, description } = await snapshot(folder, path.join(scratchDirectory, 'snapshot'), { commit });
  const name = asId(path.basename(path.resolve(folder)));
  // Git hosts have an owner before the name.
  return { repoUrl: gitServer.addRepository(`local/${name}`, repository), commitSha, branch, description, name };
}

async function remoteSource(repoUrl: string, { commit = 'HEAD', signal }: SourceOptions): Promise<Source> {
  const shown = withoutUser(repoUrl);
  const name = asId(path.posix.basename(shown));
  if (FULL_SHA.test(commit)) {
    // Nothing has to be asked: judging the URL is the pipeline's task, and its answer is part of what is shown.
    return { repoUrl, commitSha: commit, branch: 'HEAD', description: `commit ${commit.slice(0, 12)} of ${shown}`, name };
  }
  if (!/^https:\/\/[^/]/.test(repoUrl)) throw new UsageError(`${shown}: only https:// URLs are built, as by the pipeline. Name the repository's https:// URL, or a folder.`);
  if (shown !== repoUrl) throw new UsageError(`${shown}: the pipeline takes no URL with a user name, password or token in it. Leave it out, or name a clone of the repository on this machine.`);
  const { ref, branch, commitSha } = await askRemote(repoUrl, commit, signal);
  return { repoUrl, commitSha, branch, description: `${ref} of ${repoUrl} at ${commitSha.slice(0, 12)}`, name };
}

/** User info may be a password or a token. */
function withoutUser(url: string): string {
  return url.replace(/^([A-Za-z][\w+.-]*:\/\/)?[^/]*@/, '$1');
}

/** The tip of a branch or of the remote's default branch, or the commit of a tag. */
async function askRemote(repoUrl: string, name: string, signal?: AbortSignal): Promise<{ ref: string; branch: string; commitSha: string }> {
  const candidates = name === 'HEAD' ? ['HEAD'] : [`refs/heads/${name}`, `refs/tags/${name}^{}`, `refs/tags/${name}`];
  const { stdout } = await promisify(execFile)('git', ['ls-remote', '--symref', '--', repoUrl, ...candidates], {
    timeout: REMOTE_TIMEOUT_MS,
    signal,
    env: { ...process.env, GIT_TERMINAL_PROMPT: '0', GIT_ALLOW_PROTOCOL: 'https' },
  }).catch((error: Error & { stderr?: string }) => {
    throw new Error(`${repoUrl} could not be asked for ${name}: ${(error.stderr || error.message).trim()} Name a commit SHA with --commit to go on without asking.`);
  });
  const commits = new Map([...stdout.matchAll(/^([0-9a-f]{40,64})\t(.+)$/gm)].map(([, sha, ref]) => [ref, sha]));
  const found = candidates.find((ref) => commits.has(ref));
  if (!found) {
    throw new UsageError(name === 'HEAD'
      ? `${repoUrl} has no commit yet.`
      : `${repoUrl} has no branch or tag ${name}. Name a branch, a tag or a full commit SHA.`);
  }
  const defaultBranch = /^ref: refs\/heads\/(\S+)\tHEAD$/m.exec(stdout)?.[1] ?? 'HEAD';
  const isTag = found.startsWith('refs/tags/');
  const branch = isTag ? 'HEAD' : name === 'HEAD' ? defaultBranch : name;
  return { ref: isTag ? `tag ${name}` : branch, branch, commitSha: commits.get(found)! };
}

function asId(name: string): string {
  return name.replace(/\.git$/, '').replace(/[^A-Za-z0-9._-]+/g, '-').replace(/^[^A-Za-z0-9]+/, '').slice(0, 100) || 'app';
}
