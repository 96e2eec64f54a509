// Takes over the commit that the trusted side has fetched: a pack, in which git itself names every object by its hash. The build has no
// credentials for the repository; where the trusted side has none either, it leaves nothing, and checkout.sh clones.
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { fail, load } from './common.mjs';

const { CHECKOUT, COMMIT_SHA } = process.env;
const failed = (sentence) => fail('CHECKOUT_FAILED', `${sentence} Send the request again.`);
const { packUrl, statusUrl, waitSeconds } = JSON.parse(load('handover') || '{}').source ?? failed('The handover has expired.');

/** Nothing as long as there is none (mostly there is: the fetch began before the build did): a presigned URL of what is not there answers 403 or 404. */
async function look() {
  const response = await fetch(statusUrl, { signal: AbortSignal.timeout(15_000) });
  return response.ok && response.json();
}

async function takeOver() {
  const { body, status } = await fetch(packUrl);
  if (status !== 200) throw new Error(`HTTP ${status}`);
  const git = spawn('git', ['-C', CHECKOUT, 'index-pack', '--stdin'], { stdio: ['pipe', 'ignore', 'inherit'] });
  const ended = new Promise((resolve) => git.on('close', resolve));
  await pipeline(body, git.stdin);
  if (await ended) throw new Error('git failed');
}

let found;
for (const deadline = Date.now() + waitSeconds * 1000; !(found = await look().catch(() => false)); await sleep(1000)) {
  if (Date.now() > deadline) failed(`The source was not fetched within ${waitSeconds} s.`);
}
if (found.failureCode) fail(found.failureCode, found.reason);
if (found.status === 'ready') {
  await takeOver().catch(takeOver).catch((error) => failed(`The source cannot be taken over: ${error.cause?.message ?? error.message}.`));
  // It has no parents here.
  writeFileSync(`${CHECKOUT}/.git/shallow`, `${COMMIT_SHA}\n`);
}
