import { execFile } from 'node:child_process';
import { chmod, lstat, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { createServer, request, type Server } from 'node:https';
import { createServer as createTcpServer, type AddressInfo } from 'node:net';
import * as path from 'node:path';
import { promisify } from 'node:util';
import { generate } from 'selfsigned';
import { BuildMachine } from './build-machine';
import { configurationVariables } from '../../local/git/git';
import { GIT_HOST, startGitServer, type GitServer } from '../../local/git-server';

const run = promisify(execFile);

let server: GitServer;
let machine: BuildMachine;
let repository: string;
let first: string;
let second: string;
let url: string;

async function git(...args: string[]): Promise<string> {
  const env = { PATH: process.env.PATH, GIT_CONFIG_NOSYSTEM: '1', GIT_CONFIG_GLOBAL: '/dev/null' };
  const { stdout } = await run('git', ['-C', repository, '-c', 'user.name=Test', '-c', 'user.email=test@example.com', ...args], { env });
  return stdout.trim();
}

async function commit(message: string): Promise<string> {
  await git('add', '-A');
  await git('commit', '-qm', message);
  return git('rev-parse', 'HEAD');
}

/** Servers of protocol version 0 serve the tips of branches and nothing else. */
function onlyTips(): Record<string, string> {
  const count = Number(server.buildEnvironment.GIT_CONFIG_COUNT);
  return { GIT_CONFIG_COUNT: String(count + 1), [`GIT_CONFIG_KEY_${count}`]: 'protocol.version', [`GIT_CONFIG_VALUE_${count}`]: '0' };
}

function checkout(environment: Record<string, string> = {}) {
  return machine.step('checkout', { REPO_URL: url, COMMIT_SHA: first, ...environment });
}

beforeEach(async () => {
  server = await startGitServer();
  machine = await BuildMachine.start(server.buildEnvironment);
  repository = machine.path('repository');
  await mkdir(path.join(repository, 'apps', 'web'), { recursive: true });
  await git('init', '-q', '-b', 'main');
  await writeFile(path.join(repository, 'apps', 'web', 'package.json'), '{}');
  await writeFile(path.join(repository, 'file'), 'first');
  await symlink('..', path.join(repository, 'out'));
  first = await commit('first');
  await writeFile(path.join(repository, 'file'), 'second');
  second = await commit('second');
  url = server.addRepository('app', path.join(repository, '.git'));
});

afterEach(async () => {
  await machine.stop();
  await server.close();
});

const checkedOut = () => readFile(path.join(machine.source, 'checkout', 'file'), 'utf8');

test('exactly the commit is fetched, without history', async () => {
  expect(await checkout()).toMatchObject({ status: 0 });
  expect(await checkedOut()).toBe('first');
  const { stdout } = await run('git', ['-C', path.join(machine.source, 'checkout'), 'rev-list', '--all', '--count', 'HEAD']);
  expect(stdout.trim()).toBe('1');
});

test('what a cache restored stays, what the commit has wins', async () => {
  await machine.files('src/checkout', { 'node_modules/.marker': 'cached', 'file': 'stale' });
  expect(await checkout({ COMMIT_SHA: second })).toMatchObject({ status: 0 });
  expect(await checkedOut()).toBe('second');
  expect(await readFile(path.join(machine.source, 'checkout', 'node_modules', '.marker'), 'utf8')).toBe('cached');
});

test('where only the tips of branches can be fetched, the commit is looked for in the branch', async () => {
  expect(await checkout(onlyTips())).toMatchObject({ status: 0 });
  expect(await checkedOut()).toBe('first');
});

test('CHECKOUT_FAILED: there is no such repository', async () => {
  const result = await checkout({ REPO_URL: url.replace('app.git', 'other.git') });
  expect(result.failure).toBe('CHECKOUT_FAILED');
  expect(result.output).toContain('cannot be read without a password');
});

test.each(['http://git.example/app.git', 'ext::touch hacked', '--upload-pack=touch hacked'])('CHECKOUT_FAILED: %s is not https', async (repoUrl) => {
  const result = await checkout({ REPO_URL: repoUrl });
  expect(result.failure).toBe('CHECKOUT_FAILED');
  await expect(readFile(path.join(machine.source, 'hacked'))).rejects.toThrow('ENOENT');
});

test('CHECKOUT_FAILED: a repository on the machine itself is out of reach', async () => {
  expect((await checkout({ REPO_URL: `file://${repository}` })).failure).toBe('CHECKOUT_FAILED');
  expect((await checkout({ REPO_URL: repository })).failure).toBe('CHECKOUT_FAILED');
});

test.each([['any commit', () => ({})], ['only tips of branches', onlyTips]])('COMMIT_NOT_FOUND: from a server that serves %s', async (_, environment) => {
  expect((await checkout({ COMMIT_SHA: 'b'.repeat(40), ...environment() })).failure).toBe('COMMIT_NOT_FOUND');
});

test('COMMIT_NOT_FOUND: neither the commit nor the branch', async () => {
  expect((await checkout({ COMMIT_SHA: 'b'.repeat(40), BRANCH: 'gone' })).failure).toBe('COMMIT_NOT_FOUND');
});

test('COMMIT_NOT_FOUND: the SHA is that of an annotated tag', async () => {
  await git('tag', '-am', 'tag', 'v1', first);
  expect((await checkout({ COMMIT_SHA: await git('rev-parse', 'v1') })).failure).toBe('COMMIT_NOT_FOUND');
});

test('the root directory is where the app is', async () => {
  expect(await checkout({ ROOT_DIRECTORY: 'apps/web' })).toMatchObject({ status: 0 });
  expect(await machine.fact('app')).toBe(path.join(machine.source, 'checkout', 'apps', 'web'));
});

test.each(['apps/none', 'file', 'out', 'out/steps', '../..'])('ROOT_DIRECTORY_NOT_FOUND: %s', async (rootDirectory) => {
  expect((await checkout({ ROOT_DIRECTORY: rootDirectory })).failure).toBe('ROOT_DIRECTORY_NOT_FOUND');
});

test('submodules and Git LFS files are not fetched, and the log says so', async () => {
  await writeFile(path.join(repository, '.gitattributes'), '*.png filter=lfs\n');
  const result = await checkout({ COMMIT_SHA: await commit('lfs') });
  expect(result).toMatchObject({ status: 0, output: expect.stringContaining('neither submodules nor Git LFS') });
  expect((await checkout({ COMMIT_SHA: first })).output).not.toContain('Warning');
});

test('the step says how long it took', async () => {
  expect((await checkout()).output).toMatch(/^\[checkout\] checkout \d+\.\d s$/m);
  expect(await machine.fact('timings')).toMatch(/^checkout \d+\.\d\n$/);
});

describe('a host that is not on the internet is refused, by whatever name', () => {
  const addresses = (host: string) => machine.bash('. "$STEPS/common.sh"; trap - EXIT; node "$STEPS/addresses.mjs"', { REPO_URL: `https://${host}/app.git` });

  test.each([
    'localhost', '127.0.0.1', '127.1', '2130706433', '0x7f.1', '0.0.0.0', '10.0.0.1', '172.16.0.1', '172.31.255.255', '192.168.1.1', '100.64.0.1', '169.254.169.254', '169.254.170.2',
    '224.0.0.1', '255.255.255.255', '[::1]', '[::]', '[fe80::1]', '[fd00:ec2::254]', '[::ffff:169.254.170.2]', '[::ffff:8.8.8.8]', '[64:ff9b::a9fe:aa02]', '[ff02::1]',
  ])('%s', async (host) => {
    expect(await addresses(host)).toMatchObject({ failure: 'CHECKOUT_FAILED', output: expect.stringContaining('which is not on the internet') });
  });

  test.each([
    ['93.184.216.34', '93.184.216.34:443:93.184.216.34'], ['93.184.216.34:8443', '93.184.216.34:8443:93.184.216.34'],
    ['[2606:2800:220:1::1]', '[2606:2800:220:1::1]:443:[2606:2800:220:1::1]'],
  ])('but not %s: git is told to find it there, and to look for it no more', async (host, found) => {
    expect(await addresses(host)).toEqual({ status: 0, output: `${found}\n`, failure: undefined });
  });

  test('of a name with several addresses, only those of the internet are gone to; NAT64 writes them anew, beside the others', async () => {
    await machine.files('.', {
      'dns.cjs': 'require("dns/promises").lookup = async () => JSON.parse(process.env.ADDRESSES); require("module").syncBuiltinESMExports();',
    });
    const found = (...all: string[]) => machine.bash('. "$STEPS/common.sh"; trap - EXIT; node "$STEPS/addresses.mjs"', {
      REPO_URL: 'https://git.example/app.git',
      NODE_OPTIONS: `--require ${machine.path('dns.cjs')}`,
      ADDRESSES: JSON.stringify(all.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }))),
    });
    expect((await found('10.0.0.1', '93.184.216.34', '64:ff9b::5db8:d822', '::1')).output).toBe('git.example:443:93.184.216.34\n');
    expect((await found('93.184.216.34', '2606:2800:220:1::1')).output).toBe('git.example:443:93.184.216.34,[2606:2800:220:1::1]\n');
    expect(await found('169.254.170.2')).toMatchObject({ failure: 'CHECKOUT_FAILED', output: expect.stringContaining('git.example is 169.254.170.2, which') });
  });

  test('a name that nobody has', async () => {
    expect(await addresses('no-such-host.invalid')).toMatchObject({ failure: 'CHECKOUT_FAILED', output: expect.stringContaining('There is no host no-such-host.invalid') });
  });

  test('git does not even begin', async () => {
    await machine.command('git', `echo "$*" >> ${machine.path('gits')}; exec ${(await run('bash', ['-c', 'type -P git'])).stdout.trim()} "$@"`);
    expect((await checkout({ REPO_URL: 'https://localhost/app.git' })).failure).toBe('CHECKOUT_FAILED');
    expect(await readFile(machine.path('gits'), 'utf8')).not.toMatch(/fetch|ls-remote (?!--get-url)/);
  });

  test('where a proxy finds the host, git asks the proxy, past which nothing goes', async () => {
    await machine.command('git', 'case "$*" in *--get-url*) echo "${*: -1}"; exit ;; esac; echo "no_proxy=${no_proxy-}${NO_PROXY-} $*" >&2; [[ $* != *fetch* && $* != *cat-file* ]]');
    const { output } = await checkout({ REPO_URL: 'https://localhost/app.git', HTTPS_PROXY: 'http://proxy.example', NO_PROXY: 'localhost' });
    expect(output).toMatch(/no_proxy= .*curloptResolve= .* fetch /);
  });
});

describe('redirects', () => {
  let host: Server;
  let location: string;
  let environment: Record<string, string>;

  /** The git server's host, where the repository `old` has been renamed. */
  beforeEach(async () => {
    const { private: key, cert } = await generate([{ name: 'commonName', value: 'redirects' }], {
      keyType: 'ec', extensions: [{ name: 'basicConstraints', cA: true, critical: true }, { name: 'subjectAltName', altNames: [{ type: 7, ip: '127.0.0.1' }] }],
    });
    const [gitUrl] = /https:\/\/127.0.0.1:\d+/.exec(server.buildEnvironment.GIT_CONFIG_KEY_0)!;
    host = createServer({ key, cert }, (incoming, response) => {
      if (incoming.url!.startsWith('/old.git/')) return void response.writeHead(301, { location }).end();
      const { method, headers } = incoming;
      incoming.pipe(request(`${gitUrl}${incoming.url!}`, { method, headers, rejectUnauthorized: false }, (answer) => {
        answer.pipe(response.writeHead(answer.statusCode!, answer.headers));
      }));
    });
    await new Promise<void>((resolve) => host.listen(0, '127.0.0.1', resolve));
    await writeFile(machine.path('certificate.pem'), cert);
    const origin = `https://127.0.0.1:${(host.address() as AddressInfo).port}/`;
    environment = {
      ...configurationVariables([[`url.${origin}.insteadOf`, `https://${GIT_HOST}/`], [`http.${origin}.sslCAInfo`, machine.path('certificate.pem')], [`http.${origin}.proxy`, '']]),
      GIT_SSL_CAINFO: machine.path('certificate.pem'),
    };
    location = '';
  });

  afterEach(() => {
    host.closeAllConnections();
    host.close();
  });

  const moved = (to: string) => {
    location = `${to}/info/refs?service=git-upload-pack`;
    return checkout({ ...environment, REPO_URL: `https://${GIT_HOST}/old.git` });
  };

  test.each([`https://${GIT_HOST}/app.git`, '/app.git'])('to the same host are followed, as a renamed repository needs: %s', async (to) => {
    expect(await moved(to)).toMatchObject({ status: 0 });
    expect(await checkedOut()).toBe('first');
  });

  test.each([
    'https://elsewhere.example/app.git', 'https://169.254.170.2/v2/credentials', `http://${GIT_HOST}/app.git`, 'file:///etc/app.git', `https://${GIT_HOST}.evil.example/app.git`,
    `https://${GIT_HOST}@evil.example/app.git`,
  ])('CHECKOUT_FAILED: to %s', async (to) => {
    const result = await moved(to);
    expect(result.failure).toBe('CHECKOUT_FAILED');
    expect(result.output).toContain(`https://${GIT_HOST} redirects to ${to}. `);
  });

  test('CHECKOUT_FAILED: to another port; nobody there hears of it', async () => {
    let connections = 0;
    const trap = createTcpServer((socket) => {
      connections += 1;
      socket.destroy();
    });
    await new Promise<void>((resolve) => trap.listen(0, '127.0.0.1', resolve));
    const result = await moved(`https://127.0.0.1:${(trap.address() as AddressInfo).port}/app.git`);
    trap.close();
    expect([result.failure, connections]).toEqual(['CHECKOUT_FAILED', 0]);
  });

  test('CHECKOUT_FAILED: in a circle', async () => {
    expect((await moved(`https://${GIT_HOST}/old.git`)).failure).toBe('CHECKOUT_FAILED');
  });
});

test('neither settings nor hooks nor templates of the machine have a say', async () => {
  const hook = '#!/bin/sh\ntouch "$CODEBUILD_SRC_DIR/hacked"\n';
  await machine.files('hooks', { 'post-checkout': hook, 'reference-transaction': hook });
  await machine.files('template/hooks', { 'post-checkout': hook });
  for (const file of ['hooks/post-checkout', 'hooks/reference-transaction', 'template/hooks/post-checkout']) await chmod(machine.path(file), 0o755);
  const settings = `[core]\nsymlinks=false\nhooksPath=${machine.path('hooks')}\nfsmonitor=${machine.path('hooks/post-checkout')}\n[init]\ntemplateDir=${machine.path('template')}\n[credential]\nhelper=!${machine.path('hooks/post-checkout')}\n`;
  await machine.files('.', { '.gitconfig': settings, 'etc-gitconfig': settings });
  const result = await checkout({ GIT_CONFIG_SYSTEM: machine.path('etc-gitconfig'), GIT_TEMPLATE_DIR: machine.path('template') });
  expect(result).toMatchObject({ status: 0 });
  expect((await lstat(path.join(machine.source, 'checkout', 'out'))).isSymbolicLink()).toBe(true);
  await expect(readFile(path.join(machine.source, 'hacked'))).rejects.toThrow('ENOENT');
});
