/** What to build: a folder of this machine, as a commit that the build can fetch, or a commit of a repository somewhere else. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import * as path from 'node:path';
import { promisify } from 'node:util';
import { snapshot, type GitServer } from './git-server';

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
  /** Commit-ish of a folder's repository; full SHA or branch of a remote one. */
  readonly commit?: string;
  readonly gitServer: GitServer;
  readonly scratchDirectory: string;
}

export async function prepareSource(source: string, options: SourceOptions): Promise<Source> {
  // Whatever is no folder is passed on as it is: judging URLs is the pipeline's task, and its answer is part of what is shown.
  return /^[A-Za-z][\w+.-]*:/.test(source) && !existsSync(source) ? remoteSource(source, options.commit) : folderSource(source, options);
}

async function folderSource(folder: string, { commit, gitServer, scratchDirectory }: SourceOptions): Promise<Source> {
  const { repository, commitSha, branch, description } = await snapshot(folder, path.join(scratchDirectory, 'snapshot'), { commit });
  const name = asId(path.basename(path.resolve(folder)));
  return { repoUrl: gitServer.addRepository(name, repository), commitSha, branch, description, name };
}

async function remoteSource(repoUrl: string, commit?: string): Promise<Source> {
  const name = asId(path.posix.basename(repoUrl));
  if (commit && /^([0-9a-f]{40}|[0-9a-f]{64})$/.test(commit)) {
    return { repoUrl, commitSha: commit, branch: 'HEAD', description: `commit ${commit.slice(0, 12)} of ${repoUrl}`, name };
  }
  const { branch, commitSha } = await askRemote(repoUrl, commit ?? 'HEAD');
  return { repoUrl, commitSha, branch, description: `${branch} of ${repoUrl} at ${commitSha.slice(0, 12)}`, name };
}

/** The tip of a branch, or of the remote's default branch. */
async function askRemote(repoUrl: string, name: string): Promise<{ branch: string; commitSha: string }> {
  const { stdout } = await promisify(execFile)('git', ['ls-remote', '--symref', '--', repoUrl, name === 'HEAD' ? 'HEAD' : `refs/heads/${name}`], {
    timeout: REMOTE_TIMEOUT_MS,
    env: { ...process.env, GIT_TERMINAL_PROMPT: '0', GIT_ALLOW_PROTOCOL: 'https' },
  }).catch((error: Error & { stderr?: string }) => {
    throw new Error(`${repoUrl} could not be asked for ${name}: ${(error.stderr || error.message).trim()} Name a commit SHA with --commit to go on without asking.`);
  });
  const commitSha = /^([0-9a-f]{40,64})\t/m.exec(stdout)?.[1];
  if (!commitSha) throw new Error(`${repoUrl} has no branch ${name}. Name a branch or a full commit SHA.`);
  return { commitSha, branch: /^ref: refs\/heads\/(\S+)\t/m.exec(stdout)?.[1] ?? name };
}

function asId(name: string): string {
  return name.replace(/\.git$/, '').replace(/[^A-Za-z0-9._-]+/g, '-').replace(/^[^A-Za-z0-9]+/, '').slice(0, 100) || 'app';
}
