import { createWriteStream } from 'node:fs';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { ZipFile } from 'yazl';
import { invokeFunctionUrl } from '../../local/invoke';

const LINK_MODE = 0o12_0777;

let scratch: string;
let count = 0;

beforeAll(async () => {
  scratch = await mkdtemp(path.join(tmpdir(), 'invoke-test-'));
});

afterAll(async () => {
  await rm(scratch, { recursive: true, force: true });
});

async function zipOf(files: Record<string, string>, links: Array<[name: string, target: string]> = []): Promise<string> {
  count += 1;
  const zipFile = path.join(scratch, `${count}.zip`);
  const zip = new ZipFile();
  for (const [name, target] of links) zip.addBuffer(Buffer.from(target), name, { mode: LINK_MODE });
  for (const [name, content] of Object.entries(files)) zip.addBuffer(Buffer.from(content), name);
  zip.end();
  await pipeline(zip.outputStream, createWriteStream(zipFile));
  return zipFile;
}

/** A function that answers with what it got. */
const ECHO = `
  export const handler = async (event, context) => ({
    statusCode: 201,
    headers: { 'Content-Type': 'application/json', 'X-Number': 7 },
    cookies: ['a=1', 'b=2'],
    body: Buffer.from(JSON.stringify({ event, context, remaining: context.getRemainingTimeInMillis(), environment: process.env })).toString('base64'),
    isBase64Encoded: true,
  });
`;

describe('invokeFunctionUrl', () => {
  test('answers with status, headers and decoded body', async () => {
    const [response] = await invokeFunctionUrl({ zipFile: await zipOf({ 'index.mjs': ECHO }), requests: [{ method: 'GET', path: '/' }] });

    expect(response.status).toBe(201);
    expect(response.headers).toEqual({ 'content-type': 'application/json', 'x-number': '7', 'set-cookie': 'a=1, b=2' });
    expect(JSON.parse(response.body)).toHaveProperty('event');
  });

  test('sends events of payload format version 2.0 and a context', async () => {
    const [response] = await invokeFunctionUrl({
      zipFile: await zipOf({ 'index.mjs': ECHO }),
      requests: [{ method: 'POST', path: '/api/hello%20you?a=1&a=2&b=x?y', headers: { 'Cookie': 'one=1; two=2', 'X-Test': 'yes' } }],
    });

    const { event, context, remaining } = JSON.parse(response.body);
    expect(event).toMatchObject({
      version: '2.0',
      rawPath: '/api/hello%20you',
      rawQueryString: 'a=1&a=2&b=x?y',
      queryStringParameters: { a: '1,2', b: 'x?y' },
      cookies: ['one=1', 'two=2'],
      headers: { 'x-test': 'yes', 'host': expect.stringContaining('.lambda-url.') },
      requestContext: { http: { method: 'POST', path: '/api/hello%20you', sourceIp: '127.0.0.1' }, requestId: context.awsRequestId },
      isBase64Encoded: false,
    });
    expect(event.headers).not.toHaveProperty('cookie');
    expect(context).toMatchObject({ functionVersion: '$LATEST', memoryLimitInMB: '1024' });
    expect(remaining).toBeGreaterThan(0);
  });

  test('sends every request to one process, in order', async () => {
    const zipFile = await zipOf({ 'index.mjs': 'let calls = 0; export const handler = async (event) => ({ statusCode: 200, body: `${++calls} ${event.rawPath} ${process.pid}` });' });

    const responses = await invokeFunctionUrl({ zipFile, requests: [{ method: 'GET', path: '/a' }, { method: 'GET', path: '/b' }] });

    const [first, second] = responses.map(({ body }) => body.split(' '));
    expect([first[1], second[1]]).toEqual(['/a', '/b']);
    expect([first[0], second[0]]).toEqual(['1', '2']);
    expect(first[2]).toBe(second[2]);
    expect(first[2]).not.toBe(String(process.pid));
  });

  test('gives the function the caller\'s environment and nothing of this machine\'s, with no way to AWS', async () => {
    process.env.SECRET_OF_THIS_MACHINE = 'secret';
    process.env.NODE_OPTIONS = '--no-warnings';
    try {
      const zipFile = await zipOf({ 'index.mjs': ECHO });
      const [response] = await invokeFunctionUrl({ zipFile, requests: [{ method: 'GET', path: '/' }], environment: { CACHE_BUCKET_NAME: 'cache' } });

      const { environment } = JSON.parse(response.body);
      expect(environment).toMatchObject({ CACHE_BUCKET_NAME: 'cache', AWS_REGION: 'us-east-1', AWS_ENDPOINT_URL: expect.stringMatching(/^http:\/\/127\.0\.0\.1:/) });
      expect(environment).not.toHaveProperty('SECRET_OF_THIS_MACHINE');
      expect(environment).not.toHaveProperty('NODE_OPTIONS');
    } finally {
      delete process.env.SECRET_OF_THIS_MACHINE;
      delete process.env.NODE_OPTIONS;
    }
  });

  test('keeps the symbolic links of the zip file', async () => {
    const zipFile = await zipOf({
      'index.mjs': `
        import { readlinkSync } from 'node:fs';
        import { name } from 'real';
        export const handler = async () => ({ statusCode: 200, body: name + ' ' + readlinkSync('node_modules/real') });
      `,
      'node_modules/.pnpm/real/package.json': '{"name":"real","type":"module","exports":"./index.js"}',
      'node_modules/.pnpm/real/index.js': 'export const name = "linked";',
    }, [['node_modules/real', '.pnpm/real']]);

    expect((await invokeFunctionUrl({ zipFile, requests: [{ method: 'GET', path: '/' }] }))[0].body).toBe('linked .pnpm/real');
  });

  test.each<[string, Array<[string, string]>, Record<string, string>]>([
    ['an absolute link', [['out', '/etc']], {}],
    ['a relative link', [['out', '../..']], {}],
    ['a link through another', [['a/b/up', '../..'], ['out', 'a/b/up/..']], {}],
    ['a file written through a link', [['out', '..']], { 'out/escaped.txt': 'written outside' }],
  ])('refuses %s that leaves the function\'s directory', async (_, links, files) => {
    const zipFile = await zipOf({ 'index.mjs': ECHO, ...files }, links);

    await expect(invokeFunctionUrl({ zipFile, requests: [{ method: 'GET', path: '/' }] })).rejects.toThrow(/outside of the function's directory|EEXIST|ENOTDIR/);
  });

  test('tells what the function says when it fails', async () => {
    const failing = async (source: string) => invokeFunctionUrl({ zipFile: await zipOf({ 'index.mjs': source }), requests: [{ method: 'GET', path: '/page' }] });

    await expect(failing('export const handler = async () => { console.error("a hint"); throw new Error("broken"); };')).rejects.toThrow(/GET \/page.*broken[^]*a hint/);
    await expect(failing('import "missing-package"; export const handler = 1;')).rejects.toThrow('missing-package');
    await expect(failing('export const handler = 1;')).rejects.toThrow('does not export a function named "handler"');
    await expect(failing('export const handler = () => process.exit(3);')).rejects.toThrow('ended with status 3');
  });

  test('ends a function that does not answer in time', async () => {
    const zipFile = await zipOf({ 'index.mjs': 'export const handler = () => new Promise(() => setInterval(() => {}, 1000));' });

    await expect(invokeFunctionUrl({ zipFile, requests: [{ method: 'GET', path: '/' }], timeoutSeconds: 1 })).rejects.toThrow('did not answer within 1 seconds');
  });

  test('runs outside the repository and removes what it unpacked', async () => {
    const zipFile = await zipOf({ 'index.mjs': 'export const handler = async () => ({ statusCode: 200, body: process.cwd() });' });

    const [{ body }] = await invokeFunctionUrl({ zipFile, requests: [{ method: 'GET', path: '/' }] });

    expect(body.startsWith(path.resolve(__dirname, '../..') + path.sep)).toBe(false);
    await expect(readdir(body)).rejects.toThrow('ENOENT');
  });

  test('names a zip file that cannot be read', async () => {
    const notAZip = path.join(scratch, 'text.zip');
    await writeFile(notAZip, 'text');

    await expect(invokeFunctionUrl({ zipFile: path.join(scratch, 'missing.zip'), requests: [] })).rejects.toThrow('missing.zip');
    await expect(invokeFunctionUrl({ zipFile: notAZip, requests: [] })).rejects.toThrow('text.zip');
  });
});
