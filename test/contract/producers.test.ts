/** docs/producers.md is what producers are written after: what it says is what the pipeline takes. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { buildSync } from 'esbuild';
import { parseBuildRequest } from '../../lambda/shared/build-request';
import { startSqs, type SqsService } from '../../local/services/sqs/sqs-service';
import { RECORDED_FIELDS } from '../../src/contract/build-request';
import { COMMIT_SHA } from '../support/requests';

const ROOT = join(__dirname, '..', '..');
const TEXT = readFileSync(join(ROOT, 'docs', 'producers.md'), 'utf8');
const block = (language: string, containing: string) => [...TEXT.matchAll(/```(\w+)\n([^]*?)```/g)].find(([, name, code]) => name === language && code.includes(containing))![2];

test('every field of the message is documented, in the order in which people read them, and no other', () => {
  const rows = [...TEXT.matchAll(/^\| `(\w+)` \| (required|optional) \|/gm)].map(([, name, kind]) => [name, kind]);
  expect(rows.map(([name]) => name)).toEqual([...RECORDED_FIELDS, 'buildEnvironment']);
  const without = (name: string) => parseBuildRequest(JSON.stringify({ ...JSON.parse(/'(\{[^]*\})'/.exec(block('sh', 'send-message'))![1]), [name]: undefined }));
  for (const [name, kind] of rows) expect([name, without(name).valid]).toEqual([name, kind === 'optional']);
});

test('the message that is sent by hand is a good one', () => {
  expect(parseBuildRequest(/'(\{[^]*\})'/.exec(block('sh', 'send-message'))![1])).toMatchObject({ valid: true });
});

describe('the script', () => {
  let directory: string;
  let sqs: SqsService;
  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'producer-'));
    sqs = await startSqs();
  });
  afterAll(async () => {
    await sqs.close();
    rmSync(directory, { recursive: true, force: true });
  });

  test('sends a good message in its project\'s group, and the same one when it runs again', async () => {
    const url = sqs.createQueue('builds');
    const outfile = join(directory, 'producer.mjs');
    const stdin = { contents: block('js', 'SendMessageCommand'), resolveDir: ROOT };
    const banner = { js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);' };
    buildSync({ stdin, outfile, banner, bundle: true, platform: 'node', format: 'esm', target: 'node20', mainFields: ['module', 'main'] });
    const aws = { AWS_ENDPOINT_URL_SQS: sqs.endpoint, AWS_REGION: 'us-east-1', AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' };
    const push = { BRANCH: 'main', BUILD_QUEUE_URL: url, COMMIT_SHA, PROJECT_ID: 'shop', REPO_URL: 'https://github.com/acme/shop.git' };
    const env = { ...process.env, ...aws, ...push };
    for (let run = 0; run < 2; run += 1) await promisify(execFile)(process.execPath, [outfile], { env, timeout: 20_000 });
    const messages = await sqs.queue(url).receive({ maxMessages: 10, waitSeconds: 0 });
    expect(messages.map(({ messageGroupId }) => messageGroupId)).toEqual(['shop', 'shop']);
    expect(new Set(messages.map(({ body }) => body)).size).toBe(1);
    expect(parseBuildRequest(messages[0].body)).toMatchObject({ valid: true, request: { projectId: 'shop', commitSha: COMMIT_SHA, branch: 'main' } });
  }, 60_000);
});
