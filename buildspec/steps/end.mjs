// Ends all that runs as the build user, but for itself: end.mjs UID. Whoever got the signal executes no more; what the system does for it may have
// to end first.
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const uid = Number(process.argv[2]);
// Of whoever else runs this, it would end everything.
if (!uid || process.getuid() !== uid) throw new Error(`This is user ${process.getuid()}, not ${process.argv[2]}.`);

function runs(pid) {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    return Number(/^Uid:\s+(\d+)/m.exec(status)[1]) === uid && !/^State:\s+[ZX]/m.test(status);
  } catch {
    return false; // it has just ended
  }
}
process.kill(-1, 'SIGKILL');
// 10 s; a disk may be busy.
for (let tries = 0; readdirSync('/proc').some((name) => name > 0 && Number(name) !== process.pid && runs(name)); tries += 1) {
  if (tries > 100) throw new Error('Something does not end.');
  await sleep(100);
}
