/** `npm run local`: runs a synthesized pipeline on this machine. Never talks to AWS, listens on 127.0.0.1 only. */
import './isolation';
import * as path from 'node:path';
import { parseArgs } from 'node:util';
import { BuildCommand, runBuilds } from './build-command';
import { exitStatusOf, runUntilInterrupted } from './interruption';
import { exitStatusFor } from './report';
import { isRemote } from './source';
import { UsageError } from './usage-error';
import { variableNameProblem } from '../src/contract/environment';

const USAGE = `Usage: npm run local -- build <folder | git URL> [options]

Builds a Next.js app through the pipeline of a synthesized template: queue, orchestrator, CodeBuild, finalizer.
A folder that is no git repository, or has uncommitted changes, is built as it is. Relative paths begin where you stand.

  --commit SHA           commit, branch or tag to build (default: HEAD)
  --root-directory DIR   the app's directory in the repository (default: its root)
  --project-id ID        default: made of the folder's name
  --repeat N             number of deployments, one after the other (default: 1)
  --force                build even what has been built before with the same settings (--repeat, --state)
  --without-cache        restore no build cache
  --env KEY=VALUE        environment variable for the build; may be repeated
  --secrets FILE         values of secrets for the local Secrets Manager, by their names, as JSON
  --template DIR         a cdk.out with one pipeline in it (default: the example stack, synthesized now)
  --state DIR            keep bucket, table and logs here between runs (default: a temporary folder)
  --json FILE            write what happened as JSON

Exit status: 0 if every deployment ended in success, 1 if one failed, 2 for a call that makes no sense,
3 if none failed but a newer deployment of the same branch took the place of one, 130 after Ctrl-C.`;

/** npm runs scripts in the package's folder, and tells where it was called itself. */
const absolute = (file: string) => path.resolve(process.env.INIT_CWD ?? process.cwd(), file);

function parse(args: string[]): BuildCommand {
  const { values, positionals } = parseOrExplain(args);
  const [command, source, ...rest] = positionals;
  if (command !== 'build') throw new UsageError(command ? `There is no command "${command}".` : 'Which command?');
  if (!source) throw new UsageError('What is to be built? Name a folder or a git URL.');
  if (rest.length) throw new UsageError(`One source at a time; what is "${rest[0]}"? Did you forget "--" after "npm run local"?`);
  const repeat = Number(values.repeat ?? '1');
  if (!Number.isInteger(repeat) || repeat < 1) throw new UsageError(`--repeat takes a whole number from 1, got "${values.repeat}".`);
  const pathOf = (file?: string) => file === undefined ? undefined : absolute(file);
  return {
    source: isRemote(source) ? source : absolute(source),
    repeat,
    forceBuild: values.force,
    withoutCache: values['without-cache'],
    commit: values.commit,
    rootDirectory: values['root-directory'],
    projectId: values['project-id'],
    environment: Object.fromEntries((values.env ?? []).map(parseVariable)),
    secrets: pathOf(values.secrets),
    template: pathOf(values.template),
    state: pathOf(values.state),
    json: pathOf(values.json),
  };
}

function parseOrExplain(args: string[]) {
  const text = { type: 'string' } as const;
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        'commit': text,
        'root-directory': text,
        'project-id': text,
        'repeat': text,
        'force': { type: 'boolean' },
        'without-cache': { type: 'boolean' },
        'env': { type: 'string', multiple: true },
        'secrets': text,
        'template': text,
        'state': text,
        'json': text,
        'help': { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function parseVariable(pair: string): [string, string] {
  const [, name, value] = /^([A-Za-z_][A-Za-z0-9_]*)=(.*)$/s.exec(pair) ?? [];
  if (name === undefined) throw new UsageError(`--env takes KEY=VALUE, got "${pair}".`);
  const problem = variableNameProblem(name);
  if (problem) throw new UsageError(`--env ${name}: this name ${problem}.`);
  return [name, value];
}

async function main(): Promise<number> {
  const args = process.argv.slice(2);
  if (args.length === 0 || args.includes('--help') || args.includes('-h')) {
    console.log(USAGE);
    return args.length === 0 ? 2 : 0;
  }
  const command = parse(args);
  const { reports } = await runUntilInterrupted((signal) => runBuilds(command, console.log, signal));
  return exitStatusFor(reports);
}

main().then(
  (code) => process.exit(code),
  (error: Error) => {
    console.error(error instanceof UsageError ? `${error.message}\nSee "npm run local -- --help".` : `\n${error.message}`);
    process.exit(exitStatusOf(error));
  },
);
