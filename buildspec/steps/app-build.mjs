// What OpenNext's configuration says of the app's build: facts `build-command` (empty: the "build" script) and `build-output` (the directory
// with .next and .open-next). Then gives OpenNext the app's own configuration, copies of which get into the functions.
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { load, save } from './common.mjs';

const { buildCommand, buildOutputPath, edgeExternals } = JSON.parse(process.argv[2]);
const output = resolve(load('app'), buildOutputPath ?? '.');
save({ 'build-command': buildCommand ?? '', 'build-output': output });

const compiler = await import(join(load('open-next'), 'dist/build/compileConfig.js'));
// Before 3.2 this is done otherwise, and nobody reads the build command at run time.
if (compiler.compileOpenNextConfig) {
  const config = join(load('app'), 'open-next.config.ts');
  const compiled = join(output, '.open-next/.build');
  compiler.compileOpenNextConfigNode(config, compiled, []);
  if (existsSync(join(compiled, 'open-next.config.edge.mjs'))) compiler.compileOpenNextConfigEdge(config, compiled, edgeExternals ?? []);
}
