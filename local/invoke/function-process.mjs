/**
 * The process that a function runs in: imports its handler as Lambda's Node.js runtime does, answers the events its parent sends
 * one by one, and ends with the parent. Plain JavaScript, so that it runs in any Node.js, without a loader.
 */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const { LAMBDA_TASK_ROOT, AWS_LAMBDA_FUNCTION_NAME, AWS_LAMBDA_FUNCTION_MEMORY_SIZE, INVOKE_DEADLINE } = process.env;

function contextFor(event) {
  return {
    functionName: AWS_LAMBDA_FUNCTION_NAME,
    functionVersion: '$LATEST',
    invokedFunctionArn: `arn:aws:lambda:us-east-1:000000000000:function:${AWS_LAMBDA_FUNCTION_NAME}`,
    memoryLimitInMB: AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    awsRequestId: event.requestContext.requestId,
    callbackWaitsForEmptyEventLoop: false,
    getRemainingTimeInMillis: () => Math.max(0, Number(INVOKE_DEADLINE) - Date.now()),
  };
}

async function answer(event) {
  try {
    const { handler } = await import(pathToFileURL(join(LAMBDA_TASK_ROOT, 'index.mjs')).href);
    if (typeof handler !== 'function') throw new Error('index.mjs does not export a function named "handler".');
    return { result: await handler(event, contextFor(event)) };
  } catch (error) {
    return { error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}

process.on('message', async (event) => process.send(await answer(event)));
process.on('disconnect', () => process.exit());
