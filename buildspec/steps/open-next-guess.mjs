// The OpenNext that the build will most likely need, by what package.json asks for: it is fetched beside the install. Prints nothing for an app
// that has its own.
import { load, packageJson, words } from './common.mjs';
import { minimum, satisfies } from './ranges.mjs';
import { OPEN_NEXT } from './versions.mjs';

const { dependencies, devDependencies } = packageJson(load('app'));
const asked = { ...devDependencies, ...dependencies };
const next = minimum(words(asked.next));
const newest = Object.keys(OPEN_NEXT)[0];
const range = Object.keys(OPEN_NEXT).find((one) => next && satisfies(next, one)) ?? newest;
if (!asked['@opennextjs/aws']) console.log(`@opennextjs/aws@${process.env.OPEN_NEXT_VERSION || OPEN_NEXT[range]}`);
