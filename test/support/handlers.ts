import type { Context } from 'aws-lambda';
import { HANDLER_ENV } from '../../src/contract/environment';

export const REMAINING_SECONDS = 60;

/** What Lambda gives to an invocation, as far as the handlers look. */
export const CONTEXT = invocation('request-1');

export function invocation(awsRequestId: string): Context {
  return {
    functionName: 'handler', awsRequestId, memoryLimitInMB: '256', getRemainingTimeInMillis: () => REMAINING_SECONDS * 1000,
  } as Partial<Context> as Context;
}

/** For handlers, which read their environment when they are loaded: load them afterwards. */
export function setHandlerEnvironment(endpoints: Readonly<Record<string, string>>, variables: Partial<Record<keyof typeof HANDLER_ENV, string>>): void {
  for (const name of Object.values(HANDLER_ENV)) delete process.env[name];
  Object.assign(process.env, {
    AWS_REGION: 'eu-central-1',
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: 'test',
    // Nothing listens there: a call that no test has prepared finds a closed door instead of AWS.
    AWS_ENDPOINT_URL: 'http://127.0.0.1:9',
    AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: 'false',
    POWERTOOLS_LOG_LEVEL: 'SILENT',
    ...endpoints,
    ...Object.fromEntries(Object.entries(variables).map(([name, value]) => [HANDLER_ENV[name as keyof typeof HANDLER_ENV], value])),
  });
}
