/** Pages router, Next.js 15, webpack, yarn 1: articles as static pages, a few with data of each request, API routes. */
import { BenchApp, json, OPEN_NEXT, range, writeFiles } from './bench-app';

const SECTIONS = ['politics', 'sports', 'culture', 'science', 'travel', 'food'];

const article = (section: string) => `import Head from 'next/head';
import Link from 'next/link';
import { marked } from 'marked';
import { format } from 'date-fns';
import { textOf } from '../../lib/text';

export function getStaticPaths() {
  return { paths: Array.from({ length: 30 }, (_, index) => ({ params: { slug: \`\${index + 1}\` } })), fallback: 'blocking' };
}

export function getStaticProps({ params }) {
  return { props: { slug: params.slug, html: marked.parse(textOf('${section}', Number(params.slug))) }, revalidate: 600 };
}

export default function Article({ html, slug }) {
  return (
    <>
      <Head><title>{\`${section} \${slug}\`}</title></Head>
      <Link href="/">Home</Link>
      <time>{format(new Date(2026, 0, Number(slug) % 28 + 1), 'PPP')}</time>
      <article dangerouslySetInnerHTML={{ __html: html }} />
    </>
  );
}
`;

const files: Record<string, string> = {
  'next.config.mjs': 'export default {};\n',
  'package.json': json({
    name: 'magazine',
    version: '1.0.0',
    private: true,
    packageManager: 'yarn@1.22.22',
    scripts: { prebuild: 'node scripts/index.js', build: 'next build' },
    dependencies: { 'date-fns': '4.1.0', 'marked': '16.4.2', 'next': '15.5.28', 'react': '19.3.1', 'react-dom': '19.3.1', 'swr': '2.3.6' },
  }),
  '.gitignore': 'node_modules\n.next\n.open-next\nlib/index.json\n',
  'scripts/index.js': `require('node:fs').writeFileSync('lib/index.json', JSON.stringify(${JSON.stringify(SECTIONS)}));\n`,
  'lib/text.js': 'export const textOf = (section, number) => Array.from({ length: 40 }, (_, line) => `## ${section} ${number}.${line}\\n\\nSome *text* of line ${line}.\\n`).join(\'\\n\');\n',
  'pages/_app.js': 'import \'../styles.css\';\n\nexport default function App({ Component, pageProps }) {\n  return <Component {...pageProps} />;\n}\n',
  'styles.css': 'body { font-family: serif; margin: 2rem auto; max-width: 50rem; }\n',
  'pages/index.js': `import Link from 'next/link';
import sections from '../lib/index.json';

export default function Home() {
  return <ul>{sections.map((section) => <li key={section}><Link href={\`/\${section}/1\`}>{section}</Link></li>)}</ul>;
}
`,
  'pages/search.js': `import useSWR from 'swr';

export function getServerSideProps({ query }) {
  return { props: { words: query.words ?? '' } };
}

export default function Search({ words }) {
  const { data } = useSWR(\`/api/search?words=\${words}\`, (url) => fetch(url).then((response) => response.json()));
  return <pre>{JSON.stringify(data)}</pre>;
}
`,
  'pages/api/search.js': 'export default function handler(request, response) {\n  response.json({ words: request.query.words ?? \'\' });\n}\n',
  ...Object.fromEntries(SECTIONS.map((section) => [`pages/${section}/[slug].js`, article(section)])),
  ...Object.fromEntries(range(6).map((number) => [`pages/about/${number}.js`, `export default function About() {\n  return <p>About us, part ${number}</p>;\n}\n`])),
};

export const magazine: BenchApp = {
  name: 'magazine',
  manager: { name: 'yarn', version: '1.22.22' },
  openNext: OPEN_NEXT,
  sourceFile: 'lib/text.js',
  needsLockfile: true,
  write: (directory) => writeFiles(directory, files),
};
