// Which OpenNext fits the installed Next.js: facts `next-version`, `open-next-version`, `open-next` (its directory; empty: to be fetched).
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fail, load, packageJson, read, save } from './common.mjs';

// From this Next.js version on: the newest @opennextjs/aws that builds it, tried with each minor version.
const OPEN_NEXT = { 15: '4.1.12', 14.2: '3.9.10', 13.5: '3.9.3' };
const TOO_NEW = 17;

const app = load('app');
const { dependencies, devDependencies, scripts } = packageJson(app);
const find = (name) => createRequire(join(app, '-')).resolve.paths(name).map((path) => join(path, name)).find((path) => packageJson(path).version);

const next = packageJson(find('next') ?? fail('INSTALL_FAILED', 'The install left no "next" in node_modules. Add it to dependencies.')).version;
if (/\bopen-?next(js)?\b.*\bbuild\b/.test(scripts?.build) && !read(app, 'open-next.config.ts').includes('buildCommand')) {
  fail('BUILD_FAILED', 'The "build" script runs OpenNext, which runs the "build" script again. Make it "next build"; OpenNext is run anyway.');
}
const own = { ...dependencies, ...devDependencies }['@opennextjs/aws'] ? find('@opennextjs/aws') : undefined;
const lowest = Object.keys(OPEN_NEXT).sort((a, b) => b - a).find((from) => parseFloat(next) >= from);
const version = own ? packageJson(own).version : process.env.OPEN_NEXT_VERSION || (parseFloat(next) < TOO_NEW && OPEN_NEXT[lowest]);
if (!version) fail('UNSUPPORTED_NEXTJS_VERSION', `Next.js ${next} is installed, OpenNext supports 13.5 up to 16.x.`);
save({ 'next-version': next, 'open-next-version': version, 'open-next': own ?? '' });
