import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, realpath, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { promisify } from 'node:util';
import { snapshot, startGitServer, type GitServer } from '../../local/git-server';

const run = promisify(execFile);

const ISOLATED = { PATH: process.env.PATH, GIT_CONFIG_NOSYSTEM: '1', GIT_CONFIG_GLOBAL: '/dev/null' };

let scratch: string;
let count = 0;

beforeAll(async () => {
  scratch = await realpath(await mkdtemp(path.join(tmpdir(), 'git-server-test-')));
});

afterAll(async () => {
  await rm(scratch, { recursive: true, force: true });
});

/** A path that does not exist yet. */
function fresh(): string {
  count += 1;
  return path.join(scratch, String(count));
}

async function folderWith(files: Record<string, string>): Promise<string> {
  const folder = fresh();
  await write(folder, files);
  return folder;
}

async function write(folder: string, files: Record<string, string>): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const [name, content] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(folder, name)), { recursive: true });
    await writeFile(path.join(folder, name), content);
  }
}

async function git(cwd: string, ...args: string[]): Promise<string> {
  const identity = ['-c', 'user.name=A Developer', '-c', 'user.email=developer@example.com'];
  return (await run('git', [...identity, ...args], { cwd, env: ISOLATED })).stdout.trimEnd();
}

async function repositoryWith(files: Record<string, string>): Promise<string> {
  const folder = await folderWith(files);
  await git(folder, 'init', '--quiet', '--initial-branch=trunk');
  await git(folder, 'add', '--all');
  await git(folder, 'commit', '--quiet', '--message', 'First');
  return folder;
}

async function filesOf(repository: string, commitSha: string): Promise<string[]> {
  return (await git(repository, 'ls-tree', '-r', '--name-only', commitSha)).split('\n');
}

/**
 * Every file below a folder with its content and time of change, the git directory included. git touches an object that it would
 * have written again, so that it is not pruned: there the content alone counts.
 */
async function everything(folder: string): Promise<Record<string, string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath, entry.name));
  return Object.fromEntries(await Promise.all(files.map(async (file) =>
    [file, `${file.includes('/.git/objects/') ? '' : (await stat(file)).mtimeMs} ${await readFile(file, 'base64')}`])));
}

describe('snapshot', () => {
  test('serves a clean repository as it is, at HEAD', async () => {
    const folder = await repositoryWith({ 'package.json': '{}' });
    const destination = fresh();

    const result = await snapshot(folder, destination);

    expect(result).toEqual({
      repository: path.join(folder, '.git'),
      commitSha: await git(folder, 'rev-parse', 'HEAD'),
      branch: 'trunk',
      description: expect.stringContaining(folder),
    });
    await expect(stat(destination)).rejects.toThrow('ENOENT');
  });

  test('takes a repository with ignored files and node_modules for clean', async () => {
    const folder = await repositoryWith({ '.gitignore': '.env\n', 'package.json': '{}' });
    await write(folder, { '.env': 'SECRET=1', 'node_modules/next/index.js': '', '.next/BUILD_ID': '1', 'app/.open-next/x': '' });

    expect((await snapshot(folder, fresh())).repository).toBe(path.join(folder, '.git'));
  });

  test.each(['HEAD~1', 'release', 'v1', 'short SHA'])('serves the commit that was asked for: %s', async (commit) => {
    const folder = await repositoryWith({ 'package.json': '{}' });
    const first = await git(folder, 'rev-parse', 'HEAD');
    await git(folder, 'branch', 'release');
    await git(folder, 'tag', '--annotate', 'v1', '--message', 'v1');
    await git(folder, 'commit', '--quiet', '--allow-empty', '--message', 'Second');
    await write(folder, { 'uncommitted.txt': '' });

    const result = await snapshot(folder, fresh(), { commit: commit === 'short SHA' ? first.slice(0, 8) : commit });

    expect(result).toMatchObject({ repository: path.join(folder, '.git'), commitSha: first, branch: commit === 'release' ? 'release' : 'trunk' });
  });

  test('serves a bare repository', async () => {
    const bare = fresh();
    const folder = await repositoryWith({ 'package.json': '{}' });
    await git(scratch, 'clone', '--quiet', '--bare', folder, bare);

    expect(await snapshot(bare, fresh())).toMatchObject({ repository: bare, commitSha: await git(folder, 'rev-parse', 'HEAD'), branch: 'trunk' });
  });

  test('commits uncommitted changes, with tracked files that are ignored, and without what is ignored or generated', async () => {
    const folder = await repositoryWith({ 'package.json': '{}', 'removed.ts': '', 'generated/client.ts': '1' });
    await write(folder, {
      '.gitignore': 'generated/\n.env\n!node_modules\n',
      'package.json': '{"changed":true}',
      'generated/client.ts': '2',
      'generated/new.ts': '',
      'untracked.ts': '',
      '.env': 'SECRET=1',
      'apps/web/node_modules/next/index.js': '',
      'node_modules/next/index.js': '',
      '.next/BUILD_ID': '',
    });
    await rm(path.join(folder, 'removed.ts'));

    const { repository, commitSha, branch, description } = await snapshot(folder, fresh());

    expect(await filesOf(repository, commitSha)).toEqual(['.gitignore', 'generated/client.ts', 'package.json', 'untracked.ts']);
    expect(await git(repository, 'show', `${commitSha}:package.json`)).toBe('{"changed":true}');
    expect(await git(repository, 'show', `${commitSha}:generated/client.ts`)).toBe('2');
    expect(await git(repository, 'rev-parse', `refs/heads/${branch}`)).toBe(commitSha);
    expect(branch).toBe('trunk');
    expect(description).toContain('uncommitted changes');
  });

  test('commits a folder that is no repository, also inside another repository', async () => {
    const parent = await repositoryWith({ '.gitignore': 'examples/\n' });
    await write(path.join(parent, 'examples/app'), { '.gitignore': '*.log\n', 'package.json': '{}', 'debug.log': '' });
    await symlink('package.json', path.join(parent, 'examples/app/link'));

    const { repository, commitSha, branch, description } = await snapshot(path.join(parent, 'examples/app'), fresh());

    expect(await filesOf(repository, commitSha)).toEqual(['.gitignore', 'link', 'package.json']);
    expect(branch).toBe('main');
    expect(description).toContain(`as a plain folder. To build the repository that it lies in, name ${parent} --root-directory examples/app`);
  });

  test('gives the same content the same commit SHA', async () => {
    const files = { 'package.json': '{}', 'app/page.tsx': 'export default () => null;' };
    const dirty = await repositoryWith({ 'package.json': '{"old":true}' });
    await write(dirty, files);

    const snapshots = await Promise.all([await folderWith(files), await folderWith(files), dirty].map(async (folder) => snapshot(folder, fresh())));

    expect(new Set(snapshots.map(({ commitSha }) => commitSha)).size).toBe(1);
    const other = await snapshot(await folderWith({ ...files, 'app/page.tsx': '' }), fresh());
    expect(other.commitSha).not.toBe(snapshots[0].commitSha);
  });

  test('writes nothing to the user\'s folder, index and repository', async () => {
    const folder = await repositoryWith({ 'package.json': '{}' });
    await write(folder, { 'package.json': '{"changed":true}', 'new.ts': '' });
    await git(folder, 'add', 'new.ts');
    const before = await everything(folder);

    await snapshot(folder, fresh());
    await snapshot(folder, fresh(), { commit: 'HEAD' });

    expect(await everything(folder)).toEqual(before);
  });

  test('is not changed by hooks, templates, signing or line-ending settings', async () => {
    const files = { 'package.json': '{}', 'windows.txt': 'a\r\nb\r\n' };
    const expected = await snapshot(await folderWith(files), fresh());
    const folder = await repositoryWith({ 'package.json': '{}' });
    await write(folder, files);
    const failing = await folderWith({ hook: '#!/bin/sh\nexit 1\n' });
    const settings = { 'commit.gpgSign': 'true', 'gpg.program': 'false', 'core.autocrlf': 'input', 'core.hooksPath': failing, 'core.fsmonitor': path.join(failing, 'hook') };
    for (const [key, value] of Object.entries(settings)) await git(folder, 'config', key, value);

    expect((await snapshot(folder, fresh())).commitSha).toBe(expected.commitSha);
  });

  test('says what is wrong with a folder that cannot be built', async () => {
    const repository = await repositoryWith({ 'package.json': '{}' });
    const nested = await folderWith({ 'package.json': '{}', 'app/package.json': '{}' });
    await git(path.join(nested, 'app'), 'init', '--quiet');
    await git(path.join(nested, 'app'), 'commit', '--quiet', '--allow-empty', '--message', 'First');
    const unborn = await folderWith({});
    await git(unborn, 'init', '--quiet');

    await expect(snapshot(path.join(scratch, 'missing'), fresh())).rejects.toThrow('does not exist');
    await expect(snapshot(path.join(repository, 'package.json'), fresh())).rejects.toThrow('is a file, not a folder');
    await expect(snapshot(await folderWith({}), fresh())).rejects.toThrow('no files to build');
    await expect(snapshot(unborn, fresh())).rejects.toThrow('without a commit');
    await expect(snapshot(repository, fresh(), { commit: 'nowhere' })).rejects.toThrow('has no commit nowhere');
    await expect(snapshot(repository, fresh(), { commit: '--help' })).rejects.toThrow('has no commit --help');
    await expect(snapshot(await folderWith({ a: '' }), fresh(), { commit: 'HEAD' })).rejects.toThrow('not the top level of a git repository');
    await expect(snapshot(await folderWith({ a: '' }), repository)).rejects.toThrow('is not empty');
    await expect(snapshot(nested, fresh())).rejects.toThrow(/app is a git repository inside the folder/);
  });
});

describe('git server', () => {
  let server: GitServer;
  let origin: URL;
  const machineCertificates = process.env.GIT_SSL_CAINFO;

  beforeAll(async () => {
    delete process.env.GIT_SSL_CAINFO;
    server = await startGitServer();
    origin = new URL(server.buildEnvironment.GIT_CONFIG_KEY_0.replace(/^url\.(.*)\.insteadOf$/, '$1'));
  });

  afterAll(async () => {
    if (machineCertificates !== undefined) process.env.GIT_SSL_CAINFO = machineCertificates;
    await server.close();
  });

  /** As a build's checkout does it: git with nothing but the environment of the build. */
  async function fetchCommit(url: string, commitSha: string, environment: Record<string, string> = {}, from = server): Promise<string> {
    const clone = await folderWith({});
    const env = { ...ISOLATED, GIT_ALLOW_PROTOCOL: 'https', GIT_TERMINAL_PROMPT: '0', ...environment, ...from.buildEnvironment };
    await run('git', ['init', '--quiet'], { cwd: clone, env });
    await run('git', ['fetch', '--quiet', '--depth', '1', url, commitSha], { cwd: clone, env });
    await run('git', ['checkout', '--quiet', 'FETCH_HEAD'], { cwd: clone, env });
    return clone;
  }

  async function ask(method: string, requestPath: string): Promise<number | undefined> {
    return new Promise((resolve, reject) => {
      request({ host: '127.0.0.1', port: origin.port, method, path: requestPath, rejectUnauthorized: false, agent: false }, (response) => {
        response.resume().once('end', () => resolve(response.statusCode));
      }).once('error', reject).end();
    });
  }

  test('gives a repository a public-looking https URL', () => {
    expect(server.addRepository('app', scratch)).toBe('https://git.local-run.example/app.git');
    expect(origin.hostname).toBe('127.0.0.1');
    expect(() => server.addRepository('../app', scratch)).toThrow('cannot be a repository\'s name');
  });

  test.each(['0', '2'])('serves one commit by its SHA, also one that no branch holds any more: protocol version %s', async (version) => {
    const folder = await repositoryWith({ 'package.json': '{"version":1}' });
    const commitSha = await git(folder, 'rev-parse', 'HEAD');
    await git(folder, 'commit', '--quiet', '--amend', '--message', 'Replaced');
    const url = server.addRepository(`by-sha-${version}`, (await snapshot(folder, fresh(), { commit: commitSha })).repository);

    const clone = await fetchCommit(url, commitSha, { GIT_CONFIG_PARAMETERS: `'protocol.version=${version}'` });

    expect(await readFile(path.join(clone, 'package.json'), 'utf8')).toBe('{"version":1}');
    expect(await git(clone, 'rev-parse', 'HEAD')).toBe(commitSha);
  });

  test('serves the snapshot of a folder with uncommitted changes', async () => {
    const folder = await repositoryWith({ 'package.json': '{}', 'large.bin': 'x'.repeat(2_000_000) });
    await write(folder, { 'package.json': '{"changed":true}' });
    const { repository, commitSha } = await snapshot(folder, fresh());

    const clone = await fetchCommit(server.addRepository('dirty', repository), commitSha);

    expect(await readFile(path.join(clone, 'package.json'), 'utf8')).toBe('{"changed":true}');
    expect((await stat(path.join(clone, 'large.bin'))).size).toBe(2_000_000);
  });

  test('is reached past the machine\'s proxy', async () => {
    const folder = await repositoryWith({ 'package.json': '{}' });
    const { repository, commitSha } = await snapshot(folder, fresh());
    const nowhere = 'http://127.0.0.1:9';

    await fetchCommit(server.addRepository('proxy', repository), commitSha, { https_proxy: nowhere, HTTPS_PROXY: nowhere, ALL_PROXY: nowhere });
  });

  test('is trusted beside the certificates that the machine names in GIT_SSL_CAINFO', async () => {
    const machineFile = server.buildEnvironment.GIT_CONFIG_VALUE_1;
    const folder = await repositoryWith({ 'package.json': '{}' });
    const { repository, commitSha } = await snapshot(folder, fresh());
    process.env.GIT_SSL_CAINFO = machineFile;
    const other = await startGitServer();
    try {
      await fetchCommit(other.addRepository('app', repository), commitSha, { GIT_SSL_CAINFO: machineFile }, other);
      expect(await readFile(other.buildEnvironment.GIT_SSL_CAINFO, 'utf8')).toContain((await readFile(machineFile, 'utf8')).trim());
    } finally {
      delete process.env.GIT_SSL_CAINFO;
      await other.close();
    }
  });

  test('knows only the repositories it was given, by name', async () => {
    const folder = await repositoryWith({ 'package.json': '{}' });
    server.addRepository('known', path.join(folder, '.git'));
    const fetchPath = 'info/refs?service=git-upload-pack';

    expect(await ask('GET', `/known.git/${fetchPath}`)).toBe(200);
    expect(await ask('GET', `/unknown.git/${fetchPath}`)).toBe(404);
    expect(await ask('GET', `/known.git/../other.git/${fetchPath}`)).toBe(404);
    expect(await ask('GET', `/known.git/%2e%2e/${fetchPath}`)).toBe(404);
    expect(await ask('GET', `/../..${folder}/.git/${fetchPath}`)).toBe(404);
    expect(await ask('GET', '/known.git/HEAD')).toBe(404);
    expect(await ask('GET', '/known.git/config')).toBe(404);
    expect(await ask('GET', '/known.git/info/refs')).toBe(400);
    await expect(fetchCommit('https://git.local-run.example/unknown.git', 'HEAD')).rejects.toThrow('not found');
  });

  test('refuses a push', async () => {
    const folder = await repositoryWith({ 'package.json': '{}' });
    const url = server.addRepository('read-only', path.join(folder, '.git'));
    const env = { ...ISOLATED, ...server.buildEnvironment };

    await expect(run('git', ['push', '--quiet', url, 'HEAD:refs/heads/pushed'], { cwd: folder, env })).rejects.toThrow('403');
    expect(await ask('POST', '/read-only.git/git-receive-pack')).toBe(403);
    expect(await git(folder, 'branch', '--list', 'pushed')).toBe('');
  });

  test('leaves nothing behind when it is closed in the middle of a fetch', async () => {
    const closing = await startGitServer();
    const folder = await repositoryWith({ 'package.json': '{}' });
    closing.addRepository('app', path.join(folder, '.git'));
    const { port } = new URL(closing.buildEnvironment.GIT_CONFIG_KEY_0.replace(/^url\.(.*)\.insteadOf$/, '$1'));
    const unfinished = request({
      host: '127.0.0.1',
      port,
      method: 'POST',
      path: '/app.git/git-upload-pack',
      rejectUnauthorized: false,
      agent: false,
      headers: { 'content-type': 'application/x-git-upload-pack-request', 'content-length': 1000 },
    });
    const cut = new Promise((resolve) => unfinished.once('error', resolve));
    unfinished.write('0');
    await waitFor(async () => (await backends()) === 1);

    await closing.close();

    expect(await cut).toMatchObject({ code: 'ECONNRESET' });
    expect(await backends()).toBe(0);
    await expect(stat(closing.buildEnvironment.GIT_CONFIG_VALUE_1)).rejects.toThrow('ENOENT');
  });
});

/** How many of git's http-backends this process has started and not ended. */
async function backends(): Promise<number> {
  const { stdout } = await run('ps', ['-A', '-o', 'ppid=,command=']);
  return stdout.split('\n').filter((line) => line.trim().startsWith(`${process.pid} `) && line.includes('http-backend')).length;
}

async function waitFor(condition: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 5_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error('This did not happen within 5 seconds.');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
