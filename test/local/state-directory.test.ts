import { mkdir, mkdtemp, readdir, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { liesIn, lockState } from '../../local/state-directory';
import { UsageError } from '../../local/usage-error';

let directory: string;
beforeEach(async () => { directory = await realpath(await mkdtemp(path.join(tmpdir(), 'state-'))); });
afterEach(() => rm(directory, { recursive: true, force: true }));

describe('one run at a time', () => {
  test('the first gets the folder, which it creates; the second gets a sentence; after the first it is free', async () => {
    const state = path.join(directory, 'new/state');
    const release = await lockState(state);
    const refused = lockState(state);
    await expect(refused).rejects.toThrow(UsageError);
    await expect(refused).rejects.toThrow(`another run (process ${process.pid}) uses ${state}`);
    await release();
    expect(await readdir(state)).toEqual([]);
    await (await lockState(state))();
  });

  test.each([['of a process that is gone', '99999999\n'], ['without a process', '']])('a lock %s is taken over', async (_, content) => {
    await writeFile(path.join(directory, '.lock'), content);
    await (await lockState(directory))();
  });
});

test('whether a path lies in a folder, whatever symbolic links lead there', async () => {
  const app = path.join(directory, 'app');
  await mkdir(app);
  await symlink(app, path.join(directory, 'link'));
  for (const inside of [app, path.join(app, 'state'), path.join(app, '..state'), path.join(directory, 'link/not/yet')]) expect([inside, await liesIn(app, inside)]).toEqual([inside, true]);
  for (const outside of [directory, path.join(directory, 'app-state'), '/']) expect([outside, await liesIn(app, outside)]).toEqual([outside, false]);
});
