// Secrets in OpenNext's output: what was handed over for install and build (the handover, on standard input), and what .env files hold. Where browsers
// get it, that is a failure; in a function a warning: only the platform reads functions, and an app may have put it there for its server to find.
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fail, load, warn } from './common.mjs';
import { list } from './function-files.mjs';

process.on('uncaughtException', (error) => fail('PACKAGE_FAILED', error.stack));

const LEAST = 16; // characters of a value: shorter ones are words, or there by chance
const LARGEST = 64e6; // bytes of a file: larger ones are no text

/** A name that says so, a password in a URL, a private key, what well-known services begin theirs with. */
const NAME = /SECRET|TOKEN|PASSW|PRIVATE|CREDENTIAL|(API|ACCESS)_?KEY/i;
const VALUE = /:\/\/[^\s/:@]*:[^\s/@]+@|-----BEGIN|^(gh[opsu]_|github_pat_|npm_|sk_live_|xox|AKIA)/;
const isPublic = (name) => name.startsWith('NEXT_PUBLIC_');
const looksSecret = ([name, value]) => !isPublic(name) && value.length >= LEAST / 2 && (NAME.test(name) || VALUE.test(value));
/** A value may be a file of settings, or a key of several lines. Names of settings, addresses and URLs without a password are nothing that it hides. */
const parts = (value) => value.split(/[\s"'\\=]+/).filter((part) => part.length >= LEAST && !/^@|^(https?:)?\/\/[^@]*$|^[\w.+-]+@[\w.-]+$/.test(part));
/** assets/ as it is, cache/ as what prerendered pages answer with, but for what their fetches got. */
const isForBrowsers = (path) => /^\.\/(assets|cache\/(?!__fetch))/.test(path);

const { installEnvironment, buildEnvironment } = JSON.parse(readFileSync(0, 'utf8') || '{}');
const secrets = [...Object.entries(installEnvironment ?? {}), ...Object.entries(buildEnvironment ?? {}).filter(looksSecret)]
  .filter(([name]) => !isPublic(name)).flatMap(([name, value]) => parts(value).map((part) => [name, part]));

const output = join(load('build-output'), '.open-next');
const found = new Map();
for (const { path } of list(output).filter(({ bytes, isLink }) => !isLink && bytes <= LARGEST)) {
  const isEnv = basename(path).startsWith('.env');
  if (path.startsWith('./.build/') || (!isEnv && !secrets.length)) continue;
  const content = readFileSync(join(output, path));
  const names = secrets.filter(([, part]) => content.includes(part)).map(([name]) => name);
  if (isEnv) names.push(...[...`${content}`.matchAll(/^\s*(?:export\s+)?([\w.-]+)[ \t]*=[ \t]*["'`]?(.*)/gm)].map(([, ...entry]) => entry).filter(looksSecret).map(([name]) => name));
  if (names.length && isForBrowsers(path)) fail('SECRET_PUBLISHED', `${path} contains ${names[0]}.`);
  for (const name of new Set(names)) found.set(name, [...found.get(name) ?? [], path]);
}
for (const [name, paths] of found) warn('SECRET_IN_FUNCTION', `${name} is in ${paths[0]}${paths.length > 1 ? ` and ${paths.length - 1} more` : ''}`);
