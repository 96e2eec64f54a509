/** A build reads every credential that it can find, and tries everything with each of them: it gets nothing that is not its own. */
import { NEIGHBOURS_SECRET } from './neighbour';
import { Platform, REFUSED, type Attack, type Outside } from './platform';

const TRY_EVERYTHING = `
import { readFileSync } from 'node:fs';
import { tryEverything } from './loot.mjs';
await tryEverything(JSON.parse(readFileSync(new URL('./target.json', import.meta.url), 'utf8')));
`;

/** One build of some seconds; far more for a machine that is busy. */
const BOUND_MS = 120_000;

let platform: Platform;
let before: Outside;

const start = async (options: { seized?: boolean }) => {
  platform = await Platform.start(options);
  before = await platform.outside();
};
afterEach(async () => {
  await platform.close();
});

function expectNothingGained({ log, loot }: Attack): void {
  expect(loot.filter(({ answer, as }) => as !== 'nobody' && !REFUSED.test(answer))).toEqual([]);
  expect(log).not.toContain(NEIGHBOURS_SECRET);
}

test('on a machine that is all his: with the role\'s credentials, with every key that he sees, and with changed URLs', async () => {
  await start({ seized: true });
  const attack = await platform.seize('attacker-with-credentials', TRY_EVERYTHING);
  expectNothingGained(attack);
  expect(await platform.outside()).toEqual(before);
  expect(await platform.booty()).toEqual([]);
  // He ended with status 0, which says nothing.
  expect(attack.record).toMatchObject({ status: 'failed', failureCode: 'ARTIFACTS_MISSING' });

  // It was put to the test: he found the build's own credentials, and the orchestrator's key in the URLs that it had signed.
  expect(attack.loot.at(-1)).toMatchObject({ what: 'done', answer: '1 credentials, 1 keys, 5 URLs' });
  const doors = (who: string) => attack.loot.filter(({ as }) => as === who).length;
  expect(doors('build')).toBeGreaterThan(70);
  expect(doors('anonymous')).toBe(doors('build'));
  expect(doors('guess')).toBe(3 * doors('build'));
  expect(doors('URL')).toBeGreaterThan(50);
  // What is not signed with the secret of its key is refused before anybody asks what the key may do.
  expect(attack.loot.filter(({ answer, as }) => as === 'guess' && !/Signature|^closed$/.test(answer))).toEqual([]);

  // The run has reported it all, and nobody but the build and strangers was denied anything.
  const denials = platform.denials();
  expect(denials.filter((denial) => !/^(\S*BuildsBuildRole|Anonymous) /.test(denial))).toEqual([]);
  for (const action of [
    's3:GetObject', 's3:PutObject', 's3:DeleteObject', 's3:ListBucket', 's3:ListAllMyBuckets', 's3:CreateBucket', 's3:PutObjectAcl', 's3:PutObjectTagging',
    'dynamodb:Scan', 'dynamodb:PutItem', 'dynamodb:DeleteItem', 'dynamodb:DeleteTable', 'sqs:SendMessage', 'sqs:ReceiveMessage', 'sqs:PurgeQueue',
    'codebuild:StartBuild', 'codebuild:StopBuild', 'codebuild:BatchGetBuilds', 'lambda:InvokeFunction', 'events:PutEvents', 'secretsmanager:GetSecretValue',
  ]) expect(denials).toContainEqual(expect.stringMatching(new RegExp(`BuildsBuildRole.* ${action}$`)));
  expect(await platform.pipeline.builds()).toHaveLength(1);
}, BOUND_MS);

// With the credentials out of the tenant's reach he finds fewer keys, and knocks as a stranger only: the same holds.
test('in a postinstall script, below the pipeline\'s own steps; his app is built all the same', async () => {
  await start({});
  const attack = await platform.deploy({ name: 'attacker-postinstall', postinstall: TRY_EVERYTHING });
  expectNothingGained(attack);
  expect(attack.loot.filter(({ as }) => as === 'anonymous').length).toBeGreaterThan(70);
  expect(attack.loot.at(-1)).toMatchObject({ what: 'done' });
  expect(attack.record).toMatchObject({ status: 'success' });
  expect(await platform.outside()).toEqual(before);
  expect(await platform.booty()).toEqual(expect.arrayContaining([expect.stringMatching(/^artifacts\/attacker-postinstall\/[0-9a-f]{40}\/attacker-postinstall-\w+\/lambda\.zip$/)]));
  expect((await platform.booty()).filter((key) => !key.includes('/attacker-postinstall/'))).toEqual([]);
  expect(platform.denials().filter((denial) => !/^(\S*BuildsBuildRole|Anonymous) /.test(denial))).toEqual([]);
  expect(await platform.pipeline.builds()).toHaveLength(1);
}, BOUND_MS);

test('credentials that were carried away open nothing when the build has ended, but a staging area that nobody reads any more', async () => {
  await start({ seized: true });
  const { record } = await platform.seize('attacker-thief', `
    import { writeFileSync } from 'node:fs';
    import { storeComplete } from './seized.mjs';
    await storeComplete();
    writeFileSync(new URL('./stolen.json', import.meta.url), JSON.stringify(process.env));
  `);
  expect(record).toMatchObject({ status: 'success' });
  const booty = await platform.bootyFingerprints();
  const ended = await platform.pipeline.record(record.deploymentId);

  const late = await platform.runElsewhere(`
    import { readFileSync } from 'node:fs';
    Object.assign(process.env, JSON.parse(readFileSync(new URL('./stolen.json', import.meta.url), 'utf8')));
    const { storeComplete, target } = await import('./seized.mjs');
    await storeComplete('{"version":1,"forged":true}');
    await (await import('./loot.mjs')).tryEverything(target);
  `);

  const stored = late.filter(({ what }) => what.startsWith('store '));
  expect(stored.map(({ answer }) => answer)).toEqual(['200', '200', '200']);
  expect(late.filter((line) => !stored.includes(line) && line.as !== 'nobody' && !REFUSED.test(line.answer))).toEqual([]);
  // It expires by the lifecycle rule of staging/.
  await platform.removeStaged();
  expect(await platform.outside()).toEqual(before);
  expect(await platform.bootyFingerprints()).toEqual(booty);
  expect(await platform.pipeline.record(record.deploymentId)).toEqual(ended);
}, BOUND_MS);
