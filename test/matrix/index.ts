/**
 * `npm run test:matrix [-- --only TEXT]`: small generated apps of every kind through the whole pipeline (registry, package manager, OpenNext,
 * handlers), each proven by calling the function that comes out. Some twenty minutes; not part of `npm test`.
 */
import { createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline as pipe } from 'node:stream/promises';
import { parseArgs } from 'node:util';
import { GetObjectCommand } from '@aws-sdk/client-s3';
import { COMBINATIONS, describe } from './combinations';
import { AppSpec, MARK, rootDirectoryOf, writeApp } from './generated-app';
import { lock } from './package-managers';
import { GitServer, snapshot, startGitServer } from '../../local/git-server';
import { prepareImage } from '../../local/image';
import { invokeFunctionUrl } from '../../local/invoke';
import { LocalPipeline } from '../support/local-pipeline';

/** A small app takes a minute; the registry may be slow. */
const BUILD_TIMEOUT_MS = 10 * 60_000;
const LOG_LINES = 40;

interface Tools {
  readonly directory: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly gitServer: GitServer;
  readonly pipeline: LocalPipeline;
}

/** Undefined: all is well. */
async function tryOut(spec: AppSpec, name: string, { directory, environment, gitServer, pipeline }: Tools): Promise<string | undefined> {
  const folder = path.join(directory, name);
  await writeApp(folder, spec);
  await lock(folder, spec.manager, environment);
  const { branch, commitSha, repository } = await snapshot(folder, path.join(directory, `${name}.snapshot`));
  await pipeline.pipeline.send({
    deploymentId: name, projectId: name, commitSha, branch, repoUrl: gitServer.addRepository(name, repository), rootDirectory: rootDirectoryOf(spec),
  });
  const record = await pipeline.ended(name, BUILD_TIMEOUT_MS);
  if (record.status !== 'success') {
    const log = record.buildId ? (await pipeline.buildLog(record.buildId)).trimEnd().split('\n').slice(-LOG_LINES) : [];
    return [`${record.failureCode}: ${record.failureMessage}`, ...log].join('\n');
  }
  const { artifactsBucket, s3 } = pipeline.pipeline;
  const zipFile = path.join(folder, 'lambda.zip');
  const { Body } = await s3.send(new GetObjectCommand({ Bucket: artifactsBucket, Key: record.artifacts!.lambdaKey }));
  await pipe(Body as Readable, createWriteStream(zipFile));
  const [page, api] = await invokeFunctionUrl({ zipFile, requests: ['/', '/api/hello'].map((to) => ({ method: 'GET', path: to })) });
  if (page.status !== 200 || !page.body.includes(MARK)) return `/ answered ${page.status}: ${page.body.slice(0, 500)}`;
  if (api.status !== 200 || !api.body.includes('/api/hello')) return `/api/hello answered ${api.status}: ${api.body.slice(0, 500)}`;
  return undefined;
}

async function main(): Promise<number> {
  const { values: { only } } = parseArgs({ options: { only: { type: 'string' } } });
  const chosen = COMBINATIONS.filter((spec) => describe(spec).includes(only ?? ''));
  if (chosen.length === 0) throw new Error(`No combination says "${only}". There are:\n${COMBINATIONS.map(describe).join('\n')}`);
  const directory = await mkdtemp(path.join(tmpdir(), 'matrix-'));
  const gitServer = await startGitServer();
  const { environment } = await prepareImage({ directory: path.join(directory, 'image') });
  const pipeline = await LocalPipeline.start({ imageEnvironment: gitServer.buildEnvironment });
  const startedAt = performance.now();
  let failed = 0;
  try {
    for (const [index, spec] of chosen.entries()) {
      const began = performance.now();
      const problem = await tryOut(spec, `app-${index + 1}`, { directory, environment, gitServer, pipeline }).catch((error: Error) => error.message);
      console.log(`${problem === undefined ? 'ok    ' : 'FAILED'} ${describe(spec).padEnd(60)} ${((performance.now() - began) / 1000).toFixed(0).padStart(4)} s`);
      if (problem !== undefined) {
        failed += 1;
        console.log(problem.replace(/^/gm, '    '));
      }
      await rm(path.join(directory, `app-${index + 1}`), { recursive: true, force: true });
    }
  } finally {
    await pipeline.close();
    await gitServer.close();
    await rm(directory, { recursive: true, force: true, maxRetries: 3 });
  }
  console.log(`\n${chosen.length - failed} of ${chosen.length} combinations work, ${((performance.now() - startedAt) / 60_000).toFixed(1)} minutes`);
  return failed === 0 ? 0 : 1;
}

main().then((status) => process.exit(status), (error: Error) => {
  console.error(error);
  process.exit(2);
});
