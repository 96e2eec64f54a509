// The app's own scripts that belong to an install, where the install itself is not needed: they may write anywhere. Prints a line for
// each, in the order in which the package manager runs them: directory, a tab, script.
import { join } from 'node:path';
import { load, read } from './common.mjs';

const INSTALL = ['preinstall', 'install', 'postinstall'];
const PREPARE = ['preprepare', 'prepare', 'postprepare'];
/** Of the root before all others, of the other packages, of the root after them. */
const ORDER = {
  npm: [[], [...INSTALL, 'prepare'], ['dependencies', ...INSTALL, 'prepublish', ...PREPARE]],
  pnpm: [['pnpm:devPreinstall'], [...INSTALL, ...PREPARE], [...INSTALL, ...PREPARE]],
  yarn: [['preinstall'], INSTALL, ['install', 'postinstall', 'prepublish', 'prepare']],
  berry: [[], INSTALL, INSTALL],
  bun: [[], [...INSTALL, ...PREPARE], [...INSTALL, ...PREPARE]],
};

const kind = load('kind');
const root = load('root');
const packages = JSON.parse(load('packages'));

/** These two run preinstall and postinstall themselves, around install, when told to run that. */
const isHook = (event, scripts) => ['yarn', 'bun'].includes(kind) && /^(pre|post)(install|prepare)$/.test(event) && scripts[event.replace(/^(pre|post)/, '')];
/** Patterns of the workspace's packages. */
function patterns() {
  if (kind !== 'pnpm') {
    const workspaces = packages.find(({ directory }) => directory === '')?.manifest.workspaces ?? [];
    return [workspaces.packages ?? workspaces].flat().filter((pattern) => typeof pattern === 'string');
  }
  const [, list = ''] = /^packages:((?:\s*\n?\s*-.*|\s*#.*|\s*\[[^\]]*\])*)/m.exec(read(root, 'pnpm-workspace.yaml')) ?? [];
  return [...list.matchAll(/(?:-\s+|[[,]\s*)(?:"([^"]+)"|'([^']+)'|([^\s,'"[\]]+))/g)].map(([, a, b, c]) => a ?? b ?? c);
}
const toRegExp = (pattern) => new RegExp(`^${pattern.replace(/^!/, '').replace(/^\.?\//, '').replace(/\/$/, '')
  .replace(/[.+^$()|[\]\\]/g, '\\$&').replace(/\*\*\/?|\*|\?/g, (glob) => ({ '*': '[^/]*', '?': '[^/]' })[glob] ?? '.*')
  .replace(/\{([^}]*)\}/g, (_, names) => `(${names.replaceAll(',', '|')})`)}$`);
/** The list that is printed has no room for a directory with a tab or a line break in its name. */
const isMember = ({ directory }) => directory && !/[\t\n]/.test(directory) && patterns().reduce((is, pattern) => (toRegExp(pattern).test(directory) ? !pattern.startsWith('!') : is), false);

/** A package comes after those that it depends on. */
function sorted(members) {
  const done = new Set();
  const visit = (one) => {
    if (done.has(one)) return [];
    done.add(one);
    const { dependencies, devDependencies } = one.manifest;
    return [...members.filter(({ manifest: { name } }) => typeof name === 'string' && name in { ...dependencies, ...devDependencies }).flatMap(visit), one];
  };
  return members.flatMap(visit);
}

const settings = ['.npmrc', '.yarnrc', 'pnpm-workspace.yaml'].map((file) => read(root, file)).join('\n');
if (kind === 'berry' || !/^\s*(--install\.)?ignore-?scripts[\s=:"]+true/mi.test(settings)) {
  const own = packages.filter(({ directory }) => directory === '');
  const [before, members, after] = ORDER[kind];
  const plan = [[own, before], [sorted(packages.filter(isMember)), members], [own, after]];
  for (const [some, events] of plan) {
    for (const { directory, scripts } of some) {
      for (const event of events.filter((name) => scripts[name] && !isHook(name, scripts))) console.log(`${join(root, directory)}\t${event}`);
    }
  }
}
