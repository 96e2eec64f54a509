/** Which buildspecs the local CodeBuild accepts, and what it says about the others. */
import { InvalidBuildspecError, parseBuildspec, UnsupportedBuildspecError } from '../../../local/services/codebuild/buildspec';

const build = { build: { commands: ['true'] } };

test('a buildspec becomes what the runner executes', () => {
  expect(parseBuildspec(`
version: 0.2
env:
  shell: bash
  variables:
    TEXT: one
    NUMBER: 2
    FLAG: true
phases:
  install:
    runtime-versions:
      nodejs: "$NODE_VERSION"
    commands: npm ci
    on-failure: ABORT
  build:
    commands:
      - npm run build
    finally:
      - echo done
artifacts: {}
`)).toEqual({
    shell: 'bash',
    variables: { TEXT: 'one', NUMBER: '2', FLAG: 'true' },
    runtimeVersions: { nodejs: '$NODE_VERSION' },
    phases: {
      install: { commands: ['npm ci'], finally: [], onFailure: 'ABORT' },
      build: { commands: ['npm run build'], finally: ['echo done'], onFailure: undefined },
    },
  });
});

test.each([
  ['no version', { phases: build }, /Expected "version: 0.2", found null/],
  ['an unknown version', { version: 3, phases: build }, /found 3/],
  ['no phase', { version: 0.2, phases: {} }, /at least one phase/],
  ['an unknown phase', { version: 0.2, phases: { ...build, test: {} } }, /Unknown key "test" in phases; known are install, pre_build, build, post_build/],
  ['an unknown key', { version: 0.2, phases: build, stages: [] }, /Unknown key "stages"/],
  ['a command that is a mapping in YAML', 'version: 0.2\nphases: {build: {commands: [echo state: done]}}', /phases.build.commands\[0\] to be a string, found \{"echo state":"done"\}. Quote/],
  ['another shell', { version: 0.2, env: { shell: 'zsh' }, phases: build }, /"bash" or "\/bin\/sh", found "zsh"/],
  ['an unknown on-failure', { version: 0.2, phases: { build: { 'commands': ['true'], 'on-failure': 'IGNORE' } } }, /found "IGNORE"/],
  ['broken YAML', 'version: 0.2\nphases: [', /./],
  ['a list', [], /Expected the buildspec to be a mapping/],
])('%s: CodeBuild refuses it too', (_, buildspec, message) => {
  const parse = (): unknown => parseBuildspec(typeof buildspec === 'string' ? buildspec : JSON.stringify(buildspec));
  expect(parse).toThrow(InvalidBuildspecError);
  expect(parse).toThrow(message);
});

test.each([
  ['version 0.1', { version: 0.1, phases: build }, /says 0.1/],
  ['artifacts', { version: 0.2, phases: build, artifacts: { files: ['**/*'] } }, /"artifacts"/],
  ['reports', { version: 0.2, phases: build, reports: { unit: {} } }, /"reports"/],
  ['cache', { version: 0.2, phases: build, cache: { paths: ['node_modules'] } }, /"cache"/],
  ['secrets', { version: 0.2, phases: build, env: { 'secrets-manager': { TOKEN: 'x' } } }, /"env.secrets-manager"/],
  ['exported variables', { version: 0.2, phases: build, env: { 'exported-variables': ['X'] } }, /"env.exported-variables"/],
  ['another user', { version: 0.2, phases: { build: { 'run-as': 'nobody', 'commands': [] } } }, /"phases.build.run-as"/],
  ['retries', { version: 0.2, phases: { build: { 'commands': [], 'on-failure': 'RETRY-2' } } }, /does not retry: phases.build.on-failure is "RETRY-2"/],
])('%s: CodeBuild does it, the local one says that it does not', (_, buildspec, message) => {
  const parse = (): unknown => parseBuildspec(JSON.stringify(buildspec));
  expect(parse).toThrow(UnsupportedBuildspecError);
  expect(parse).toThrow(message);
});
