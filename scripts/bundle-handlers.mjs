// Bundles every lambda/<name>/index.ts into assets/<name>/index.js, with all of its dependencies, as it is published and deployed;
// then the steps of the buildspec.
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const handlers = readdirSync(join(root, 'lambda'), { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && entry.name !== 'shared')
  .map((entry) => entry.name);

rmSync(join(root, 'assets'), { recursive: true, force: true });
await build({
  absWorkingDir: root,
  entryPoints: Object.fromEntries(handlers.map((name) => [`${name}/index`, `lambda/${name}/index.ts`])),
  outdir: 'assets',
  bundle: true,
  minify: true,
  platform: 'node',
  // ES modules where a package has them: what is not used is left out.
  mainFields: ['module', 'main'],
  // Where the SDK looks for credentials when the environment has none. Lambda always puts them there, so these are never imported.
  external: [
    ...['http', 'ini', 'process', 'sso', 'web-identity'].map((source) => `@aws-sdk/credential-provider-${source}`),
    '@smithy/credential-provider-imds',
  ],
  // The deployed runtime is newer; the local run executes the same file on a laptop's Node.js 20.
  target: 'node20',
  format: 'cjs',
  // A user's asset hash must change only when the handler does: no paths, no comments in the output.
  legalComments: 'none',
  logLevel: 'warning',
});
await import('./bundle-steps.mjs');
