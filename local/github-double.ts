/**
 * Stands in for GitHub where the template's status function tells it how deployments go, and says what a commit's page would show. GitHub itself
 * hears nothing of builds on this machine.
 */
import { generateKeyPair } from 'node:crypto';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { promisify } from 'node:util';
import { generateCertificate } from './git/certificate';
import { GIT_HOST } from './git-server';
import { GitHubReports, json, type ReportAnswer } from './github/reports';
import { readBody, send } from './services/service';
import type { FunctionSettings } from './stack';
import { STATUS_ENV, STATUS_PERMISSIONS } from '../src/contract/github-status';

export interface GitHubDouble {
  /** Leads a function that tells GitHub here; of every other function nothing changes. */
  settingsOf(variables: Readonly<Record<string, string>>): FunctionSettings;
  close(): Promise<void>;
}

/** What GitHub takes of a check run: 64 KB of text, and what comes with it. */
const BODY_LIMIT = 256 * 1024;

/** `host`: of the repository that is built. `onChange`: hears what is to be seen at a commit from now on. */
export async function startGitHubDouble(host: string, onChange: (what: string) => void): Promise<GitHubDouble> {
  const names = [host, `api.${host}`];
  const { cert, private: key } = await generateCertificate(...names);
  const api = new Api(onChange);
  const server = createServer({ cert, key }, (request, response) => {
    readBody(request, BODY_LIMIT)
      .then((body) => api.answer(request.method ?? '', request.url ?? '', body.toString()))
      .then(({ body, headers, status }) => send(response, status, { ...headers }, body))
      .catch(() => response.destroy());
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const network = { addresses: ofEach(names, '127.0.0.1'), ports: ofEach(names, port), certificates: [cert] };
  return {
    settingsOf(variables) {
      if (!variables[STATUS_ENV.appId]) return {};
      // A folder is of no git host; the function hears of it all the same.
      return { network, ...(host === GIT_HOST ? { environment: { [STATUS_ENV.host]: host } } : {}) };
    },
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

/** Of a GitHub App: of the form that the double wants, which takes any. */
export async function generatePrivateKey(): Promise<string> {
  const { privateKey } = await promisify(generateKeyPair)('rsa', {
    modulusLength: 2048, publicKeyEncoding: { type: 'spki', format: 'pem' }, privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
  });
  return privateKey;
}

/** GitHub's API, as far as an app needs it that is installed everywhere and may do all that it wants. Whoever asks is believed to be the app. */
class Api {
  private readonly reports: GitHubReports;
  /** A repository's number is its place. */
  private readonly repositories: string[] = [];

  constructor(onChange: (what: string) => void) {
    this.reports = new GitHubReports('1', onChange);
  }

  answer(method: string, url: string, body: string): ReportAnswer {
    const route = url.replace(/^\/api\/v3/, '');
    if (/^\/app\/installations\/1\/access_tokens$/.test(route)) return json(201, { token: 'local-run', expires_at: new Date(Date.now() + 3_600_000).toISOString() });
    const [, name, rest = ''] = /^\/repos\/([^/]+\/[^/]+)(\/.*)$/.exec(route) ?? [];
    if (name === undefined) return json(404, { message: 'Not Found' });
    if (rest === '/installation') return json(200, { id: 1, permissions: STATUS_PERMISSIONS, suspended_at: null });
    return this.reports.answer({ method, route: rest, body, repository: this.numberOf(name), permissions: STATUS_PERMISSIONS });
  }

  private numberOf(name: string): number {
    if (!this.repositories.includes(name)) this.repositories.push(name);
    return this.repositories.indexOf(name) + 1;
  }
}

function ofEach<T>(names: readonly string[], value: T): Record<string, T> {
  return Object.fromEntries(names.map((name) => [name, value]));
}
