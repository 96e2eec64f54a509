/** What an SDK does not send, or not in this shape: presigned URLs, hand-made aws-chunked bodies, the XML of errors. */
import { createHash } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { DeleteObjectsCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { errorOf, presign, startTestS3, type TestS3 } from './s3-support';

let s3: TestS3;
let url: (key: string) => string;
beforeAll(async () => {
  s3 = await startTestS3({ trusting: true });
  url = (key) => `${s3.endpoint}/${s3.bucket}/${key}`;
  await s3.client.send(new PutObjectCommand({ Bucket: s3.bucket, Key: 'object', Body: 'content', ContentType: 'text/plain' }));
});
afterAll(() => s3.close());

const codeOf = async (response: Response) => `${response.status} ${/<Code>(\w+)<\/Code>/.exec(await response.text())?.[1]}`;
const ago = (seconds: number) => new Date(Date.now() - seconds * 1000);

describe('Presigned URLs', () => {
  it('get and put', async () => {
    const put = await fetch(presign(url('presigned'), 60), { method: 'PUT', body: 'by URL', headers: { 'content-type': 'text/html' } });
    expect(put.status).toBe(200);
    const got = await fetch(presign(url('presigned'), 60));
    expect([got.status, got.headers.get('content-type'), await got.text()]).toEqual([200, 'text/html', 'by URL']);
  });

  it('expire', async () => {
    expect(await codeOf(await fetch(presign(url('object'), 60, ago(61))))).toBe('403 AccessDenied');
    expect(await codeOf(await fetch(presign(url('object'), 60, ago(61)), { method: 'PUT', body: 'late' }))).toBe('403 AccessDenied');
    expect((await fetch(presign(url('object'), 60, ago(50)))).status).toBe(200);
  });

  it('last a week at most', async () => {
    expect(await codeOf(await fetch(presign(url('object'), 604_801)))).toBe('400 AuthorizationQueryParametersError');
  });

  it('may name the headers of the answer', async () => {
    const response = await fetch(presign(url('object'), 60, new Date(), { 'response-content-disposition': 'attachment; filename="a.txt"' }));
    expect(response.headers.get('content-disposition')).toBe('attachment; filename="a.txt"');
  });

  it('carry headers in the query, with the weight of headers', async () => {
    const empty = presign(url('hoisted'), 60, new Date(), { 'x-amz-meta-by': 'query', 'x-amz-checksum-crc32': 'AAAAAA==' });
    expect(await codeOf(await fetch(empty, { method: 'PUT', body: 'not empty' }))).toBe('400 BadDigest');
    expect((await fetch(empty, { method: 'PUT', body: '' })).status).toBe(200);
    expect((await fetch(presign(url('hoisted'), 60))).headers.get('x-amz-meta-by')).toBe('query');
  });
});

describe('aws-chunked', () => {
  const signed = `;chunk-signature=${'0'.repeat(64)}`;
  const chunk = (content: string, signature = signed) => `${Buffer.byteLength(content).toString(16)}${signature}\r\n${content}\r\n`;
  const end = `0${signed}\r\n`;
  const send = (body: string, headers: Record<string, string>) => fetch(presign(url('chunked'), 60), {
    method: 'PUT', body, headers: { 'content-encoding': 'aws-chunked', ...headers },
  });
  const content = async () => (await fetch(presign(url('chunked'), 60))).text();
  const crc32OfDigits = 'y/Q5Jg==';

  it('signed, without trailer', async () => {
    const response = await send(`${chunk('12345')}${chunk('6789')}${end}\r\n`, {
      'x-amz-content-sha256': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD', 'x-amz-decoded-content-length': '9',
    });
    expect([response.status, await content()]).toEqual([200, '123456789']);
  });

  it('signed, with trailer', async () => {
    const response = await send(`${chunk('123456789')}${end}x-amz-checksum-crc32:${crc32OfDigits}\r\nx-amz-trailer-signature:${'0'.repeat(64)}\r\n\r\n`, {
      'x-amz-content-sha256': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER', 'x-amz-decoded-content-length': '9', 'x-amz-trailer': 'x-amz-checksum-crc32',
    });
    expect([response.status, await content()]).toEqual([200, '123456789']);
  });

  it('unsigned, with trailer', async () => {
    const response = await send(`${chunk('a\r\nb', '')}${chunk('0\r\n\r\n', '')}0\r\nx-amz-checksum-sha256:${
      createHash('sha256').update('a\r\nb0\r\n\r\n').digest('base64')}\r\n\r\n`, {
      'x-amz-content-sha256': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER', 'x-amz-decoded-content-length': '9', 'x-amz-trailer': 'x-amz-checksum-sha256',
    });
    expect([response.status, await content()]).toEqual([200, 'a\r\nb0\r\n\r\n']);
  });

  const unsigned = { 'x-amz-content-sha256': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER', 'x-amz-decoded-content-length': '9' };
  const trailing = { ...unsigned, 'x-amz-trailer': 'x-amz-checksum-crc32' };
  it.each([
    ['a wrong checksum', `${chunk('123456789', '')}0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n`, trailing, 'BadDigest'],
    ['a missing trailer', `${chunk('123456789', '')}0\r\n\r\n`, trailing, 'MalformedTrailerError'],
    ['less content than promised', `${chunk('12345', '')}0\r\n\r\n`, unsigned, 'IncompleteBody'],
    ['an end within a chunk', 'ff\r\n123456789', unsigned, 'IncompleteBody'],
    ['no chunks at all', '123456789', unsigned, 'IncompleteBody'],
    ['a chunk longer than it says', '5\r\n123456789\r\n0\r\n\r\n', unsigned, 'InvalidChunkSizeError'],
    ['a size that is none', 'zz\r\n123456789\r\n0\r\n\r\n', unsigned, 'InvalidChunkSizeError'],
  ])('refuses %s', async (_, body, headers, code) => {
    await send(`${chunk('before', '')}0\r\n\r\n`, { ...unsigned, 'x-amz-decoded-content-length': '6' });
    expect(await codeOf(await send(body, headers))).toBe(`400 ${code}`);
    expect(await content()).toBe('before');
  });

  it('decodes whatever pieces the network makes of it', async () => {
    const body = Buffer.from(`${chunk('12345')}${chunk('6789')}${end}x-amz-checksum-crc32:${crc32OfDigits}\r\n\r\n`);
    const { port } = new URL(s3.endpoint);
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const request = httpRequest(presign(url('chunked'), 60), {
        port,
        method: 'PUT',
        headers: {
          'content-encoding': 'aws-chunked',
          'content-length': body.length,
          'x-amz-content-sha256': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER',
          'x-amz-decoded-content-length': '9',
          'x-amz-trailer': 'x-amz-checksum-crc32',
        },
      }, (response) => {
        response.resume();
        resolve(response.statusCode);
      });
      request.on('error', reject);
      request.setNoDelay(true);
      void (async () => {
        for (const byte of body) {
          request.write(Buffer.of(byte));
          await new Promise(setImmediate);
        }
        request.end();
      })();
    });
    expect([status, await content()]).toEqual([200, '123456789']);
  });
});

describe('Uploads that break off', () => {
  it('leave the object as it was', async () => {
    await fetch(presign(url('broken'), 60), { method: 'PUT', body: 'whole' });
    const { port, pathname, search } = new URL(presign(url('broken'), 60));
    await new Promise<void>((resolve, reject) => {
      const socket = connect(Number(port), '127.0.0.1', () => {
        socket.write(`PUT ${pathname}${search} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhalf`, () => setTimeout(() => socket.destroy(), 50));
      });
      socket.on('error', reject).on('close', () => resolve());
    });
    expect(await (await fetch(presign(url('broken'), 60))).text()).toBe('whole');
  });
});

describe('Requests that are wrong', () => {
  it('are answered in S3\'s XML', async () => {
    const response = await fetch(presign(url('a&b'), 60));
    expect([response.status, response.headers.get('content-type')]).toEqual([404, 'application/xml']);
    expect(response.headers.get('x-amz-request-id')).toMatch(/\w+/);
    const document = await response.text();
    expect(document).toMatch(/^<\?xml version="1.0" encoding="UTF-8"\?>\s*<Error><Code>NoSuchKey<\/Code><Message>The specified key does not exist.<\/Message>/);
    expect(document).toContain('<Key>a&amp;b</Key>');
  });

  it('without a length are refused', async () => {
    const body = new ReadableStream({
      start(controller) {
        controller.enqueue(Buffer.from('no length'));
        controller.close();
      },
    });
    const response = await fetch(presign(url('lengthless'), 60), { method: 'PUT', body, duplex: 'half' } as RequestInit);
    expect(await codeOf(response)).toBe('411 MissingContentLength');
  });

  it('with a key that is not UTF-8 are refused', async () => {
    expect((await fetch(presign(url('%ff'), 60))).status).toBe(400);
  });

  it('DeleteObjects of nothing is malformed', async () => {
    expect(await errorOf(s3.client.send(new DeleteObjectsCommand({ Bucket: s3.bucket, Delete: { Objects: [] } })))).toBe('400 MalformedXML');
  });

  it('with a payload that is not what was signed are refused', async () => {
    const response = await fetch(presign(url('tampered'), 60), { method: 'PUT', body: 'tampered', headers: { 'x-amz-content-sha256': 'a'.repeat(64) } });
    expect(await codeOf(response)).toBe('400 XAmzContentSHA256Mismatch');
  });
});
