/** Where the app's code runs: prepare.sh makes the place and finds the user, untrusted.sh runs steps there. */
import { execFile, execFileSync } from 'node:child_process';
import { chmod, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { BuildMachine, type StepResult } from './build-machine';
import { BUILD_ENV, HANDOVER_ENV } from '../../src/contract/environment';

const IS_ROOT = process.getuid!() === 0;
/** Builds run as root in CodeBuild, and maybe in CI; on a laptop they do not. */
const testAsRoot = IS_ROOT ? test : test.skip;
const ORDINARY_USER = IS_ROOT ? 65_533 : undefined;

const SECRETS = {
  AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: '/v2/credentials/s3cret',
  AWS_SECRET_ACCESS_KEY: 's3cret',
  ECS_CONTAINER_METADATA_URI_V4: 'http://169.254.170.2/v4/s3cret',
  HANDOVER_URL: 'https://bucket.example/handover?X-Amz-Signature=s3cret',
  CODEBUILD_WEBHOOK_S3CRET: 's3cret',
  SOME_SECRET: 's3cret',
};

let machine: BuildMachine;

afterEach(async () => {
  await machine.stop();
});

/** What the build finds out about itself. */
interface Prepared {
  readonly output: string;
  readonly work: string;
  readonly user: string;
}

async function prepare(before = '', environment: Record<string, string> = {}): Promise<Prepared> {
  const { status, output } = await machine.trusted(`${before}\nbash "$STEPS/prepare.sh"`, environment);
  expect({ status, output }).toEqual({ status: 0, output });
  const [work, user] = await Promise.all(['work', 'build-user'].map((fact) => readFile(machine.path('trusted', fact), 'utf8')));
  return { output, work, user };
}

/** Runs a script in place of a step. */
async function untrusted(script: string, environment: Record<string, string> = {}, args = ''): Promise<StepResult> {
  await writeFile(`${await readFile(machine.path('trusted/work'), 'utf8')}/steps/probe.sh`, script);
  return machine.trusted(`bash "$STEPS/untrusted.sh" probe.sh ${args}`, environment);
}

const MACHINES: [string, number | undefined][] = IS_ROOT ? [['root', undefined], ['an ordinary user', ORDINARY_USER]] : [['an ordinary user', undefined]];

describe.each(MACHINES)('in a build that %s runs', (_, uid) => {
  beforeEach(async () => {
    machine = await BuildMachine.start({}, { uid });
  });

  test('a step of the app gets what is on the list, and nothing else', async () => {
    await prepare();
    const { output } = await untrusted('env | sed "s/=.*//" | sort', {
      ...SECRETS,
      https_proxy: 'http://proxy.example',
      LC_ALL: 'C',
      npm_config_registry: 'https://npm.example',
      FEATURE_FLAG: 'on',
      BUILD_ENVIRONMENT: 'FEATURE_FLAG NOT_SET handover_url some_secret',
      FROM_LAPTOP: 'yes',
      BUILD_ENVIRONMENT_OF_LOCAL_RUN: 'FROM_LAPTOP',
      [HANDOVER_ENV.source]: 'handover',
      GIT_CONFIG_COUNT: '0',
      NODE_OPTIONS: '--no-warnings',
    });
    const shells = ['PWD', 'SHLVL', '_'];
    expect(output.trim().split('\n').filter((name) => !shells.includes(name)).sort()).toEqual([
      ...Object.values(BUILD_ENV), HANDOVER_ENV.source, 'NODE_VERSION', 'OPEN_NEXT_VERSION', 'FEATURE_FLAG', 'FROM_LAPTOP', 'https_proxy', 'LC_ALL', 'npm_config_registry',
      'PATH', 'HOME', 'TMPDIR', 'CI', 'AWS_EC2_METADATA_DISABLED', 'CODEBUILD_SRC_DIR', 'STEPS', 'STATE',
    ].sort());
  });

  test('values arrive as they are', async () => {
    await prepare();
    const odd = 'two  words, "quotes", $(id) and\na line';
    expect((await untrusted('printf %s "$BRANCH"', { BRANCH: odd })).output).toBe(odd);
  });

  test('it can write where it should, and finds the steps, but not what the trusted steps know', async () => {
    const { work } = await prepare();
    const result = await untrusted('for each in "$HOME" "$TMPDIR" "$STATE" "$CODEBUILD_SRC_DIR"/{checkout,output,archives}; do : > "$each/file"; done; . "$STEPS/common.sh"; pwd; echo "$STATE"');
    expect(result).toMatchObject({ status: 0, output: expect.stringContaining(`${work}\n${work}/state\n`) });
    expect(((await stat(machine.path('trusted'))).mode % 0o1000).toString(8)).toBe('700');
  });

  test('its arguments and its exit status are the step\'s, its input is what was handed over for it', async () => {
    await prepare();
    await writeFile(machine.path('trusted/for/probe.sh'), 'for this step');
    expect(await untrusted('cat; echo " $# $2"; exit 21', {}, 'one "two words"')).toEqual({ status: 21, output: 'for this step 2 two words\n', failure: 'COMMIT_NOT_FOUND' });
    await machine.bash('rm "$STATE/../../trusted/for/probe.sh"');
    expect((await untrusted('cat; echo nothing')).output).toBe('nothing\n');
  });

  test('settings of package managers that the image has in its home directory stay in force', async () => {
    await writeFile(machine.path('.npmrc'), 'registry=https://npm.example/\n');
    await prepare();
    expect((await untrusted('cat ~/.npmrc; echo more >> ~/.npmrc')).output).toBe('registry=https://npm.example/\n');
    expect(await readFile(machine.path('.npmrc'), 'utf8')).toBe('registry=https://npm.example/\n');
  });

  test('a strict umask of the image closes nothing to it', async () => {
    await machine.bash('chmod -R go= "$STEPS"');
    expect((await prepare('umask 077')).output).not.toContain('WARNING');
    expect(await untrusted('. "$STEPS/common.sh"; trap - EXIT; echo "$CHECKOUT"')).toMatchObject({ status: 0 });
  });
});

describe('in a build that root runs', () => {
  beforeEach(async () => {
    machine = await BuildMachine.start();
  });

  testAsRoot('the app\'s code is another user, without any right, for good', async () => {
    const { output, user } = await prepare();
    const [uid, gid] = user.split(':');
    expect(Number(uid)).toBeGreaterThan(2_000_000_000);
    expect(output).toContain(`The app's code runs as user ${uid}.`);
    const { output: found } = await untrusted('echo "$(id -u) $(id -G)"; grep -E "^(NoNewPrivs|Cap(Eff|Prm|Inh|Amb)):" /proc/self/status');
    expect(found).toContain(`${uid} ${gid}\n`);
    expect(found).toMatch(/NoNewPrivs:\s+1/);
    expect([...found.matchAll(/Cap\w+:\s+(\w+)/g)].map(([, bits]) => Number(`0x${bits}`))).toEqual([0, 0, 0, 0]);
  });

  testAsRoot('no process that has the credentials tells it its environment, can be stopped by it, or opened', async () => {
    await prepare();
    // Its parent is the shell that waits for it, and has them.
    await writeFile(machine.path('src/work/steps/probe.sh'), `
      cat /proc/[0-9]*/environ 2> /dev/null | tr "\\0" "\\n" | grep -c s3cret
      for name in environ mem maps; do cat "/proc/$PPID/$name" > /dev/null 2>&1 && echo "reads $name"; done
      for name in fd cwd root; do ls "/proc/$PPID/$name/" > /dev/null 2>&1 && echo "enters $name"; done
      kill -0 "$PPID" 2> /dev/null && echo "may kill"
      true`);
    expect((await machine.trusted('bash "$STEPS/untrusted.sh" probe.sh; true', SECRETS)).output).toBe('0\n');
  });

  testAsRoot('it cannot change the steps, replace what is uploaded, or read what is the trusted steps\' own', async () => {
    const { work } = await prepare();
    await writeFile(machine.path('trusted/for/install.sh'), 's3cret');
    const { output } = await untrusted(`
      echo hacked > "$STEPS/upload.sh"; rm -f "$STEPS/common.sh"; touch "$STEPS/new.sh"; echo hacked > ${machine.path('src/steps/upload.sh')}
      mv "$CODEBUILD_SRC_DIR/output" "$CODEBUILD_SRC_DIR/other"; rmdir "$CODEBUILD_SRC_DIR/archives"; ln -s /etc "$CODEBUILD_SRC_DIR/new"; touch ${machine.path('src/new')}
      cat ${machine.path('trusted/for/install.sh')}; ls ${machine.path('trusted')}; true`);
    expect(output).not.toContain('s3cret');
    expect(output.match(/Permission denied/g)!.length).toBeGreaterThanOrEqual(10);
    const left = await machine.bash(`find ${work} ${machine.source} -maxdepth 2 -name "new*" -o -maxdepth 2 -name other; cat ${work}/steps/{upload,common}.sh ${machine.path('src/steps/upload.sh')} | grep hacked`);
    expect(left.output).toBe('');
  });

  testAsRoot('two builds at a time on one machine have two users', async () => {
    const users = await Promise.all(['first', 'second'].map(async (name) => {
      const environment = { CODEBUILD_SRC_DIR: machine.path(name), STATE: machine.path(name, 'trusted') };
      return (await machine.bash('bash "$STEPS/prepare.sh" > /dev/null; cat "$STATE/build-user"', environment)).output;
    }));
    expect(users).toEqual([expect.stringMatching(/^2\d{9}:/), expect.stringMatching(/^2\d{9}:/)]);
    expect(users[0]).not.toBe(users[1]);
  });

  testAsRoot('it is the image\'s codebuild-user, if there is one', async () => {
    const real = execFileSync('bash', ['-c', 'type -P id'], { encoding: 'utf8' }).trim();
    await machine.command('id', `case "$*" in codebuild-user) ;; '-u codebuild-user') echo 54321 ;; '-g codebuild-user') echo 54322 ;; *) exec ${real} "$@" ;; esac`);
    expect((await prepare()).user).toBe('54321:54322');
    expect((await untrusted('echo "$EUID"')).output).toBe('54321\n');
    // It can change a program that root runs when the app's code has run.
    await machine.command('sed', `exec ${execFileSync('bash', ['-c', 'type -P sed'], { encoding: 'utf8' }).trim()} "$@"`);
    await promisify(execFile)('chown', ['54321', machine.path('bin/sed')]);
    expect((await prepare()).user).toMatch(/^2\d{9}:2\d{9}$/);
    await rm(machine.path('bin/sed'));
    expect((await prepare()).user).toBe('54321:54322');
    // As where several builds share a machine: what is ended before the upload must not be another's.
    await machine.command('find', 'echo /proc/123');
    expect((await prepare()).user).toMatch(/^2\d{9}:2\d{9}$/);
  });

  testAsRoot('what CodeBuild keeps of its environment between commands is closed to it', async () => {
    await machine.command('chmod', `echo "$*" >> ${machine.path('chmods')}; exec ${execFileSync('bash', ['-c', 'type -P chmod'], { encoding: 'utf8' }).trim()} "$@"`);
    await prepare();
    expect(await readFile(machine.path('chmods'), 'utf8')).toContain('go= /codebuild/output/tmp\n');
  });

  testAsRoot('it works elsewhere where the work directory is closed to others', async () => {
    await chmod(machine.source, 0o700);
    const { output, work } = await prepare();
    expect(output).toContain('The app\'s code runs as user');
    expect(work.startsWith(machine.path('tmp'))).toBe(true);
    expect(await untrusted('. "$STEPS/common.sh"; touch "$CHECKOUT/file" "$TMPDIR/file"')).toMatchObject({ status: 0 });
  });

  testAsRoot('a source directory that anybody could write to is so no more', async () => {
    await chmod(machine.source, 0o777);
    expect((await prepare()).output).toContain('The app\'s code runs as user');
    expect(((await stat(machine.source)).mode % 0o1000).toString(8)).toBe('755');
  });

  describe('where there is no other user to be had', () => {
    async function expectWarning(environment: Record<string, string> = {}): Promise<void> {
      const { output, user, work } = await prepare('', environment);
      expect(output).toContain('WARNING: the app\'s code runs as root');
      expect([user, work]).toEqual(['', machine.path('src/work')]);
      expect((await untrusted('touch "$CODEBUILD_SRC_DIR/checkout/file"; stat -c %u "$CODEBUILD_SRC_DIR/checkout"; echo "$EUID"; env', { ...SECRETS, ...environment })).output).toMatch(/^0\n0\n(?!.*s3cret)/s);
    }

    testAsRoot('the log has a warning, and the environment is clean all the same: no setpriv', async () => {
      await machine.command('setpriv', 'exit 127');
      await expectWarning();
    });

    testAsRoot('nor is a setpriv trusted that knows not what it is asked for', async () => {
      await machine.command('setpriv', 'echo "BusyBox: unrecognized option" >&2; exit 1');
      await expectWarning();
    });

    testAsRoot('anybody could replace the directory of what root runs', async () => {
      await chmod(machine.directory, 0o777);
      await expectWarning();
    });

    testAsRoot('anybody could replace what root runs', async () => {
      await chmod(machine.path('bin'), 0o777);
      await expectWarning();
    });

    testAsRoot('the user would find another program, or none', async () => {
      await machine.command('zip', 'exit 0', machine.path('closed'));
      await chmod(machine.path('closed'), 0o700);
      await expectWarning({ PATH: `${machine.path('closed')}:${process.env.PATH}` });
    });
  });
});

describe('in a build that an ordinary user runs', () => {
  test('the app\'s code is that user, as on a laptop, and nobody is warned of what cannot be otherwise', async () => {
    machine = await BuildMachine.start({}, { uid: ORDINARY_USER });
    const { output, user, work } = await prepare();
    expect([user, work]).toEqual(['', machine.path('src/work')]);
    expect(output).not.toContain('WARNING');
    expect((await untrusted('echo "$EUID"')).output).toBe(`${ORDINARY_USER ?? process.getuid!()}\n`);
  });
});
