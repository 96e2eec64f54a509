// Ranges of versions as npm writes them: "^20.9 || >=22". Without pre-releases: none of ours is one.

/** No part of a version comes near a million. */
const COMPARATOR = /^(\^|~>?|>=?|<=?|=)?v?(\d{1,6}|[x*])?(?:\.(\d{1,6}|[x*]))?(?:\.(\d{1,6}|[x*]))?(?:[-+].*)?$/i;
/** A version as a number that compares like it. */
const number = (major = 0, minor = 0, patch = 0) => (major * 1e6 + minor) * 1e6 + patch;

/** The first version that is in, and the first that is not: "~20.1" is 20.1.0 and 20.2.0. */
function interval(comparator) {
  const match = COMPARATOR.exec(comparator);
  if (!match) return undefined;
  const [, operator = '', ...parts] = match;
  const given = parts.map((part) => (/\d/.test(part) ? Number(part) : undefined));
  const [major, minor, patch] = given.map((part, index) => (given.slice(0, index).includes(undefined) ? undefined : part));
  const from = number(major, minor, patch);
  const span = [number(1), number(0, 1), 1];
  const precision = [major, minor, patch].filter((part) => part !== undefined).length; // of "20.1.x": 2
  const after = (parts) => (parts === 0 ? Infinity : Math.floor(from / span[parts - 1]) * span[parts - 1] + span[parts - 1]);
  switch (operator[0] ?? '') {
    case '^': return [from, after(Math.min(precision, major ? 1 : minor ? 2 : 3))];
    case '~': return [from, after(Math.min(precision, 2))];
    case '>': return [operator === '>=' ? from : after(precision), Infinity];
    case '<': return [0, operator === '<=' ? after(precision) : from];
    default: return [from, after(precision)];
  }
}

/** Intervals, the lowest first; undefined: this is no range. */
function intervals(range) {
  const alternatives = String(range).split('||').map((alternative) => alternative
    .replace(/(\S+)\s+-\s+(\S+)/, '>=$1 <=$2')
    .replace(/([\^~><=])\s+/g, '$1')
    .trim().split(/\s+/).map(interval));
  if (alternatives.flat().includes(undefined)) return undefined;
  return alternatives
    .map((parts) => [Math.max(...parts.map(([from]) => from)), Math.min(...parts.map(([, to]) => to))])
    .filter(([from, to]) => from < to)
    .sort(([a], [b]) => a - b);
}

export function satisfies(version, range) {
  const parts = /^v?(\d+)\.(\d+)\.(\d+)/.exec(version);
  if (!parts) return false;
  const value = number(...parts.slice(1).map(Number));
  return intervals(range)?.some(([from, to]) => from <= value && value < to) ?? false;
}
/** The lowest version in a range; undefined: there is none, or it is no range. */
export function minimum(range) {
  const from = intervals(range)?.[0]?.[0];
  return from === undefined ? undefined : [Math.floor(from / 1e12), Math.floor(from / 1e6) % 1e6, from % 1e6].join('.');
}
