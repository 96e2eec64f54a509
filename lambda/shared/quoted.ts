/**
 * Text from outside in a sentence for people: in quotes, and on a terminal or a page nothing but itself. JSON leaves some control characters
 * as they are, and those that turn the direction of the text after them.
 */
export function quoted(text: string): string {
  return JSON.stringify(text).replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`);
}
