// Runs inside the worker thread of one execution environment, in place of Lambda's Node.js runtime. Plain JavaScript: a worker
// thread has none of the loaders that run the rest of this directory, and the handler is to see a bare Node.js anyway.
import dns from 'node:dns';
import { existsSync } from 'node:fs';
import https from 'node:https';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { pathToFileURL } from 'node:url';
import { parentPort, workerData } from 'node:worker_threads';

class RuntimeError extends Error {
  constructor(name, message) {
    super(message);
    this.name = name;
  }
}

/** What Lambda answers for an error: its name, its message, its stack by lines. */
function describeError(error) {
  return error instanceof Error || typeof error?.message === 'string'
    ? { errorType: error.name ?? 'Error', errorMessage: error.message, trace: String(error.stack ?? '').split('\n') }
    : { errorType: typeof error, errorMessage: String(error), trace: [] };
}

/** As if the internet had these servers. For node:https; the global fetch has a network stack of its own. */
function joinNetwork({ addresses, certificates, ports = {} }) {
  const { lookup } = dns;
  dns.lookup = (name, options, callback = options) => {
    const address = addresses[name];
    if (address === undefined) return lookup(name, options, callback);
    return options.all ? callback(null, [{ address, family: 4 }]) : callback(null, address, 4);
  };
  const { createConnection } = https.globalAgent;
  https.globalAgent.createConnection = function connect(options, ...more) {
    return createConnection.call(this, { ...options, port: ports[options.host] ?? options.port }, ...more);
  };
  https.globalAgent.options.ca = [...rootCertificates, ...certificates];
}

async function loadHandler() {
  const match = /^(.*)\.([^./]+)$/.exec(process.env._HANDLER ?? '');
  if (match === null) {
    throw new RuntimeError('Runtime.MalformedHandlerName', `Expected a handler like index.handler, got ${process.env._HANDLER}.`);
  }
  const [, moduleName, exportName] = match;
  const root = process.env.LAMBDA_TASK_ROOT;
  const file = ['.js', '.mjs', '.cjs'].map((extension) => join(root, moduleName + extension)).find(existsSync);
  if (file === undefined) {
    throw new RuntimeError('Runtime.ImportModuleError', `Error: Cannot find module '${moduleName}' (.js, .mjs or .cjs) in ${root}`);
  }
  const loaded = await import(pathToFileURL(file).href).catch((error) => {
    throw error instanceof SyntaxError
      ? new RuntimeError('Runtime.UserCodeSyntaxError', `SyntaxError: ${error.message}`)
      : error?.code === 'MODULE_NOT_FOUND' || error?.code === 'ERR_MODULE_NOT_FOUND'
        ? new RuntimeError('Runtime.ImportModuleError', `Error: ${error.message}`)
        : error;
  });
  const handler = loaded[exportName] ?? loaded.default?.[exportName];
  if (typeof handler !== 'function') {
    throw new RuntimeError('Runtime.HandlerNotFound', `${process.env._HANDLER} is undefined or not exported`);
  }
  if (handler.length > 2) {
    throw new RuntimeError('Runtime.CallbackHandlerDeprecated', 'Node.js 24 and later have no callback-based handlers. Return a promise instead.');
  }
  return handler;
}

function marshal(result) {
  try {
    return JSON.stringify(result) ?? 'null';
  } catch (error) {
    throw new RuntimeError('Runtime.MarshalError', `Unable to stringify response body: ${error.message}`);
  }
}

/** Lines written before the answer are to be read before the answer. */
function flushed(stream) {
  return new Promise((resolve) => stream.write('', resolve));
}

async function post(message) {
  await Promise.all([flushed(process.stdout), flushed(process.stderr)]);
  parentPort.postMessage(message);
}

async function fail(error, fatal) {
  const description = describeError(error);
  // As Lambda's own runtime logs an invocation error, so that a developer sees the stack.
  console.error(`${fatal ? 'Uncaught Exception' : 'Invoke Error'}\t${JSON.stringify({ ...description, stack: description.trace, trace: undefined })}`);
  await post({ type: fatal ? 'fatal' : 'error', error: description });
}

process.on('unhandledRejection', (reason) => {
  void fail(new RuntimeError('Runtime.UnhandledPromiseRejection', reason instanceof Error ? `${reason.name}: ${reason.message}` : String(reason)), true);
});
process.on('uncaughtException', (error) => void fail(error, true));

try {
  if (workerData) joinNetwork(workerData);
  const handler = await loadHandler();
  parentPort.on('message', async ({ event, context, deadline }) => {
    try {
      const remaining = { getRemainingTimeInMillis: () => Math.max(0, deadline - Date.now()) };
      const result = await handler(JSON.parse(event), { callbackWaitsForEmptyEventLoop: true, ...context, ...remaining });
      await post({ type: 'result', result: marshal(result) });
    } catch (error) {
      await fail(error, false);
    }
  });
  await post({ type: 'ready' });
} catch (error) {
  await fail(error, true);
}
