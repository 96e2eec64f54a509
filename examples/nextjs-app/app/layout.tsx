import type { Metadata } from 'next';
import Link from 'next/link';
import type { ReactNode } from 'react';
import './globals.css';

export const metadata: Metadata = {
  title: 'Built by NextjsBuildPipeline',
  description: 'An example app that shows what a build has to carry over.',
};

export default function RootLayout({ children }: { children: ReactNode }) {
  return (
    <html lang="en">
      <body>
        <nav>
          <Link href="/">Home</Link>
          <Link href="/isr">ISR</Link>
          <Link href="/image">Image</Link>
          <a href="/api/hello/world">API</a>
        </nav>
        <main>{children}</main>
      </body>
    </html>
  );
}
