/**
 * What becomes of a build that has ended: its output, the record, the event. Instead of an app's build a few chosen files are stored,
 * with the AWS CLI as the pipeline's own buildspec does it.
 */
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { BatchGetBuildsCommand, StartBuildCommand } from '@aws-sdk/client-codebuild';
import { GetObjectCommand, HeadObjectCommand } from '@aws-sdk/client-s3';
import type { DeploymentRecord } from '../../src/contract/deployment';
import { BUILD_ENV } from '../../src/contract/environment';
import { DeploymentStatusChangedDetail, EVENT_SOURCE, PUBLIC_RECORD_FIELDS, STATUS_CHANGED } from '../../src/contract/events';
import { FailureCode, failureMessage } from '../../src/contract/failure-codes';
import { LocalPipeline, until } from '../support/local-pipeline';
import { buildRequest, COMMIT_SHA } from '../support/requests';
import { ZIP } from '../support/zip-file';

type Files = Readonly<Record<string, string>>;

/** Each deployment has a script of its own. */
const BUILDSPEC = JSON.stringify({ version: 0.2, phases: { build: { commands: ['sh "$SCRIPTS/$DEPLOYMENT_ID.sh"'] } } });

const STAGING = 's3://$ARTIFACTS_BUCKET_NAME/staging/$CODEBUILD_BUILD_ARN/';
const STORE = `aws s3 cp --only-show-errors --recursive "$SCRIPTS/$DEPLOYMENT_ID" "${STAGING}"`;

/** The least that is acceptable. */
const COMPLETE: Files = { 'artifacts/lambda.zip': ZIP, 'artifacts/open-next.output.json': '{}', 'artifacts/manifest.json': '{"version":1}' };

let scripts: string;
let pipeline: LocalPipeline;
const announced: DeploymentStatusChangedDetail[] = [];

beforeAll(async () => {
  scripts = await mkdtemp(path.join(tmpdir(), 'promotion-'));
  pipeline = await LocalPipeline.start({ buildspec: BUILDSPEC, buildEnvironment: { SCRIPTS: scripts } });
  pipeline.stack.events.addRule({
    name: 'a-platform-that-listens',
    pattern: { 'source': [EVENT_SOURCE], 'detail-type': [STATUS_CHANGED] },
    targets: [{ id: 'test', deliver: async (event) => { announced.push((event as { detail: DeploymentStatusChangedDetail }).detail); } }],
  });
}, 60_000);

afterAll(async () => {
  await pipeline?.close();
  await rm(scripts, { recursive: true, force: true });
});

/** What the build of this deployment does: by default it stores the files. */
async function prepare(deploymentId: string, files: Files = {}, script = STORE): Promise<void> {
  await mkdir(path.join(scripts, deploymentId));
  for (const [name, content] of Object.entries(files)) {
    const file = path.join(scripts, deploymentId, name);
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, content);
  }
  await writeFile(path.join(scripts, `${deploymentId}.sh`), script);
}

/** Every deployment is of a project of its own, so that nobody finds what another one has left. */
async function deploy(deploymentId: string, files: Files, script = STORE): Promise<DeploymentRecord> {
  await prepare(deploymentId, files, script);
  await pipeline.deploy(buildRequest({ deploymentId, projectId: deploymentId }));
  await pipeline.stagingRemoved();
  return until('the end is announced', async () => {
    const record = (await pipeline.record(deploymentId))!;
    return record.announcedVersion === record.version ? record : undefined;
  });
}

/** What everybody may see of a record. */
function publicPart(record: DeploymentRecord): DeploymentStatusChangedDetail {
  const entries = PUBLIC_RECORD_FIELDS.flatMap((name) => (record[name] === undefined ? [] : [[name, record[name]]]));
  return Object.fromEntries(entries) as DeploymentStatusChangedDetail;
}

async function promoted(projectId: string): Promise<string[]> {
  const objects = [...await pipeline.pipeline.objects(`artifacts/${projectId}/`), ...await pipeline.pipeline.objects(`static/${projectId}/`)];
  return objects.map(({ key }) => key);
}

async function head(key: string) {
  const { s3, artifactsBucket } = pipeline.pipeline;
  const { ContentType: type, CacheControl: cache } = await s3.send(new HeadObjectCommand({ Bucket: artifactsBucket, Key: key }));
  return { type, cache };
}

async function writtenAt(key: string): Promise<number> {
  return (await stat(path.join(pipeline.directory, 'state', 's3', pipeline.pipeline.artifactsBucket, key))).mtimeMs;
}

/** As CodeBuild tells of the end of a build, or somebody who claims it. */
function tellOfBuild(buildArn: string, status: string): void {
  pipeline.stack.events.putEvent({
    source: 'aws.codebuild',
    detailType: 'CodeBuild Build State Change',
    detail: { 'build-id': buildArn, 'build-status': status, 'project-name': pipeline.projectName },
  });
}

async function arnOf(buildId: string): Promise<string> {
  return (await pipeline.codeBuild.send(new BatchGetBuildsCommand({ ids: [buildId] }))).builds![0].arn!;
}

const announcedOf = (deploymentId: string) => announced.filter((detail) => detail.deploymentId === deploymentId);

describe('a build that stored what it should', () => {
  const ID = 'complete';
  const ARTIFACTS = `artifacts/${ID}/${COMMIT_SHA}/${ID}/`;
  const STATIC = `static/${ID}/${COMMIT_SHA}/${ID}/`;
  const FILES: Files = {
    ...COMPLETE,
    'artifacts/functions/image-optimization-function.zip': ZIP,
    'artifacts/isr-cache/build-1/index.cache': '<script>from a prerendered page</script>',
    'static/_next/static/chunks/main-0123abcd.js': 'let a;',
    'static/robots.txt': 'User-agent: *',
    'static/images/logo.svg': '<svg/>',
    'static/docs/_next/static/css/app.css': 'a{}',
    'static/docs/a b+c&ü.html': '<p>',
    'static/no-extension': 'x',
  };
  const YEAR = 'public, max-age=31536000, immutable';
  const REVALIDATED = 'public, max-age=0, must-revalidate';
  let record: DeploymentRecord;

  beforeAll(async () => {
    await pipeline.putRecord({ ...buildRequest({ deploymentId: ID, projectId: ID }), status: 'queued', createdAt: '2026-11-22T12:00:00.000Z', apiToken: 'secret' });
    // A tenant that wants its text file to be a page, and cached for ever.
    record = await deploy(ID, FILES, `${STORE}
      aws s3 cp --only-show-errors --content-type text/html --cache-control max-age=99999999 "$SCRIPTS/$DEPLOYMENT_ID/static/robots.txt" "${STAGING}static/robots.txt"`);
  }, 90_000);

  test('ends as success, and the record says where everything is', () => {
    expect(record).toEqual({
      ...buildRequest({ deploymentId: ID, projectId: ID }),
      status: 'success',
      // Queued, building, success.
      version: 3,
      announcedVersion: 3,
      createdAt: '2026-11-22T12:00:00.000Z',
      apiToken: 'secret',
      buildId: expect.stringContaining(`${pipeline.projectName}:`),
      buildStartedAt: expect.any(String),
      completedAt: expect.any(String),
      logsUrl: expect.stringContaining('/log'),
      artifacts: {
        artifactsPrefix: ARTIFACTS,
        staticPrefix: STATIC,
        lambdaKey: `${ARTIFACTS}lambda.zip`,
        manifestKey: `${ARTIFACTS}manifest.json`,
        objectCount: Object.keys(FILES).length,
        totalBytes: Object.values(FILES).reduce((sum, content) => sum + Buffer.byteLength(content), 0),
      },
    });
  });

  test('everything lies where it belongs, unchanged', async () => {
    const expected = Object.fromEntries(Object.entries(FILES).map(([name, content]) => [name.replace(/^(artifacts|static)\//, `$1/${ID}/${COMMIT_SHA}/${ID}/`), content]));
    expect((await promoted(ID)).sort()).toEqual(Object.keys(expected).sort());
    for (const [key, content] of Object.entries(expected)) {
      const { Body } = await pipeline.pipeline.s3.send(new GetObjectCommand({ Bucket: pipeline.pipeline.artifactsBucket, Key: key }));
      expect(await Body!.transformToString()).toBe(content);
    }
  });

  test.each([
    [`${STATIC}_next/static/chunks/main-0123abcd.js`, 'application/javascript; charset=utf-8', YEAR],
    [`${STATIC}docs/_next/static/css/app.css`, 'text/css; charset=utf-8', YEAR],
    [`${STATIC}docs/a b+c&ü.html`, 'text/html; charset=utf-8', REVALIDATED],
    [`${STATIC}images/logo.svg`, 'image/svg+xml', REVALIDATED],
    [`${STATIC}no-extension`, 'application/octet-stream', REVALIDATED],
    [`${STATIC}robots.txt`, 'text/plain; charset=utf-8', REVALIDATED],
    [`${ARTIFACTS}lambda.zip`, 'application/zip', undefined],
    [`${ARTIFACTS}functions/image-optimization-function.zip`, 'application/zip', undefined],
    [`${ARTIFACTS}open-next.output.json`, 'application/json', undefined],
    [`${ARTIFACTS}manifest.json`, 'application/json', undefined],
    [`${ARTIFACTS}isr-cache/build-1/index.cache`, 'application/octet-stream', undefined],
  ])('%s is %s, cached as %s', async (key, type, cache) => {
    expect(await head(key)).toEqual({ type, cache });
  });

  test('the manifest is promoted last: where it lies, everything else lies', async () => {
    const others = (await promoted(ID)).filter((key) => !key.endsWith('/manifest.json'));
    const times = await Promise.all(others.map(writtenAt));
    expect(await writtenAt(`${ARTIFACTS}manifest.json`)).toBeGreaterThan(Math.max(...times));
  });

  test('each change of status is announced, with the record\'s public fields and no others', async () => {
    const byVersion = new Map(announcedOf(ID).map((detail) => [detail.version, detail]));
    expect([...byVersion.keys()].sort()).toEqual([1, 2, 3]);
    expect(byVersion.get(1)).toMatchObject({ status: 'queued' });
    expect(byVersion.get(2)).toMatchObject({ status: 'building', buildId: record.buildId });
    expect(byVersion.get(3)).toEqual(publicPart(record));
    expect(JSON.stringify(announcedOf(ID))).not.toContain('secret');
  });

  test.each(['SUCCEEDED', 'FAILED', 'TIMED_OUT'])('another event of the same build, %s, changes nothing', async (status) => {
    const objects = await promoted(ID);
    const times = await Promise.all(objects.map(writtenAt));
    const before = announcedOf(ID).length;
    const dealtWith = () => pipeline.logs.filter(({ deploymentId, message }) => deploymentId === ID && message === 'Deployment ended').length;
    const ends = dealtWith();
    tellOfBuild(await arnOf(record.buildId!), status);
    await until('the finalizer has looked', () => dealtWith() > ends);
    expect(announcedOf(ID)).toHaveLength(before);
    expect(await pipeline.record(ID)).toEqual(record);
    expect(await Promise.all((await promoted(ID)).map(writtenAt))).toEqual(times);
  });

  test('another build that names this deployment changes nothing, and its output is removed', async () => {
    const objects = await promoted(ID);
    const times = await Promise.all(objects.map(writtenAt));
    const before = announcedOf(ID).length;
    const { build } = await pipeline.codeBuild.send(new StartBuildCommand({
      projectName: pipeline.projectName, environmentVariablesOverride: [{ name: BUILD_ENV.deploymentId, value: ID }],
    }));
    await until('the finalizer refuses it', () => pipeline.logs.some(({ buildArn, message }) => buildArn === build!.arn && message.includes('belongs to another build')));
    await pipeline.stagingRemoved();
    expect(await pipeline.record(ID)).toEqual(record);
    expect(await Promise.all((await promoted(ID)).map(writtenAt))).toEqual(times);
    expect(announcedOf(ID)).toHaveLength(before);
  }, 60_000);
});

describe('output that is not accepted', () => {
  const without = (name: string) => Object.fromEntries(Object.entries(COMPLETE).filter(([key]) => key !== name));

  test.each<[string, string, Files, string, FailureCode?]>([
    ['nothing', 'nothing-stored', {}, 'lambda.zip, open-next.output.json, manifest.json missing', 'ARTIFACTS_MISSING'],
    ['no manifest', 'no-manifest', without('artifacts/manifest.json'), 'manifest.json missing', 'ARTIFACTS_MISSING'],
    ['no server function', 'no-lambda-zip', without('artifacts/lambda.zip'), 'lambda.zip missing', 'ARTIFACTS_MISSING'],
    ['something beside artifacts/ and static/', 'beside', { ...COMPLETE, 'private/key.pem': 'x' }, '"private/key.pem" is not an object that a build may store'],
    ['a function that is no zip file', 'no-zip', { ...COMPLETE, 'artifacts/functions/run.sh': 'x' }, '"artifacts/functions/run.sh" is not an object'],
    ['a second manifest', 'second-manifest', { ...COMPLETE, 'artifacts/manifest.json.bak': 'x' }, '"artifacts/manifest.json.bak" is not an object'],
    ['a name with a line break', 'line-break', { ...COMPLETE, 'static/a\nb': 'x' }, '"static/a\\nb" is not an object'],
    ['a name that only looks like a path', 'backslash', { ...COMPLETE, 'static/..\\..\\artifacts': 'x' }, '"static/..\\\\..\\\\artifacts" is not an object'],
  ])('the build succeeds, but has stored %s: nothing is promoted', async (_, deploymentId, files, problem, failureCode = 'ARTIFACTS_INVALID') => {
    const record = await deploy(deploymentId, files);
    expect(record).toMatchObject({ status: 'failed', failureCode });
    expect(record.failureMessage).toBe(`${failureMessage(failureCode)} Reason: ${record.failureMessage!.split(' Reason: ')[1]}`);
    expect(record.failureMessage).toContain(problem);
    expect(record).not.toHaveProperty('artifacts');
    expect(await promoted(deploymentId)).toEqual([]);
    expect(pipeline.logs).toContainEqual(expect.objectContaining({ deploymentId, level: 'ERROR', problem: expect.stringContaining(problem) }));
  }, 60_000);
});

describe('a build that did not get to its end', () => {
  test('what it had stored is removed, and its failure is announced', async () => {
    const record = await deploy('half', COMPLETE, `${STORE}\nexit 1`);
    expect(record).toMatchObject({ status: 'failed', failureCode: 'BUILD_FAILED', failureMessage: failureMessage('BUILD_FAILED') });
    expect(await promoted('half')).toEqual([]);
    expect(announcedOf('half').find(({ version }) => version === record.version)).toEqual(publicPart(record));
  }, 60_000);

  test('OUT_OF_MEMORY: its shell was killed', async () => {
    expect(await deploy('killed', {}, 'kill -9 $$')).toMatchObject({ status: 'failed', failureCode: 'OUT_OF_MEMORY', failureMessage: failureMessage('OUT_OF_MEMORY') });
  }, 60_000);

  test('TIMED_OUT: it took longer than the project allows, and its output does not count', async () => {
    const hasty = await LocalPipeline.start({ buildspec: BUILDSPEC, buildEnvironment: { SCRIPTS: scripts }, timeoutInMinutes: 10 / 60 });
    try {
      await prepare('slow', COMPLETE, `${STORE}\ntouch "$SCRIPTS/stored"\nsleep 600`);
      expect(await hasty.deploy(buildRequest({ deploymentId: 'slow' }))).toMatchObject({
        status: 'failed', failureCode: 'TIMED_OUT', failureMessage: failureMessage('TIMED_OUT'),
      });
      expect(existsSync(path.join(scripts, 'stored'))).toBe(true);
      await hasty.stagingRemoved();
      expect(await hasty.pipeline.objects('')).toEqual([]);
    } finally {
      await hasty.close();
    }
  }, 90_000);
});

test('an event of a build that is still running ends nothing: CodeBuild is asked, not the event', async () => {
  await prepare('running', COMPLETE, `${STORE}\ntouch "$SCRIPTS/is-running"\nwhile [ ! -f "$SCRIPTS/go-on" ]; do sleep 0.1; done`);
  await pipeline.pipeline.send(buildRequest({ deploymentId: 'running', projectId: 'running' }));
  await until('the build runs', () => existsSync(path.join(scripts, 'is-running')));
  const building = (await pipeline.record('running'))!;
  const buildArn = await arnOf(building.buildId!);

  tellOfBuild(buildArn, 'SUCCEEDED');

  await until('the finalizer has looked', () => pipeline.logs.some((line) => line.buildArn === buildArn && line.message.includes('could not be dealt with')));
  expect(await pipeline.record('running')).toEqual(building);
  expect(await promoted('running')).toEqual([]);
  await writeFile(path.join(scripts, 'go-on'), '');
  expect(await pipeline.ended('running')).toMatchObject({ status: 'success' });
}, 60_000);
