/**
 * Hostile apps below the pipeline's own steps, which run as the same user as the app. Where the steps run apart from it, these attacks do not
 * even get that far: then the app is built as if nothing had been tried.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { Platform, type Attack, type Outside } from './platform';
import type { FailureCode } from '../../src/contract/failure-codes';

/** One build takes some five seconds; far more for a machine that is busy. */
const BOUND_MS = 120_000;

let platform: Platform;
let before: Outside;

beforeAll(async () => {
  platform = await Platform.start();
  before = await platform.outside();
}, BOUND_MS);
// Whatever the attack was.
afterEach(async () => {
  expect(await platform.outside()).toEqual(before);
  expect(platform.denials()).toEqual([]);
});
afterAll(() => platform.close());

/** The attack had its way with its own build, and only with that; or it was kept from it. */
function expectOwnFailureAtMost({ record }: Attack, ...codes: FailureCode[]): void {
  expect(['failed', 'success']).toContain(record.status);
  if (record.status === 'failed') expect(codes).toContain(record.failureCode);
  else expect(record.artifacts?.objectCount).toBe(4);
}

/** One that waits for its parent (`Z`) is not. */
async function isRunning(pid: string): Promise<boolean> {
  return promisify(execFile)('ps', ['-o', 'stat=', '-p', pid]).then(({ stdout }) => !stdout.startsWith('Z'), () => false);
}

test('an app without an attack is built: what follows is the attacks\' doing', async () => {
  const { record } = await platform.deploy({ name: 'attacker-asleep', postinstall: 'console.log("nothing")', build: 'console.log("nothing")' });
  expect(record).toMatchObject({ status: 'success', artifacts: { objectCount: 4 } });
}, BOUND_MS);

test('steps are replaced by a success: the output is missing, and the record says so', async () => {
  const attack = await platform.deploy({
    name: 'attacker-steps',
    postinstall: `
      import { writeFileSync } from 'node:fs';
      for (const step of ['build', 'package', 'upload']) {
        try {
          writeFileSync(\`\${process.env.STEPS}/\${step}.sh\`, 'echo "{}"; exit 0\\n');
        } catch {}
      }`,
  });
  expectOwnFailureAtMost(attack, 'ARTIFACTS_MISSING');
}, BOUND_MS);

test('the manifest is forged behind the step that writes it', async () => {
  const { record } = await platform.deploy({
    name: 'attacker-manifest-step',
    postinstall: `
      import { appendFileSync, readFileSync } from 'node:fs';
      const { neighbour: { deploymentId, projectId } } = JSON.parse(readFileSync('attack/target.json', 'utf8'));
      const forged = JSON.stringify({ version: 1, deploymentId, projectId, commitSha: 'b'.repeat(40), timings: { install: 1e9 } });
      try {
        const write = 'import("node:fs").then((fs) => fs.writeFileSync(process.env.OUTPUT + "/artifacts/manifest.json", ' + JSON.stringify(forged) + '));';
        appendFileSync(process.env.STEPS + '/manifest.mjs', '\\n' + write);
      } catch {}`,
  });
  expect(record).toMatchObject({ status: 'success', projectId: 'attacker-manifest-step', artifacts: { objectCount: 4 } });
  expect(JSON.stringify(record)).not.toContain('neighbour');
  expect(record.timings?.install ?? 0).toBeLessThan(1e6);
}, BOUND_MS);

test('it kills its shell, and every process of its build that it may', async () => {
  const attack = await platform.deploy({
    name: 'attacker-killer',
    postinstall: `
      import { readdirSync, readFileSync } from 'node:fs';
      const read = (file) => { try { return readFileSync(file, 'latin1'); } catch { return ''; } };
      const mine = (pid) => read(\`/proc/\${pid}/environ\`).split('\\0').includes('DEPLOYMENT_ID=' + process.env.DEPLOYMENT_ID);
      const pids = process.platform === 'linux' ? readdirSync('/proc').filter((name) => /^\\d+$/.test(name)).map(Number).filter(mine) : [process.ppid];
      for (const pid of pids.filter((pid) => pid !== process.pid)) try { process.kill(pid, 'SIGKILL'); } catch {}
      process.kill(process.pid, 'SIGKILL');`,
  });
  expect(attack.record).toMatchObject({ status: 'failed' });
  expectOwnFailureAtMost(attack, 'OUT_OF_MEMORY', 'INSTALL_FAILED');
}, BOUND_MS);

// The disk of this machine stays as it is: to its build's processes every file is full (RLIMIT_FSIZE), as far as it may say so (Linux).
test('it fills the disk and the log', async () => {
  const attack = await platform.deploy({
    name: 'attacker-disk',
    postinstall: `
      import { execFileSync } from 'node:child_process';
      import { ancestors } from './loot.mjs';
      for (let line = 0; line < 20_000; line++) console.log('x'.repeat(1000));
      for (const { pid } of ancestors()) {
        try {
          execFileSync('prlimit', ['--pid', String(pid), '--fsize=0:0'], { stdio: 'ignore' });
        } catch {}
      }`,
  });
  expect(attack.log.length).toBeGreaterThan(20e6);
  expectOwnFailureAtMost(attack, 'INSTALL_FAILED', 'BUILD_FAILED');
}, BOUND_MS);

test('processes that it leaves behind are ended with its build', async () => {
  const { log, record } = await platform.deploy({
    name: 'attacker-daemon',
    postinstall: `
      import { spawn } from 'node:child_process';
      const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { detached: true, stdio: 'ignore' });
      child.unref();
      console.log('DAEMON ' + child.pid);`,
  });
  expect(record).toMatchObject({ status: 'success' });
  expect(await isRunning(/^DAEMON (\d+)$/m.exec(log)![1])).toBe(false);
}, BOUND_MS);
