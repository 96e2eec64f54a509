// Fetches what was handed over to this build, and divides it: fact `for/<step>`, what that step gets to know of it, as its standard input.
import { save } from './common.mjs';

const SECONDS = 15; // S3 itself never pauses for that long

let handover = {};
try {
  const response = await fetch(process.env.HANDOVER_URL, { signal: AbortSignal.timeout(SECONDS * 1000) });
  const text = await response.text();
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  const found = JSON.parse(text);
  if (found.version !== 1) throw new Error('of another version');
  handover = found;
} catch (error) {
  console.log(`What was handed over cannot be read: ${error.cause?.message ?? error.message}`);
}
const { installEnvironment = {}, buildEnvironment = {}, ...rest } = handover;
// Package managers may fail over a variable that their configuration names and nobody has set.
const emptied = Object.fromEntries(Object.keys(installEnvironment).map((name) => [name, '']));
save({
  'for/checkout.sh': JSON.stringify(rest),
  'for/install.sh': JSON.stringify(installEnvironment),
  'for/build.sh': JSON.stringify({ ...emptied, ...buildEnvironment }),
  'for/package.sh': JSON.stringify({ installEnvironment, buildEnvironment }), // to look for them in the output
});
