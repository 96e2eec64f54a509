// One function in the place of Lambda's Node.js: trial-process.mjs DIRECTORY HANDLER [PACKAGE...]. Loads the handler and the packages, and sends the
// handler the event that keeps OpenNext's functions warm: each of OpenNext's wrappers answers it, and no page runs. Tells its parent { error, broken, tried }.
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';

// A handler that never rests hears nothing of its parent's end; neither does what goes on behind one that was heard.
const SECONDS = 30; // more than its parent waits
new Worker(`setTimeout(() => process.kill(process.pid, 'SIGKILL'), ${SECONDS * 1000})`, { eval: true }).unref();

const [directory, handler, ...packages] = process.argv.slice(2);
const [, file, name] = /^(.*)\.(.*)$/.exec(handler);
process.on('disconnect', () => process.exit());
// Of Lambda, for handlers that stream; of OpenNext, which sets it in servers only and answers with it everywhere.
globalThis.awslambda = { streamifyResponse: (stream) => (event, context) => stream(event, Object.assign(new PassThrough(), { setContentType() {} }), context) };
globalThis.serverId = 'trial';

class Broken extends Error {}
/** What no variable and no database would mend. JSON.parse of a variable that is not set here throws a SyntaxError, too. */
const isBroken = ({ code, name: kind, stack }) => /MODULE_NOT_FOUND|DLOPEN|PATH_NOT_EXPORTED|REQUIRE_ESM/.test(code)
  || (kind === 'SyntaxError' && /\n +at (.*)/.exec(stack)?.[1].includes('node:internal/'));

function tell(thrown) {
  if (!process.connected) process.exit();
  const error = Object(thrown) === thrown ? thrown : { message: String(thrown) };
  const message = String(error.message).split('\n')[0].slice(0, 250);
  if (/'@(aws-sdk|smithy)\//.test(message)) process.send({ tried: 'not tried: it needs the AWS SDK that Lambda brings' });
  else process.send({ error: message, broken: error instanceof Broken || isBroken(error) });
}
process.on('uncaughtException', tell);
try {
  const path = ['mjs', 'js', 'cjs'].map((extension) => join(directory, `${file}.${extension}`)).find(existsSync);
  if (!path) throw new Broken(`there is no ${file}.mjs`);
  const module = await import(pathToFileURL(path).href);
  const handle = module[name] ?? module.default?.[name];
  if (typeof handle !== 'function') throw new Broken(`${file} exports no function "${name}"`);
  for (const one of packages) {
    try {
      createRequire(path)(one);
    } catch (error) {
      throw new Broken(`${one}: ${error.message}`);
    }
  }
  await handle({ type: 'warmer', delay: 0 }, {});
  process.send({});
} catch (error) {
  tell(error);
}
