// Which OpenNext fits the installed Next.js: facts `next-version`, `open-next-version`, `open-next` (its directory; empty: to be fetched),
// and its configuration: `open-next.config.ts`, `config-path`.
import { existsSync, realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, relative } from 'node:path';
import { fail, load, packageJson, read, save, words } from './common.mjs';
import { satisfies } from './ranges.mjs';
import { OPEN_NEXT, SUPPORTED_NEXT } from './versions.mjs';

const app = load('app');
const { dependencies, devDependencies, scripts } = packageJson(app);
const find = (name) => createRequire(join(app, '-')).resolve.paths(name).map((path) => join(path, name)).find((path) => words(packageJson(path).version));

const next = words(packageJson(find('next') ?? fail('INSTALL_FAILED', 'The install left no "next" in node_modules. Add it to dependencies.')).version);
if (/\bopen-?next(js)?\b.*\bbuild\b/.test(words(scripts?.build)) && !read(app, 'open-next.config.ts').includes('buildCommand')) {
  fail('BUILD_FAILED', 'The "build" script runs OpenNext, which runs the "build" script again. Make it "next build"; OpenNext is run anyway.');
}
const own = { ...dependencies, ...devDependencies }['@opennextjs/aws'] ? find('@opennextjs/aws') : undefined;
const fitting = Object.keys(OPEN_NEXT).find((range) => satisfies(next, range));
const version = own ? words(packageJson(own).version) : process.env.OPEN_NEXT_VERSION || OPEN_NEXT[fitting];
if (!version) fail('UNSUPPORTED_NEXTJS_VERSION', `Next.js ${next} is installed, OpenNext supports ${SUPPORTED_NEXT}.`);

// The app's own configuration, with another build command: app-build.sh gets what it needs of it as JSON. Paths are relative: OpenNext takes
// the one of its configuration as below the app, and absolute ones in there as external packages.
const config = 'open-next.config.ts';
const state = realpathSync(process.env.STATE);
const configuration = `${existsSync(join(app, config)) ? `import * as app from ${JSON.stringify(join(relative(state, app), config))};` : 'const app = { default: { default: {} } };'}
const { buildCommand, buildOutputPath, edgeExternals } = app.default ?? {};
const quoted = JSON.stringify({ buildCommand, buildOutputPath, edgeExternals }).replaceAll("'", "'\\\\''");
export default { ...app.default, buildCommand: \`bash "$STEPS/app-build.sh" '\${quoted}'\` };
`;
save({
  'next-version': next,
  'open-next-version': version,
  'open-next': own ?? '',
  [config]: configuration,
  'config-path': join(relative(app, state), config),
});
