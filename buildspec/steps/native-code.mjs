// Native code only runs on the processor it was compiled for.
import { closeSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';

/** Of this machine, and of the functions. */
export const HERE = { x64: 'x86_64' }[process.arch] ?? process.arch;
export const ARCHITECTURE = process.env.FUNCTION_ARCHITECTURE || HERE;
/** By the number at offset 18 of an ELF file; what is for neither, or no ELF file, is for a platform that Lambda does not have. */
const ELF_MACHINES = { 0x3e: 'x86_64', 0xb7: 'arm64' };

export const packageOf = (path) => /.*node_modules\/((@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? 'the app';

export function architectureOf(file) {
  const header = Buffer.alloc(20);
  const descriptor = openSync(file);
  readSync(descriptor, header);
  closeSync(descriptor);
  return header.toString('latin1', 0, 4) === '\x7fELF' ? ELF_MACHINES[header.readUInt16LE(18)] : undefined;
}

/** Packages whose native code is for another processor only. Some bring it for several, in one package or in one for each. */
export function foreignPackages(directory, paths) {
  const found = paths.filter((path) => /\.(node|so(\.\d+)*)$/.test(path)).map((path) => {
    const name = packageOf(path);
    return { name, family: name.replace(/x64|x86[-_]64|amd64|arm64|aarch64/, '*'), architecture: architectureOf(join(directory, path)) };
  });
  const fitting = new Set(found.filter(({ architecture }) => architecture === ARCHITECTURE).map(({ family }) => family));
  return [...new Set(found.filter(({ family, architecture }) => architecture && !fitting.has(family)).map(({ name }) => name))];
}
