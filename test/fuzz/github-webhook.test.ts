/** Whatever somebody sends to the webhook: no error of ours, nothing written without a valid signature, and no commit deployed twice. */
import * as fc from 'fast-check';
import { inputs } from './fuzzing';
import { fragment, json, mostly, text } from './hostile';
import { parseBuildRequest } from '../../lambda/shared/build-request';
import { commit, push, REPOSITORY, SECRET, signed, webhook } from '../lambda/github-webhook/webhook-support';

const door = webhook();
const PROJECT = 'shop';

const path = fc.oneof(fc.constantFrom(`/projects/${PROJECT}`, '/', '/projects/unknown', `/prod/projects/${PROJECT}/`), fc.array(fragment, { maxLength: 4 }).map((parts) => `/projects/${parts.join('')}`), text);
const event = mostly(fc.constantFrom('push', 'pull_request', 'ping'), fragment);
const sha = fc.oneof(fc.constantFrom(commit('a'), commit('b'), commit('0'), 'b'.repeat(64)), text);
const ref = fc.oneof(fc.constantFrom('refs/heads/main', 'refs/heads/feature', 'refs/tags/v1', 'refs/heads/pull/1/head', 'refs/heads/'), text.map((name) => `refs/heads/${name}`), text);
const cloneUrl = fc.oneof(fc.constantFrom(REPOSITORY.clone_url, '.git', '', `https://github.com/${'x'.repeat(3000)}`, `https://github.com/${'ü'.repeat(1500)}`), text, text.map((end) => `https://github.com/${end}`));
const repository = fc.record({ id: mostly(fc.constantFrom(REPOSITORY.id, 1, '')), clone_url: mostly(cloneUrl), pushed_at: mostly(fc.constantFrom(REPOSITORY.pushed_at, 0, -1, 1e15, '2026-11-22T12:00:00Z')) });
const files = mostly(fc.array(mostly(text), { maxLength: 3 }));

/** Right but for one field or two. */
const pushed = fc.tuple(fc.array(fc.oneof(...Object.entries<fc.Arbitrary<unknown>>({
  ref,
  after: sha,
  before: sha,
  created: json,
  forced: json,
  deleted: mostly(fc.boolean()),
  head_commit: mostly(fc.record({ message: mostly(text) })),
  commits: mostly(fc.array(mostly(fc.record({ added: files, modified: files, removed: files })), { maxLength: 3 })),
  repository: mostly(repository),
}).map(([field, values]) => fc.tuple(fc.constant(field), values))), { maxLength: 2 })).map(([wrong]) => push(Object.fromEntries(wrong)));
const pullRequest = fc.record({
  action: mostly(fc.constantFrom('opened', 'closed')),
  repository: mostly(fc.constant(REPOSITORY)),
  pull_request: mostly(fc.record({
    number: mostly(fc.constantFrom(1, 2)),
    updated_at: mostly(fc.constantFrom('2026-11-22T12:00:00Z')),
    head: mostly(fc.record({ sha: mostly(sha), repo: mostly(fc.constantFrom(null, { id: 1 }, { id: REPOSITORY.id })) })),
  })),
});
const payload = fc.oneof(pushed, pullRequest, json);
const body = fc.oneof(payload.map((value) => Buffer.from(JSON.stringify(value))), fc.uint8Array({ maxLength: 50 }).map((bytes) => Buffer.from(bytes)), payload.map((value) => Buffer.from(`payload=${encodeURIComponent(JSON.stringify(value).replace(/[\ud800-\udfff]/g, ''))}`)));
const contentType = mostly(fc.constantFrom('application/json', 'application/x-www-form-urlencoded', 'application/json; charset=utf-8'), text);

beforeEach(() => door.putProject({ projectId: PROJECT, previews: true, forkPreviews: true, rootDirectory: 'apps/web' }));

test('without a valid signature: 4xx, and nothing is written', async () => {
  const signature = fc.oneof(text, fc.constantFrom('sha256=', 'sha1=', `sha256=${'0'.repeat(64)}`, signed('another body'), signed('{}', 'guessed')));
  const headerName = fc.constantFrom('x-hub-signature-256', 'x-hub-signature', 'x-gitlab-token', 'authorization', 'X-Hub-Signature-256');
  const headers = fc.dictionary(fc.oneof(headerName, fc.constantFrom('x-github-event', 'x-gitlab-event', 'x-event-key', 'content-type'), text), fc.oneof(signature, event.map(String)), { noNullPrototype: true });
  const method = mostly(fc.constant('POST'), text);
  await fc.assert(fc.asyncProperty(path, body, headers, method, fc.boolean(), async (rawPath, content, given, verb, inBase64) => {
    const { body: answer, status } = await door.invoke({
      rawPath,
      requestContext: { http: { method: verb as string } },
      headers: given,
      body: content.toString(inBase64 ? 'base64' : 'utf8'),
      isBase64Encoded: inBase64,
    });
    expect(status).toBeGreaterThanOrEqual(400);
    expect(status).toBeLessThan(500);
    expect(answer.deployments).toBeUndefined();
  }), inputs());
  expect(await door.isUntouched()).toBe(true);
});

test('with a valid signature: an answer that says why, never a 5xx, and no request that could not be built', async () => {
  await fc.assert(fc.asyncProperty(path, event, body, contentType, async (rawPath, name, content, type) => {
    const { body: answer, status } = await door.deliver({ path: rawPath, event: String(name), body: content, headers: { 'content-type': String(type) } });
    expect(status).toBeLessThan(500);
    expect(answer.reason).not.toBe('');
    expect(answer.outcome).not.toBe('failed');
  }), inputs(0.5));
  for (const request of await door.requests()) expect(parseBuildRequest(JSON.stringify(request))).toMatchObject({ valid: true });
});

test('GitLab and Bitbucket alike', async () => {
  const headers = fc.constantFrom<Record<string, string>>({ 'x-gitlab-event': 'Push Hook', 'x-gitlab-token': SECRET }, { 'x-event-key': 'repo:push' });
  const project = fc.record({ git_http_url: mostly(cloneUrl) });
  const projectId = mostly(fc.constant(1));
  const commits = fc.array(json, { maxLength: 2 });
  const gitlab = fc.record({
    ref, after: mostly(sha), before: mostly(sha), project_id: projectId, project: mostly(project), commits: mostly(commits),
  }, { requiredKeys: [] });
  const side = mostly(fc.record({ type: mostly(fc.constantFrom('branch', 'tag')), name: mostly(text), target: mostly(fc.record({ hash: mostly(sha), date: json, message: json })) }));
  const changes = fc.array(mostly(fc.record({ new: side, old: side })), { maxLength: 3 });
  const bitbucket = fc.record({
    push: mostly(fc.record({ changes: mostly(changes) })),
    repository: mostly(fc.record({ uuid: mostly(fc.constant('{1}')), links: mostly(fc.record({ html: mostly(fc.record({ href: mostly(cloneUrl) })) })) })),
  });
  await fc.assert(fc.asyncProperty(headers, fc.oneof(gitlab, bitbucket, json), async (given, value) => {
    const content = JSON.stringify(value);
    const { status } = await door.deliver({ projectId: PROJECT, body: content, headers: { 'x-github-event': undefined, 'x-hub-signature': signed(content), ...given } });
    expect(status).toBeLessThan(500);
  }), inputs(0.3));
});

test('one push is one deployment: in whatever order, to whichever hook, with whatever headers, at the same time, and after sends that failed', async () => {
  const delivery = fc.record({
    commitSha: fc.constantFrom(commit('b'), commit('c')),
    branch: fc.constantFrom('main', 'feature'),
    toApp: fc.boolean(),
    deliveryId: text,
    asForm: fc.boolean(),
    queueIsAway: fc.boolean(),
    waits: fc.boolean(),
  });
  jest.spyOn(process.stdout, 'write').mockReturnValue(true);
  await fc.assert(fc.asyncProperty(fc.array(delivery, { minLength: 1, maxLength: 8 }), async (deliveries) => {
    await door.tables.clear();
    await door.requests();
    const pending: Promise<{ status: number }>[] = [];
    for (const { asForm, branch, commitSha, deliveryId, queueIsAway, toApp, waits } of deliveries) {
      door.refusesMessages = queueIsAway;
      const content = JSON.stringify(push({ after: commitSha, ref: `refs/heads/${branch}` }));
      pending.push(door.deliver({
        path: toApp ? '/' : `/projects/${PROJECT}`,
        body: asForm ? new URLSearchParams({ payload: content }).toString() : content,
        headers: { 'x-github-delivery': deliveryId, 'content-type': asForm ? 'application/x-www-form-urlencoded' : 'application/json' },
      }));
      if (waits) await Promise.all(pending);
    }
    await Promise.all(pending);
    door.refusesMessages = false;
    const pushes = new Set(deliveries.map(({ branch, commitSha }) => `${branch} ${commitSha}`));
    const records = await door.records();
    expect(records.map(({ branch, commitSha }) => `${branch} ${commitSha}`).sort()).toEqual([...pushes].sort());
    // Two messages of one deployment are harmless; one of each there must be, if need be after another delivery.
    for (const one of pushes) {
      const [branch, commitSha] = one.split(' ');
      expect((await door.deliver({ projectId: PROJECT, payload: push({ after: commitSha, ref: `refs/heads/${branch}` }) })).status).toBeLessThan(300);
    }
    const sent = new Set((await door.requests()).map(({ deploymentId }) => deploymentId));
    expect([...sent].sort()).toEqual(records.map(({ deploymentId }) => deploymentId).sort());
  }), inputs(0.02));
});
