/**
 * The buildspec runner of the local CodeBuild, as a specification: what CodeBuild's shell, phases and failures mean.
 */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseBuildspec } from '../../../local/services/codebuild/buildspec';
import { PhaseList, type EndStatus } from '../../../local/services/codebuild/phases';
import { containerLine, runBuildspec } from '../../../local/services/codebuild/runner';

interface Result {
  status: EndStatus;
  /** Everything the build wrote to its log. */
  log: string[];
  /** Without the lines of CodeBuild itself. */
  output: string[];
  /** `INSTALL SUCCEEDED` ... */
  phases: string[];
  phaseList: PhaseList;
}

let directory: string;
let builds = 0;

beforeAll(async () => {
  directory = await realpath(await mkdtemp(join(tmpdir(), 'codebuild-runner-')));
});

afterAll(async () => {
  await rm(directory, { recursive: true, force: true });
});

interface Options {
  environment?: Record<string, string>;
  signal?: AbortSignal;
  onLine?: (line: string) => void;
}

async function run(text: string, options: Options = {}): Promise<Result> {
  const id = `build-${builds++}`;
  const [source, scratch] = ['src', 'scratch'].map((name) => join(directory, id, name));
  await Promise.all([source, scratch].map((path) => mkdir(path, { recursive: true })));
  const parsed = parseBuildspec(text);
  const log: string[] = [];
  const phaseList = new PhaseList();
  const marker = `${id}-${process.pid}`;
  const status = await runBuildspec({
    buildspec: parsed,
    environment: { PATH: process.env.PATH!, ...parsed.variables, ...options.environment, BUILD_MARKER: marker },
    marker: 'BUILD_MARKER',
    directory: source,
    scratchDirectory: scratch,
    phases: phaseList,
    signal: options.signal ?? new AbortController().signal,
    onLine: (line) => {
      log.push(line);
      options.onLine?.(line);
    },
  });
  return {
    status,
    log,
    output: log.filter((line) => !line.startsWith('[Container]')),
    phases: phaseList.all.map(({ phaseType, phaseStatus }) => `${phaseType} ${phaseStatus}`),
    phaseList,
  };
}

/** A buildspec with these commands in the build phase, in bash. */
function bash(...commands: string[]): string {
  return JSON.stringify({ version: 0.2, env: { shell: 'bash' }, phases: { build: { commands } } });
}

function buildspec(phases: Record<string, unknown>, env: Record<string, unknown> = { shell: 'bash' }): string {
  return JSON.stringify({ version: 0.2, env, phases });
}

const ALL_SUCCEEDED = ['INSTALL SUCCEEDED', 'PRE_BUILD SUCCEEDED', 'BUILD SUCCEEDED', 'POST_BUILD SUCCEEDED', 'UPLOAD_ARTIFACTS SUCCEEDED'];

describe('one shell for the whole build', () => {
  test('directory, variables, exports and functions persist from command to command and from phase to phase', async () => {
    const { status, output } = await run(buildspec({
      install: { commands: ['mkdir app && cd app', 'plain=1', 'export EXPORTED=2', 'greet() { echo "hello $1"; }'] },
      build: { commands: ['echo "${PWD##*/} $plain $(printenv EXPORTED)"', 'greet world'] },
    }));
    expect(status).toBe('SUCCEEDED');
    expect(output).toEqual(['app 1 2', 'hello world']);
  });

  test.each([
    ['bash', 'bash', 'bash'],
    ['/bin/sh', '/bin/sh', 'other'],
    ['no shell', undefined, 'other'],
  ])('env.shell: %s', async (_, shell, expected) => {
    const { output } = await run(buildspec({ build: { commands: ['if [ -n "$BASH_VERSION" ] && ! (shopt -qo posix); then echo bash; else echo other; fi'] } }, { shell }));
    expect(output).toEqual([expected]);
  });

  test('commands start in the source directory', async () => {
    const { output } = await run(bash('ls -A | wc -l | tr -d " "', 'pwd'));
    expect(output).toEqual(['0', join(directory, `build-${builds - 1}`, 'src')]);
  });

  test('set -e of one command ends the shell in a later one', async () => {
    const { status, output, phaseList } = await run(bash('set -e', 'false\necho not reached'));
    expect(status).toBe('FAILED');
    expect(output).toEqual([]);
    expect(phaseList.all[2].contexts![0].message).toMatch(/Reason: exit status 1$/);
  });

  test('exit fails the command with its status, and later phases get a new shell', async () => {
    const { phases, phaseList, output } = await run(buildspec({
      build: { commands: ['export LOST=1; cd /', 'exit 21', 'echo not reached'] },
      post_build: { commands: ['echo "lost=$LOST succeeding=$CODEBUILD_BUILD_SUCCEEDING ${PWD##*/}"'] },
    }));
    expect(phases).toEqual(['INSTALL SUCCEEDED', 'PRE_BUILD SUCCEEDED', 'BUILD FAILED', 'POST_BUILD SUCCEEDED', 'UPLOAD_ARTIFACTS SUCCEEDED']);
    expect(phaseList.all[2].contexts).toEqual([
      { statusCode: 'COMMAND_EXECUTION_ERROR', message: 'Error while executing command: exit 21. Reason: exit status 21' },
    ]);
    expect(output).toEqual(['lost= succeeding=0 src']);
  });

  test('exit 0 loses the shell, and the build goes on', async () => {
    const { status, output } = await run(bash('LOST=1; exit 0', 'echo "lost=$LOST"'));
    expect(status).toBe('SUCCEEDED');
    expect(output).toEqual(['lost=']);
  });

  test('a syntax error fails the command only', async () => {
    const { phases } = await run(bash('if then'));
    expect(phases[2]).toBe('BUILD FAILED');
  });
});

describe('commands', () => {
  test('a block with heredocs runs verbatim', async () => {
    const { output } = await run(`
version: 0.2
env:
  shell: bash
phases:
  build:
    commands:
      - |
        cat > script.sh <<'SCRIPT'
        echo "quotes ' \\" and \\\\ backslash, $HOME \`tick\`"
          indented ü
        SCRIPT
        cat script.sh
      - |
        cat <<LAST
        expanded $((1 + 1))
        LAST
`);
    expect(output).toEqual(['echo "quotes \' \\" and \\\\ backslash, $HOME `tick`"', '  indented ü', 'expanded 2']);
  });

  test('a block of 20 kB runs verbatim', async () => {
    const lines = Array.from({ length: 400 }, (_, index) => `line ${index} ${'x'.repeat(40)}`);
    const { output } = await run(bash(`cat > big <<'END'\n${lines.join('\n')}\nEND\ncat big`));
    expect(output).toEqual(lines);
  });

  test('they read an empty standard input', async () => {
    const { status, output } = await run(bash('cat', 'read -r line || echo "nothing to read"', 'wc -c | tr -d " "'));
    expect(status).toBe('SUCCEEDED');
    expect(output).toEqual(['nothing to read', '0']);
  });

  test('they see none of the runner\'s own file descriptors', async () => {
    const { output } = await run(bash('(echo 0 >&3) 2>/dev/null || echo closed', 'bash -c "(: >&3) 2>/dev/null || echo closed"'));
    expect(output).toEqual(['closed', 'closed']);
  });

  test('they can open /dev/stdout and /dev/stderr by name', async () => {
    const { output } = await run(bash('echo out > /dev/stdout; echo err > /dev/stderr; echo more'));
    expect(output).toEqual(['out', 'err', 'more']);
  });

  test('standard output and error keep their order, also around the lines of CodeBuild', async () => {
    const { log } = await run(bash('for i in 1 2 3; do echo "out $i"; echo "err $i" >&2; done', 'printf "no newline"', 'echo last'));
    const lines = log.map((line) => line.replace(/^\[Container\] \S+ \S+ /, '> '));
    expect(lines.slice(lines.indexOf('> Entering phase BUILD'), lines.indexOf('> Phase complete: BUILD State: SUCCEEDED'))).toEqual([
      '> Entering phase BUILD',
      '> Running command for i in 1 2 3; do echo "out $i"; echo "err $i" >&2; done',
      'out 1', 'err 1', 'out 2', 'err 2', 'out 3', 'err 3',
      '> Running command printf "no newline"',
      'no newline',
      '> Running command echo last',
      'last',
    ]);
  });

  test('large output arrives complete', async () => {
    const { output } = await run(bash('i=0; while [ $i -lt 20000 ]; do echo "$i 0123456789012345678901234567890123456789"; i=$((i+1)); done'));
    expect(output).toHaveLength(20_000);
    expect(output[19_999]).toMatch(/^19999 /);
  });

  test('a failing command ends its phase', async () => {
    const { status, output } = await run(bash('echo first', '(exit 3)', 'echo not reached'));
    expect(status).toBe('FAILED');
    expect(output).toEqual(['first']);
  });

  test('in a block, only the last status counts', async () => {
    const { status } = await run(bash('false\ntrue'));
    expect(status).toBe('SUCCEEDED');
  });

  test('a signal that ends the shell is a status above 128', async () => {
    const { phaseList } = await run(bash('kill -9 $$'));
    expect(phaseList.all[2].contexts![0].message).toMatch(/exit status 137$/);
  });
});

describe('phases', () => {
  const failing = (name: string, onFailure?: string): string => buildspec({
    install: { commands: ['true'] },
    pre_build: { commands: ['true'] },
    build: { commands: ['true'] },
    post_build: { commands: ['true'] },
    [name]: { 'commands': ['false'], 'on-failure': onFailure },
  });

  test('run in CodeBuild\'s order, not in that of the file', async () => {
    const { output } = await run(buildspec({
      post_build: { commands: ['echo 4'] }, build: { commands: ['echo 3'] }, install: { commands: ['echo 1'] }, pre_build: { commands: ['echo 2'] },
    }));
    expect(output).toEqual(['1', '2', '3', '4']);
  });

  test('all are reported, also those the buildspec leaves out', async () => {
    const { status, phases, phaseList } = await run(bash('true'));
    expect(status).toBe('SUCCEEDED');
    expect(phases).toEqual(ALL_SUCCEEDED);
    for (const { startTime, endTime, contexts } of phaseList.all) {
      expect(endTime!.getTime()).toBeGreaterThanOrEqual(startTime.getTime());
      expect(contexts).toEqual([{ statusCode: '', message: '' }]);
    }
  });

  test.each<[string, string | undefined, string[]]>([
    ['install', undefined, ['INSTALL FAILED']],
    ['install', 'ABORT', ['INSTALL FAILED']],
    ['install', 'CONTINUE', ['INSTALL FAILED', 'PRE_BUILD SUCCEEDED', 'BUILD SUCCEEDED', 'POST_BUILD SUCCEEDED', 'UPLOAD_ARTIFACTS SUCCEEDED']],
    ['pre_build', undefined, ['INSTALL SUCCEEDED', 'PRE_BUILD FAILED']],
    ['pre_build', 'CONTINUE', ['INSTALL SUCCEEDED', 'PRE_BUILD FAILED', 'BUILD SUCCEEDED', 'POST_BUILD SUCCEEDED', 'UPLOAD_ARTIFACTS SUCCEEDED']],
    ['build', undefined, ['INSTALL SUCCEEDED', 'PRE_BUILD SUCCEEDED', 'BUILD FAILED', 'POST_BUILD SUCCEEDED', 'UPLOAD_ARTIFACTS SUCCEEDED']],
    ['build', 'ABORT', ['INSTALL SUCCEEDED', 'PRE_BUILD SUCCEEDED', 'BUILD FAILED']],
    ['build', 'CONTINUE', ['INSTALL SUCCEEDED', 'PRE_BUILD SUCCEEDED', 'BUILD FAILED', 'POST_BUILD SUCCEEDED', 'UPLOAD_ARTIFACTS SUCCEEDED']],
    ['post_build', undefined, ['INSTALL SUCCEEDED', 'PRE_BUILD SUCCEEDED', 'BUILD SUCCEEDED', 'POST_BUILD FAILED', 'UPLOAD_ARTIFACTS SUCCEEDED']],
    ['post_build', 'ABORT', ['INSTALL SUCCEEDED', 'PRE_BUILD SUCCEEDED', 'BUILD SUCCEEDED', 'POST_BUILD FAILED']],
  ])('%s fails with on-failure %s', async (name, onFailure, expected) => {
    const { status, phases } = await run(failing(name, onFailure));
    expect(status).toBe('FAILED');
    expect(phases).toEqual(expected);
  });

  test('CODEBUILD_BUILD_SUCCEEDING is 1, and 0 from the first failure on', async () => {
    const { output } = await run(buildspec({
      build: { commands: ['echo $CODEBUILD_BUILD_SUCCEEDING', 'false'], finally: ['echo "finally $CODEBUILD_BUILD_SUCCEEDING"'] },
      post_build: { commands: ['printenv CODEBUILD_BUILD_SUCCEEDING'] },
    }));
    expect(output).toEqual(['1', 'finally 0', '0']);
  });

  test.each([
    ['after commands that succeeded', ['echo run'], ['run', 'finally']],
    ['after a command that failed', ['false', 'echo not reached'], ['finally']],
    ['after a command that ended the shell', ['exit 3'], ['finally']],
  ])('finally runs %s', async (_, commands, expected) => {
    const { output } = await run(buildspec({ install: { commands, finally: ['echo finally'] } }));
    expect(output).toEqual(expected);
  });

  test('a failing finally fails its phase', async () => {
    const { phases, phaseList } = await run(buildspec({ install: { commands: ['true'], finally: ['(exit 4)', 'echo not reached'] } }));
    expect(phases).toEqual(['INSTALL FAILED']);
    expect(phaseList.all[0].contexts![0].message).toBe('Error while executing command: (exit 4). Reason: exit status 4');
  });
});

describe('log', () => {
  test('lines of CodeBuild carry the time in UTC', () => {
    expect(containerLine('Entering phase BUILD', new Date('2026-11-22T12:00:00.123Z'))).toBe('[Container] 2026/11/22 12:00:00.123000 Entering phase BUILD');
  });

  test('a failed phase reads as in CodeBuild', async () => {
    const { log } = await run(bash('bash -c "exit 21"'));
    expect(log.map((line) => line.replace(/\d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d\.\d{6}/, 'TIME'))).toEqual(expect.arrayContaining([
      '[Container] TIME Entering phase BUILD',
      '[Container] TIME Running command bash -c "exit 21"',
      '[Container] TIME Command did not exit successfully bash -c "exit 21" exit status 21',
      '[Container] TIME Phase complete: BUILD State: FAILED',
      '[Container] TIME Phase context status code: COMMAND_EXECUTION_ERROR Message: Error while executing command: bash -c "exit 21". Reason: exit status 21',
    ]));
  });

  test('runtime-versions are noted, not installed', async () => {
    const { log } = await run(
      buildspec({ install: { 'runtime-versions': { nodejs: '$NODE_VERSION', python: 3.12 } }, build: { commands: ['true'] } }),
      { environment: { NODE_VERSION: '22' } },
    );
    expect(log).toEqual(expect.arrayContaining([
      expect.stringMatching(/This machine's Node\.js v\d+\.\d+\.\d+ is used; the buildspec asks for 22\.$/),
      expect.stringMatching(/This machine's python is used; the buildspec asks for 3\.12\.$/),
    ]));
  });
});

describe('the end of a build', () => {
  // Out of the process group of the shell, as the telemetry of `next build` is.
  const detached = 'node -e \'const { pid } = require("child_process").spawn(process.execPath, ["-e", "setTimeout(() => {}, 60000)"], '
    + '{ detached: true, stdio: "ignore" }); console.log("pid", pid); process.exit()\'';

  /** Of the processes whose id the build has printed: how they are, or nothing. A zombie (Z) has ended. */
  async function survivors(output: string[]): Promise<string[]> {
    const pids = output.flatMap((line) => /^pid (\d+)$/.exec(line)?.[1] ?? []);
    expect(pids.length).toBeGreaterThan(0);
    const states = await Promise.all(pids.map((pid) => new Promise<string>((resolve) => {
      execFile('ps', ['-o', 'stat=', '-p', pid], (_, stdout) => resolve(stdout.trim()));
    })));
    return states.filter((state) => state !== '' && !state.startsWith('Z'));
  }

  test('background processes do not outlive it, and do not delay it', async () => {
    const start = Date.now();
    const { status, output } = await run(bash('sleep 60 & echo "pid $!"', 'node -e "setTimeout(() => {}, 60000)" & echo "pid $!"', detached));
    expect(status).toBe('SUCCEEDED');
    expect(await survivors(output)).toEqual([]);
    expect(Date.now() - start).toBeLessThan(10_000);
  });

  test.each<[EndStatus & string, string]>([['STOPPED', ''], ['TIMED_OUT', 'BUILD_TIMED_OUT']])('%s ends every process, and no later phase runs', async (reason, statusCode) => {
    const controller = new AbortController();
    const { status, phases, phaseList, output } = await run(buildspec({
      build: { commands: [detached, 'sleep 60 & echo "pid $!"; bash -c "echo pid \\$\\$; echo started; sleep 60"', 'echo not reached'], finally: ['echo not reached'] },
      post_build: { commands: ['echo not reached'] },
    }), { signal: controller.signal, onLine: (line) => line === 'started' && controller.abort(reason) });
    expect(status).toBe(reason);
    expect(phases).toEqual(['INSTALL SUCCEEDED', 'PRE_BUILD SUCCEEDED', `BUILD ${reason}`]);
    expect(phaseList.all[2].contexts![0].statusCode).toBe(statusCode);
    expect(output.filter((line) => line === 'not reached')).toEqual([]);
    expect(await survivors(output)).toEqual([]);
  });

  test('what ignores SIGTERM gets SIGKILL after the grace', async () => {
    const controller = new AbortController();
    const { status, output } = await run(
      bash('trap "" TERM; echo "pid $$"; echo started; while :; do sleep 1; done'),
      { signal: controller.signal, onLine: (line) => line === 'started' && controller.abort('STOPPED') },
    );
    expect(status).toBe('STOPPED');
    expect(await survivors(output)).toEqual([]);
  });

  test('stopped before it began, it runs no command', async () => {
    const controller = new AbortController();
    controller.abort('STOPPED');
    const { status, output } = await run(bash('echo not reached'), { signal: controller.signal });
    await sleep(50);
    expect([status, output]).toEqual(['STOPPED', []]);
  });

  test('a shell that is missing is an error of the machine, not of the build', async () => {
    await expect(run(bash('true'), { environment: { PATH: '/nonexistent' } })).rejects.toThrow(/ENOENT/);
  });
});
