/** The source fetcher with a git host, a bucket and secrets that are real on this machine. */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { promisify } from 'node:util';
import { GetObjectCommand, ListMultipartUploadsCommand, NoSuchKey, S3Client } from '@aws-sdk/client-s3';
import { startS3, type S3Service } from '../../../local/services/s3';
import { startSecretsManager, type SecretsManager } from '../../../local/services/secrets-manager';
import type { ApiCall } from '../../../local/services/service';
import { sourceKeys, sourcePrefix } from '../../../src/contract/keys';
import type { SourceProviderSettings, SourceRequest, SourceStatus } from '../../../src/contract/source';
import { Forge } from '../../support/forge';
import { invocation, setHandlerEnvironment } from '../../support/handlers';

const run = promisify(execFile);

export const BUCKET = 'artifacts-bucket';
export const PRIVATE_KEY = 'platform/github-app';
export const TOKEN = 'platform/token';

/** What is kept back to store a status. */
const RESERVE_MS = 15_000;
/** More than any of the tests takes. */
const ENOUGH_MS = 60_000;

let count = 0;

export class SourceFetcher {
  public forge!: Forge;
  public secrets!: SecretsManager;
  public endpoints!: Readonly<Record<string, string>>;
  /** With three commits. */
  public repository!: string;
  public commits!: string[];
  public readonly s3Calls: ApiCall[] = [];
  private s3!: S3Client;
  private s3Service!: S3Service;
  private directory!: string;
  private handler!: typeof import('../../../lambda/source-fetcher').handler;

  public async load(type: SourceProviderSettings['type']): Promise<void> {
    this.directory = await mkdtemp(path.join(tmpdir(), 'source-fetcher-'));
    this.s3Service = await startS3({ directory: path.join(this.directory, 's3'), onCall: (call) => void this.s3Calls.push(call) });
    await this.s3Service.createBucket(BUCKET);
    this.secrets = await startSecretsManager({ accountId: '111122223333', region: 'eu-central-1' });
    this.endpoints = { AWS_ENDPOINT_URL_S3: this.s3Service.endpoint, AWS_ENDPOINT_URL_SECRETS_MANAGER: this.secrets.endpoint };
    this.s3 = new S3Client({ endpoint: this.s3Service.endpoint, forcePathStyle: true, region: 'eu-central-1', credentials: { accessKeyId: 'test', secretAccessKey: 'test' } });
    [this.repository, this.commits] = await this.createRepository();
    this.forge = await Forge.start();
    this.forge.joinHere();
    setHandlerEnvironment(this.endpoints, { artifactsBucket: BUCKET, sourceProviders: JSON.stringify([this.settings(type)]) });
    ({ handler: this.handler } = jest.requireActual<typeof import('../../../lambda/source-fetcher')>('../../../lambda/source-fetcher'));
  }

  public settings(type: SourceProviderSettings['type']): SourceProviderSettings {
    const { appId, host } = this.forge;
    return type === 'token' ? { type, host, username: 'oauth2', secretId: TOKEN } : { type, host, appId, secretId: PRIVATE_KEY };
  }

  public begin(): void {
    this.forge.answer = undefined;
    this.forge.requests.length = 0;
    this.forge.grants.length = 0;
    this.s3Calls.length = 0;
    this.secrets.putSecret(TOKEN, this.forge.token);
    this.secrets.putSecret(PRIVATE_KEY, this.forge.privateKey);
    this.forge.addRepository('acme/shop', this.repository);
  }

  public request(change: Partial<SourceRequest> = {}): SourceRequest {
    return { deploymentId: `deployment-${++count}`, attempt: 'attempt', repoUrl: this.forge.url('acme/shop'), commitSha: this.commits[1], ...change };
  }

  /** Calls the function and says what a build would find. */
  public async fetch(change: Partial<SourceRequest> = {}, milliseconds = ENOUGH_MS): Promise<{ status: SourceStatus; pack?: Buffer }> {
    const request = this.request(change);
    await this.handler(request, { ...invocation('request-1'), getRemainingTimeInMillis: () => milliseconds + RESERVE_MS });
    const { pack, status } = sourceKeys(request);
    expect(pack.startsWith(sourcePrefix(request.deploymentId))).toBe(true);
    return { status: JSON.parse((await this.object(status))!.toString()) as SourceStatus, pack: await this.object(pack) };
  }

  public async fails(change: Partial<SourceRequest> = {}, milliseconds = ENOUGH_MS): Promise<string> {
    const { pack, status } = await this.fetch(change, milliseconds);
    expect(pack).toBeUndefined();
    return status.status === 'failed' ? `${status.failureCode}: ${status.reason}` : status.status;
  }

  public async object(key: string): Promise<Buffer | undefined> {
    try {
      const { Body } = await this.s3.send(new GetObjectCommand({ Bucket: BUCKET, Key: key }));
      return Buffer.from(await Body!.transformToByteArray());
    } catch (error) {
      if (error instanceof NoSuchKey) return undefined;
      throw error;
    }
  }

  /** Of multipart uploads, which are paid for until somebody ends them. */
  public async unfinishedUploads(): Promise<string[]> {
    const { Uploads = [] } = await this.s3.send(new ListMultipartUploadsCommand({ Bucket: BUCKET }));
    return Uploads.map(({ Key }) => Key!);
  }

  /** What git makes of a pack that it gets into an empty repository: the commits, and the files of one. Fails if an object is missing or damaged. */
  public async unpack(pack: Buffer, commitSha: string): Promise<{ commits: string[]; files: Record<string, string> }> {
    const directory = await mkdtemp(path.join(this.directory, 'unpacked-'));
    const git = gitIn(directory);
    await git('init', '-q', `--object-format=${commitSha.length === 40 ? 'sha1' : 'sha256'}`);
    await writeFile(path.join(directory, 'pack'), pack);
    await run('bash', ['-c', 'git index-pack --stdin < pack'], { cwd: directory });
    await writeFile(path.join(directory, '.git', 'shallow'), `${commitSha}\n`);
    await git('fsck', '--strict', commitSha);
    const names = (await git('ls-tree', '-r', '--name-only', commitSha)).split('\n');
    const files = await Promise.all(names.map(async (name) => [name, await git('show', `${commitSha}:${name}`)] as const));
    const objects = (await git('cat-file', '--batch-all-objects', '--batch-check=%(objectname) %(objecttype)')).split('\n');
    return { commits: objects.filter((one) => one.endsWith(' commit')).map((one) => one.split(' ')[0]), files: Object.fromEntries(files) };
  }

  public async createRepository(...options: string[]): Promise<[string, string[]]> {
    const directory = await mkdtemp(path.join(this.directory, 'repository-'));
    const git = gitIn(directory);
    await git('init', '-q', '-b', 'main', ...options);
    await mkdir(path.join(directory, 'apps'));
    const commits: string[] = [];
    for (const version of ['first', 'second', 'third']) {
      await writeFile(path.join(directory, 'package.json'), `{"version":"${version}"}`);
      await writeFile(path.join(directory, 'apps', `${version}.txt`), version);
      await git('add', '-A');
      await git('commit', '-qm', version);
      commits.push(await git('rev-parse', 'HEAD'));
    }
    return [path.join(directory, '.git'), commits];
  }

  public async close(): Promise<void> {
    this.s3.destroy();
    await this.forge.close();
    await this.s3Service.close();
    await this.secrets.close();
    await rm(this.directory, { recursive: true, force: true });
  }
}

function gitIn(directory: string): (...args: string[]) => Promise<string> {
  const env = { PATH: process.env.PATH, GIT_CONFIG_NOSYSTEM: '1', GIT_CONFIG_GLOBAL: '/dev/null' };
  return async (...args) => (await run('git', ['-c', 'user.name=Test', '-c', 'user.email=test@example.com', ...args], { cwd: directory, env })).stdout.trim();
}

/** For one test file. */
export function sourceFetcher(type: SourceProviderSettings['type']): SourceFetcher {
  const one = new SourceFetcher();
  beforeAll(() => one.load(type));
  beforeEach(() => one.begin());
  afterAll(() => one.close());
  return one;
}
