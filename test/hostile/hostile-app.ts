/**
 * A Next.js app as small as the pipeline's steps accept: `next` and OpenNext are folders of the repository, so that an install needs no
 * registry and a build takes a second. Everything in it is the author's: he may put his own code wherever a build runs any.
 */
import { cp, mkdir, symlink, writeFile } from 'node:fs/promises';
import * as path from 'node:path';
import { snapshot, type GitServer } from '../../local/git-server';
import type { BuildRequest } from '../../src/contract/build-request';

export interface HostileApp {
  /** Of the repository and of the project. */
  readonly name: string;
  /** What `npm install` runs, as a module that may import the attacker's tools from `./`. */
  readonly postinstall?: string;
  /** The "build" script, likewise. What it leaves in `compiled.js` becomes a static file. */
  readonly build?: string;
  /** More files of the repository. */
  readonly files?: Readonly<Record<string, string>>;
  /** Symbolic links of the repository: where they lead, by name. */
  readonly links?: Readonly<Record<string, string>>;
  /** Where the app lies in the repository. */
  readonly rootDirectory?: string;
}

const ATTACKER = path.join(__dirname, 'attacker');

const DEPENDENCIES = { 'next': 'file:vendor/next', '@opennextjs/aws': 'file:vendor/open-next' };
const NEXT = { name: 'next', version: '16.4.6' };
const OPEN_NEXT = { name: '@opennextjs/aws', version: '4.1.12' };

/** Does what the steps need of OpenNext: runs the build command of its configuration, and leaves a function, static files and their description. */
const OPEN_NEXT_CLI = `
import { execSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
const [, command] = /buildCommand: \`(.*)\`/.exec(readFileSync(process.argv[4], 'utf8'));
execSync(command.replace('\${quoted}', '{}'), { stdio: 'inherit' });
mkdirSync('.open-next/server-functions/default', { recursive: true });
mkdirSync('.open-next/assets/_next/static', { recursive: true });
writeFileSync('.open-next/server-functions/default/index.mjs', 'export const handler = async () => ({ statusCode: 200, body: "ok" });');
writeFileSync('.open-next/assets/_next/static/main.js', existsSync('compiled.js') ? readFileSync('compiled.js') : 'let a;');
writeFileSync('.open-next/open-next.output.json', JSON.stringify({
  edgeFunctions: {},
  origins: {
    s3: { type: 's3', copy: [{ from: '.open-next/assets', to: '_assets', cached: true }] },
    default: { type: 'function', handler: 'index.handler', bundle: '.open-next/server-functions/default' },
  },
  behaviors: [],
  additionalProps: {},
}));
`;

function filesOf({ build = '', files = {}, postinstall }: HostileApp): Record<string, string> {
  const json = (value: unknown) => JSON.stringify(value, undefined, 2);
  const scripts = { build: 'node attack/build.mjs', ...postinstall === undefined ? {} : { postinstall: 'node attack/postinstall.mjs' } };
  return {
    'package.json': json({ private: true, dependencies: DEPENDENCIES, scripts }),
    'package-lock.json': json({
      lockfileVersion: 3,
      requires: true,
      packages: {
        '': { dependencies: DEPENDENCIES, hasInstallScript: postinstall !== undefined || undefined },
        'node_modules/next': { resolved: 'vendor/next', link: true },
        'node_modules/@opennextjs/aws': { resolved: 'vendor/open-next', link: true },
        'vendor/next': NEXT,
        'vendor/open-next': OPEN_NEXT,
      },
    }),
    // Nothing of an install asks a registry.
    '.npmrc': 'audit=false\nfund=false\nupdate-notifier=false\n',
    'vendor/next/package.json': json(NEXT),
    'vendor/open-next/package.json': json({ ...OPEN_NEXT, type: 'module' }),
    'vendor/open-next/dist/index.js': OPEN_NEXT_CLI,
    'vendor/open-next/dist/build/compileConfig.js': 'export {};\n',
    'attack/build.mjs': build,
    ...postinstall === undefined ? {} : { 'attack/postinstall.mjs': postinstall },
    ...files,
  };
}

/** A commit of it that a build can fetch. `target`: what the attacker knows of the platform. */
export async function commitApp(app: HostileApp, directory: string, gitServer: GitServer, target: object): Promise<Pick<BuildRequest, 'repoUrl' | 'commitSha' | 'rootDirectory'>> {
  const folder = path.join(directory, 'folder');
  const appFolder = path.join(folder, app.rootDirectory ?? '');
  await mkdir(appFolder, { recursive: true });
  await cp(ATTACKER, path.join(appFolder, 'attack'), { recursive: true });
  const files = { 'attack/target.json': JSON.stringify(target), ...filesOf(app) };
  for (const [name, content] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(appFolder, name)), { recursive: true });
    await writeFile(path.join(appFolder, name), content);
  }
  for (const [name, to] of Object.entries(app.links ?? {})) {
    await mkdir(path.dirname(path.join(folder, name)), { recursive: true });
    await symlink(to, path.join(folder, name));
  }
  const { commitSha, repository } = await snapshot(folder, path.join(directory, 'repository'));
  return { repoUrl: gitServer.addRepository(`${app.name}-${commitSha.slice(0, 8)}`, repository), commitSha, rootDirectory: app.rootDirectory };
}
