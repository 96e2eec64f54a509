import { isIP } from 'node:net';

/** What the fields of a build request may hold: whatever passes is harmless as an S3 key segment, an operand of git and a variable of a shell. */

// Control characters, white space of any kind, and what a URL would have percent-encoded anyway.
const UNSAFE_IN_URL = /[\s\p{C}"'`<>\\^{|}]/u;

/** Every program reads the same host out of it: nothing percent-encoded, nothing that Unicode or a missing name would change. */
const PLAIN_HOST = /^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)+\.?(:\d+)?$/;

const NOT_PUBLIC = 'must name a public host, in letters, digits, "-" and ".", not an address or an internal name';

/** Why this is no URL to clone from; undefined: it is one. */
export function repoUrlProblem(value: string): string | undefined {
  if (UNSAFE_IN_URL.test(value)) return 'must not contain white space, control characters, quotes or backslashes';
  if (!value.startsWith('https://')) return 'must begin with https://';
  const [authority] = value.slice('https://'.length).split('/');
  if (authority.includes('@')) return 'must not contain a user name, password or token';
  if (value.includes('?') || value.includes('#')) return 'must not have a query or fragment';
  if (!PLAIN_HOST.test(authority)) return NOT_PUBLIC;
  if (!URL.canParse(value)) return 'is not a URL';
  const url = new URL(value);
  const host = url.hostname.replace(/\.$/, '');
  if (isIP(host) || /\.(localhost|localdomain|local|internal)$/.test(host)) return NOT_PUBLIC;
  if (url.pathname.split('/').every((segment) => segment === '')) return 'must have a path: which repository?';
  return undefined;
}

/** The rules of `git check-ref-format`, and no leading "-", so that a branch is never an option. */
export function isBranchName(value: string): boolean {
  return !/[\s\p{C}~^:?*[\\]/u.test(value)
    && !/\.\.|@\{|\/\/|^[-/.@]$|^[-/]|[/.]$/.test(value)
    && value.split('/').every((segment) => !segment.startsWith('.') && !segment.endsWith('.lock'));
}

export function isRelativeDirectory(value: string): boolean {
  return !/[\p{C}\p{Zl}\p{Zp}\\]/u.test(value)
    && value.split('/').every((segment) => segment !== '' && segment !== '.' && segment !== '..' && !segment.startsWith('-') && segment.trim() === segment);
}
