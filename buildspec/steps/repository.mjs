// Where settings are looked for: in the app's directory, then in each one above it, up to the repository's root.
import { dirname } from 'node:path';
import { load } from './common.mjs';

export function directories() {
  const found = [load('app')];
  while (found.at(-1) !== load('top')) found.push(dirname(found.at(-1)));
  return found;
}
/** What `look` finds in the nearest directory where it finds anything. */
export function nearest(look) {
  for (const directory of directories()) {
    const found = look(directory);
    if (found) return found;
  }
  return undefined;
}
