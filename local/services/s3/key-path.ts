/**
 * Where an object's file lies below its bucket's directory: at its own key wherever a file system can hold that, so that
 * a person finds it. The rest is escaped with `%`, which is why `%` itself becomes `%25`:
 *
 *   control characters, `%`    `%XX`
 *   segment `.` or `..`        `%2E`, `%2E%2E`
 *   empty segment              `%`      (`a//b` -> `a/%/b`, `a/` -> `a/%`)
 *   segment too long           several directories, each but the last ending in `%+`
 *   key `a` beside `a/b`       `a%`     (the name `a` is taken by the directory)
 *
 * Every path leads back to exactly one key, and none leaves the directory: no name is `.`, `..` or empty.
 */

/** File systems hold 255 bytes; the markers need room. */
const NAME_BYTES = 250;

const BESIDE = '%';
const CONTINUED = '%+';
const EMPTY = '%';

/** `beside`: the path to use when a directory has the plain name. */
export function keyToPath(key: string, beside = false): string {
  return key.split('/').map(escapeSegment).join('/') + (beside ? BESIDE : '');
}

export function pathToKey(path: string): string {
  const names = path.split('/');
  const last = names.length - 1;
  if (names[last] !== EMPTY && names[last].endsWith(BESIDE)) {
    names[last] = names[last].slice(0, -BESIDE.length);
  }
  return names
    .map((name, index) => {
      const continued = name.endsWith(CONTINUED);
      return unescapeName(continued ? name.slice(0, -CONTINUED.length) : name) + (continued || index === last ? '' : '/');
    })
    .join('');
}

function escapeSegment(segment: string): string {
  if (segment === '') {
    return EMPTY;
  }
  const names = [''];
  for (const character of segment) {
    const escaped = escapeCharacter(character);
    if (Buffer.byteLength(names[names.length - 1] + escaped) > NAME_BYTES) {
      names.push('');
    }
    names[names.length - 1] += escaped;
  }
  const finalName = names.pop()!;
  return [
    ...names.map((name) => name + CONTINUED),
    /^\.{1,2}$/.test(finalName) ? finalName.replaceAll('.', '%2E') : finalName,
  ].join('/');
}

function escapeCharacter(character: string): string {
  const code = character.codePointAt(0)!;
  return code < 0x20 || code === 0x7f || character === '%' ? `%${code.toString(16).toUpperCase().padStart(2, '0')}` : character;
}

function unescapeName(name: string): string {
  return name === EMPTY ? '' : name.replace(/%([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
}
