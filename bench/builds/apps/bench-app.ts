import { mkdir, writeFile } from 'node:fs/promises';
import * as path from 'node:path';
import { crc32, deflateSync } from 'node:zlib';
import type { PackageManager } from '../../../test/matrix/package-managers';

/** For all of these apps. */
export const OPEN_NEXT = '4.1.12';

export interface BenchApp {
  readonly name: string;
  readonly manager: PackageManager;
  /** Version of @opennextjs/aws that fits its Next.js. */
  readonly openNext: string;
  readonly rootDirectory?: string;
  /** A module of the app, below its directory, that gets one more line: the change. */
  readonly sourceFile: string;
  readonly needsLockfile: boolean;
  write(directory: string): Promise<void>;
}

export async function writeFiles(directory: string, files: Readonly<Record<string, string | Buffer>>): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    const file = path.join(directory, name);
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, content);
  }
}

export function json(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}

/** As `next build` would write it. */
export const TSCONFIG = json({
  compilerOptions: {
    target: 'ES2022',
    lib: ['dom', 'esnext'],
    strict: true,
    noEmit: true,
    module: 'esnext',
    moduleResolution: 'bundler',
    jsx: 'react-jsx',
    esModuleInterop: true,
    isolatedModules: true,
    skipLibCheck: true,
    incremental: true,
    resolveJsonModule: true,
    allowJs: true,
    plugins: [{ name: 'next' }],
  },
  include: ['**/*.ts', '**/*.tsx', '.next/types/**/*.ts', '.next/dev/types/**/*.ts'],
  exclude: ['node_modules'],
});

export const range = (count: number) => Array.from({ length: count }, (_, index) => index + 1);

/** A picture of noise: it compresses as badly as a photograph. */
export function picture(size: number, seed: number): Buffer {
  let state = seed;
  const row = () => Buffer.from([0, ...range(size * 3).map(() => Math.floor((state = (state * 48271) % 2147483647) / 65536) % 256)]);
  const chunk = (type: string, data: Buffer) => {
    const body = Buffer.concat([Buffer.from(type), data]);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(data.length);
    const sum = Buffer.alloc(4);
    sum.writeUInt32BE(crc32(body));
    return Buffer.concat([length, body, sum]);
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(size, 0);
  header.writeUInt32BE(size, 4);
  header.set([8, 2, 0, 0, 0], 8);
  const pixels = deflateSync(Buffer.concat(range(size).map(row)));
  return Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), chunk('IHDR', header), chunk('IDAT', pixels), chunk('IEND', Buffer.alloc(0))]);
}
