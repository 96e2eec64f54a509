/** What a service accepts as signed, and what it refuses: by AWS's published examples, and by requests that were changed after they were signed. */
import type { IncomingMessage } from 'node:http';
import { authenticate, type Authentication } from '../../../local/services/sigv4';
import { ChunkSignatures } from '../../../local/services/sigv4/chunk-signatures';
import { sha256 } from '../../../local/services/sigv4/sha256';
import { presignedUrl, signedHeaders, type SigningOptions, type UnsignedRequest } from '../../support/signing';

type Headers = Readonly<Record<string, string>>;

const KEY = 'AKIDTEST';
const S3: Authentication = { service: 's3', region: 'us-east-1', secretOf: (id) => (id === KEY ? 'secret' : undefined) };
const SQS: Authentication = { ...S3, service: 'sqs' };
const URL_OF_OBJECT = 'http://127.0.0.1:9000/bucket/key';
const MINUTE_MS = 60_000;

const arrives = (method: string, url: string, headers: Headers = {}): IncomingMessage => {
  const { host, pathname, search } = new URL(url);
  return { method, url: pathname + search, headers: { host, ...headers } } as unknown as IncomingMessage;
};

/** The caller's key, or what is wrong with the request. */
async function judge(request: IncomingMessage, expected = S3, body?: Buffer): Promise<string> {
  try {
    return (await authenticate(request, expected, body))?.accessKeyId ?? 'anonymous';
  } catch (error) {
    return (error as { problem?: string }).problem ?? String(error);
  }
}

describe('AWS\'s own examples', () => {
  // https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html, sigv4-query-string-auth.html, sigv4-streaming.html
  const EXAMPLE: Authentication = {
    service: 's3', region: 'us-east-1', secretOf: (id) => (id === 'AKIAIOSFODNN7EXAMPLE' ? 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY' : undefined),
  };
  const SCOPE = 'AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request';
  const authorization = (headers: string, signature: string) => `AWS4-HMAC-SHA256 Credential=${SCOPE},SignedHeaders=${headers},Signature=${signature}`;
  const date = { 'x-amz-date': '20130524T000000Z' };

  beforeEach(() => {
    jest.useFakeTimers({ now: new Date('2013-05-24T00:00:00Z'), doNotFake: ['hrtime', 'nextTick', 'performance', 'queueMicrotask', 'setImmediate', 'clearImmediate', 'setInterval', 'clearInterval', 'setTimeout', 'clearTimeout'] });
  });
  afterEach(() => jest.useRealTimers());

  const GET: Headers = {
    ...date,
    'range': 'bytes=0-9',
    'x-amz-content-sha256': sha256(''),
    'authorization': authorization('host;range;x-amz-content-sha256;x-amz-date', 'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41'),
  };
  const PUT: Headers = {
    ...date,
    'date': 'Fri, 24 May 2013 00:00:00 GMT',
    'x-amz-content-sha256': sha256('Welcome to Amazon S3.'),
    'x-amz-storage-class': 'REDUCED_REDUNDANCY',
    'authorization': authorization('date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class', '98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd'),
  };
  const presigned = `http://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=${encodeURIComponent(SCOPE)}&X-Amz-Date=20130524T000000Z`
    + '&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404';

  test.each<[string, IncomingMessage]>([
    ['GET with a header', arrives('GET', 'http://examplebucket.s3.amazonaws.com/test.txt', GET)],
    ['a presigned GET', arrives('GET', presigned)],
  ])('%s', async (_, request) => {
    expect(await judge(request, EXAMPLE)).toBe('AKIAIOSFODNN7EXAMPLE');
  });

  test('a request that signs the header Date is not accepted: no SDK of today does, and X-Amz-Date says the same', async () => {
    expect(await judge(arrives('PUT', 'http://examplebucket.s3.amazonaws.com/test%24file.text', PUT), EXAMPLE)).toBe('mismatch');
  });

  const CHUNKED: Headers = {
    ...date,
    'content-encoding': 'aws-chunked',
    'content-length': '66824',
    'x-amz-content-sha256': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
    'x-amz-decoded-content-length': '66560',
    'x-amz-storage-class': 'REDUCED_REDUNDANCY',
    'authorization': authorization(
      'content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class',
      '4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9',
    ),
  };
  const CHUNKS: readonly (readonly [content: string, signature: string])[] = [
    ['a'.repeat(65_536), 'ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648'],
    ['a'.repeat(1024), '0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497'],
    ['', 'b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9'],
  ];
  const chunkSignatures = async () => {
    const caller = await authenticate(arrives('PUT', 'http://s3.amazonaws.com/examplebucket/chunkObject.txt', CHUNKED), EXAMPLE);
    return new ChunkSignatures(caller!.signature, caller!.signer!);
  };

  test('signed chunks', async () => {
    const signatures = await chunkSignatures();
    for (const [content, signature] of CHUNKS) await signatures.checkChunk(signature, sha256(content));
  });

  test('signed chunks and a signed trailer', async () => {
    const caller = await authenticate(arrives('PUT', 'http://s3.amazonaws.com/examplebucket/chunkObject.txt', {
      ...date,
      'content-encoding': 'aws-chunked',
      'x-amz-content-sha256': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER',
      'x-amz-decoded-content-length': '66560',
      'x-amz-storage-class': 'REDUCED_REDUNDANCY',
      'x-amz-trailer': 'x-amz-checksum-crc32c',
      'authorization': authorization(
        'content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class;x-amz-trailer',
        '106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e',
      ),
    }), EXAMPLE);
    const signatures = new ChunkSignatures(caller!.signature, caller!.signer!);
    await signatures.checkChunk('b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2', sha256(CHUNKS[0][0]));
    await signatures.checkChunk('1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7', sha256(CHUNKS[1][0]));
    await signatures.checkChunk('2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992', sha256(''));
    const trailerSignature = 'd81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435';
    await signatures.checkTrailers(trailerSignature, new Map([['x-amz-checksum-crc32c', 'sOO8/Q==']]));
    await expect(signatures.checkTrailers(trailerSignature, new Map([['x-amz-checksum-crc32c', 'AAAAAA==']]))).rejects.toMatchObject({ problem: 'mismatch' });
  });

  test.each<[string, readonly (readonly [string, string | undefined])[]]>([
    ['changed', [[`b${CHUNKS[0][0].slice(1)}`, CHUNKS[0][1]]]],
    ['left out', [CHUNKS[1]]],
    ['sent twice', [CHUNKS[0], CHUNKS[0]]],
    ['not signed', [[CHUNKS[0][0], undefined]]],
  ])('a chunk that was %s is refused', async (_, chunks) => {
    const signatures = await chunkSignatures();
    const sent = async () => {
      for (const [content, signature] of chunks) await signatures.checkChunk(signature, sha256(content));
    };
    await expect(sent()).rejects.toMatchObject({ problem: 'mismatch' });
  });
});

describe('A request that is signed in its headers', () => {
  const REQUEST: UnsignedRequest = { method: 'PUT', headers: { 'content-type': 'text/plain', 'x-amz-meta-by': 'test' }, body: 'content' };
  const sign = (options: SigningOptions = {}, request = REQUEST, url = URL_OF_OBJECT) => signedHeaders(url, request, options);

  test('tells who has signed it', async () => {
    expect(await judge(arrives('PUT', URL_OF_OBJECT, await sign()))).toBe(KEY);
    expect(await judge(arrives('GET', URL_OF_OBJECT))).toBe('anonymous');
  });

  test.each<[string, (headers: Headers) => IncomingMessage]>([
    ['another method', (headers) => arrives('DELETE', URL_OF_OBJECT, headers)],
    ['another key', (headers) => arrives('PUT', `${URL_OF_OBJECT}2`, headers)],
    ['another bucket', (headers) => arrives('PUT', URL_OF_OBJECT.replace('bucket', 'bucket2'), headers)],
    ['another host', (headers) => arrives('PUT', URL_OF_OBJECT.replace('9000', '9001'), headers)],
    ['a query', (headers) => arrives('PUT', `${URL_OF_OBJECT}?acl`, headers)],
    ['another value of a signed header', (headers) => arrives('PUT', URL_OF_OBJECT, { ...headers, 'x-amz-meta-by': 'somebody' })],
    ['a signed header less', (headers) => arrives('PUT', URL_OF_OBJECT, Object.fromEntries(Object.entries(headers).filter(([name]) => name !== 'content-type')))],
    ['another hash of the body', (headers) => arrives('PUT', URL_OF_OBJECT, { ...headers, 'x-amz-content-sha256': sha256('other') })],
    ['no hash of the body', (headers) => arrives('PUT', URL_OF_OBJECT, { ...headers, 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' })],
    ['another time', (headers) => arrives('PUT', URL_OF_OBJECT, { ...headers, 'x-amz-date': headers['x-amz-date'].replace(/\d\dZ$/, (seconds) => (seconds === '00Z' ? '01Z' : '00Z')) })],
    ['another signature', (headers) => arrives('PUT', URL_OF_OBJECT, { ...headers, authorization: headers.authorization.replace(/\w$/, (digit) => (digit === '0' ? '1' : '0')) })],
  ])('and arrives with %s is refused', async (_, changed) => {
    expect(await judge(changed(await sign({ signingDate: new Date() })))).toBe('mismatch');
  });

  test('is refused with another secret, or with a key that nobody has', async () => {
    expect(await judge(arrives('PUT', URL_OF_OBJECT, await sign({ secretAccessKey: 'guess' })))).toBe('mismatch');
    expect(await judge(arrives('PUT', URL_OF_OBJECT, await sign({ accessKeyId: 'AKIDNOBODY' })))).toBe('unknown key');
  });

  test('is refused for another region, service or day, and with a session token, of which there are none', async () => {
    expect(await judge(arrives('PUT', URL_OF_OBJECT, await sign({ region: 'eu-central-1' })))).toBe('wrong scope');
    expect(await judge(arrives('PUT', URL_OF_OBJECT, await sign({ service: 'sqs' })))).toBe('wrong scope');
    expect(await judge(arrives('PUT', URL_OF_OBJECT, await sign({ sessionToken: 'token' })))).toBe('unknown token');
    const headers = await sign();
    const yesterday = headers.authorization.replace(/\/\d{8}\//, '/20200101/');
    expect(await judge(arrives('PUT', URL_OF_OBJECT, { ...headers, authorization: yesterday }))).toBe('malformed header');
  });

  test('must have signed the host and every x-amz- header', async () => {
    const headers = await sign();
    expect(await judge(arrives('PUT', URL_OF_OBJECT, { ...headers, 'x-amz-copy-source': 'bucket/other' }))).toBe('unsigned headers');
    expect(await judge(arrives('PUT', URL_OF_OBJECT, { ...headers, authorization: headers.authorization.replace(';host', '') }))).toBe('unsigned headers');
    expect(await judge(arrives('PUT', URL_OF_OBJECT, { ...headers, 'user-agent': 'any', 'connection': 'close' }))).toBe(KEY);
  });

  test.each([[-14, KEY], [14, KEY], [-16, 'wrong time'], [16, 'wrong time']])('%i minutes away from now: %s', async (minutes, judgement) => {
    expect(await judge(arrives('PUT', URL_OF_OBJECT, await sign({ signingDate: new Date(Date.now() + minutes * MINUTE_MS) })))).toBe(judgement);
  });

  test.each([
    '', 'AWS4-HMAC-SHA256', 'Basic dXNlcjpwYXNz', 'AWS AKIDTEST:c2lnbmF0dXJl', `AWS4-HMAC-SHA256 Credential=${KEY}, SignedHeaders=host, Signature=${'0'.repeat(64)}`,
    `AWS4-HMAC-SHA256 Credential=${KEY}/20261123/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=short`,
    `AWS4-ECDSA-P256-SHA256 Credential=${KEY}/20261123/s3/aws4_request, SignedHeaders=host, Signature=${'0'.repeat(64)}`,
  ])('cannot be read: %j', async (authorization) => {
    expect(await judge(arrives('PUT', URL_OF_OBJECT, { 'x-amz-date': '20261123T000000Z', authorization }))).toBe('malformed header');
  });

  test('without a time, or without the hash of its body, cannot be read', async () => {
    const { 'x-amz-date': _, ...dateless } = await sign();
    expect(await judge(arrives('PUT', URL_OF_OBJECT, dateless))).toBe('malformed header');
    const hashless = await sign({ service: 'sqs' });
    expect(await judge(arrives('PUT', URL_OF_OBJECT, { ...hashless, authorization: hashless.authorization.replace('/sqs/', '/s3/') }))).toBe('malformed header');
  });

  test('of another service than S3 is compared with the body that came', async () => {
    const url = 'http://127.0.0.1:9000/';
    const headers = await signedHeaders(url, { method: 'POST', headers: { 'x-amz-target': 'AmazonSQS.SendMessage' }, body: '{}' }, { service: 'sqs' });
    expect(await judge(arrives('POST', url, headers), SQS, Buffer.from('{}'))).toBe(KEY);
    expect(await judge(arrives('POST', url, headers), SQS, Buffer.from('{"QueueUrl":"other"}'))).toBe('mismatch');
    expect(await judge(arrives('POST', url, { ...headers, 'x-amz-target': 'AmazonSQS.PurgeQueue' }), SQS, Buffer.from('{}'))).toBe('mismatch');
    const unsigned = await signedHeaders(url, { method: 'POST', headers: { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' }, body: '{}' }, { service: 'sqs' });
    expect(await judge(arrives('POST', url, unsigned), SQS, Buffer.from('{}'))).toBe('mismatch');
  });

  test.each(['a b', 'a+b', 'é/😀', 'staging/arn:aws:codebuild:us-east-1:1:build/p:u', '[...slug]', '!\'()*~', 'a//b', '../up', '%41', '%2F'])('S3: the path is signed as it is encoded once: %j', async (key) => {
    const encoded = key.split('/').map((segment) => encodeURIComponent(segment).replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)).join('/');
    // Not by `new URL`, which would resolve "..".
    const { authorization, ...headers } = await signPath(`/bucket/${encoded}`, 's3');
    expect(await judge({ method: 'GET', url: `/bucket/${encoded}`, headers: { ...headers, authorization } } as unknown as IncomingMessage)).toBe(KEY);
    // Some clients send more of it as it is than they sign.
    const bare = encoded.replace(/%(3A|5B|5D|21|27|28|29|2A)/g, (text) => decodeURIComponent(text));
    expect(await judge({ method: 'GET', url: `/bucket/${bare}`, headers: { ...headers, authorization } } as unknown as IncomingMessage)).toBe(KEY);
  });

  test('other services: the path is encoded once more', async () => {
    const path = '/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A1%3Afunction%3Afn/invocations';
    const headers = await signPath(path, 'lambda');
    expect(await judge({ method: 'GET', url: path, headers } as unknown as IncomingMessage, { ...S3, service: 'lambda' }, Buffer.alloc(0))).toBe(KEY);
  });

  async function signPath(path: string, service: string): Promise<Record<string, string>> {
    const host = '127.0.0.1:9000';
    return { host, ...await signedHeaders(`http://${host}/`, { path }, { service }) };
  }
});

describe('A presigned URL', () => {
  test('tells who has signed it', async () => {
    expect(await judge(arrives('GET', await presignedUrl(URL_OF_OBJECT)))).toBe(KEY);
  });

  test.each<[string, (url: string) => IncomingMessage]>([
    ['with another method', (url) => arrives('PUT', url)],
    ['for another key', (url) => arrives('GET', url.replace('/key', '/key2'))],
    ['at another host', (url) => arrives('GET', url.replace('9000', '9001'))],
    ['with a longer life', (url) => arrives('GET', url.replace('X-Amz-Expires=60', 'X-Amz-Expires=604800'))],
    ['with a longer life in front', (url) => arrives('GET', url.replace('?', '?X-Amz-Expires=604800&'))],
    ['with one more parameter', (url) => arrives('GET', `${url}&versionId=1`)],
    ['with a parameter of a strange name', (url) => arrives('GET', `${url}&__proto__=1`)],
    ['with headers that it does not sign', (url) => arrives('GET', url.replace('SignedHeaders=host', 'SignedHeaders=host%3Brange'), { range: 'bytes=0-1' })],
  ])('is refused %s', async (_, changed) => {
    expect(await judge(changed(await presignedUrl(URL_OF_OBJECT)))).toBe('mismatch');
  });

  test('is refused with a header that would make it another request', async () => {
    expect(await judge(arrives('GET', await presignedUrl(URL_OF_OBJECT), { 'x-amz-copy-source': 'bucket/other' }))).toBe('unsigned headers');
  });

  test('is refused with another secret, for another region or service, with a token, and together with the header', async () => {
    expect(await judge(arrives('GET', await presignedUrl(URL_OF_OBJECT, { secretAccessKey: 'guess' })))).toBe('mismatch');
    expect(await judge(arrives('GET', await presignedUrl(URL_OF_OBJECT, { region: 'eu-central-1' })))).toBe('malformed query');
    expect(await judge(arrives('GET', await presignedUrl(URL_OF_OBJECT, { service: 'sqs' })))).toBe('malformed query');
    expect(await judge(arrives('GET', await presignedUrl(URL_OF_OBJECT, { sessionToken: 'token' })))).toBe('unknown token');
    expect(await judge(arrives('GET', await presignedUrl(URL_OF_OBJECT), await signedHeaders(URL_OF_OBJECT)))).toBe('malformed header');
  });

  test.each<[number, number, string]>([
    [0, 60, KEY], [50, 60, KEY], [61, 60, 'expired'], [1, 0, 'expired'], [604_000, 604_800, KEY], [-240, 60, KEY], [-360, 604_800, 'not yet valid'],
  ])('signed %i seconds ago for %i seconds: %s', async (ago, expiresIn, judgement) => {
    expect(await judge(arrives('GET', await presignedUrl(URL_OF_OBJECT, { expiresIn, signingDate: new Date(Date.now() - ago * 1000) })))).toBe(judgement);
  });

  test.each([
    ['X-Amz-Expires', '604801'], ['X-Amz-Expires', '-1'], ['X-Amz-Expires', '1e3'], ['X-Amz-Expires', ''], ['X-Amz-Date', '2026-11-23'], ['X-Amz-Date', '20269999T999999Z'],
    ['X-Amz-Algorithm', 'AWS4-ECDSA-P256-SHA256'], ['X-Amz-Credential', KEY], ['X-Amz-Credential', `${KEY}/20200101/us-east-1/s3/aws4_request`], ['X-Amz-Signature', 'x'],
  ])('cannot be read with %s=%s', async (name, value) => {
    const url = new URL(await presignedUrl(URL_OF_OBJECT));
    url.searchParams.set(name, value);
    expect(await judge(arrives('GET', url.href))).toBe('malformed query');
  });
});

test('Where nothing is verified, a request still has to be in form, and a URL in time', async () => {
  const trusting = { ...S3, secretOf: undefined };
  expect(await judge(arrives('GET', await presignedUrl(URL_OF_OBJECT, { secretAccessKey: 'guess' })), trusting)).toBe(KEY);
  expect(await judge(arrives('GET', await presignedUrl(URL_OF_OBJECT, { signingDate: new Date(0) })), trusting)).toBe('expired');
});

test('Verifying a request costs a small part of what answering it costs', async () => {
  const requests = await Promise.all(Array.from({ length: 50 }, async (_, index) => arrives('PUT', `${URL_OF_OBJECT}${index}`, await signedHeaders(`${URL_OF_OBJECT}${index}`, { method: 'PUT' }))));
  const verify = async (times: number) => {
    for (let count = 0; count < times; count += 1) {
      for (const request of requests) await authenticate(request, S3);
    }
  };
  await verify(10);
  const before = process.cpuUsage();
  await verify(20);
  const { user, system } = process.cpuUsage(before);
  // A PutObject to this machine takes a millisecond and more.
  expect((user + system) / 1000 / 1000).toBeLessThan(0.5);
});
