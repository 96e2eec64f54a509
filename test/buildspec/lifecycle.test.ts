/**
 * The app's own install scripts where the install itself is skipped. The orders are those of npm 11, pnpm 10, Yarn 1 and 4, and Bun 1.4, tried
 * with two packages that depend on each other.
 */
import { BuildMachine } from './build-machine';

let machine: BuildMachine;

beforeEach(async () => {
  machine = await BuildMachine.start();
});

afterEach(() => machine.stop());

const ALL = Object.fromEntries(
  ['preinstall', 'install', 'postinstall', 'prepublish', 'preprepare', 'prepare', 'postprepare', 'pnpm:devPreinstall', 'dependencies'].map((name) => [name, 'true']),
);

interface Workspace {
  readonly kind: string;
  /** Scripts by directory. */
  readonly packages: Record<string, object>;
  readonly workspaces?: unknown;
  readonly files?: Record<string, string>;
}

/** What runs, as "directory script". */
async function plan({ kind, packages, workspaces = ['packages/*'], files = {} }: Workspace): Promise<string[]> {
  const root = machine.path('app');
  await machine.files('app', { 'pnpm-workspace.yaml': 'packages:\n  - packages/*\n', ...files });
  await machine.state({
    kind,
    root,
    packages: JSON.stringify(Object.entries(packages).map(([directory, scripts]) => ({
      directory, scripts, manifest: { name: directory, workspaces, dependencies: directory === 'packages/a' ? { 'packages/b': '1.0.0' } : {} },
    }))),
  });
  const { output, status } = await machine.bash('node "$STEPS/lifecycle.mjs"');
  expect(status).toBe(0);
  return output.split('\n').filter(Boolean).map((line) => line.replace(`${root}/`, '').replace(root, '.').replace('\t', ' '));
}

const of = (directory: string, scripts: string) => scripts.split(' ').map((script) => `${directory} ${script}`);

test.each<[string, string[]]>([
  ['npm', [
    ...of('packages/b', 'preinstall install postinstall prepare'), ...of('packages/a', 'preinstall install postinstall prepare'),
    ...of('.', 'dependencies preinstall install postinstall prepublish preprepare prepare postprepare'),
  ]],
  ['pnpm', [
    ...of('.', 'pnpm:devPreinstall'),
    ...of('packages/b', 'preinstall install postinstall preprepare prepare postprepare'), ...of('packages/a', 'preinstall install postinstall preprepare prepare postprepare'),
    ...of('.', 'preinstall install postinstall preprepare prepare postprepare'),
  ]],
  // "yarn run install" and "bun run install" run what comes before and after it.
  ['yarn', [...of('packages/b', 'install'), ...of('packages/a', 'install'), ...of('.', 'install prepublish prepare')]],
  ['berry', [...of('packages/b', 'preinstall install postinstall'), ...of('packages/a', 'preinstall install postinstall'), ...of('.', 'preinstall install postinstall')]],
  ['bun', [...of('packages/b', 'install prepare'), ...of('packages/a', 'install prepare'), ...of('.', 'install prepare')]],
])('%s: every script that an install would run', async (kind, expected) => {
  expect(await plan({ kind, packages: { '': ALL, 'packages/a': ALL, 'packages/b': ALL } })).toEqual(expected);
});

test('what there is no script for is left out', async () => {
  expect(await plan({ kind: 'yarn', packages: { '': { preinstall: 'true', prepare: 'true' } } })).toEqual(['. preinstall', '. prepare']);
  expect(await plan({ kind: 'bun', packages: { '': { postinstall: 'true' } } })).toEqual(['. postinstall']);
});

describe('packages of the workspace', () => {
  const packages = Object.fromEntries(['packages/ui', 'packages/ui/test/fixture', 'apps/web', 'apps/web/nested', 'examples/one', 'a.b', 'axb'].map((name) => [name, { postinstall: 'true' }]));
  const chosen = async (workspace: Partial<Workspace>) => (await plan({ kind: 'npm', packages: { '': {}, ...packages }, ...workspace })).map((line) => line.split(' ')[0]);

  test.each<[unknown, string[]]>([
    [['packages/*'], ['packages/ui']],
    [['./packages/*/', 'apps/web'], ['packages/ui', 'apps/web']],
    [['apps/**'], ['apps/web', 'apps/web/nested']],
    [['**', '!packages/**'], ['apps/web', 'apps/web/nested', 'examples/one', 'a.b', 'axb']],
    [['{apps,examples}/*'], ['apps/web', 'examples/one']],
    [['a.b'], ['a.b']],
    [{ packages: ['examples/*'], nohoist: ['**'] }, ['examples/one']],
    [[], []],
  ])('%j', async (workspaces, expected) => {
    expect(await chosen({ workspaces })).toEqual(expected);
  });

  test.each<[string, string[]]>([
    ['packages:\n  - "packages/*"\n  # a comment\n  - \'examples/*\'\ncatalog:\n  - apps/*\n', ['packages/ui', 'examples/one']],
    ['packages: [packages/*, "apps/web"]\n', ['packages/ui', 'apps/web']],
    ['packages:\n- packages/*\n- "!packages/ui"\n', []],
    ['catalog:\n  next: 16\n', []],
  ])('pnpm-workspace.yaml: %j', async (text, expected) => {
    expect(await chosen({ kind: 'pnpm', files: { 'pnpm-workspace.yaml': text } })).toEqual(expected);
  });
});

describe('none, if the app says so', () => {
  const packages = { '': { postinstall: 'true' } };

  test.each([
    ['npm', '.npmrc', 'ignore-scripts=true'], ['npm', '.npmrc', 'a=b\nignore-scripts = true\n'], ['pnpm', '.npmrc', 'ignore-scripts=true'],
    ['pnpm', 'pnpm-workspace.yaml', 'ignoreScripts: true'], ['yarn', '.yarnrc', 'ignore-scripts true'], ['yarn', '.yarnrc', '--install.ignore-scripts true'],
  ])('%s: %s %j', async (kind, file, text) => {
    expect(await plan({ kind, packages, files: { [file]: text } })).toEqual([]);
  });

  test('but not in a comment, nor for Yarn 2 and later, which do not mean the app\'s own', async () => {
    expect(await plan({ kind: 'npm', packages, files: { '.npmrc': '# ignore-scripts=true' } })).toHaveLength(1);
    expect(await plan({ kind: 'berry', packages, files: { '.npmrc': 'ignore-scripts=true' } })).toHaveLength(1);
  });
});
