/**
 * One shell that runs command after command, as CodeBuild does: `cd`, variables and functions persist, `exit` ends it.
 * It reads its orders from its standard input; the commands themselves see an empty one.
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, openSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { Socket } from 'node:net';
import { constants as os } from 'node:os';
import { join } from 'node:path';
import { StringDecoder } from 'node:string_decoder';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { promisify } from 'node:util';

export interface CommandResult {
  readonly exitStatus: number;
  /** False when the command ended the shell itself (`exit`, a signal, `set -e`): what it held is lost. */
  readonly shellAlive: boolean;
}

/** As shells do it for a command that a signal ended. */
const SIGNAL_STATUS_BASE = 128;

/** A command that never prints a newline must not fill this process's memory. */
const MAX_LINE_LENGTH = 64 * 1024;

export class Shell {
  private readonly process: ChildProcess;
  private readonly exited: Promise<CommandResult>;
  private statusBuffer = '';
  private onStatus: ((status: number) => void) | undefined;
  private commands = 0;

  constructor(private readonly options: {
    readonly path: string;
    readonly cwd: string;
    readonly environment: Record<string, string>;
    /** Where the text of the commands lies while they run. */
    readonly directory: string;
    readonly output: ShellOutput;
  }) {
    const { path, cwd, environment, output } = options;
    this.process = spawn(path, [], { cwd, env: environment, detached: true, stdio: ['pipe', output.writeFd, output.writeFd, 'pipe'] });
    this.exited = new Promise((resolve, reject) => {
      this.process.once('error', reject);
      this.process.once('exit', (code, signal) => resolve({ exitStatus: code ?? SIGNAL_STATUS_BASE + os.signals[signal!], shellAlive: false }));
    });
    this.exited.catch(() => undefined);
    // The shell may end while an order is on its way; its exit is what counts then.
    this.process.stdin!.on('error', () => undefined);
    (this.process.stdio[3] as Socket).on('error', () => undefined).on('data', (chunk: Buffer) => this.readStatus(chunk.toString('latin1')));
  }

  /** Leader of the process group; undefined if it could not be started. */
  get pid(): number | undefined {
    return this.process.pid;
  }

  /** Runs a command and waits until all it printed was read. */
  async run(command: string): Promise<CommandResult> {
    // A file keeps the command verbatim, of any length, heredocs included.
    const file = join(this.options.directory, `${this.process.pid}-${this.commands++}.sh`);
    await writeFile(file, `${command}\n`);
    const finished = new Promise<CommandResult>((resolve) => {
      this.onStatus = (exitStatus) => resolve({ exitStatus, shellAlive: true });
    });
    this.process.stdin!.write(`. ${quote(file)} </dev/null 3>&-; printf '%s\\n' "$?" >&3\n`);
    const result = await Promise.race([finished, this.exited]);
    await this.options.output.drain();
    return result;
  }

  /** After its processes were ended. */
  async close(): Promise<void> {
    this.process.stdin!.destroy();
    await this.exited.catch(() => undefined);
  }

  private readStatus(text: string): void {
    this.statusBuffer += text;
    const line = /^(\d+)\n/.exec(this.statusBuffer);
    if (line) {
      this.statusBuffer = this.statusBuffer.slice(line[0].length);
      this.onStatus?.(Number(line[1]));
    }
  }
}

/**
 * Where all shells of a build print to. A named pipe and not a socket pair, which `child_process` would make: programs open
 * /dev/stdout and /dev/stderr by name, and a socket cannot be opened.
 */
export class ShellOutput {
  static async create(path: string, onLine: (line: string) => void): Promise<ShellOutput> {
    await promisify(execFile)('mkfifo', ['-m', '600', path]);
    return new ShellOutput(path, onLine);
  }

  readonly writeFd: number;
  private readonly reader: Socket;
  private readonly decoder = new StringDecoder('utf8');
  private line = '';
  private bytes = 0;

  private constructor(path: string, private readonly onLine: (line: string) => void) {
    // Opened for reading (O_RDONLY is 0), non-blocking for this process only: the shells write to an open file of their own.
    const readFd = openSync(path, constants.O_NONBLOCK);
    this.writeFd = openSync(path, constants.O_WRONLY);
    this.reader = new Socket({ fd: readFd, readable: true, writable: false });
    this.reader.on('data', (chunk: Buffer) => this.read(chunk));
  }

  /** Waits until everything that was printed so far has been read. */
  async drain(): Promise<void> {
    let seen: number;
    do {
      seen = this.bytes;
      // Two turns of the event loop: one of them polls the pipe from its beginning.
      await nextTurn();
      await nextTurn();
    } while (this.bytes !== seen);
    this.flush();
  }

  /** After the last process that could write has ended. */
  async close(): Promise<void> {
    await this.drain();
    closeSync(this.writeFd);
    this.reader.destroy();
    await once(this.reader, 'close');
  }

  private read(chunk: Buffer): void {
    this.bytes += chunk.length;
    const lines = (this.line + this.decoder.write(chunk)).split('\n');
    this.line = lines.pop()!;
    lines.forEach((line) => this.onLine(line));
    if (this.line.length > MAX_LINE_LENGTH) {
      this.flush();
    }
  }

  /** A command may end without a newline; what comes next is another line all the same. */
  private flush(): void {
    const rest = this.line + this.decoder.end();
    this.line = '';
    if (rest) {
      this.onLine(rest);
    }
  }
}

export function quote(text: string): string {
  return `'${text.replaceAll('\'', '\'\\\'\'')}'`;
}
