/** What a build stores is hostile: forged manifests, keys that lead elsewhere, zip bombs, success without anything. The machine is all the attacker's. */
import { Platform, type Outside } from './platform';
import { artifactsPrefix, staticPrefix } from '../../src/contract/keys';
import { COMMIT_SHA } from '../support/requests';

const BOUND_MS = 60_000;

let platform: Platform;
let before: Outside;

beforeAll(async () => {
  platform = await Platform.start({ seized: true });
  before = await platform.outside();
}, BOUND_MS);
// Whatever the attack was.
afterEach(async () => {
  expect(await platform.outside()).toEqual(before);
  expect(platform.denials()).toEqual([]);
});
afterAll(() => platform.close());

const beginningWith = (prefix: string, keys: readonly string[]) => keys.filter((key) => key.startsWith(prefix));
const bootyOf = async (projectId: string) => (await platform.booty()).filter((key) => key.split('/')[1] === projectId);

describe('A forged manifest', () => {
  const FORGED: Readonly<Record<string, string>> = {
    'of another deployment, project and commit': '{ version: 1, deploymentId: target.neighbour.deploymentId, projectId: target.neighbour.projectId, commitSha: "b".repeat(40), status: "success" }',
    'that claims absurd things': `{
      timings: { install: 1e308, build: -1, ["__proto__"]: 1, "<script>": 1, checkout: 2, ...Object.fromEntries(Array.from({ length: 1000 }, (_, i) => ["phase" + "x".repeat(i % 20) + "abcdefghij"[i % 10], 1])) },
      cache: { next: { result: "hit", reason: "\\u001b[2J".repeat(1e5) }, tools: { result: "owned" }, neighbour: { result: "hit" }, dependencies: [], store: { result: "miss", restoredBytes: -1 } },
    }`,
    'of 5 MB': '{ timings: { install: 1 }, padding: "x".repeat(5e6) }',
  };

  test.each(Object.entries(FORGED))('%s: the record says what CodeBuild and the request say, and of the rest no more than fits', async (_, manifest) => {
    const { record } = await platform.seize('attacker-manifest', `import { storeComplete, target } from './seized.mjs'; await storeComplete(JSON.stringify(${manifest}));`);
    expect(record).toMatchObject({
      projectId: 'attacker-manifest',
      commitSha: COMMIT_SHA,
      status: 'success',
      artifacts: { artifactsPrefix: artifactsPrefix(record), staticPrefix: staticPrefix(record) },
    });
    expect(record.deploymentId).toMatch(/^attacker-manifest-/);
    expect(JSON.stringify(record).length).toBeLessThan(5000);
    expect(JSON.stringify(record)).not.toMatch(/u001b|<script>|__proto__|owned|neighbour/);
    for (const seconds of Object.values(record.timings ?? {})) expect(seconds).toBeGreaterThanOrEqual(0);
  }, BOUND_MS);

  test('that is no JSON, or is nested 100,000 times, tells nothing', async () => {
    for (const manifest of ['\'{\'', '"[".repeat(100_000)', '\'{"timings":\'.repeat(100_000)']) {
      const { record } = await platform.seize('attacker-nested', `import { storeComplete } from './seized.mjs'; await storeComplete(${manifest});`);
      expect(record).toMatchObject({ status: 'success' });
      expect(record).not.toHaveProperty('timings');
    }
  }, BOUND_MS);
});

describe('A success that is none', () => {
  test('exit status 0, and nothing stored', async () => {
    const { record } = await platform.seize('attacker-nothing', '');
    expect(record).toMatchObject({ status: 'failed', failureCode: 'ARTIFACTS_MISSING' });
    expect(await bootyOf('attacker-nothing')).toEqual([]);
  }, BOUND_MS);

  test('everything stored, and then a failure: nothing of it is kept', async () => {
    const { record } = await platform.seize('attacker-failure', 'import { storeComplete } from "./seized.mjs"; await storeComplete(); process.exit(1);');
    expect(record).toMatchObject({ status: 'failed', failureCode: 'BUILD_FAILED' });
    expect(await bootyOf('attacker-failure')).toEqual([]);
  }, BOUND_MS);
});

describe('A key', () => {
  const long = (bytes: number) => `"static/" + "é/".repeat(10) + "x".repeat(${bytes} - own.length - Buffer.byteLength("static/" + "é/".repeat(10)))`;

  test.each([
    '"static/../../../neighbour/x"', '"static/.."', '"../" + target.neighbour.buildArn + "/artifacts/lambda.zip"', '"artifacts/functions/../lambda.zip"', '"artifacts/isr-cache/../../x"',
    '"cache/../../cache/neighbour/x/tools"', '"static//etc/passwd"', '"static/a/./b"', '"static/a\\nb"', '"static/a\\u0000b"', '"static/\\u001b[2J"', '"static/a\\\\..\\\\b"', '"private/x"',
    '"artifacts/handler.sh"', '"artifacts/manifest.json/x"', '""',
  ])('%s: the whole output is refused, and nothing of it is left', async (key) => {
    const { loot, record } = await platform.seize('attacker-key', `import { own, store, storeComplete, target } from "./seized.mjs"; await storeComplete(); await store(${key});`);
    expect(loot.map(({ answer }) => answer)).toEqual(['200', '200', '200', '200']);
    expect(record).toMatchObject({ status: 'failed', failureCode: 'ARTIFACTS_INVALID' });
    // What is shown to people holds nothing that a terminal would obey.
    expect(record.failureMessage).toMatch(/^[\x20-\x7e]+$/);
    expect(await bootyOf('attacker-key')).toEqual([]);
  }, BOUND_MS);

  test('of 1,024 bytes is accepted, one of 1,025 S3 does not take; names that only look like markup are names', async () => {
    const { loot, record } = await platform.seize('attacker-length', `
      import { own, store, storeComplete } from './seized.mjs';
      await storeComplete();
      await store(${long(1024)});
      await store(${long(1025)});
      await store('static/<script>alert(1)</script>.html');
      await store('static/%2e%2e%2f%2e%2e%2fneighbour');
    `);
    expect(loot.map(({ answer }) => answer)).toEqual(['200', '200', '200', '200', '400 KeyTooLongError', '200', '200']);
    expect(record).toMatchObject({ status: 'success', artifacts: { objectCount: 6 } });
    expect(beginningWith(staticPrefix(record), await platform.booty())).toHaveLength(3);
  }, BOUND_MS);
});

describe('A zip bomb', () => {
  test.each([
    ['attacker-bomb-1', 'one entry of 270 MB', '[zeros("a", 270e6)]', { status: 'failed', failureCode: 'ARTIFACT_TOO_LARGE' }],
    ['attacker-bomb-2', '2,000 entries that share their content', '(({ data, ...entry }) => Array.from({ length: 2000 }, (_, i) => ({ ...entry, name: "a" + i, data })))(zeros("a", 1e6))',
      { status: 'failed', failureCode: 'ARTIFACT_TOO_LARGE' }],
    // Lambda takes them.
    ['attacker-bomb-3', '65,535 entries without content', 'Array.from({ length: 65_535 }, (_, i) => file("a" + i, ""))', { status: 'success' }],
  ])('%s, %s', async (project, _, entries, end) => {
    const { record } = await platform.seize(project, `
      import { store, storeComplete } from './seized.mjs';
      import { file, zeros, zip } from './zip.mjs';
      await storeComplete();
      await store('artifacts/functions/bomb.zip', zip(${entries}));
    `);
    expect(record).toMatchObject(end);
    if (end.status === 'failed') expect(await bootyOf(project)).toEqual([]);
    expect(platform.pipeline.logs.filter(({ level, message }) => level === 'ERROR' && message.includes('could not be dealt with'))).toEqual([]);
  }, BOUND_MS);
});
