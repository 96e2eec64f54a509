/** What a build sees of this machine: tools that are missing get a replacement, variables that are not allowed disappear. */
import { execFile, type ExecFileException } from 'node:child_process';
import { lstat, mkdir, mkdtemp, readdir, readFile, readlink, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { GetObjectCommand, HeadObjectCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import extractZip from 'extract-zip';
import { buildEnvironment, prepareImage, type Image } from '../../local/image';
import { knowsEndpointVariables } from '../../local/image/prepare-image';
import { startS3, type S3Service } from '../../local/services/s3';
import { AccessDeniedError } from '../../local/services/service';

interface Outcome {
  status: number;
  stdout: string;
  stderr: string;
}

let root: string;
/** A PATH without aws, zip and python3. */
let bare: string;

beforeAll(async () => {
  root = await realpath(await mkdtemp(join(tmpdir(), 'image-')));
  bare = join(root, 'bare');
  await toolDirectory(bare, ['node', 'npm', 'git', 'bash', 'sh', 'dirname', 'uname', 'env', 'sed', 'cat']);
});

afterAll(async () => {
  await rm(root, { recursive: true, force: true });
});

/** A directory of PATH with only these of the machine's tools. */
async function toolDirectory(directory: string, tools: string[]): Promise<void> {
  await mkdir(directory, { recursive: true });
  for (const tool of tools) {
    for (const entry of process.env.PATH!.split(delimiter)) {
      const path = join(entry, tool);
      if (await lstat(path).then(() => true, () => false)) {
        await symlink(await realpath(path), join(directory, tool));
        break;
      }
    }
  }
}

async function program(directory: string, name: string, script: string): Promise<void> {
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
}

async function run(command: string, args: string[], options: { env: NodeJS.ProcessEnv; cwd: string; stdin?: string }): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = execFile(command, args, options, (error: ExecFileException | null, stdout, stderr) => {
      resolve({ status: error ? Number(error.code ?? -1) : 0, stdout, stderr });
    });
    child.stdin!.end(options.stdin ?? '');
  });
}

describe('buildEnvironment', () => {
  const options = { pathEntries: ['/image/bin'], emptyFile: '/image/empty' };

  test('lets through what reaches tools and the network, and nothing else', () => {
    const allowed = {
      LANG: 'C.UTF-8',
      LC_ALL: 'C',
      NODE_EXTRA_CA_CERTS: '/ca',
      SSL_CERT_FILE: '/ca',
      SSL_CERT_DIR: '/cas',
      CURL_CA_BUNDLE: '/ca',
      GIT_SSL_CAINFO: '/ca',
      REQUESTS_CA_BUNDLE: '/ca',
      AWS_CA_BUNDLE: '/ca',
    };
    const forbidden = {
      HOME: '/home/me',
      USER: 'me',
      AWS_ACCESS_KEY_ID: 'AKID',
      AWS_PROFILE: 'production',
      AWS_ENDPOINT_URL: 'https://s3.example.com',
      AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: 'true',
      NODE_OPTIONS: '--inspect',
      BASH_ENV: '/x',
      GITHUB_TOKEN: 'secret',
      npm_config_user_agent: 'npm',
      TERM: 'xterm',
    };
    expect(buildEnvironment({ ...allowed, ...forbidden, PATH: '/usr/bin' }, options)).toEqual({
      ...allowed,
      PATH: `/image/bin${delimiter}/usr/bin`,
      TERM: 'dumb',
      AWS_CONFIG_FILE: '/image/empty',
      AWS_SHARED_CREDENTIALS_FILE: '/image/empty',
      AWS_EC2_METADATA_DISABLED: 'true',
    });
  });

  test('PATH loses relative entries and those of the project that npm runs', () => {
    const PATH = ['/project/node_modules/.bin', '/npm/node-gyp-bin', '.', '', 'node_modules/.bin', '/usr/bin'].join(delimiter);
    expect(buildEnvironment({ PATH }, options).PATH).toBe(`/image/bin${delimiter}/usr/bin`);
  });

  test('with a proxy, the services of this machine are reached without it', () => {
    expect(buildEnvironment({ https_proxy: 'http://proxy:3128', NO_PROXY: 'intranet' }, options)).toMatchObject({
      https_proxy: 'http://proxy:3128', no_proxy: 'intranet,127.0.0.1,localhost', NO_PROXY: 'intranet,127.0.0.1,localhost',
    });
  });

  test('npm and yarn use the registry and the certificates that npm is configured with', () => {
    expect(buildEnvironment({}, { ...options, npm: { registry: 'https://npm.example.com/all/', cafile: '/company.pem' } })).toMatchObject({
      npm_config_registry: 'https://npm.example.com/all/', YARN_NPM_REGISTRY_SERVER: 'https://npm.example.com/all', npm_config_cafile: '/company.pem',
    });
  });
});

describe('prepareImage', () => {
  const working = (directory: string): Promise<void> => program(directory, 'aws', 'echo aws-cli/2.31.0 Python/3.13.7').then(() => program(directory, 'zip', 'echo Zip 3.0'));

  test('changes nothing where everything is there', async () => {
    const tools = join(root, 'complete');
    await working(tools);
    const { pathEntries, notes, environment } = await prepareImage({ directory: join(root, 'image-complete'), env: { PATH: [tools, bare].join(delimiter) } });
    expect([pathEntries, notes]).toEqual([[], []]);
    expect(environment.PATH).toBe([tools, bare].join(delimiter));
    expect(await readFile(environment.AWS_CONFIG_FILE, 'utf8')).toBe('');
  });

  test('knows the settings of npm that differ from its defaults', async () => {
    const tools = join(root, 'npm');
    await working(tools);
    await program(tools, 'npm', 'case "$*" in --version) echo 11;; *userconfig*) echo https://default.example.com/;; *registry) echo https://npm.example.com/;; *cafile) echo null;; esac');
    const { environment } = await prepareImage({ directory: join(root, 'image-npm'), env: { PATH: [tools, bare].join(delimiter) } });
    expect(environment).toMatchObject({ npm_config_registry: 'https://npm.example.com/' });
    expect(environment).not.toHaveProperty('npm_config_cafile');
  });

  test.each([
    ['npm\'s default', 'https://default.example.com/'],
    ['a registry whose URL holds a password', 'https://me:secret@npm.example.com/'],
  ])('keeps %s to itself', async (_, registry) => {
    const tools = join(root, 'npm-default');
    await working(tools);
    await program(tools, 'npm', `case "$*" in *userconfig*) echo https://default.example.com/;; *) echo ${registry};; esac`);
    const { environment } = await prepareImage({ directory: join(root, 'image-npm-default'), env: { PATH: [tools, bare].join(delimiter) } });
    expect(environment).not.toHaveProperty('npm_config_registry');
  });

  test('an aws that does not run counts as missing', async () => {
    const tools = join(root, 'broken');
    await program(tools, 'aws', 'exit 1');
    await program(tools, 'zip', 'exit 0');
    const { pathEntries, notes } = await prepareImage({ directory: join(root, 'image-broken'), env: { PATH: [tools, bare].join(delimiter) } });
    expect(pathEntries).toEqual([join(root, 'image-broken', 'bin')]);
    expect(notes).toEqual([expect.stringMatching(/no aws that could be led to 127\.0\.0\.1, and no Python 3\.10 to 3\.13/)]);
  });

  test.each([
    ['aws-cli/2.13.0 Python/3.11.4', true], ['aws-cli/2.31.9 Python/3.13.7', true], ['aws-cli/1.29.0 Python/3.11', true], ['aws-cli/1.45.3 Python/3.11', true],
    ['aws-cli/2.9.19 Python/3.11.2', false], ['aws-cli/1.28.9 Python/3.8', false], ['something else', false], [undefined, false],
  ])('an aws is used only if it knows AWS_ENDPOINT_URL_S3, or it would speak with AWS itself: %s', (version, used) => {
    expect(knowsEndpointVariables(version)).toBe(used);
  });

  test('a node that needs the home directory is replaced by the one that runs this', async () => {
    const tools = join(root, 'shim');
    await working(tools);
    await program(tools, 'node', '[ -e "$HOME/.node-version" ]');
    const { pathEntries, notes } = await prepareImage({ directory: join(root, 'image-shim'), env: { HOME: root, PATH: [tools, bare].join(delimiter) } });
    expect(pathEntries).toEqual([join(process.execPath, '..')]);
    expect(notes[0]).toMatch(/without your home directory/);
  });

  test('git and bash must be there', async () => {
    await expect(prepareImage({ directory: join(root, 'image-empty'), env: { PATH: join(root, 'nothing') } })).rejects.toThrow(
      /"git --version" does not run[^]*Install git: "xcode-select --install"[^]*"bash --version" does not run[^]*Install bash/,
    );
  });
});

describe('the aws of a build', () => {
  let s3: S3Service;
  let client: S3Client;
  let source: string;

  beforeAll(async () => {
    s3 = await startS3({
      directory: join(root, 's3'),
      onCall: ({ resource }) => {
        if (resource.includes('forbidden')) {
          throw new AccessDeniedError('not allowed');
        }
      },
    });
    await s3.createBucket('bucket');
    client = new S3Client({ endpoint: s3.endpoint, region: 'us-east-1', credentials: { accessKeyId: 'AKID', secretAccessKey: 'x' } });
    source = join(root, 'upload');
    await mkdir(join(source, '_next', 'static'), { recursive: true });
    await writeFile(join(source, 'index.html'), '<p>ü</p>');
    await writeFile(join(source, 'empty.txt'), '');
    await writeFile(join(source, '_next', 'static', 'big.js'), 'x'.repeat(300_000));
    await writeFile(join(source, '_next', 'static', 'a b+c.css'), 'a{}');
  });

  afterAll(async () => {
    client.destroy();
    await s3.close();
  });

  function aws(image: Image, ...args: string[]): Promise<Outcome> {
    return run('aws', args, {
      cwd: source,
      env: {
        ...image.environment,
        HOME: source,
        AWS_REGION: 'us-east-1',
        AWS_DEFAULT_REGION: 'us-east-1',
        AWS_ACCESS_KEY_ID: 'AKID',
        AWS_SECRET_ACCESS_KEY: 'x',
        AWS_ENDPOINT_URL_S3: s3.endpoint,
      },
    });
  }

  async function keys(prefix: string): Promise<string[]> {
    const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: 'bucket', Prefix: prefix }));
    return Contents.map(({ Key }) => Key!.slice(prefix.length));
  }

  const ALL = ['_next/static/a b+c.css', '_next/static/big.js', 'empty.txt', 'index.html'];

  describe.each<[string, () => Promise<Image>]>([
    ['stand-in', () => prepareImage({ directory: join(root, 'image-stand-in'), env: { PATH: bare } })],
    ['CLI of aws-cdk-lib', async () => {
      const tools = join(root, 'python');
      await toolDirectory(tools, []);
      const { stdout } = await run('python3', ['-c', 'import sys; print(sys.executable, end="")'], { env: process.env, cwd: root });
      await symlink(stdout, join(tools, 'python3')).catch(() => undefined);
      return prepareImage({ directory: join(root, 'image-cli'), env: { PATH: [bare, tools].join(delimiter) } });
    }],
  ])('%s', (kind, prepare) => {
    let image: Image;
    let prefix: string;

    beforeAll(async () => {
      image = await prepare();
      prefix = `staging/arn:aws:codebuild:us-east-1:123456789012:build/builds:${kind.replaceAll(' ', '-')}/`;
    }, 120_000);

    test('uploads a directory', async () => {
      expect(await aws(image, 's3', 'cp', '--only-show-errors', '.', `s3://bucket/${prefix}all`, '--recursive')).toEqual({ status: 0, stdout: '', stderr: '' });
      expect(await keys(`${prefix}all/`)).toEqual(ALL);
      const object = await client.send(new GetObjectCommand({ Bucket: 'bucket', Key: `${prefix}all/_next/static/big.js` }));
      expect(await object.Body!.transformToString()).toBe('x'.repeat(300_000));
      expect((await client.send(new HeadObjectCommand({ Bucket: 'bucket', Key: `${prefix}all/index.html` }))).ContentType).toBe('text/html');
    });

    test('the last matching --exclude or --include decides', async () => {
      const { status } = await aws(image, 's3', 'cp', '--only-show-errors', '.', `s3://bucket/${prefix}some/`, '--recursive', '--exclude', '_next/*', '--include', '*.js', '--exclude', 'e?pty.txt');
      expect(status).toBe(0);
      expect(await keys(`${prefix}some/`)).toEqual(['_next/static/big.js', 'index.html']);
    });

    test('follows links, unless it is told not to', async () => {
      await mkdir(join(source, 'links'));
      await symlink('../index.html', join(source, 'links', 'link.html'));
      await symlink('..', join(source, 'links', 'up'));
      await aws(image, 's3', 'cp', '--only-show-errors', '--no-follow-symlinks', 'links/', `s3://bucket/${prefix}unfollowed/`, '--recursive');
      expect(await keys(`${prefix}unfollowed/`)).toEqual([]);
      await rm(join(source, 'links', 'up'));
      await aws(image, 's3', 'cp', '--only-show-errors', 'links/', `s3://bucket/${prefix}followed/`, '--recursive');
      expect(await keys(`${prefix}followed/`)).toEqual(['link.html']);
      await rm(join(source, 'links'), { recursive: true });
    });

    test('uploads a file with the headers asked for', async () => {
      const { status, stdout } = await aws(image, 's3', 'cp', 'empty.txt', `s3://bucket/${prefix}one/`, '--no-progress', '--content-type', 'text/x', '--cache-control', 'no-store');
      expect([status, stdout.trim()]).toEqual([0, expect.stringMatching(/^upload: .*empty\.txt to s3:\/\/bucket\/.*one\/empty\.txt$/)]);
      expect(await client.send(new HeadObjectCommand({ Bucket: 'bucket', Key: `${prefix}one/empty.txt` }))).toMatchObject({ ContentType: 'text/x', CacheControl: 'no-store' });
    });

    test('exits 1 when an upload is refused', async () => {
      const { status, stderr } = await aws(image, 's3', 'cp', '--only-show-errors', 'index.html', 's3://bucket/forbidden/index.html');
      expect(status).toBe(1);
      expect(stderr).toMatch(/upload failed: .*index\.html to s3:\/\/bucket\/forbidden\/index\.html .*AccessDenied.* when calling the PutObject operation/);
    });
  });

  test('is the CLI of aws-cdk-lib where there is a Python for it', async () => {
    const version = await run('python3', ['-c', 'import sys; print(sys.version_info[:2] in [(3, 10), (3, 11), (3, 12), (3, 13)])'], { env: process.env, cwd: root });
    const content = await readFile(join(root, 'image-cli', 'bin', 'aws'), 'utf8');
    expect(content).toMatch(version.stdout.trim() === 'True' ? /-I .*aws-cli-v1\.py/ : /aws-stand-in\.js/);
  });

  test.each([
    [['sts', 'get-caller-identity'], /"sts get-caller-identity" is not implemented/],
    [['s3', 'cp', 's3://bucket/key', '.'], /expected a file or directory and s3:/],
    [['s3', 'cp', '.', 's3://bucket/', '--acl', 'public-read'], /--acl is not implemented/],
    [['s3', 'cp', '.', 's3://bucket/', '--content-type'], /--content-type expects a value/],
  ])('the stand-in refuses aws %j', async (args, message) => {
    const image = await prepareImage({ directory: join(root, 'image-stand-in'), env: { PATH: bare } });
    const { status, stderr } = await aws(image, ...args);
    expect(status).toBe(252);
    expect(stderr).toMatch(message);
  });
});

describe('the stand-in for zip', () => {
  let image: Image;
  let source: string;

  beforeAll(async () => {
    image = await prepareImage({ directory: join(root, 'image-stand-in'), env: { PATH: bare } });
    source = join(root, 'bundle');
    await mkdir(join(source, 'node_modules', '.pnpm'), { recursive: true });
    await writeFile(join(source, 'index.mjs'), 'export {};\n'.repeat(1000));
    await writeFile(join(source, 'run.sh'), '#!/bin/sh\n', { mode: 0o755 });
    await writeFile(join(source, 'node_modules', '.pnpm', 'module.js'), 'x');
    await symlink('.pnpm', join(source, 'node_modules', 'link'));
  });

  const zip = (args: string[], stdin?: string): Promise<Outcome> => run('zip', args, { cwd: source, env: image.environment, stdin });

  /** Names in the order of the archive, and what became of them when extracted. */
  async function contents(archive: string): Promise<{ names: string[]; directory: string }> {
    const directory = `${archive}.extracted`;
    const names: string[] = [];
    await extractZip(archive, { dir: directory, onEntry: ({ fileName }) => void names.push(fileName) });
    return { names, directory };
  }

  test('packs a directory: links as links, modes kept, in sorted order', async () => {
    const archive = join(root, 'all.zip');
    expect(await zip(['-q', '-r', '-y', '-X', archive, '.'])).toEqual({ status: 0, stdout: '', stderr: '' });
    const { names, directory } = await contents(archive);
    expect(names).toEqual(['index.mjs', 'node_modules/', 'node_modules/.pnpm/', 'node_modules/.pnpm/module.js', 'node_modules/link', 'run.sh']);
    expect(await readlink(join(directory, 'node_modules', 'link'))).toBe('.pnpm');
    expect((await lstat(join(directory, 'run.sh'))).mode.toString(8)).toMatch(/7..$/);
    expect((await lstat(join(directory, 'index.mjs'))).mode.toString(8)).toMatch(/6..$/);
    expect(await readFile(join(directory, 'index.mjs'), 'utf8')).toBe('export {};\n'.repeat(1000));
    expect((await lstat(archive)).size).toBeLessThan(2000);
  });

  test('reads names from standard input, follows links without -y, leaves directories out with -D', async () => {
    const archive = join(root, 'names.zip');
    expect((await zip(['-q', '-X', '-1', '-@', archive], 'run.sh\n./index.mjs\n')).status).toBe(0);
    expect((await contents(archive)).names).toEqual(['run.sh', 'index.mjs']);
    const followed = join(root, 'followed.zip');
    expect((await zip(['-qrXD', followed, 'node_modules'])).status).toBe(0);
    expect((await contents(followed)).names).toEqual(['node_modules/.pnpm/module.js', 'node_modules/link/module.js']);
  });

  test('adds to an archive of its own, and leaves the same bytes for the same input', async () => {
    const [first, second] = await Promise.all(['added-1.zip', 'added-2.zip'].map(async (name) => {
      const archive = join(root, name);
      expect((await zip(['-qXy', archive, './run.sh', './node_modules/link'])).status).toBe(0);
      expect((await zip(['-qXy', archive, './index.mjs'])).status).toBe(0);
      return archive;
    }));
    const { names, directory } = await contents(first);
    expect(names).toEqual(['run.sh', 'node_modules/link', 'index.mjs']);
    expect(await readFile(join(directory, 'index.mjs'), 'utf8')).toBe('export {};\n'.repeat(1000));
    expect(await readFile(first)).toEqual(await readFile(second));
    expect(await zip(['-qXy', first, 'run.sh'])).toMatchObject({ status: 15, stderr: expect.stringMatching(/run\.sh is in the archive already/) });
  });

  test('an archive in the directory that is packed is not in itself', async () => {
    expect((await zip(['-qr', 'self.zip', '.'])).status).toBe(0);
    const { names } = await contents(join(source, 'self.zip'));
    expect(names).not.toContain('self.zip');
    expect((await readdir(source)).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  test.each([
    [['-q', '-9', '-e', 'x.zip', '.'], 16, /-e is not implemented/],
    [['--exclude', 'x.zip', '.'], 16, /--exclude is not implemented/],
    [['-q', 'x.zip'], 16, /expected the names of files/],
    [['-q'], 16, /expected the name of an archive/],
    [['-q', 'x.zip', 'missing'], 15, /name not matched: missing/],
  ])('refuses zip %j', async (args, status, message) => {
    expect(await zip(args)).toMatchObject({ status, stderr: expect.stringMatching(message) });
    expect(await readdir(source)).not.toContain('x.zip');
  });
});
