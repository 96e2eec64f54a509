/**
 * How long builds take: ours without cache, with it, with a dependency added, of the same commit again; beside the recipe that everybody
 * copies (naive.sh), and the floor: OpenNext in a working copy where everything is in place. Through the real buildspec and the real handlers,
 * in one run on one machine; the rounds take turns, so that whatever else the machine does hits all alike.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { APPS, folderApp, type BenchApp } from './apps';
import { Contender, measureApp } from './contender';
import { median, print, type AppFigures } from './figures';
import { startGitServer } from '../../local/git-server';
import { prepareImage } from '../../local/image';
import { LocalPipeline } from '../../test/support/local-pipeline';

export interface BuildsOptions {
  /** Name of one of ours, or a folder; all of ours, if left out. */
  readonly app?: string;
  readonly json?: string;
  readonly rounds: number;
}

export async function builds({ app, json, rounds }: BuildsOptions): Promise<void> {
  const apps: readonly BenchApp[] = app === undefined ? APPS : [APPS.find(({ name }) => name === app) ?? folderApp(app)];
  const directory = await mkdtemp(path.join(tmpdir(), 'bench-builds-'));
  const gitServer = await startGitServer();
  const image = await prepareImage({ directory: path.join(directory, 'image') });
  const pipeline = await LocalPipeline.start({ imageEnvironment: gitServer.buildEnvironment });
  const results: AppFigures[] = [];
  try {
    for (const one of apps) {
      const contender = await Contender.prepare(one, { directory: path.join(directory, one.name), gitServer, pipeline, environment: image.environment });
      const figures = await measureApp(contender, rounds, (line) => console.error(`${one.name}: ${line}`));
      results.push(figures);
      print(figures);
      if (json) await writeFile(json, `${JSON.stringify({ apps: results.map(medians) }, undefined, 2)}\n`);
    }
  } finally {
    await pipeline.close();
    await gitServer.close();
    await rm(directory, { recursive: true, force: true, maxRetries: 3 });
  }
}

function medians({ name, seconds, cacheBytes, artifactBytes }: AppFigures) {
  return { name, ...Object.fromEntries(Object.entries(seconds).map(([variant, all]) => [variant, median(all)])), cacheBytes, artifactBytes };
}
