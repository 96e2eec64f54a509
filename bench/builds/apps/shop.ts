/** Some forty routes: app router, Tailwind, a UI kit, images, ISR, API routes, middleware. npm, Turbopack. */
import { BenchApp, json, OPEN_NEXT, picture, range, TSCONFIG, writeFiles } from './bench-app';

const CATEGORIES = ['shirts', 'shoes', 'hats', 'bags', 'watches', 'belts', 'socks', 'coats'];
const TSX = { layout: 'app/layout.tsx', page: 'app/page.tsx' };

const layout = `import './globals.css';
import type { ReactNode } from 'react';
import { Menu } from '../components/menu';

export const metadata = { title: 'Shop' };

export default function Layout({ children }: { children: ReactNode }) {
  return (
    <html lang="en">
      <body className="bg-slate-50 text-slate-900">
        <Menu categories={${JSON.stringify(CATEGORIES)}} />
        <main className="mx-auto max-w-5xl p-8">{children}</main>
      </body>
    </html>
  );
}
`;

const menu = `'use client';

import { Menu as HeadlessMenu, MenuButton, MenuItem, MenuItems } from '@headlessui/react';
import { ShoppingBag } from 'lucide-react';
import Link from 'next/link';

export function Menu({ categories }: { categories: string[] }) {
  return (
    <HeadlessMenu as="nav" className="flex items-center gap-4 border-b border-slate-200 bg-white p-4">
      <ShoppingBag className="size-6" />
      <MenuButton className="rounded-lg bg-slate-900 px-4 py-2 text-white">Categories</MenuButton>
      <MenuItems anchor="bottom" className="rounded-lg bg-white shadow-xl">
        {categories.map((category) => (
          <MenuItem key={category}>
            <Link href={\`/\${category}\`} className="block px-4 py-2 capitalize data-focus:bg-slate-100">{category}</Link>
          </MenuItem>
        ))}
      </MenuItems>
    </HeadlessMenu>
  );
}
`;

const card = `import Image from 'next/image';

export function Card({ name, picture, price }: { name: string; picture: number; price: number }) {
  return (
    <article className="overflow-hidden rounded-2xl bg-white shadow transition hover:-translate-y-1 hover:shadow-lg">
      <Image src={\`/pictures/\${picture}.png\`} alt={name} width={256} height={256} className="aspect-square w-full object-cover" />
      <h2 className="px-4 pt-4 text-lg font-semibold">{name}</h2>
      <p className="px-4 pb-4 text-slate-500">{price.toFixed(2)}</p>
    </article>
  );
}
`;

const categoryPage = (category: string) => `import { Card } from '../../components/card';

export const revalidate = 60;

export default function Page() {
  return (
    <section className="grid grid-cols-2 gap-6 md:grid-cols-4">
      {Array.from({ length: 12 }, (_, index) => <Card key={index} name={\`${category} \${index + 1}\`} picture={index % 8 + 1} price={10 + index} />)}
    </section>
  );
}
`;

const productPage = (category: string) => `import { Card } from '../../../components/card';

export const revalidate = 300;

export function generateStaticParams() {
  return Array.from({ length: 20 }, (_, index) => ({ product: String(index + 1) }));
}

export default async function Page({ params }: { params: Promise<{ product: string }> }) {
  const { product } = await params;
  return <Card name={\`${category} \${product}\`} picture={Number(product) % 8 + 1} price={Number(product)} />;
}
`;

const files: Record<string, string | Buffer> = {
  'next.config.mjs': 'export default {};\n',
  'package.json': json({
    name: 'shop',
    version: '1.0.0',
    private: true,
    packageManager: 'npm@11.21.2',
    scripts: { build: 'next build' },
    dependencies: {
      '@headlessui/react': '2.2.10', 'lucide-react': '1.75.0', 'next': '16.4.5', 'react': '19.3.1', 'react-dom': '19.3.1', 'zod': '4.4.3',
    },
    devDependencies: {
      '@tailwindcss/postcss': '4.3.5', '@types/node': '22.20.5', '@types/react': '19.3.0', 'tailwindcss': '4.3.5', 'typescript': '5.9.3',
    },
  }),
  '.gitignore': 'node_modules\n.next\n.open-next\nnext-env.d.ts\n',
  'tsconfig.json': TSCONFIG,
  'postcss.config.mjs': 'export default { plugins: { \'@tailwindcss/postcss\': {} } };\n',
  'app/globals.css': '@import "tailwindcss";\n',
  [TSX.layout]: layout,
  [TSX.page]: categoryPage('offer').replace('../../components', '../components'),
  'components/menu.tsx': menu,
  'components/card.tsx': card,
  'proxy.ts': 'import { NextResponse } from \'next/server\';\n\nexport function proxy() {\n  return NextResponse.next({ headers: { \'x-shop\': \'yes\' } });\n}\n',
  ...Object.fromEntries(CATEGORIES.flatMap((category) => [
    [`app/${category}/page.tsx`, categoryPage(category)],
    [`app/${category}/[product]/page.tsx`, productPage(category)],
    [`app/${category}/about/page.tsx`, `export default function Page() {\n  return <p className="prose text-xl">About our ${category}.</p>;\n}\n`],
    [`app/api/${category}/route.ts`, `import { z } from 'zod';

const query = z.object({ page: z.coerce.number().int().min(1).default(1) });

export function GET(request: Request) {
  const { page } = query.parse(Object.fromEntries(new URL(request.url).searchParams));
  return Response.json({ category: '${category}', page });
}
`],
    [`app/account/${category}/page.tsx`, `export const dynamic = 'force-dynamic';\n\nexport default function Page() {\n  return <p>Your ${category}, {new Date().toISOString()}</p>;\n}\n`],
  ])),
  ...Object.fromEntries(range(8).map((number) => [`public/pictures/${number}.png`, picture(256, number)])),
};

export const shop: BenchApp = {
  name: 'shop',
  manager: { name: 'npm', version: '11.21.2' },
  openNext: OPEN_NEXT,
  sourceFile: 'components/card.tsx',
  needsLockfile: true,
  write: (directory) => writeFiles(directory, files),
};
