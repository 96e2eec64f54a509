/** Answers one HTTP request with `git http-backend`, git's own CGI program, reading from one repository and never writing to it. */
import { spawn, type ChildProcess } from 'node:child_process';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { gitEnvironment } from './git';

/** The two requests of a fetch; a repository's files are not served one by one. */
export type FetchEndpoint = 'info/refs' | 'git-upload-pack';

/** Packing a large repository takes about a minute. */
const TIMEOUT_MILLISECONDS = 10 * 60_000;

export function startHttpBackend(gitDirectory: string, endpoint: FetchEndpoint, request: IncomingMessage): ChildProcess {
  const header = (name: string) => (request.headers[name] === undefined ? undefined : String(request.headers[name]));
  return spawn('git', ['http-backend'], {
    cwd: gitDirectory,
    detached: true, // its own process group, so that stopping it stops the packing it has started as well
    stdio: ['pipe', 'pipe', 'ignore'],
    timeout: TIMEOUT_MILLISECONDS,
    env: {
      ...gitEnvironment('none', [
        ['uploadpack.allowAnySHA1InWant', 'true'], // a build asks for one commit by its SHA
        ['http.receivepack', 'false'],
      ]),
      GIT_PROJECT_ROOT: gitDirectory,
      GIT_HTTP_EXPORT_ALL: '1',
      PATH_INFO: `/${endpoint}`, // written here, never taken from the request
      REQUEST_METHOD: request.method,
      QUERY_STRING: endpoint === 'info/refs' ? 'service=git-upload-pack' : '',
      REMOTE_ADDR: '127.0.0.1',
      CONTENT_TYPE: header('content-type'),
      CONTENT_LENGTH: header('content-length'),
      HTTP_CONTENT_ENCODING: header('content-encoding'),
      GIT_PROTOCOL: header('git-protocol'),
    },
  });
}

/** Streams the request to the program and its answer back. */
export async function relay(backend: ChildProcess, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { stdin, stdout } = backend;
  if (stdin === null || stdout === null) throw new Error('git http-backend was started without pipes.');
  stdin.on('error', () => undefined); // it ended before it read everything; its answer tells why
  request.pipe(stdin);
  const { status, headers } = parseHead(await readHead(stdout));
  response.writeHead(status, headers);
  await pipeline(stdout, response);
}

async function readHead(stdout: Readable): Promise<string> {
  return new Promise((resolve, reject) => {
    let received = Buffer.alloc(0);
    const onData = (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      const end = received.indexOf('\r\n\r\n');
      if (end < 0) return;
      stdout.off('data', onData);
      stdout.pause();
      stdout.unshift(received.subarray(end + 4));
      resolve(received.toString('latin1', 0, end));
    };
    stdout.on('data', onData);
    stdout.once('close', () => reject(new Error('git http-backend ended without an answer.')));
  });
}

/** CGI: header lines, of which `Status` is the status line. */
function parseHead(head: string): { status: number; headers: Record<string, string> } {
  const fields = head.split('\r\n').map((line): [string, string] => {
    const colon = line.indexOf(':');
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
  });
  const { status = '200', ...headers } = Object.fromEntries(fields);
  return { status: Number.parseInt(status, 10), headers };
}
