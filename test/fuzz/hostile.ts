/** Inputs that somebody might send on purpose. */
import * as fc from 'fast-check';

/** What has a meaning to a shell, git, a URL, a path, an S3 key, XML, JSON or JavaScript, or to the eye. */
const FRAGMENTS = [
  '', '.', '..', '../', '/', '//', './', '-', '--', '--upload-pack=id', '$(id)', '`id`', '${PATH}', ';', '&', '&&', '|', '>', '<', '(', ')', '!', '*', '?', '[', ']', '{', '}', '{0}', '~', '^', '@', '@{', ':', '::',
  '#', '=', '+', ',', '%', '%2e', '%2F', '%00', '%0a', '\\', '\'', '"', ' ', '\t', '\n', '\r\n', '\0', '\x1b[2K', '\x7f', '\u0085', '\u00a0', '\u200b', '\u202e', '\u2028', '\ufeff', '\ufffe', '\uffff', '\ud800', '\udfff',
  'é', 'e\u0301', '😀', '１', '。', 'ⓛ', 'a', 'B', '0', '1', 'main', 'HEAD', 'refs/heads/', 'feature', '.lock', '.git', 'https:', 'localhost', '127.0.0.1', 'github.com',
  '__proto__', 'constructor', 'toString', 'null', 'undefined', 'NaN', '1e309', 'x'.repeat(130), '😀'.repeat(130),
];

export const fragment = fc.constantFrom(...FRAGMENTS);

/** Lone surrogates included: JSON can hold them. */
export const text: fc.Arbitrary<string> = fc.oneof(
  fragment,
  fc.array(fragment, { maxLength: 6 }).map((parts) => parts.join('')),
  fc.string({ unit: 'binary', maxLength: 30 }),
  fc.string({ maxLength: 30 }),
);

/** One after the other. */
export const concat = (...parts: fc.Arbitrary<string>[]) => fc.tuple(...parts).map((some) => some.join(''));

/** As UTF-8 has it. */
export const wellFormed = (value: string) => Buffer.from(value).toString();

/** Anything that JSON can say, keys that JavaScript has a meaning for included. */
export const json: fc.Arbitrary<unknown> = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof({ depthSize: 'small', withCrossShrink: true },
    fc.oneof(text, fc.constant(null), fc.boolean(), fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true }), fc.constantFrom(-0, 0.5, 1e21, 1e300)),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.array(fc.tuple(fc.oneof(text, fc.constantFrom('toString', 'valueOf', 'length', 'then', 'name', '__proto__')), tie('value')), { maxLength: 3 }).map((entries) => Object.fromEntries(entries)),
  ),
})).value;

/** `usual`, mostly: one field that is wrong is found only if the others are right. */
export function mostly<T, U = unknown>(usual: fc.Arbitrary<T>, unusual: fc.Arbitrary<U> = json as fc.Arbitrary<U>, weight = 8): fc.Arbitrary<T | U> {
  return fc.oneof({ weight, arbitrary: usual }, { weight: 1, arbitrary: unusual });
}
