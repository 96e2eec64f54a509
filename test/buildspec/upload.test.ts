import { readFile } from 'node:fs/promises';
import { parse } from 'yaml';
import { BuildMachine } from './build-machine';
import { renderBuildSpec } from '../../src/buildspec';

let machine: BuildMachine;

beforeEach(async () => {
  machine = await BuildMachine.start();
});

afterEach(() => machine.stop());

test('everything goes below the build\'s own staging prefix, the manifest last', async () => {
  await machine.command('aws', 'echo "$*" >> "$CODEBUILD_SRC_DIR/../calls"');
  expect(await machine.step('upload')).toMatchObject({ status: 0 });
  const output = machine.path('src', 'output');
  const staging = 's3://artifacts-bucket/staging/arn:aws:codebuild:eu-central-1:123456789012:build/builds:1-2-3';
  expect((await readFile(machine.path('calls'), 'utf8')).trim().split('\n')).toEqual([
    `s3 cp --only-show-errors --no-follow-symlinks ${output}/ ${staging}/ --recursive --exclude artifacts/manifest.json`,
    `s3 cp --only-show-errors --no-follow-symlinks ${output}/artifacts/manifest.json ${staging}/artifacts/manifest.json`,
  ]);
});

test.each(['exit 1', '[[ $* == *--recursive* ]]'])('UPLOAD_FAILED: aws %s', async (script) => {
  await machine.command('aws', script);
  expect((await machine.step('upload')).failure).toBe('UPLOAD_FAILED');
});

test('no manifest is stored when anything before it was not', async () => {
  await machine.command('aws', 'echo "$*" >> "$CODEBUILD_SRC_DIR/../calls"; exit 1');
  await machine.step('upload');
  expect((await readFile(machine.path('calls'), 'utf8')).trim().split('\n')).toHaveLength(1);
});

describe('the post_build phase', () => {
  const [command]: string[] = parse(renderBuildSpec()).phases.post_build.commands;

  test('does nothing after a failed build', async () => {
    expect(await machine.trusted(command, { CODEBUILD_BUILD_SUCCEEDING: '0' })).toEqual({ status: 0, output: '', failure: undefined });
  });

  test('fails as its first failing step does', async () => {
    expect((await machine.trusted(command, { CODEBUILD_BUILD_SUCCEEDING: '1' })).failure).toBe('PACKAGE_FAILED');
  });
});

describe('what the build left behind', () => {
  test.each([
    ['a symbolic link', 'ln -s /etc/passwd output/static'],
    ['a link to a directory', 'mkdir output/static && ln -s /etc output/static/link'],
    ['a pipe', 'mkdir output/static && mkfifo output/static/pipe'],
    ['a link in place of an archive', 'ln -s /etc/passwd archives/next'],
    ['a link in place of the output', 'rmdir output && ln -s /etc output'],
    ...process.getuid!() === 0 ? [['a file of somebody else', 'touch output/file && chown 65533 output/file']] : [],
  ])('PACKAGE_FAILED: %s, and nothing is stored', async (_, script) => {
    await machine.command('aws', 'echo "$*" >> "$CODEBUILD_SRC_DIR/../calls"');
    await machine.bash(script);
    const result = await machine.step('upload');
    expect(result.failure).toBe('PACKAGE_FAILED');
    expect(result.output).toContain('is neither a file nor a directory of the build\'s own');
    await expect(readFile(machine.path('calls'), 'utf8')).rejects.toThrow('ENOENT');
  });

  test('only archives of layers are stored, and only files', async () => {
    await machine.command('aws', 'echo "$*" >> "$CODEBUILD_SRC_DIR/../calls"');
    await machine.files('src/archives', { 'next': 'archive', 'other': '', 'tools/next': '', 'next.part': '' });
    expect(await machine.step('upload')).toMatchObject({ status: 0 });
    const [, cache] = (await readFile(machine.path('calls'), 'utf8')).trim().split('\n');
    expect(cache).toMatch(/archives\/ \S+\/cache\/ --recursive --exclude \* --include next$/);
  });

  test('nobody else\'s processes are ended: the step that does it runs as the build user, or not at all', async () => {
    for (const uid of ['0', '1', 'x', '']) {
      expect(await machine.bash(`node "$STEPS/end.mjs" ${uid}`)).toMatchObject({ status: 1, output: expect.stringContaining(`This is user ${process.getuid!()}, not `) });
    }
  });
});
