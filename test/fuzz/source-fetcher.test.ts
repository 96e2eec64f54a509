/** What a git host sends: whatever bytes they are, there comes a pack that is whole, or a clear error; and never nothing. */
import { createHash } from 'node:crypto';
import * as fc from 'fast-check';
import { inputs } from './fuzzing';
import { fragment, mostly, text } from './hostile';
import { HostProblem } from '../../lambda/shared/host-problem';
import { type Answer, type HttpsClient, rateLimitEnd } from '../../lambda/shared/https-client';
import type { Credential } from '../../lambda/source-fetcher/credentials';
import { GitRemote } from '../../lambda/source-fetcher/git-remote';
import { packet, type Packet, packetsOf } from '../../lambda/source-fetcher/pkt-line';
import { failureCodeOf } from '../../lambda/source-fetcher/source-problem';
import { wholePack } from '../../lambda/source-fetcher/whole-pack';
import { CAPABILITIES, packets } from '../support/forge';
import { COMMIT_SHA } from '../support/requests';

const HOST = 'git.example';

const bytes = fc.uint8Array({ maxLength: 300 }).map((value) => Buffer.from(value));
/** Where a network may cut: everywhere, within a length as well. */
const cuts = fc.array(fc.nat(2_000), { maxLength: 20 });

async function* inChunks(content: Buffer, at: readonly number[]): AsyncGenerator<Buffer, void> {
  const edges = [0, ...at.map((cut) => cut % (content.length + 1)), content.length].sort((a, b) => a - b);
  for (let index = 1; index < edges.length; index += 1) {
    if (edges[index] > edges[index - 1]) yield content.subarray(edges[index - 1], edges[index]);
  }
}

async function all<T>(values: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const value of values) found.push(value);
  return found;
}

const credential: Credential = { authorization: 'Basic c2VjcmV0', refused: () => undefined, conceal: (words) => words };

/** A host that answers with these bytes to the two questions of a fetch. */
function remote(advertisement: Buffer, result: Buffer, at: readonly number[]): GitRemote {
  const answer = (kind: string, url: URL, content: Buffer): Answer => ({
    status: 200, url, headers: { 'content-type': `application/x-git-upload-pack-${kind}` }, body: inChunks(content, at), drop: () => undefined,
  });
  const client: Pick<HttpsClient, 'get' | 'post'> = {
    get: async (url) => answer('advertisement', url, advertisement),
    post: async (url) => answer('result', url, result),
  };
  return new GitRemote(client as HttpsClient, new URL(`https://${HOST}/acme/shop.git`), credential);
}

/** The pack; or why there is none, in a sentence for the build's log. */
async function fetched(advertisement: Buffer, result: Buffer, at: readonly number[]): Promise<Buffer | HostProblem> {
  try {
    return Buffer.concat(await all(await remote(advertisement, result, at).fetch(COMMIT_SHA)));
  } catch (error) {
    expect(error).toBeInstanceOf(HostProblem);
    const { message } = error as HostProblem;
    expect(['CHECKOUT_FAILED', 'COMMIT_NOT_FOUND']).toContain(failureCodeOf(error as HostProblem));
    expect(message).toMatch(/^[^\p{C}\p{Zl}\p{Zp}]{10,1000}\.$/u);
    return error as HostProblem;
  }
}

const whole = (content: Buffer) => Buffer.concat([content, createHash('sha1').update(content).digest()]);
const isWhole = (pack: Buffer) => pack.equals(whole(pack.subarray(0, -20)));

const line = fc.oneof(
  fc.constantFrom('version 2\n', 'version 1\n', '# service=git-upload-pack\n', 'fetch=shallow\n', 'object-format=sha1\n', 'object-format=sha256\n', 'packfile\n', 'shallow-info\n', 'acknowledgments\n', 'ERR no\n', 'ERR upload-pack: not our ref\n'),
  text.map((words) => Buffer.from(words)),
  bytes.map((content) => Buffer.concat([Buffer.from([1]), content])),
  fc.tuple(fc.nat(255), bytes).map(([band, content]) => Buffer.concat([Buffer.from([band]), content])),
);
const special = fc.constantFrom(0 as const, 1 as const, 2 as const);
const conversation = fc.array(fc.oneof({ weight: 5, arbitrary: line }, { weight: 2, arbitrary: special }), { maxLength: 15 }).map((some) => packets(...some));
const anything = fc.oneof(conversation, bytes, fc.tuple(conversation, bytes).map((parts) => Buffer.concat(parts)));

test('packets are the same wherever the network cuts them', async () => {
  await fc.assert(fc.asyncProperty(fc.array(fc.oneof(bytes, special), { maxLength: 20 }), cuts, async (some, at) => {
    const names: Packet[] = ['flush', 'delimiter', 'end'];
    expect(await all(packetsOf(inChunks(packets(...some), at), HOST))).toEqual(some.map((one) => (typeof one === 'number' ? names[one] : one)));
  }), inputs());
});

test('what is written as a packet is read as one', async () => {
  await fc.assert(fc.asyncProperty(fc.array(fc.string({ maxLength: 100 }).filter((words) => /^[\x20-\x7e]*$/.test(words))), async (lines) => {
    const read = await all(packetsOf(inChunks(Buffer.from(lines.map(packet).join('')), [1, 2, 3]), HOST));
    expect(read.map(String)).toEqual(lines);
  }), inputs());
});

test('any bytes are packets up to a clear error', async () => {
  await fc.assert(fc.asyncProperty(anything, cuts, async (content, at) => {
    try {
      for (const one of await all(packetsOf(inChunks(content, at), HOST))) expect(one.length).toBeLessThanOrEqual(65_516);
    } catch (error) {
      expect(error).toBeInstanceOf(HostProblem);
    }
  }), inputs());
});

test('any answer to "what can you do?" and "give me this commit" ends with a pack that is whole, or a reason on one line', async () => {
  await fc.assert(fc.asyncProperty(mostly(fc.constant(CAPABILITIES), anything), anything, cuts, async (advertisement, result, at) => {
    const outcome = await fetched(advertisement, result, at);
    if (Buffer.isBuffer(outcome)) expect(isWhole(outcome)).toBe(true);
  }), inputs());
});

test('a right answer gives the very pack; one of which bytes were lost, changed or doubled gives it, or a reason', async () => {
  const damage = fc.oneof(
    fc.constant((content: Buffer) => content),
    fc.nat().map((at) => (content: Buffer) => content.subarray(0, at % content.length)),
    fc.tuple(fc.nat(), fc.nat(255)).map(([at, value]) => (content: Buffer) => {
      const changed = Buffer.from(content);
      changed[at % content.length] = value;
      return changed;
    }),
    fc.tuple(fc.nat(), fc.nat(100)).map(([at, length]) => (content: Buffer) => {
      const start = at % content.length;
      return Buffer.concat([content.subarray(0, start + length), content.subarray(start)]);
    }),
  );
  await fc.assert(fc.asyncProperty(fc.array(bytes, { minLength: 1, maxLength: 5 }), damage, cuts, async (parts, damaged, at) => {
    const pack = whole(Buffer.concat([Buffer.from('PACK'), ...parts]));
    const bands = [pack.subarray(0, 10), pack.subarray(10)].map((part) => Buffer.concat([Buffer.from([1]), part]));
    const result = packets('shallow-info\n', `shallow ${COMMIT_SHA}\n`, 1, 'packfile\n', bands[0], Buffer.from([2, 104, 105]), Buffer.from([1]), bands[1], 0);
    expect(await fetched(CAPABILITIES, result, at)).toEqual(pack);
    const outcome = await fetched(CAPABILITIES, damaged(result), at);
    // What a damaged answer gives has the right hash, or is none.
    if (Buffer.isBuffer(outcome)) expect(outcome).toEqual(pack);
  }), inputs());
});

test('a pack passes if it ends with the hash of what comes before, and only then', async () => {
  await fc.assert(fc.asyncProperty(bytes, bytes, cuts, fc.constantFrom('sha1' as const, 'sha256' as const), async (content, other, at, format) => {
    const hash = createHash(format).update(content).digest();
    expect(Buffer.concat(await all(wholePack(inChunks(Buffer.concat([content, hash]), at), format)))).toEqual(Buffer.concat([content, hash]));
    if (other.length > 0) await expect(all(wholePack(inChunks(Buffer.concat([content, hash, other]), at), format))).rejects.toThrow(HostProblem);
  }), inputs());
});

test('a pack that is too large is given up as soon as that is seen', async () => {
  const endless = (async function* () { for (;;) yield Buffer.alloc(1024); })();
  await expect(all(wholePack(endless, 'sha1', 1024 ** 2))).rejects.toThrow('This commit has more than');
});

test('whatever a host says of its limits, there is a time to ask again, or none', () => {
  const value = fc.option(fc.oneof(fragment, text, fc.nat().map(String), fc.constantFrom('Wed, 21 Oct 2026 07:28:00 GMT', '-1', '1e9', '99999999999999999999')), { nil: undefined });
  const headers = fc.record({ 'retry-after': value, 'x-ratelimit-reset': value, 'x-ratelimit-remaining': mostly(fc.constant('0'), value), 'ratelimit-reset': value });
  fc.assert(fc.property(fc.constantFrom(200, 401, 403, 429, 500), headers, (status, some) => {
    const until = rateLimitEnd(status, some, 1_000_000);
    if (status !== 403 && status !== 429) expect(until).toBeUndefined();
    if (status === 429) expect(until).toBeDefined();
    if (until !== undefined) expect(Number.isFinite(new Date(until).getTime())).toBe(true);
  }), inputs());
});
