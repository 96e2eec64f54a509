/**
 * Runs a bundled handler in this process with everything that tells time, gives chance or reaches the network replaced: Date, timers,
 * Math.random, process.env, http and https. An AWS call of the SDK becomes a call of `Host.request`, on no socket.
 */
import * as crypto from 'node:crypto';
import { EventEmitter } from 'node:events';
import * as fs from 'node:fs';
import { createRequire } from 'node:module';
import { Readable } from 'node:stream';
import * as vm from 'node:vm';

/** One HTTP request of the handler's AWS SDK. */
export interface HttpRequest {
  readonly host: string;
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** What an invocation sees of the world. */
export interface Host {
  now(): number;
  random(): number;
  /** Cancelled by setting `cancelled`. */
  setTimer(milliseconds: number, action: () => void): { cancelled: boolean };
  /** Exactly one of the two is called later, or none for ever. */
  request(request: HttpRequest, answer: (answer: HttpAnswer) => void, fail: (code: string) => void): void;
  log(line: string): void;
}

type Handler = (event: unknown, context: unknown) => Promise<unknown>;
type Bundle = (...globals: unknown[]) => void;

const SHADOWED = [
  'exports', 'require', 'module', 'process', 'console', 'Date', 'Math',
  'setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'setImmediate', 'clearImmediate',
];

/** A bundle needs Node.js' own modules only. */
const requireBuiltin = createRequire(__filename);

const compiled = new Map<string, Bundle>();

/** Compiled once per process: a bundle has a megabyte. */
function bundleOf(file: string): Bundle {
  const bundle = compiled.get(file) ?? vm.compileFunction(fs.readFileSync(file, 'utf8'), SHADOWED, { filename: file }) as Bundle;
  compiled.set(file, bundle);
  return bundle;
}

/** Date and Math of the same realm as the handler's other globals, which is not this module's when a test runner has its own. */
const makeShadows = vm.compileFunction(`
  class VirtualDate extends Date {
    constructor(...parts) { super(...(parts.length === 0 ? [now()] : parts)); }
    static now() { return now(); }
  }
  const math = Object.create(Math, Object.getOwnPropertyDescriptors(Math));
  Object.defineProperty(math, 'random', { value: random });
  return {
    Date: VirtualDate,
    Math: math,
    parse: (text) => JSON.parse(text),
    error: (message, code) => Object.assign(new Error(message), { code }),
  };
`, ['now', 'random']) as (now: () => number, random: () => number) => {
  Date: DateConstructor; Math: Math; parse: (text: string) => unknown; error: (message: string, code: string) => Error;
};

/** A loaded handler: one invocation at a time, as in Lambda. What an abandoned invocation still waits for never comes. */
export class ExecutionEnvironment {
  private host?: Host;
  private readonly handler: Handler;
  private readonly shadows = makeShadows(() => this.require().now(), () => this.require().random());

  constructor(file: string, private readonly variables: Readonly<Record<string, string>>) {
    const loading: Host = { now: () => 0, random: () => 0.5, setTimer: () => ({ cancelled: false }), request: () => undefined, log: () => undefined };
    this.host = loading;
    const module: { exports: { handler?: Handler } } = { exports: {} };
    const process = this.process();
    const http = this.http();
    const requireShadowed = (name: string): unknown => {
      switch (name.replace(/^node:/, '')) {
        case 'http': case 'https': return http;
        case 'process': return process;
        case 'crypto': return CRYPTO;
        case 'fs': return FILES;
        case 'fs/promises': return FILES.promises;
        default: return requireBuiltin(name) as unknown;
      }
    };
    const setTimer = (action: (...args: unknown[]) => void, milliseconds = 0, ...args: unknown[]) => this.timer(milliseconds, () => action(...args));
    const clearTimer = (timer?: unknown) => {
      if (typeof timer === 'object' && timer !== null) (timer as { cancelled: boolean }).cancelled = true;
    };
    const noInterval = () => { throw new Error('The simulation has no setInterval: no handler needs one.'); };
    bundleOf(file)(
      module.exports, requireShadowed, module, process, this.console(), this.shadows.Date, this.shadows.Math,
      setTimer, clearTimer, noInterval, clearTimer, (action: () => void, ...args: unknown[]) => setTimer(action, 0, ...args), clearTimer,
    );
    this.handler = module.exports.handler!;
    this.host = undefined;
  }

  /** Begins an invocation. To abandon it, let its host answer nothing any more. */
  async invoke(host: Host, event: unknown, context: unknown): Promise<unknown> {
    this.host = host;
    return this.handler(this.shadows.parse(JSON.stringify(event)), context);
  }

  /** Forgets the world that it has run in. */
  release(): void {
    this.host = undefined;
  }

  private require(): Host {
    if (!this.host) throw new Error('A handler asked for the time outside of an invocation.');
    return this.host;
  }

  private timer(milliseconds: number, action: () => void): object {
    const timer = this.require().setTimer(milliseconds, action);
    return Object.assign(timer, { unref: () => timer, ref: () => timer, hasRef: () => true });
  }

  private process(): NodeJS.Process {
    return Object.create(process, {
      env: { value: { ...BASE_ENVIRONMENT, ...this.variables } },
      emitWarning: { value: () => undefined },
    }) as NodeJS.Process;
  }

  private console(): Partial<Console> {
    const log = (...args: unknown[]) => this.host?.log(args.map(String).join(' '));
    return { log, info: log, warn: log, error: log, debug: log, trace: log };
  }

  private http(): object {
    return {
      Agent: class {
        readonly maxSockets = Infinity;
        destroy() { /* nothing is open */ }
      },
      request: (options: RequestOptions, onResponse: (response: object) => void) => new ClientRequest(options, onResponse, this.require(), this.shadows.error),
    };
  }
}

/** Nothing of this machine's AWS configuration, and no time lost by looking for it. */
const BASE_ENVIRONMENT = {
  AWS_REGION: 'us-east-1',
  AWS_ACCESS_KEY_ID: 'simulated',
  AWS_SECRET_ACCESS_KEY: 'simulated',
  AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true',
  POWERTOOLS_LOG_LEVEL: 'SILENT',
};

/** Nobody verifies the requests' signatures, and a key for each is a good part of what a call costs. */
const CRYPTO = {
  ...crypto,
  createHmac: () => {
    const signature = { update: () => signature, digest: (encoding?: BufferEncoding) => (encoding ? SIGNATURE.toString(encoding) : SIGNATURE) };
    return signature;
  },
};
const SIGNATURE = Buffer.alloc(32, 1);

const noFile = async (name: string): Promise<never> => Promise.reject(Object.assign(new Error(`ENOENT: ${name}`), { code: 'ENOENT' }));
const FILES = { ...fs, promises: { ...fs.promises, readFile: noFile } };

interface RequestOptions {
  readonly host: string;
  readonly method: string;
  readonly path: string;
  readonly headers: Record<string, string>;
}

/** The part of http.ClientRequest that the SDK's handler uses. */
class ClientRequest extends EventEmitter {
  readonly socket = { connecting: false, setKeepAlive: () => undefined, setTimeout: () => undefined, removeListener: () => undefined, on: () => undefined };
  private readonly chunks: Buffer[] = [];
  private destroyed = false;

  constructor(
    private readonly options: RequestOptions, private readonly onResponse: (response: object) => void, private readonly host: Host,
    private readonly error: (message: string, code: string) => Error,
  ) {
    super();
  }

  write(chunk: string | Buffer): boolean {
    this.chunks.push(Buffer.from(chunk));
    return true;
  }

  end(chunk?: string | Buffer): this {
    if (chunk !== undefined) this.write(chunk);
    const { host, method, path, headers } = this.options;
    const lowerCase = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
    const unlessDestroyed = <T>(action: (value: T) => void) => (value: T) => {
      if (!this.destroyed) action(value);
    };
    this.host.request(
      { host, method, path, headers: lowerCase, body: Buffer.concat(this.chunks) },
      unlessDestroyed((answer) => {
        this.onResponse(responseOf(answer));
        this.emit('close');
      }),
      unlessDestroyed((code) => {
        this.emit('error', this.error(`The connection failed: ${code}`, code));
        this.emit('close');
      }),
    );
    return this;
  }

  destroy(): this {
    this.destroyed = true;
    this.emit('close');
    return this;
  }
}

/** As much of a stream as the SDK needs to collect a body; for one of S3 it has to be a Readable by name. */
function responseOf({ status, headers, body }: HttpAnswer): object {
  return Object.assign(Object.create(Readable.prototype) as object, {
    statusCode: status,
    statusMessage: '',
    headers,
    on: () => undefined,
    once: () => undefined,
    destroy: () => undefined,
    pipe: <T extends NodeJS.WritableStream>(to: T): T => {
      if (body.length > 0) to.write(body);
      to.end();
      return to;
    },
  });
}
