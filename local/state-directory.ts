/** The folder of --state: what a run keeps, for one run at a time, since each writes its tables as a whole. */
import { mkdir, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import * as path from 'node:path';
import { UsageError } from './usage-error';

const LOCK_FILE = '.lock';

/** @returns what gives the folder free again */
export async function lockState(directory: string): Promise<() => Promise<void>> {
  await mkdir(directory, { recursive: true });
  const lock = path.join(directory, LOCK_FILE);
  const take = () => writeFile(lock, `${process.pid}\n`, { flag: 'wx' }).then(() => true, (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
    return false;
  });
  if (!await take()) {
    const owner = Number(await readFile(lock, 'utf8').catch(() => ''));
    if (!isAlive(owner)) await rm(lock, { force: true }); // it was killed
    if (isAlive(owner) || !await take()) {
      throw new UsageError(`--state: another run (process ${owner}) uses ${directory}. Wait until it has ended, or name another folder; if there is no such run, remove ${lock}.`);
    }
  }
  return () => rm(lock, { force: true });
}

function isAlive(pid: number): boolean {
  try {
    return pid > 0 && process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'; // of another user
  }
}

/** Whether a path, which need not exist yet, lies in a folder or is that folder. */
export async function liesIn(folder: string, inner: string): Promise<boolean> {
  const relative = path.relative(await realpath(folder), await realPathOf(inner));
  return relative === '' || !(relative === '..' || relative.startsWith(`..${path.sep}`) || path.isAbsolute(relative));
}

async function realPathOf(file: string): Promise<string> {
  return realpath(file).catch(async () => path.dirname(file) === file ? file : path.join(await realPathOf(path.dirname(file)), path.basename(file)));
}
