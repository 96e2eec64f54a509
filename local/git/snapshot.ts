/**
 * Turns a folder of this machine into a commit that a build can fetch. A clean repository is served as it is; anything else is
 * committed, as it is, into a repository of its own. The folder, its index and its repository are never written to.
 */
import { mkdir, readdir, realpath, stat, writeFile } from 'node:fs/promises';
import * as path from 'node:path';
import { git, gitEnvironment } from './git';
import { UsageError } from '../usage-error';

export interface SnapshotOptions {
  /** Anything that git resolves to a commit of the folder's own repository. Uncommitted changes are left out then. */
  readonly commit?: string;
}

export interface Snapshot {
  /** The git directory to serve. */
  readonly repository: string;
  readonly commitSha: string;
  readonly branch: string;
  /** For people: what exactly is built. */
  readonly description: string;
}

/** The branch of a folder that has none. */
const DEFAULT_BRANCH = 'main';

/** Made by an install or a build, so it belongs to this machine: left out even if no .gitignore names it. */
const GENERATED = ['node_modules', '.next', '.open-next'];

/** The folder without what is generated; git itself leaves out .git. */
const PATHSPEC = ['--', '.', ...GENERATED.flatMap((name) => [`:(exclude,glob)**/${name}`, `:(exclude,glob)**/${name}/**`])];

/** Author and date are fixed, so that the same content is always the same commit. */
const SIGNATURE = {
  GIT_AUTHOR_NAME: 'Local run',
  GIT_AUTHOR_EMAIL: 'local-run@example.com',
  GIT_AUTHOR_DATE: '946684800 +0000',
  GIT_COMMITTER_NAME: 'Local run',
  GIT_COMMITTER_EMAIL: 'local-run@example.com',
  GIT_COMMITTER_DATE: '946684800 +0000',
};

interface Repository {
  readonly folder: string;
  readonly gitDirectory: string;
  /** A bare repository, or a git directory by itself, has no files that could differ from its commits. */
  readonly hasWorkTree: boolean;
}

/** @param destination where a new repository is created if one is needed: an empty or missing directory outside the folder */
export async function snapshot(folder: string, destination: string, options: SnapshotOptions = {}): Promise<Snapshot> {
  const root = await existingFolder(folder);
  const repository = await repositoryAt(root);
  if (repository === undefined) {
    const whole = await repositoryAround(root);
    if (options.commit !== undefined) {
      throw new UsageError(`Commit ${options.commit} was asked for, but ${folder} is not the top level of a git repository. Name ${whole ?? 'the repository\'s top level'}, or leave out the commit to build the folder as it is.`);
    }
    return commitFiles(root, destination, whole === undefined
      ? 'which is not a git repository'
      : `as a plain folder. To build the repository that it lies in, name ${whole}`);
  }
  const changes = options.commit === undefined && repository.hasWorkTree ? await uncommittedChanges(repository) : 0;
  return changes > 0 ? commitFiles(root, destination, `with ${changes} uncommitted change${changes === 1 ? '' : 's'}`, repository) : existingCommit(repository, options.commit);
}

async function existingFolder(folder: string): Promise<string> {
  const found = await stat(folder).catch(() => undefined);
  if (!found?.isDirectory()) {
    throw new UsageError(`${folder} ${found ? 'is a file, not a folder' : 'does not exist'}. Name a folder with a Next.js app, or a git repository.`);
  }
  return realpath(folder);
}

/** The repository whose top level the folder is, or which the folder itself is. */
async function repositoryAt(folder: string): Promise<Repository | undefined> {
  const ask = async (question: string) => {
    const answer = await git(['rev-parse', question], { cwd: folder, environment: gitEnvironment('user') }).then(text, notARepository);
    return answer && await realpath(answer);
  };
  const gitDirectory = await ask('--absolute-git-dir');
  if (gitDirectory === undefined) return undefined;
  if (gitDirectory === folder) return { folder, gitDirectory, hasWorkTree: false };
  return await ask('--show-toplevel') === folder ? { folder, gitDirectory, hasWorkTree: true } : undefined;
}

/** How to name the repository that a folder lies in, and the folder in it. */
async function repositoryAround(folder: string): Promise<string | undefined> {
  const top = await git(['rev-parse', '--show-toplevel'], { cwd: folder, environment: gitEnvironment('user') }).then(text, notARepository);
  return top && `${top} --root-directory ${path.relative(await realpath(top), folder)}`;
}

function notARepository(error: Error): undefined {
  if (/not a git repository|must be run in a work tree/.test(error.message)) return undefined;
  throw error;
}

async function uncommittedChanges({ folder }: Repository): Promise<number> {
  const args = ['status', '--porcelain', '--no-renames', '--untracked-files=normal', ...PATHSPEC];
  const lines = text(await git(args, { cwd: folder, environment: gitEnvironment('user') }));
  return lines === '' ? 0 : lines.split('\n').length;
}

async function existingCommit({ folder, gitDirectory }: Repository, commit = 'HEAD'): Promise<Snapshot> {
  const at = { cwd: folder, environment: gitEnvironment('none') };
  const commitSha = await git(['rev-parse', '--verify', '--quiet', `${commit}^{commit}`], at).then(text, () => undefined);
  if (!commitSha) {
    throw new UsageError(commit === 'HEAD'
      ? `${folder} is a git repository without a commit. Commit the app's files, or add them to the folder.`
      : `${folder} has no commit ${commit}. Expected a commit SHA, a branch or a tag of this repository; fetch it first if it is a remote's.`);
  }
  const isBranch = await git(['show-ref', '--verify', '--quiet', `refs/heads/${commit}`], at).then(() => true, () => false);
  const branch = isBranch ? commit : await currentBranch(folder);
  return { repository: gitDirectory, commitSha, branch, description: `commit ${commitSha.slice(0, 12)} of ${folder}` };
}

/** Commits the folder's files; on top of a repository's index, so that a file that is tracked though ignored stays in. */
async function commitFiles(folder: string, destination: string, how: string, base?: Repository): Promise<Snapshot> {
  const user = { cwd: folder, environment: gitEnvironment('user') };
  const branch = base ? await currentBranch(folder) : DEFAULT_BRANCH;
  const objectFormat = base ? text(await git(['rev-parse', '--show-object-format'], user)) : 'sha1';
  const repository = await createRepository(destination, branch, objectFormat);

  const excludesFile = await git(['config', '--type=path', '--get', 'core.excludesFile'], user).then(text, () => undefined);
  const environment = {
    ...gitEnvironment('none', excludesFile ? [['core.excludesFile', excludesFile]] : []),
    ...SIGNATURE,
    GIT_DIR: repository,
    GIT_WORK_TREE: folder,
  };
  const at = { cwd: folder, environment };

  if (base) {
    await mkdir(path.join(repository, 'objects/info'), { recursive: true });
    const objects = text(await git(['rev-parse', '--path-format=absolute', '--git-path', 'objects'], user));
    await writeFile(path.join(repository, 'objects/info/alternates'), `${objects}\n`);
    await git(['update-index', '-z', '--index-info'], { ...at, input: await git(['ls-files', '--stage', '-z'], user) });
  }
  await git(['add', '--all', ...PATHSPEC], at);
  await refuseWhatCannotBeBuilt(folder, text(await git(['ls-files', '--stage'], at)));

  const tree = text(await git(['write-tree'], at));
  const commitSha = text(await git(['commit-tree', tree, '-m', 'Files as they are on this machine'], at));
  await git(['update-ref', `refs/heads/${branch}`, commitSha], at);
  return { repository, commitSha, branch, description: `the files of ${folder}, ${how}` };
}

async function createRepository(destination: string, branch: string, objectFormat: string): Promise<string> {
  await mkdir(destination, { recursive: true });
  if ((await readdir(destination)).length > 0) throw new Error(`${destination} is not empty. Expected a new directory for the snapshot's repository.`);
  const repository = await realpath(destination);
  await git(['init', '--quiet', '--bare', '--template=', `--initial-branch=${branch}`, `--object-format=${objectFormat}`, repository], {
    cwd: repository,
    environment: gitEnvironment('none'),
  });
  // The pathspec decides; this only keeps git from walking through the tens of thousands of files in there.
  await mkdir(path.join(repository, 'info'), { recursive: true });
  await writeFile(path.join(repository, 'info/exclude'), `${GENERATED.join('\n')}\n`);
  return repository;
}

async function refuseWhatCannotBeBuilt(folder: string, index: string): Promise<void> {
  if (index === '') throw new UsageError(`${folder} has no files to build: it is empty, or its .gitignore leaves out everything.`);
  const entries = index.split('\n');
  const nested = entries.find((entry) => entry.startsWith('160000 ')); // how git records a repository inside a repository
  if (nested !== undefined && !entries.some((entry) => entry.endsWith('\t.gitmodules'))) {
    throw new UsageError(`${path.join(folder, nested.split('\t')[1])} is a git repository inside the folder, and git does not take in its files. Name that repository itself, or remove its .git.`);
  }
}

async function currentBranch(folder: string): Promise<string> {
  return git(['symbolic-ref', '--quiet', '--short', 'HEAD'], { cwd: folder, environment: gitEnvironment('none') }).then(text, () => DEFAULT_BRANCH);
}

function text(output: Buffer): string {
  return output.toString().replace(/\n$/, '');
}
