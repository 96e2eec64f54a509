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
    `s3 cp --only-show-errors ${output}/ ${staging}/ --recursive --exclude artifacts/manifest.json`,
    `s3 cp --only-show-errors ${output}/artifacts/manifest.json ${staging}/artifacts/manifest.json`,
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
    expect(await machine.bash(command, { CODEBUILD_BUILD_SUCCEEDING: '0' })).toEqual({ status: 0, output: '', failure: undefined });
  });

  test('fails as its first failing step does', async () => {
    expect((await machine.bash(command, { CODEBUILD_BUILD_SUCCEEDING: '1' })).failure).toBe('PACKAGE_FAILED');
  });
});
