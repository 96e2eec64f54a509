/**
 * Ends every process of a build. A shell leads its own process group; what left the group (a detached process, as
 * `next build` starts one for telemetry) is found by the build's marker in its environment.
 */
import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

export interface BuildProcesses {
  /** Ids of the process groups that the build's shells lead. */
  readonly groups: ReadonlySet<number>;
  /** `NAME=value` that only this build's processes have in their environment. */
  readonly marker: string;
}

/** Long enough for a build tool to remove its lock files, short enough for somebody who waits. */
export const TERMINATION_GRACE_MS = 2_000;

const POLL_MS = 20;
/** The kernel needs a moment to end what SIGKILL was sent to. */
const KILL_BOUND_MS = 5_000;
const PS_BOUND_MS = 5_000;

/** SIGTERM to all, SIGKILL to those that are left after the grace. */
export async function endProcesses(build: BuildProcesses, graceMs = TERMINATION_GRACE_MS): Promise<void> {
  if (await signalUntilGone(build, 'SIGTERM', graceMs)) {
    return;
  }
  if (!await signalUntilGone(build, 'SIGKILL', KILL_BOUND_MS)) {
    const left = await processesOf(build);
    throw new Error(`Processes of a build survived SIGKILL: ${left.join(', ')}. End them by hand: kill -9 ${left.join(' ')}`);
  }
}

/** Signals each process once, also those that start meanwhile: killing a parent can race with its fork. */
async function signalUntilGone(build: BuildProcesses, signal: NodeJS.Signals, boundMs: number): Promise<boolean> {
  const deadline = Date.now() + boundMs;
  const signalled = new Set<number>();
  for (;;) {
    const processes = await processesOf(build);
    if (processes.length === 0) {
      return true;
    }
    if (Date.now() >= deadline) {
      return false;
    }
    for (const pid of processes.filter((candidate) => !signalled.has(candidate))) {
      signalled.add(pid);
      sendSignal(pid, signal);
    }
    await sleep(POLL_MS);
  }
}

function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') {
      throw error;
    }
  }
}

interface Process {
  readonly pid: number;
  readonly group: number;
  /** As `ps` prints it; a zombie (`Z`) waits for its parent and cannot be ended. */
  readonly state: string;
  readonly environment: readonly string[];
}

/** Ids of the running processes of a build. */
export async function processesOf(build: BuildProcesses): Promise<number[]> {
  const processes = process.platform === 'linux' ? await readProc() : await readPs();
  return processes
    .filter(({ pid, state }) => pid !== process.pid && !state.startsWith('Z'))
    .filter(({ group, environment }) => build.groups.has(group) || environment.includes(build.marker))
    .map(({ pid }) => pid);
}

async function readProc(): Promise<Process[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  return Promise.all(pids.map(async (pid) => {
    // Unreadable: of another user, or just gone.
    const [stat, environment] = await Promise.all(['stat', 'environ'].map((file) => readFile(`/proc/${pid}/${file}`, 'latin1').catch(() => '')));
    // "pid (command) state ppid pgrp ...", and the command may hold spaces and parentheses.
    const [state = 'Z', , group = '0'] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { pid: Number(pid), group: Number(group), state: state || 'Z', environment: environment.split('\0') };
  }));
}

/** macOS: `-E` appends the environment to the command. Its own system binaries hide theirs, Node.js and npm do not. */
async function readPs(): Promise<Process[]> {
  const output = await new Promise<string>((resolve, reject) => {
    const options = { timeout: PS_BOUND_MS, maxBuffer: 64 * 1024 * 1024 };
    execFile('ps', ['-A', '-E', '-ww', '-o', 'pid=,pgid=,stat=,command='], options, (error, stdout) => error ? reject(error) : resolve(stdout));
  });
  return output.split('\n').filter((line) => line.trim()).map((line) => {
    const [pid, group, state, ...environment] = line.trim().split(/\s+/);
    return { pid: Number(pid), group: Number(group), state, environment };
  });
}
