/** `npm run bench -- <name> [options]`: the project's benchmarks. Each prints its figures beside those of a named alternative, from one run. */
import { parseArgs } from 'node:util';
import { builds } from './builds';
import { burst } from './burst';
import { promotion } from './promotion';
import { webhook } from './webhook';

const USAGE = `npm run bench -- burst [--json FILE] [--requests N] [--seed N] [--codebuild-queue N]
npm run bench -- builds [--app NAME|DIR] [--json FILE] [--rounds N]
npm run bench -- promotion [--json FILE] [--objects N]
npm run bench -- webhook [--json FILE] [--pushes N]

  burst   10,000 build requests of 200 projects on an account that runs 20 builds at a time, beside the naive design

  builds  how long builds of real apps take, beside the recipe that everybody copies and beside the floor; an hour or so

  promotion  20,000 objects of one build, promoted by a finalizer that lives, and by one that is killed halfway; some minutes

  webhook  1,000 signed pushes in a burst to the webhook's function, beside the naive handler; a minute or so

  --json FILE          also writes the figures there
  --requests N         of all projects together (default 10000)
  --seed N             decides arrivals, build times, latencies (default 1)
  --codebuild-queue N  builds that CodeBuild itself lets wait (default 0: it refuses them)

  --app NAME|DIR       only example, shop, magazine or monorepo; or an app of yours in a folder
  --rounds N           of each variant; the medians count (default 3)

  --objects N          that the build stored (default 20000)

  --pushes N           of all projects together (default 1000)`;

async function main(args: string[]): Promise<void> {
  const { positionals: [name, ...rest], values } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      'json': { type: 'string' },
      'requests': { type: 'string', default: '10000' },
      'seed': { type: 'string', default: '1' },
      'codebuild-queue': { type: 'string', default: '0' },
      'app': { type: 'string' },
      'rounds': { type: 'string', default: '3' },
      'objects': { type: 'string', default: '20000' },
      'pushes': { type: 'string', default: '1000' },
    },
  });
  if (!['burst', 'builds', 'promotion', 'webhook'].includes(name) || rest.length > 0) {
    throw new UsageError(`Expected the name of a benchmark: burst, builds, promotion or webhook. Got: ${[name, ...rest].join(' ') || 'nothing'}.`);
  }
  if (name === 'builds') return builds({ app: values.app, json: values.json, rounds: wholeNumber('--rounds', values.rounds, 1) });
  if (name === 'promotion') return promotion({ json: values.json, objects: wholeNumber('--objects', values.objects, 100) });
  if (name === 'webhook') return webhook({ json: values.json, pushes: wholeNumber('--pushes', values.pushes, 100) });
  await burst({
    json: values.json,
    requests: wholeNumber('--requests', values.requests, PROJECTS),
    seed: wholeNumber('--seed', values.seed, 0),
    codeBuildQueue: wholeNumber('--codebuild-queue', values['codebuild-queue'], 0),
  });
}

class UsageError extends Error {}

/** Fewer requests than projects would say nothing of turns. */
const PROJECTS = 400;

function wholeNumber(option: string, text: string, least: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < least) throw new UsageError(`${option}: expected a whole number of at least ${least}, got ${text}.`);
  return value;
}

main(process.argv.slice(2)).catch((error: Error & { code?: string }) => {
  const isUsage = error instanceof UsageError || String(error.code).startsWith('ERR_PARSE_ARGS');
  console.error(isUsage ? `${error.message}\n\n${USAGE}` : error);
  process.exitCode = isUsage ? 2 : 1;
});
