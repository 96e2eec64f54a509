/**
 * Serves local repositories to builds over https, read-only. A build accepts nothing but https URLs with a public host name, so
 * it gets one; git's own `url.<base>.insteadOf`, in the build's environment alone, leads that name to a server on 127.0.0.1.
 */
import type { ChildProcess } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { generateCertificate } from './git/certificate';
import { configurationVariables } from './git/git';
import { relay, startHttpBackend, type FetchEndpoint } from './git/http-backend';

export { snapshot, type Snapshot, type SnapshotOptions } from './git/snapshot';

/** A name that can never exist: the top-level domain `example` is reserved. */
export const GIT_HOST = 'git.local-run.example';

export interface GitServer {
  /** What the git of a build needs in its environment to reach the server. Other hosts keep the machine's own settings. */
  readonly buildEnvironment: Record<string, string>;
  /** The https URL that a build request carries for this repository. */
  addRepository(name: string, gitDirectory: string): string;
  close(): Promise<void>;
}

/** With or without an owner, as in `local/shop`. */
const REPOSITORY_NAME = /^([A-Za-z0-9][A-Za-z0-9._-]*\/)?[A-Za-z0-9][A-Za-z0-9._-]*$/;
const ROUTE = /^\/((?:[A-Za-z0-9][A-Za-z0-9._-]*\/)?[A-Za-z0-9][A-Za-z0-9._-]*)\.git\/(info\/refs|git-upload-pack|git-receive-pack)(?:\?(.*))?$/;

export async function startGitServer(): Promise<GitServer> {
  const repositories = new Map<string, string>();
  const backends = new Set<ChildProcess>();
  const certificate = await generateCertificate();
  const server = createServer({ key: certificate.private, cert: certificate.cert }, (request, response) => {
    answer(repositories, backends, request, response);
  });
  await listen(server);

  const directory = await mkdtemp(path.join(tmpdir(), 'local-run-git-'));
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  return {
    addRepository(name, gitDirectory) {
      if (!REPOSITORY_NAME.test(name)) {
        throw new Error(`"${name}" cannot be a repository's name. Use letters, digits, ".", "_" and "-", and begin with a letter or a digit.`);
      }
      repositories.set(name, path.resolve(gitDirectory));
      return `https://${GIT_HOST}/${name}.git`;
    },
    buildEnvironment: await clientEnvironment(`https://${GIT_HOST}/`, url, certificate.cert, directory),
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await Promise.all([closed, ...[...backends].map(stop), rm(directory, { recursive: true, force: true })]);
    },
  };
}

async function listen(server: Server): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
}

/** Leads git from the public URL to the one on this machine. A file with the certificate is written into the directory. */
export async function clientEnvironment(publicUrl: string, url: string, certificate: string, directory: string): Promise<Record<string, string>> {
  // Where root runs the build, git is another user.
  await chmod(directory, 0o755);
  const certificateFile = path.join(directory, 'certificate.pem');
  await writeFile(certificateFile, certificate);
  const variables = configurationVariables([
    [`url.${url}.insteadOf`, publicUrl],
    [`http.${url}.sslCAInfo`, certificateFile],
    [`http.${url}.proxy`, ''],
  ]);

  // GIT_SSL_CAINFO wins over every sslCAInfo: where the machine sets it, it has to name a file with both.
  const machineFile = process.env.GIT_SSL_CAINFO;
  if (!machineFile) return variables;
  const machineCertificates = await readFile(machineFile, 'utf8').catch(() => '');
  const bundle = path.join(directory, 'certificates.pem');
  await writeFile(bundle, `${machineCertificates.trimEnd()}\n${certificate}`);
  return { ...variables, GIT_SSL_CAINFO: bundle };
}

function answer(repositories: Map<string, string>, backends: Set<ChildProcess>, request: IncomingMessage, response: ServerResponse): void {
  const refuse = (status: number, reason: string) => response.writeHead(status, { 'content-type': 'text/plain' }).end(`${reason}\n`);
  const [, name = '', endpoint, query] = ROUTE.exec(request.url ?? '') ?? [];
  const gitDirectory = repositories.get(name);
  if (gitDirectory === undefined) return void refuse(404, 'There is no such repository.');
  if (endpoint === 'git-receive-pack' || query === 'service=git-receive-pack') return void refuse(403, 'This repository is read-only.');
  if (endpoint === 'info/refs' ? request.method !== 'GET' || query !== 'service=git-upload-pack' : request.method !== 'POST') {
    return void refuse(400, 'Expected a request of git fetch.');
  }

  const backend = startHttpBackend(gitDirectory, endpoint as FetchEndpoint, request);
  backends.add(backend);
  backend.once('close', () => backends.delete(backend));
  backend.once('error', () => backends.delete(backend)); // it did not start: git is missing
  response.once('close', () => void stop(backend));
  relay(backend, request, response).catch((error: Error) => {
    if (response.headersSent) response.destroy();
    else refuse(500, error.message);
  });
}

async function stop(backend: ChildProcess): Promise<void> {
  if (backend.pid === undefined || backend.exitCode !== null || backend.signalCode !== null) return;
  const ended = new Promise((resolve) => backend.once('exit', resolve));
  try {
    process.kill(-backend.pid, 'SIGKILL');
  } catch {
    return; // it ended in the meantime
  }
  await ended;
}
