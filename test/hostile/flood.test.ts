/** More objects than the pipeline accepts. */
import { Platform } from './platform';

/** Listed and removed again, by pages of a thousand: a minute, and far more on a machine that is busy. */
const BOUND_MS = 600_000;

test('100,001 objects are refused and removed', async () => {
  const platform = await Platform.start({ seized: true });
  try {
    const before = await platform.outside();
    const { record } = await platform.seize('attacker-flood', `
      import { mkdirSync, writeFileSync } from 'node:fs';
      import { own, storeComplete, target } from './seized.mjs';
      await storeComplete();
      // To send them would take minutes: they are put where the local S3 keeps its objects.
      for (let count = 0; count < 100_001 - 3; count += 1) {
        const directory = \`\${target.bucketDirectory}/\${own}static/\${Math.floor(count / 1000)}\`;
        if (count % 1000 === 0) mkdirSync(directory, { recursive: true });
        writeFileSync(\`\${directory}/\${count % 1000}\`, '');
      }
    `, {}, BOUND_MS);
    expect(record).toMatchObject({ status: 'failed', failureCode: 'ARTIFACTS_INVALID', failureMessage: expect.stringContaining('more than 100000 objects') });
    expect(await platform.outside()).toEqual(before);
    expect(await platform.booty()).toEqual([]);
    expect(platform.denials()).toEqual([]);
  } finally {
    await platform.close();
  }
}, BOUND_MS);
