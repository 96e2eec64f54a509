import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { promisify } from 'node:util';
import { BuildMachine, type StepResult } from './build-machine';
import { CACHE_LAYERS, type CacheLayer, type CacheUse } from '../../src/contract/cache';
import type { CacheHandover, Handover } from '../../src/contract/handover';

const run = promisify(execFile);

/** Answers of the store: an archive, a status, or anything else that a server can do. */
type Answer = Buffer | number | RequestListener;

/** Stands for S3: the handover, and archives of a branch and of the default branch. */
export class CacheStore {
  static async start(): Promise<CacheStore> {
    const server = createServer((request, response) => store.answer(request.url!.slice(1), request, response));
    const store = new CacheStore(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return store;
  }

  readonly answers = new Map<string, Answer>();
  readonly requests: string[] = [];
  /** Layers that are switched off, and why. */
  readonly off: { [layer in CacheLayer]?: string } = {};

  private constructor(private readonly server: Server) {}

  get handoverUrl(): string {
    return `${this.url}/handover`;
  }

  /** What a build stored becomes what the next build of the branch finds. */
  async promote(build: CachedBuild, branch = 'own'): Promise<void> {
    for (const [layer, content] of await build.staged()) this.answers.set(`${branch}/${layer}`, content);
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  private answer(name: string, ...[request, response]: Parameters<RequestListener>): void {
    this.requests.push(name);
    const answer = this.answers.get(name) ?? (name === 'handover' ? Buffer.from(JSON.stringify(this.handover())) : 404);
    if (typeof answer === 'function') answer(request, response);
    else if (typeof answer === 'number') response.writeHead(answer).end('<Error/>');
    else response.end(answer);
  }

  private handover(): Handover {
    const layer = (name: CacheLayer): CacheHandover =>
      this.off[name] ? { urls: [], off: this.off[name] } : { urls: ['own', 'default'].map((branch) => `${this.url}/${branch}/${name}`) };
    return { version: 1, cache: Object.fromEntries(CACHE_LAYERS.map((name) => [name, layer(name)])) };
  }
}

export const APP = { 'package.json': '{"name":"app","dependencies":{"next":"16.4.6"}}', 'package-lock.json': '{"lockfileVersion":3}' };

/** One build of one commit by the steps as they are, but for the app's build and OpenNext's, and with package managers that install one file. */
export class CachedBuild {
  /** `installed`: what the install leaves behind, in node_modules and in its cache. */
  static async start(store: Pick<CacheStore, 'handoverUrl'> | undefined, files: Record<string, string> = APP, installed = 'installed'): Promise<CachedBuild> {
    const machine = await BuildMachine.start(store ? { HANDOVER_URL: store.handoverUrl } : {});
    const build = new CachedBuild(machine);
    const install = 'mkdir -p node_modules/next; echo \'{"version":"16.4.6"}\' > node_modules/next/package.json; echo "$INSTALLED" > node_modules/installed';
    await machine.command('npm', `INSTALLED='${installed}'
    case "$*" in
      --version) echo 11.0.0 ;;
      'install --prefix'*) mkdir -p "$3/node_modules/\${*: -1}" && touch "$3/node_modules/\${*: -1}/index.js" && echo "FETCHED \${*: -1}" ;;
      ci*) echo "RAN npm $*, downloaded: $(ls "$npm_config_cache" | grep -v base | tr '\\n' ' ')"; ${install}; echo "$INSTALLED" > "$npm_config_cache/download" ;;
      *) echo "RAN npm $* in \${PWD#"$CODEBUILD_SRC_DIR/"}" ;;
    esac`);
    await machine.command('aws', `echo "AWS $*" >> "$STATE/../calls"
    case "$*" in
      *"/archives/ "*) mkdir -p "$STATE/../staged"; while [ $# -gt 1 ]; do if [ "$1" = --include ]; then cp "$CODEBUILD_SRC_DIR/archives/$2" "$STATE/../staged"; fi; shift; done ;;
    esac`);
    await machine.files('src/checkout', files);
    await machine.files('src/output/artifacts', { 'manifest.json': '{"version":1}' });
    await build.git('init', '-q');
    await build.git('add', '-Af');
    await build.git('commit', '-qm', 'commit');
    await machine.state({ top: build.checkout, app: build.checkout });
    return build;
  }

  private constructor(readonly machine: BuildMachine) {}

  get checkout(): string {
    return this.machine.path('src', 'checkout');
  }

  async git(...args: string[]): Promise<string> {
    const env = { PATH: process.env.PATH, GIT_CONFIG_NOSYSTEM: '1', GIT_CONFIG_GLOBAL: '/dev/null' };
    return (await run('git', ['-C', this.checkout, '-c', 'user.name=Test', '-c', 'user.email=test@example.com', ...args], { env })).stdout.trim();
  }

  /** What prepare.sh and checkout.sh do before anything is fetched. */
  async restore(): Promise<void> {
    await this.machine.trusted('. "$STEPS/common.sh"; if [ -n "${HANDOVER_URL:-}" ]; then node "$STEPS/handover.mjs"; fi');
    const handedOver = await readFile(this.machine.path('trusted/for/checkout.sh'), 'utf8').catch(() => '');
    await this.machine.state({ handover: handedOver });
    if (handedOver) await this.bash('background restore cache-restore tools dependencies next');
  }

  install(): Promise<StepResult> {
    return this.machine.step('install');
  }

  /** `script` stands for the app's build. */
  async build(script = ''): Promise<StepResult> {
    await this.machine.state({ 'next-version': '16.4.6' });
    return this.bash(`cd "$(<"$STATE/app")"; cache_wait next; get "@opennextjs/aws@4.1.12"; finish save-dependencies 600; ${script}\nbackground save cache-save tools next`);
  }

  /** What package.sh does last, and what follows. */
  async upload(): Promise<StepResult> {
    const saved = await this.bash('saved');
    const result = await this.machine.step('upload');
    return { ...result, output: saved.output + result.output };
  }

  /** All of it; what was printed. */
  async run(script?: string): Promise<string> {
    await this.restore();
    let output = '';
    for (const step of [() => this.install(), () => this.build(script), () => this.upload()]) {
      const result = await step();
      output += result.output;
      if (result.status !== 0) throw new Error(`A step ended with ${result.status}: ${output}`);
    }
    // What was fetched beside the install.
    return output + await this.machine.fact('aws@4.1.12.log').catch(() => '');
  }

  /** Archives that this build stored. */
  async staged(): Promise<Map<string, Buffer>> {
    const names = await readdir(this.machine.path('staged')).catch((): string[] => []);
    return new Map(await Promise.all(names.map(async (name): Promise<[string, Buffer]> => [name, await readFile(this.machine.path('staged', name))])));
  }

  /** What lies in an archive that this build stored. */
  async content(layer: CacheLayer): Promise<string[]> {
    const { stdout } = await run('bash', ['-c', 'set -o pipefail; { zstd -dqc "$1" 2> /dev/null || gzip -dc "$1"; } | tar -tf -', '-', this.machine.path('staged', layer)]);
    return stdout.trim().split('\n');
  }

  async cache(): Promise<{ [layer in CacheLayer]?: CacheUse }> {
    return JSON.parse(await readFile(this.machine.path('src/output/artifacts/manifest.json'), 'utf8')).cache;
  }

  bash(script: string): Promise<StepResult> {
    return this.machine.bash(`. "$STEPS/common.sh"\n${script}`);
  }

  /** Changes a step of this machine, as a number of seconds that a test cannot wait for. */
  async change(step: string, from: string, to: string): Promise<void> {
    await run(process.execPath, ['-e', `
      const [file, from, to] = process.argv.slice(1), fs = require('fs'), text = fs.readFileSync(file, 'utf8');
      if (!text.includes(from)) throw new Error('not found: ' + from);
      fs.writeFileSync(file, text.replace(from, to));`, this.machine.path('src', 'steps', step), from, to]);
  }

  stop(): Promise<void> {
    return this.machine.stop();
  }
}

/** An archive of whatever a script writes to its output. */
export async function archive(script: string, program = 'gzip'): Promise<Buffer> {
  const { stdout } = await run('bash', ['-c', `set -eo pipefail; cd "$(mktemp -d)"; { ${script}; } | ${program} -c; rm -rf "$PWD"`], { encoding: 'buffer', maxBuffer: 1e8 });
  return stdout;
}
