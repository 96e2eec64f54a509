/**
 * Who may push to some branch runs his code in its builds. What he leaves in their cache reaches the builds of that branch, and nobody else's:
 * not those of the default branch, not another project's.
 */
import { Platform, type Outside } from './platform';
import { CACHE_ROOT, cacheKey, staticPrefix } from '../../src/contract/keys';

const PROJECT = 'attacker-shop';
const BOUND_MS = 180_000;

/** As bundlers do it: what is in the cache is not compiled again. */
const COMPILER = `
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
const cached = '.next/cache/compiler/main.js';
console.log('FOUND ' + (existsSync(cached) ? readFileSync(cached, 'utf8') : 'nothing'));
if (!existsSync(cached)) {
  mkdirSync('.next/cache/compiler', { recursive: true });
  writeFileSync(cached, 'let honest;');
}
copyFileSync(cached, 'compiled.js');
`;

/** Poisons whatever a next build could begin with, and tries to put it where the default branch's builds begin. */
const POISON = `
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { call, callUrl, keyPath } from './aws.mjs';
import { loot } from './loot.mjs';
const poison = (directory, name) => {
  try {
    mkdirSync(directory, { recursive: true });
    writeFileSync(directory + '/' + name, 'let evil;');
  } catch {}
};
const { STATE } = process.env;
poison('.next/cache/compiler', 'main.js');
poison('node_modules/next', 'index.js');
poison('node_modules/.evil', 'index.js');
poison(STATE + '/store', 'evil');
poison(STATE + '/tools/evil', '.complete');
writeFileSync('compiled.js', 'let evil;');

const { bucket, endpoints } = JSON.parse(readFileSync('attack/target.json', 'utf8'));
const say = (as, what, answer) => console.log('LOOT ' + JSON.stringify({ as, what, answer }));
const { own, urls } = await loot();
for (const url of urls) {
  const path = decodeURIComponent(new URL(url).pathname);
  say('URL', 'PUT ' + path, (await callUrl(url, { method: 'PUT', body: 'let evil;' })).answer);
  for (const credentials of own) say('build', 'PUT ' + path, (await call({ service: 's3', endpoint: endpoints.s3, method: 'PUT', path: keyPath(bucket, path.split('/').slice(2).join('/')), body: 'let evil;' }, credentials)).answer);
}
`;

let platform: Platform;
let before: Outside;

beforeAll(async () => {
  platform = await Platform.start();
  before = await platform.outside();
}, BOUND_MS);
afterAll(async () => {
  expect(await platform.outside()).toEqual(before);
  await platform.close();
}, BOUND_MS);

const honest = (version: string) => ({ name: PROJECT, build: COMPILER, files: { version } });
const found = (log: string) => /^FOUND (.*)$/m.exec(log)?.[1];
const cacheOf = async (projectId: string, branch: string) => {
  const prefix = cacheKey(projectId, branch, 'next').replace(/next$/, '');
  return Object.fromEntries(Object.entries(await platform.bootyFingerprints()).filter(([key]) => key.startsWith(prefix)));
};

test('a preview branch changes nothing of the default branch\'s cache, and nothing of what its builds find', async () => {
  const first = await platform.deploy(honest('1'));
  expect([first.record.status, found(first.log)]).toEqual(['success', 'nothing']);
  const cache = await cacheOf(PROJECT, 'main');
  expect(Object.keys(cache)).toContain(cacheKey(PROJECT, 'main', 'next'));

  const attack = await platform.deploy({ name: PROJECT, build: POISON }, { branch: 'preview', defaultBranch: 'main' });
  expect(attack.record.status).toBe('success');
  expect(attack.loot.filter(({ answer }) => !/^403 (AccessDenied|SignatureDoesNotMatch)$/.test(answer))).toEqual([]);
  expect(await cacheOf(PROJECT, 'main')).toEqual(cache);
  // It did leave its poison in its own.
  expect(Object.keys(await cacheOf(PROJECT, 'preview'))).toContain(cacheKey(PROJECT, 'preview', 'next'));
  const next = await platform.deploy(honest('2'), { branch: 'preview', defaultBranch: 'main' });
  expect(found(next.log)).toBe('let evil;');

  expect(found((await platform.deploy(honest('3'))).log)).toBe('let honest;');
}, BOUND_MS);

test('a stranger\'s pull request finds nothing of the project\'s caches, and poisons its own only: not that of a branch of its name', async () => {
  const pullRequest = { branch: 'pull/7/head', defaultBranch: 'main', withoutSecrets: true };
  const branch = { branch: 'pull/7/head' };
  const name = 'attacker-forked';
  await platform.deploy({ ...honest('1'), name });
  const before7 = await platform.deploy({ ...honest('2'), name }, branch);
  expect([before7.record.status, found(before7.log)]).toEqual(['success', 'nothing']);

  const first = await platform.deploy({ ...honest('3'), name }, pullRequest);
  expect([first.record.status, found(first.log)]).toEqual(['success', 'nothing']);
  await platform.deploy({ name, build: POISON }, pullRequest);
  expect(found((await platform.deploy({ ...honest('4'), name }, pullRequest)).log)).toBe('let evil;');

  expect(found((await platform.deploy({ ...honest('5'), name }, branch)).log)).toBe('let honest;');
  expect(found((await platform.deploy({ ...honest('6'), name })).log)).toBe('let honest;');
}, BOUND_MS);

test('another project finds nothing, whatever it has in common with the poisoned one', async () => {
  await platform.deploy({ name: 'attacker-poisoner', build: POISON });
  const { log, record } = await platform.deploy({ ...honest('1'), name: 'attacker-other' });
  expect([record.status, found(log)]).toEqual(['success', 'nothing']);
  const caches = (await platform.booty()).filter((key) => key.startsWith(CACHE_ROOT));
  expect(new Set(caches.map((key) => key.split('/')[1]))).toEqual(new Set([PROJECT, 'attacker-forked', 'attacker-poisoner', 'attacker-other']));
}, BOUND_MS);

describe('The default branch\'s commit, built on a preview branch with a poisoned cache', () => {
  const name = 'attacker-overwriter';

  test('changes nothing of what the default branch\'s build has stored, and is not what its next deployment of that commit gets', async () => {
    const main = await platform.commit({ ...honest('1'), name });
    const request = { projectId: name, ...main };
    const { record: honestly } = await platform.attack({ ...request, deploymentId: `${name}-main` });
    const key = `${staticPrefix(honestly)}_next/static/main.js`;
    expect(await platform.content(key)).toBe('let honest;');

    await platform.deploy({ name, build: POISON }, { branch: 'preview' });
    const { log, record: poisoned } = await platform.attack({ ...request, deploymentId: `${name}-preview`, branch: 'preview' });
    expect([poisoned.status, found(log)]).toEqual(['success', 'let evil;']);
    expect(await platform.content(`${staticPrefix(poisoned)}_next/static/main.js`)).toBe('let evil;');
    expect(await platform.content(key)).toBe('let honest;');

    const { record: again } = await platform.attack({ ...request, deploymentId: `${name}-again` });
    expect(again).toMatchObject({ status: 'success', reusedFrom: honestly.deploymentId });
    expect(await platform.content(`${again.artifacts!.staticPrefix}_next/static/main.js`)).toBe('let honest;');
  }, BOUND_MS);
});
