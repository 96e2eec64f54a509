/**
 * One execution environment of the finalizer, as it is bundled: a child process with an IPC channel. { event, requestId } in, { seconds, peakMegabytes } out, or
 * what it threw. A process of its own, because its memory is to be measured, and because it is to be killed.
 */
import { createRequire } from 'node:module';

const { handler } = createRequire(import.meta.url)('../../assets/finalizer/index.js');

process.on('message', async ({ event, requestId }) => {
  const began = performance.now();
  try {
    await handler(event, { functionName: 'finalizer', awsRequestId: requestId, memoryLimitInMB: '1024', getRemainingTimeInMillis: () => 900_000 });
    process.send({ seconds: (performance.now() - began) / 1000, peakMegabytes: process.resourceUsage().maxRSS / 1024 });
  } catch (error) {
    process.send({ error: String(error.stack ?? error) });
  }
});
process.on('disconnect', () => process.exit());
