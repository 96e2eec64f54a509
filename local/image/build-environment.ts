/**
 * What a build may see of the developer's environment: where tools are, how to reach the network, and nothing that names a
 * person, a credential or an AWS account.
 */
import { delimiter, isAbsolute } from 'node:path';
import { tryRun } from './run';

export interface NpmSettings {
  /** Only when it differs from npm's default. */
  readonly registry?: string;
  readonly cafile?: string;
}

export interface BuildEnvironmentOptions {
  /** Stand before the machine's own PATH. */
  readonly pathEntries: readonly string[];
  /** An existing empty file, in place of AWS configuration files. */
  readonly emptyFile: string;
  readonly npm?: NpmSettings;
}

const PROXY_VARIABLES = ['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY'].flatMap((name) => [name, name.toLowerCase()]);
const NO_PROXY_VARIABLES = ['NO_PROXY', 'no_proxy'];
const CA_VARIABLES = [
  'NODE_EXTRA_CA_CERTS', 'SSL_CERT_FILE', 'SSL_CERT_DIR', 'CURL_CA_BUNDLE', 'GIT_SSL_CAINFO', 'REQUESTS_CA_BUNDLE', 'AWS_CA_BUNDLE',
];
const ALLOWED = new Set(['LANG', ...PROXY_VARIABLES, ...NO_PROXY_VARIABLES, ...CA_VARIABLES]);

/** Pure: everything it knows of the machine comes in as arguments. */
export function buildEnvironment(processEnv: NodeJS.ProcessEnv, { pathEntries, emptyFile, npm = {} }: BuildEnvironmentOptions): Record<string, string> {
  const allowed = Object.fromEntries(
    Object.entries(processEnv).filter((entry): entry is [string, string] => entry[1] !== undefined && (ALLOWED.has(entry[0]) || /^LC_[A-Z]+$/.test(entry[0]))),
  );
  return {
    ...allowed,
    ...withoutProxyForThisMachine(allowed),
    PATH: [...pathEntries, ...machinePath(processEnv)].join(delimiter),
    // No colours and no progress bars in the log, as in CodeBuild.
    TERM: 'dumb',
    AWS_CONFIG_FILE: emptyFile,
    AWS_SHARED_CREDENTIALS_FILE: emptyFile,
    AWS_EC2_METADATA_DISABLED: 'true',
    ...(npm.registry === undefined ? {} : { npm_config_registry: npm.registry, YARN_NPM_REGISTRY_SERVER: withoutSlash(npm.registry) }),
    ...(npm.cafile === undefined ? {} : { npm_config_cafile: npm.cafile }),
  };
}

/**
 * Without what `npm run` puts in front: a build must find the app's tools, not those of the project that runs it. Relative
 * entries mean another directory in every build.
 */
function machinePath(processEnv: NodeJS.ProcessEnv): string[] {
  return (processEnv.PATH ?? '').split(delimiter).filter((entry) => isAbsolute(entry) && !/[/\\](node_modules[/\\]\.bin|node-gyp-bin)[/\\]?$/.test(entry));
}

/** The local services listen on 127.0.0.1, which no proxy can reach. */
function withoutProxyForThisMachine(allowed: Readonly<Record<string, string>>): Record<string, string> {
  if (!PROXY_VARIABLES.some((name) => allowed[name])) {
    return {};
  }
  const exceptions = (allowed.no_proxy ?? allowed.NO_PROXY ?? '').split(',').map((host) => host.trim()).filter(Boolean);
  const value = [...new Set([...exceptions, '127.0.0.1', 'localhost'])].join(',');
  return Object.fromEntries(NO_PROXY_VARIABLES.map((name) => [name, value]));
}

/** The developer's npm settings that a build needs behind a company registry. Asked outside of any project. */
export async function npmSettings(directory: string, env: NodeJS.ProcessEnv): Promise<NpmSettings> {
  const unset = Object.fromEntries(Object.entries(env).filter(([name]) => !/^npm_config_/i.test(name)));
  const [registry, cafile, defaultRegistry] = await Promise.all([
    tryRun('npm', ['config', 'get', 'registry'], env, directory),
    tryRun('npm', ['config', 'get', 'cafile'], env, directory),
    tryRun('npm', ['config', 'get', '--userconfig=./none', '--globalconfig=./nor-this', 'registry'], unset, directory),
  ]);
  return {
    registry: registry && isShareable(registry) && registry !== defaultRegistry ? registry : undefined,
    cafile: cafile && cafile !== 'null' && cafile !== 'undefined' ? cafile : undefined,
  };
}

/** A URL that holds a password is not for the code that a build runs. */
function isShareable(registry: string): boolean {
  return URL.canParse(registry) && new URL(registry).username === '' && new URL(registry).password === '';
}

function withoutSlash(url: string): string {
  return url.replace(/\/+$/, '');
}
