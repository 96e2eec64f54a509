/** `npm run local`: runs a synthesized pipeline on this machine. Never talks to AWS, listens on 127.0.0.1 only. */
import './isolation';
import * as path from 'node:path';
import { parseArgs } from 'node:util';
import { BuildCommand, runBuilds } from './build-command';
import { exitStatusOf, runUntilInterrupted } from './interruption';
import { exitStatusFor } from './report';
import { isRemote } from './source';
import { UsageError } from './usage-error';
import { serveWebhook, WebhookCommand } from './webhook-command';
import { variableNameProblem } from '../src/contract/environment';

const USAGE = `Usage: npm run local -- build <folder | git URL> [options]
       npm run local -- webhook <folder | git URL> [options]

build: builds a Next.js app through the pipeline of a synthesized template: queue, orchestrator, CodeBuild, finalizer.
A folder that is no git repository, or has uncommitted changes, is built as it is. Relative paths begin where you stand.

  --commit SHA           commit, branch or tag to build (default: HEAD)
  --root-directory DIR   the app's directory in the repository (default: its root)
  --project-id ID        default: made of the folder's name
  --repeat N             number of deployments, one after the other (default: 1)
  --force                build even what has been built before with the same settings (--repeat, --state)
  --without-cache        restore no build cache
  --env KEY=VALUE        environment variable for the build; may be repeated
  --secrets FILE         values of secrets for the local Secrets Manager, by their names, as JSON
  --template DIR         a cdk.out with one pipeline in it (default: an example stack, synthesized now)
  --state DIR            keep bucket, table and logs here between runs (default: a temporary folder)
  --json FILE            write what happened as JSON

webhook: serves the template's webhook on 127.0.0.1 and builds what is pushed, until Ctrl-C. The folder or URL is the repository
of a project. Of the options above it has --commit, --root-directory, --project-id, --env, --secrets, --template, --state, and:

  --branch NAME          the project's branch (default: that of the folder, or the default branch)
  --secret TEXT          what deliveries are signed with (default: a random one, which is shown)

Exit status: 0 if every deployment ended in success, 1 if one failed, 2 for a call that makes no sense,
3 if none failed but a newer deployment of the same branch took the place of one, 130 after Ctrl-C.`;

/** npm runs scripts in the package's folder, and tells where it was called itself. */
const absolute = (file: string) => path.resolve(process.env.INIT_CWD ?? process.cwd(), file);

/** Options that one of the commands has, and not the other. */
const OWN_OPTIONS: Readonly<Record<string, readonly string[]>> = { build: ['repeat', 'force', 'without-cache', 'json'], webhook: ['branch', 'secret'] };

type Call = { readonly name: 'build'; readonly command: BuildCommand } | { readonly name: 'webhook'; readonly command: WebhookCommand };

function parse(args: string[]): Call {
  const { values, positionals } = parseOrExplain(args);
  const [name, source, ...rest] = positionals;
  if (name !== 'build' && name !== 'webhook') throw new UsageError(name ? `There is no command "${name}".` : 'Which command?');
  if (!source) throw new UsageError(`What is to be ${name === 'build' ? 'built' : 'pushed'}? Name a folder or a git URL.`);
  if (rest.length) throw new UsageError(`One source at a time; what is "${rest[0]}"? Did you forget "--" after "npm run local"?`);
  const foreign = OWN_OPTIONS[name === 'build' ? 'webhook' : 'build'].find((option) => option in values);
  if (foreign) throw new UsageError(`The command ${name} has no option --${foreign}.`);
  // Whoever reads it from Secrets Manager leaves out what surrounds it.
  const secret = values.secret?.trim();
  if (secret === '') throw new UsageError('--secret takes what deliveries are signed with, got nothing. Leave it out for a random one.');
  const repeat = Number(values.repeat ?? '1');
  if (!Number.isInteger(repeat) || repeat < 1) throw new UsageError(`--repeat takes a whole number from 1, got "${values.repeat}".`);
  const pathOf = (file?: string) => file === undefined ? undefined : absolute(file);
  const common = {
    source: isRemote(source) ? source : absolute(source),
    commit: values.commit,
    rootDirectory: values['root-directory'],
    projectId: values['project-id'],
    environment: Object.fromEntries((values.env ?? []).map(parseVariable)),
    secrets: pathOf(values.secrets),
    template: pathOf(values.template),
    state: pathOf(values.state),
  };
  if (name === 'webhook') return { name, command: { ...common, branch: values.branch, secret } };
  return { name, command: { ...common, repeat, forceBuild: values.force, withoutCache: values['without-cache'], json: pathOf(values.json) } };
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
        'branch': text,
        'secret': text,
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
  const call = parse(args);
  if (call.name === 'webhook') return runUntilInterrupted((signal) => serveWebhook(call.command, console.log, signal));
  const { reports } = await runUntilInterrupted((signal) => runBuilds(call.command, console.log, signal));
  return exitStatusFor(reports);
}

main().then(
  (code) => process.exit(code),
  (error: Error) => {
    console.error(error instanceof UsageError ? `${error.message}\nSee "npm run local -- --help".` : `\n${error.message}`);
    process.exit(exitStatusOf(error));
  },
);
