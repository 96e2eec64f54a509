/** Puts a stand-in for a missing program into a directory of PATH: bundled, so that it starts fast and anywhere. */
import { chmod, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';

export async function installStandIn(name: 'aws' | 'zip', bin: string): Promise<void> {
  const bundle = join(bin, `${name}-stand-in.js`);
  await build({
    entryPoints: [join(__dirname, 'stand-ins', `${name}.ts`)],
    outfile: bundle,
    bundle: true,
    platform: 'node',
    target: 'node20',
    logLevel: 'error',
  });
  // The SDK tells about the end of its support for Node.js 20 on standard error, where a build's log would show it at each call.
  const environment = 'AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED=true NODE_OPTIONS=';
  await writeExecutable(join(bin, name), `#!/bin/sh\n${environment} exec ${quote(process.execPath)} ${quote(bundle)} "$@"\n`);
}

/** Replaces the program in one step: a build of another local run may be starting it. */
export async function writeExecutable(path: string, text: string): Promise<void> {
  const partial = `${path}.${process.pid}`;
  await writeFile(partial, text);
  await chmod(partial, 0o755);
  await rename(partial, path);
}

export function quote(text: string): string {
  return `'${text.replaceAll('\'', '\'\\\'\'')}'`;
}
