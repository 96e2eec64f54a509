/** A small Next.js app of any kind: package manager, version of Next.js, router, bundler, layout of the repository. */
import { mkdir, writeFile } from 'node:fs/promises';
import * as path from 'node:path';
import { isBerry, nodeFor, PackageManager } from './package-managers';

export interface AppSpec {
  readonly manager: PackageManager;
  /** Exact version. */
  readonly next: string;
  readonly router: 'app' | 'pages';
  readonly layout: 'single' | 'workspaces' | 'turborepo' | 'nx';
  /** In place of the one that this Next.js takes by itself. */
  readonly bundler?: 'webpack' | 'turbopack';
  /** Yarn only: no node_modules on the developer's machine. */
  readonly plugAndPlay?: boolean;
}

type Files = Record<string, string>;

/** What the page shows; it comes from a package of the workspace where there is one. */
export const MARK = 'generated-app-mark';

const TURBO = '2.11.11';
const NX = '24.0.6';

/** Directory of the app in the repository; undefined: its root. */
export function rootDirectoryOf({ layout }: AppSpec): string | undefined {
  return layout === 'single' ? undefined : 'apps/web';
}

export async function writeApp(directory: string, spec: AppSpec): Promise<void> {
  for (const [name, content] of Object.entries(filesOf(spec))) {
    const file = path.join(directory, name);
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, content);
  }
}

function filesOf(spec: AppSpec): Files {
  const { layout, manager } = spec;
  const node = nodeFor(manager);
  const settings: Files = {
    ...isBerry(manager) ? { '.yarnrc.yml': `nodeLinker: ${spec.plugAndPlay ? 'pnp' : 'node-modules'}\nenableTelemetry: false\n` } : {},
    ...node === undefined ? {} : { '.nvmrc': `${node}\n` },
  };
  if (layout === 'single') return { ...settings, ...app(spec, { packageManager: `${manager.name}@${manager.version}` }) };
  const directory = rootDirectoryOf(spec)!;
  return {
    ...settings,
    ...workspaceRoot(spec),
    ...Object.fromEntries(Object.entries(app(spec, {})).map(([name, content]) => [`${directory}/${name}`, content])),
    'packages/words/package.json': json({ name: '@generated/words', version: '1.0.0', private: true, main: 'index.js' }),
    'packages/words/index.js': `exports.mark = '${MARK}';\n`,
  };
}

function workspaceRoot({ layout, manager }: AppSpec): Files {
  const tools: Record<string, Record<string, string>> = { turborepo: { turbo: TURBO }, nx: { nx: NX } };
  const build = { turborepo: 'turbo run build', nx: 'nx run-many -t build', workspaces: 'true', single: 'true' }[layout];
  return {
    'package.json': json({
      name: 'generated',
      private: true,
      packageManager: `${manager.name}@${manager.version}`,
      ...(manager.name === 'pnpm' ? {} : { workspaces: ['apps/*', 'packages/*'] }),
      scripts: { build },
      devDependencies: tools[layout],
    }),
    ...(manager.name === 'pnpm' ? { 'pnpm-workspace.yaml': 'packages:\n  - "apps/*"\n  - "packages/*"\n' } : {}),
    ...(layout === 'turborepo' ? { 'turbo.json': json({ tasks: { build: { dependsOn: ['^build'], outputs: ['.next/**', '!.next/cache/**'] } } }) } : {}),
    ...(layout === 'nx' ? { 'nx.json': json({ targetDefaults: { build: { dependsOn: ['^build'] } } }) } : {}),
  };
}

function app({ bundler, layout, manager, next, router }: AppSpec, fields: object): Files {
  const react = next.startsWith('14') ? '18.3.1' : '19.3.1';
  // npm and yarn 1 know no protocol for packages of the workspace.
  const words = manager.name === 'npm' || (manager.name === 'yarn' && !isBerry(manager)) ? '1.0.0' : 'workspace:*';
  const mark = layout === 'single' ? `const mark = '${MARK}';` : 'import { mark } from \'@generated/words\';';
  return {
    'package.json': json({
      name: 'web',
      version: '1.0.0',
      private: true,
      ...fields,
      scripts: { build: `next build${bundler ? ` --${bundler}` : ''}` },
      dependencies: { next, react, 'react-dom': react, ...(layout === 'single' ? {} : { '@generated/words': words }) },
    }),
    '.gitignore': 'node_modules\n.next\n.open-next\n',
    'public/robots.txt': 'User-agent: *\n',
    ...(router === 'app' ? {
      'app/layout.js': 'export default function Layout({ children }) {\n  return <html><body>{children}</body></html>;\n}\n',
      'app/page.js': `${mark}\n\nexport default function Page() {\n  return <h1>{mark}</h1>;\n}\n`,
      'app/api/hello/route.js': 'export const dynamic = \'force-dynamic\';\n\nexport function GET(request) {\n  return Response.json({ path: new URL(request.url).pathname });\n}\n',
    } : {
      'pages/index.js': `${mark}\n\nexport async function getServerSideProps() {\n  return { props: { mark } };\n}\n\nexport default function Page(props) {\n  return <h1>{props.mark}</h1>;\n}\n`,
      'pages/api/hello.js': 'export default function handler(request, response) {\n  response.json({ path: request.url });\n}\n',
    }),
  };
}

function json(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}
