/** Reads what a forge has sent: signed, but of no shape that anybody vouches for. */
import { Refusal } from './refusal';
import { COMMIT_SHA_PATTERN, MAX_REPO_URL_LENGTH } from '../../src/contract/build-request';
import { repoUrlProblem } from '../shared/request-fields';

/** The payload is no JSON, or lacks what an event of its kind has. */
export class PayloadProblem extends Refusal {
  public constructor(problem: string) {
    super(400, `${problem}.`);
  }
}

/** GitHub sends JSON, or a form with the JSON in one field: its hooks can be set to either. */
export function parsePayload(contentType: string | undefined, body: Buffer): unknown {
  const [type] = (contentType ?? '').split(';');
  switch (type.trim().toLowerCase()) {
    case 'application/json':
      return parsed(body.toString());
    case 'application/x-www-form-urlencoded':
      return parsed(new URLSearchParams(body.toString()).get('payload') ?? '');
    default:
      throw new Refusal(415, `Expected the content type application/json or application/x-www-form-urlencoded, got ${contentType ?? 'none'}. Choose one in the hook's settings.`);
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new PayloadProblem('The body was signed, but its payload is not JSON');
  }
}

/** The value at `repository.id`, say; undefined: there is none. */
export function at(payload: unknown, path: string): unknown {
  return path.split('.').reduce<unknown>((value, name) => (
    typeof value === 'object' && value !== null && Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined
  ), payload);
}

export function listAt(payload: unknown, path: string): readonly unknown[] {
  const value = at(payload, path);
  return Array.isArray(value) ? value : [];
}

export function textAt(payload: unknown, path: string): string {
  const value = at(payload, path);
  if (typeof value === 'string' && value !== '') return value;
  throw new PayloadProblem(`Expected ${path} to be text, got ${described(value)}`);
}

export function optionalTextAt(payload: unknown, path: string): string | undefined {
  const value = at(payload, path);
  return typeof value === 'string' ? value : undefined;
}

/** A number, or as in Bitbucket a UUID in braces. */
const ID = /^[A-Za-z0-9{}-]{1,64}$/;

export function idAt(payload: unknown, path: string): string {
  const value = at(payload, path);
  if (Number.isSafeInteger(value) || (typeof value === 'string' && ID.test(value))) return String(value);
  throw new PayloadProblem(`Expected ${path} to be an id, got ${described(value)}`);
}

/** Of a repository that a build could clone. */
export function repositoryUrlAt(payload: unknown, path: string): string {
  const url = textAt(payload, path);
  // In bytes, because that is how DynamoDB measures the key of an index, which may be as long.
  const problem = Buffer.byteLength(url) > MAX_REPO_URL_LENGTH ? 'is too long' : repoUrlProblem(url);
  if (problem === undefined) return url;
  throw new PayloadProblem(`Expected ${path} to be the URL of a repository, but it ${problem}`);
}

export function commitAt(payload: unknown, path: string): string {
  const value = textAt(payload, path).toLowerCase();
  if (COMMIT_SHA_PATTERN.test(value)) return value;
  throw new PayloadProblem(`Expected ${path} to be a full commit SHA`);
}

/** ISO 8601, or, as GitHub has it in the repository of a push, seconds since 1970. */
export function timeAt(payload: unknown, path: string): Date {
  const time = optionalTimeAt(payload, path);
  if (time) return time;
  throw new PayloadProblem(`Expected ${path} to be a time since 1970, got ${described(at(payload, path))}`);
}

export function optionalTimeAt(payload: unknown, path: string): Date | undefined {
  const value = at(payload, path);
  const time = new Date(typeof value === 'number' ? value * 1000 : typeof value === 'string' ? value : NaN);
  return time.getTime() >= 0 ? time : undefined;
}

/** What a forge writes for a branch or tag that did not exist before, or does not any more. */
export function isNoCommit(value: unknown): boolean {
  return value === null || (typeof value === 'string' && /^0+$/.test(value));
}

function described(value: unknown): string {
  if (value === undefined || value === null) return 'none';
  return value === '' ? 'an empty text' : Array.isArray(value) ? 'a list' : `a value of the type ${typeof value}`;
}
