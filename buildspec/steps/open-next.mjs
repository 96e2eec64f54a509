// Chooses the OpenNext that fits the installed Next.js. Writes to $STATE: next-version, open-next-version, open-next-cli (empty: to be installed).
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

// Lowest Next.js version, and the newest @opennextjs/aws that builds it and whose output answers requests.
const OPEN_NEXT = [
  ['15.0', '4.1.12'],
  ['14.2', '3.9.10'],
  ['13.5', '3.9.3'],
];
const BELOW = '17.0';

const { STATE, OPEN_NEXT_VERSION } = process.env;
const app = readFileSync(join(STATE, 'app'), 'utf8');
const read = (...file) => existsSync(join(...file)) ? readFileSync(join(...file), 'utf8') : '';
const fail = (code, sentence) => {
  console.error(`\n[build] ${code}: ${sentence}`);
  process.exit(Number(process.env[`EXIT_${code}`]));
};
const manifest = join(app, 'package.json');
const installed = (name) => {
  const directory = createRequire(manifest).resolve.paths(name).map((path) => join(path, name)).find((path) => existsSync(join(path, 'package.json')));
  return directory && { directory, version: JSON.parse(read(directory, 'package.json')).version };
};

const next = installed('next');
if (!next) fail('BUILD_FAILED', 'The install left no "next" in node_modules. Add it to the app\'s dependencies.');
const { dependencies, devDependencies, scripts } = JSON.parse(read(manifest).replace(/^\uFEFF/, ''));
if (/\bopen-?next(js)?\b.*\bbuild\b/.test(scripts?.build) && !read(app, 'open-next.config.ts').includes('buildCommand')) {
  fail('BUILD_FAILED', 'The "build" script runs OpenNext, which runs the "build" script. Set it to "next build": OpenNext runs anyway.');
}

const own = { ...dependencies, ...devDependencies }['@opennextjs/aws'] && installed('@opennextjs/aws');
const number = (version) => version.split('.').slice(0, 2).reduce((sum, part) => sum * 1000 + parseInt(part, 10), 0);
const fitting = number(next.version) < number(BELOW) ? OPEN_NEXT.find(([lowest]) => number(next.version) >= number(lowest)) : undefined;
const version = own?.version ?? (OPEN_NEXT_VERSION || fitting?.[1]);
if (!version) {
  fail('UNSUPPORTED_NEXTJS_VERSION', `Next.js ${next.version} is installed; OpenNext supports ${OPEN_NEXT.at(-1)[0]} up to, not including, ${BELOW}.`);
}
const found = { 'next-version': next.version, 'open-next-version': version, 'open-next-cli': own?.directory ?? '' };
for (const [name, value] of Object.entries(found)) writeFileSync(join(STATE, name), value);
