/** A turborepo: the app in apps/web, a UI package and a package of logic beside it. pnpm, Next.js 16. */
import { BenchApp, json, OPEN_NEXT, range, TSCONFIG, writeFiles } from './bench-app';

const files: Record<string, string> = {
  'package.json': json({ name: 'monorepo', private: true, packageManager: 'pnpm@10.34.9', scripts: { build: 'turbo run build' }, devDependencies: { turbo: '2.11.11' } }),
  'pnpm-workspace.yaml': 'packages:\n  - "apps/*"\n  - "packages/*"\n',
  'turbo.json': json({ tasks: { build: { dependsOn: ['^build'], outputs: ['.next/**', '!.next/cache/**'] } } }),
  '.gitignore': 'node_modules\n.next\n.open-next\n.turbo\nnext-env.d.ts\n*.zip\n',
  'packages/ui/package.json': json({ name: '@monorepo/ui', version: '1.0.0', private: true, exports: { './*': './src/*.tsx' }, dependencies: { react: '19.3.1' }, devDependencies: { '@types/react': '19.3.0' } }),
  ...Object.fromEntries(range(20).map((number) => [`packages/ui/src/button-${number}.tsx`, `import type { ReactNode } from 'react';

export function Button${number}({ children }: { children: ReactNode }) {
  return <button type="button" data-kind="${number}">{children}</button>;
}
`])),
  'packages/logic/package.json': json({ name: '@monorepo/logic', version: '1.0.0', private: true, main: 'index.ts' }),
  'packages/logic/index.ts': 'export const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);\n',
  'apps/web/package.json': json({
    name: 'web',
    version: '1.0.0',
    private: true,
    scripts: { build: 'next build' },
    dependencies: { '@monorepo/logic': 'workspace:*', '@monorepo/ui': 'workspace:*', 'next': '16.4.5', 'react': '19.3.1', 'react-dom': '19.3.1' },
    devDependencies: { '@types/node': '22.20.5', '@types/react': '19.3.0', 'typescript': '5.9.3' },
  }),
  'apps/web/next.config.ts': 'export default { transpilePackages: [\'@monorepo/ui\', \'@monorepo/logic\'] };\n',
  'apps/web/tsconfig.json': TSCONFIG,
  'apps/web/app/layout.tsx': 'import type { ReactNode } from \'react\';\n\nexport default function Layout({ children }: { children: ReactNode }) {\n  return <html><body>{children}</body></html>;\n}\n',
  'apps/web/app/page.tsx': 'export default function Page() {\n  return <h1>Home</h1>;\n}\n',
  'apps/web/app/api/sum/route.ts': 'import { sum } from \'@monorepo/logic\';\n\nexport function POST() {\n  return Response.json({ sum: sum([1, 2, 3]) });\n}\n',
  ...Object.fromEntries(range(20).map((number) => [`apps/web/app/buttons/${number}/page.tsx`, `import { Button${number} } from '@monorepo/ui/button-${number}';

export const revalidate = ${number * 10};

export default function Page() {
  return <Button${number}>Number ${number}</Button${number}>;
}
`])),
};

export const monorepo: BenchApp = {
  name: 'monorepo',
  manager: { name: 'pnpm', version: '10.34.9' },
  openNext: OPEN_NEXT,
  rootDirectory: 'apps/web',
  sourceFile: 'app/page.tsx',
  needsLockfile: true,
  write: (directory) => writeFiles(directory, files),
};
