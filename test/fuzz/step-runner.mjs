// Runs a step of the build for many repositories in one process: a process for each would take a hundred times as long. A child process with
// an IPC channel: { step, directory, repositories } in, an outcome for each of them out.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const STEPS = new URL('../../buildspec/steps/', import.meta.url);
let count = 0;

class Exit extends Error {
  constructor(status) {
    super(`exit ${status}`);
    this.status = status;
  }
}

async function run(step, directory, { app = '', facts = {}, files, git = false }) {
  const [top, state] = ['checkout', 'state'].map((name) => path.join(directory, name));
  for (const each of [top, state]) rmSync(each, { recursive: true, force: true });
  write(top, files);
  write(state, { top, app: path.join(top, app), root: path.join(top, app), lockfile: '', ...facts });
  if (git) {
    execFileSync('git', ['init', '-q', '--template=', top]);
    execFileSync('git', ['-C', top, 'add', '-Af']);
  }
  const said = [];
  const status = await execute(step, { STATE: state }, said);
  const names = readdirSync(state, { withFileTypes: true }).filter((entry) => entry.isFile()).map((entry) => entry.name);
  return { status, output: said.join('\n'), facts: Object.fromEntries(names.map((name) => [name, readFileSync(path.join(state, name), 'utf8')])) };
}

async function execute(step, environment, said) {
  const { exit } = process;
  Object.assign(process.env, environment);
  for (const stream of ['log', 'error']) console[stream] = (...words) => said.push(words.join(' '));
  process.exit = (status) => { throw new Exit(status); };
  try {
    // A module with another address is another module.
    await import(`${new URL(`${step}.mjs`, STEPS)}?${count += 1}`);
    return 0;
  } catch (error) {
    return statusOf(error, said);
  } finally {
    process.exit = exit;
    process.removeAllListeners('uncaughtException');
  }
}

/** As Node.js does with what nobody catches. */
function statusOf(error, said) {
  if (error instanceof Exit) return error.status;
  const [listener] = process.listeners('uncaughtException');
  if (!listener) {
    said.push(`Uncaught ${error?.stack ?? error}`);
    return 1;
  }
  process.removeAllListeners('uncaughtException');
  try {
    listener(error);
    return 0;
  } catch (again) {
    return statusOf(again, said);
  }
}

function write(directory, files) {
  mkdirSync(directory, { recursive: true });
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(directory, name)), { recursive: true });
    writeFileSync(path.join(directory, name), content);
  }
}

process.on('message', async ({ step, directory, repositories }) => {
  const outcomes = [];
  for (const repository of repositories) outcomes.push(await run(step, directory, repository));
  process.send(outcomes);
});
