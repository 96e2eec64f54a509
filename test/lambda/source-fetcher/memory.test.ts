/** The bundled handler in a process of its own: a large repository takes more time than a small one, and no more memory. */
import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import * as path from 'node:path';
import { promisify } from 'node:util';
import { sourceFetcher } from './source-fetcher-support';
import { HANDLER_ENV } from '../../../src/contract/environment';
import { sourceKeys } from '../../../src/contract/keys';
import { ADVERTISEMENT, CAPABILITIES, isFetch, packets, RESULT } from '../../support/forge';

const BUNDLE = path.join(__dirname, '..', '..', '..', 'assets', 'source-fetcher', 'index.js');
const MEGABYTE = 1024 ** 2;
const [SMALL, LARGE] = [1, 300];

/** Some 20 MB/s on two busy processors would do. */
const TIMEOUT_MS = 120_000;

const fetcher = sourceFetcher('token');

/** A pack of so many bytes, as a git host sends it: a packet at a time. */
async function* packOf(bytes: number): AsyncGenerator<Buffer> {
  const hash = createHash('sha1');
  const block = randomBytes(65_515);
  block[0] = 1;
  yield packets('packfile\n');
  for (let sent = 0; sent < bytes; sent += block.length - 1) {
    hash.update(block.subarray(1));
    yield packets(block);
  }
  yield packets(Buffer.concat([Buffer.from([1]), hash.digest()]), 0);
}

async function peakMegabytes(megabytes: number): Promise<number> {
  fetcher.forge.answer = (request) => (isFetch(request) ? { ...RESULT, body: packOf(megabytes * MEGABYTE) } : { ...ADVERTISEMENT, body: CAPABILITIES });
  const host = fetcher.forge.host.replace(/^[^:]*/, '127.0.0.1');
  const certificate = path.join(path.dirname(fetcher.repository), 'certificate.pem');
  await writeFile(certificate, fetcher.forge.network.certificates[0]);
  const event = fetcher.request({ repoUrl: `https://${host}/acme/shop.git` });
  const { stdout } = await promisify(execFile)(process.execPath, [path.join(__dirname, 'measured-call.mjs'), BUNDLE, JSON.stringify(event)], {
    env: { ...process.env, NODE_EXTRA_CA_CERTS: certificate, [HANDLER_ENV.sourceProviders]: JSON.stringify([{ ...fetcher.settings('token'), host }]) },
  });
  const status = await fetcher.object(sourceKeys(event).status);
  expect(status!.toString()).toBe('{"status":"ready"}');
  return Number(stdout.trim().split('\n').pop());
}

test(`${LARGE} MB take less than 150 MB more than ${SMALL} MB does`, async () => {
  const [small, large] = [await peakMegabytes(SMALL), await peakMegabytes(LARGE)];
  // Node.js, the SDK, TLS: some 70.
  expect(small).toBeLessThan(150);
  // Three parts of 8 MB, as often as the garbage collector lets them lie: some 85, and no more for 1 GB.
  expect(large - small).toBeLessThan(150);
}, TIMEOUT_MS);
