import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startFunctionUrl } from '../../../local/services/lambda/function-url';
import { LambdaFunction } from '../../../local/services/lambda/lambda-function';
import { AccessDeniedError, type ApiCall, type Listener } from '../../../local/services/service';

/** The echo answers with the event; the others show what becomes of answers and of errors. */
const HANDLERS = `
exports.echo = async (event) => ({ event });
exports.answering = async () => ({ statusCode: 201, headers: { 'X-Seen': 'yes' }, cookies: ['a=1', 'b=2; Secure'], body: Buffer.from([0, 255]).toString('base64'), isBase64Encoded: true });
exports.broken = async () => { throw new Error('a secret detail'); };
`;

let directory: string;
let calls: ApiCall[];
let refuse: (call: ApiCall) => boolean;
const functions = new Map<string, LambdaFunction>();
const urls = new Map<string, Listener>();

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'function-url-'));
  await writeFile(join(directory, 'index.js'), HANDLERS);
  for (const name of ['echo', 'answering', 'broken']) {
    const fn = new LambdaFunction({ name, codeDirectory: directory, handler: `index.${name}`, environment: {}, timeoutSeconds: 10, memoryMb: 128, onLog: () => undefined });
    functions.set(name, fn);
    const onCall = (call: ApiCall) => {
      calls.push(call);
      if (refuse(call)) throw new AccessDeniedError('no');
    };
    urls.set(name, await startFunctionUrl({ function: fn, authType: 'NONE', region: 'us-east-1', onCall }));
  }
});

beforeEach(() => {
  calls = [];
  refuse = () => false;
});

afterAll(async () => {
  await Promise.all([...urls.values(), ...functions.values()].map(async (one) => one.close()));
  await rm(directory, { recursive: true });
});

const call = (name: string, path = '/', init?: RequestInit) => fetch(urls.get(name)!.endpoint + path, init);

async function eventOf(path: string, init: RequestInit) {
  const { event } = await (await call('echo', path, init)).json() as { event: Record<string, unknown> };
  return event;
}

test('the function gets payload format 2.0: method, path, query, headers in lower case, cookies apart', async () => {
  const event = await eventOf('/projects/shop?a=1&a=2&b', { method: 'POST', body: '{"a":"ä"}', headers: { 'Content-Type': 'application/json', 'X-GitHub-Event': 'push', 'Cookie': 'x=1; y=2' } });
  expect(event).toMatchObject({
    version: '2.0',
    rawPath: '/projects/shop',
    rawQueryString: 'a=1&a=2&b',
    queryStringParameters: { a: '1,2', b: '' },
    cookies: ['x=1', 'y=2'],
    headers: { 'content-type': 'application/json', 'x-github-event': 'push' },
    requestContext: { http: { method: 'POST', path: '/projects/shop' } },
    body: '{"a":"ä"}',
    isBase64Encoded: false,
  });
});

test.each([
  ['application/json; charset=utf-8', false], ['application/vnd.github+json', false], ['text/plain', false],
  ['application/x-www-form-urlencoded', true], ['application/octet-stream', true],
])('a body of type %s comes in Base64: %s', async (type, encoded) => {
  const { body, isBase64Encoded } = await eventOf('/', { method: 'POST', body: 'payload=1', headers: { 'content-type': type } });
  expect({ body, isBase64Encoded }).toEqual({ body: encoded ? Buffer.from('payload=1').toString('base64') : 'payload=1', isBase64Encoded: encoded });
});

test('a request without a body is an event without a body', async () => {
  expect(await eventOf('/', {})).not.toHaveProperty('body');
});

test('the answer is what the function says: status, headers, cookies, bytes', async () => {
  const response = await call('answering');
  expect([response.status, response.headers.get('x-seen'), response.headers.getSetCookie()]).toEqual([201, 'yes', ['a=1', 'b=2; Secure']]);
  expect([...new Uint8Array(await response.arrayBuffer())]).toEqual([0, 255]);
});

test('a function that throws is a 502 that tells nothing', async () => {
  const response = await call('broken');
  expect([response.status, await response.text()]).toEqual([502, '{"Message":"Internal Server Error"}']);
});

test('a body of more than 6 MB does not reach the function', async () => {
  const response = await call('echo', '/', { method: 'POST', body: 'x'.repeat(6 * 1_048_576 + 1) });
  expect(response.status).toBe(413);
  expect(calls).toEqual([]);
});

test('the caller needs both rights: to call the URL, and to invoke the function through it', async () => {
  expect((await call('echo')).status).toBe(200);
  expect(calls).toEqual([
    expect.objectContaining({ action: 'lambda:InvokeFunctionUrl', resource: functions.get('echo')!.arn, accessKeyId: undefined, context: { 'lambda:FunctionUrlAuthType': 'NONE' } }),
    expect.objectContaining({ action: 'lambda:InvokeFunction', resource: functions.get('echo')!.arn, accessKeyId: undefined, context: { 'lambda:InvokedViaFunctionUrl': 'true' } }),
  ]);
  for (const action of ['lambda:InvokeFunctionUrl', 'lambda:InvokeFunction']) {
    refuse = (asked) => asked.action === action;
    const response = await call('echo');
    expect([response.status, await response.text()]).toEqual([403, '{"Message":"Forbidden"}']);
  }
});
