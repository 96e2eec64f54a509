/** What a build leaves behind: names of objects, its manifest, how it ended. It comes from a machine that ran the tenant's code. */
import type { Build } from '@aws-sdk/client-codebuild';
import { CopyObjectCommand, CopyObjectCommandInput, S3Client } from '@aws-sdk/client-s3';
import { mockClient } from 'aws-sdk-client-mock';
import * as fc from 'fast-check';
import { inputs } from './fuzzing';
import { fragment, json, mostly, text, wellFormed } from './hostile';
import { readBuildReport } from '../../lambda/finalizer/build-report';
import { planPromotion, PromotionPlan, StagedObject } from '../../lambda/finalizer/promotion-plan';
import { StagingArea } from '../../lambda/finalizer/staging-area';
import { isPastDeadline, outcomeOf } from '../../lambda/shared/build-outcome';
import { deploymentIdOf, inputsOf, projectIdOf } from '../../lambda/shared/builds';
import { ID_PATTERN } from '../../src/contract/build-request';
import { CACHE_LAYERS } from '../../src/contract/cache';
import { BUILD_ENV } from '../../src/contract/environment';
import { EXIT_CODES, failureMessage } from '../../src/contract/failure-codes';
import { cacheKey, stagingPrefix } from '../../src/contract/keys';
import { WARNING_CODES } from '../../src/contract/warnings';
import { buildArn, buildOf, withVariables } from '../support/codebuild';
import { COMMIT_SHA } from '../support/requests';

const TARGET = { projectId: 'project-1', commitSha: COMMIT_SHA, deploymentId: 'deployment-1', branch: 'main' };
const COMPLETE: StagedObject[] = ['lambda.zip', 'open-next.output.json', 'manifest.json'].map((name) => ({ name: `artifacts/${name}`, bytes: 10 }));

/** S3 keeps keys as UTF-8, and so has no lone surrogates. */
const segment = fc.oneof(fragment, text, fc.constantFrom('_next', 'static', 'index.html', 'a.js', 'a b', 'a+b', 'ü', '%2F', 'functions', 'x.zip', 'isr-cache')).map(wellFormed);
const name = fc.tuple(
  fc.constantFrom('static', 'static', 'static', 'artifacts/isr-cache', 'artifacts/functions', 'artifacts', 'cache', 'staging', '..', ''),
  fc.array(segment, { maxLength: 4 }),
).map(([root, rest]) => [root, ...rest].join('/'));

type Acceptable = PromotionPlan & { acceptable: true };

function forEachPromotable(property: (name: string, plan: Acceptable) => void | Promise<void>, share = 1) {
  return fc.assert(fc.asyncProperty(name, async (one) => {
    const plan = planPromotion([...COMPLETE, { name: one, bytes: 1, etag: '"etag"' }], TARGET);
    if (plan.acceptable) await property(one, plan);
  }), inputs(share));
}

describe('a staged object', () => {
  test('that is not acceptable is named on one line, in a reason that fits a record', () => {
    fc.assert(fc.property(name, fc.constantFrom('STANDARD', 'GLACIER', 'DEEP_ARCHIVE'), (one, storageClass) => {
      const plan = planPromotion([...COMPLETE, { name: one, bytes: 1, storageClass }], TARGET);
      if (plan.acceptable) return;
      expect(plan.problem).toMatch(/^[^\p{C}\p{Zl}\p{Zp}]{1,8000}$/u);
      expect(failureMessage(plan.failureCode)).toMatch(/^[A-Z].*\.$/);
    }), inputs());
  });

  test('keeps its path below the deployment\'s own prefix, or is an archive of this branch\'s cache', async () => {
    await forEachPromotable((one, { cache, promotions }) => {
      const [promotion] = [...promotions, ...cache].filter((each) => each.name === one && each.etag === '"etag"');
      if (one.startsWith('cache/')) return expect(CACHE_LAYERS.map((layer) => cacheKey('project-1', 'main', layer))).toContain(promotion.targetKey);
      const [root, ...rest] = one.split('/');
      expect(promotion.targetKey).toBe(`${root}/project-1/${COMMIT_SHA}/deployment-1/${rest.join('/')}`);
      expect(rest.filter((each) => ['', '.', '..'].includes(each))).toEqual([]);
      // A browser takes what lies below artifacts/ for no page.
      if (root === 'artifacts') expect(promotion.contentType).toMatch(/^application\/(octet-stream|json|zip)$/);
      expect(promotion.contentType).toMatch(/^[\w.+-]+\/[\w.+-]+(; charset=[\w-]+)?$/);
    });
  });

  test('is copied by a header that stands for its very key', async () => {
    const s3 = mockClient(S3Client);
    const copied: CopyObjectCommandInput[] = [];
    s3.on(CopyObjectCommand).callsFake((input: CopyObjectCommandInput) => copied.push(input) && {});
    const prefix = stagingPrefix(buildArn('builds:1-2-3'));
    const staging = new StagingArea(new S3Client({ region: 'eu-central-1' }), 'bucket', prefix);
    await forEachPromotable(async (one, { promotions }) => {
      copied.length = 0;
      s3.resetHistory();
      await staging.promote(promotions.filter((each) => each.name === one), async () => {});
      for (const { CopySource } of copied) {
        expect(CopySource).toMatch(/^bucket\/staging\/[\w%.!~*'()/-]+$/);
        expect(decodeURIComponent(CopySource!)).toBe(`bucket/${prefix}${one}`);
      }
    }, 0.25);
    s3.restore();
  });
});

describe('a manifest', () => {
  const use = fc.record({
    result: mostly(fc.constantFrom('hit', 'partial', 'miss', 'stale', 'damaged', 'off')),
    reason: mostly(fc.array(text, { maxLength: 30 }).map((parts) => parts.join(''))),
    restoredBytes: mostly(fc.maxSafeNat()),
    restoreSeconds: mostly(fc.double({ min: 0, max: 200_000 })),
    workSeconds: mostly(fc.double()),
    secondsSaved: json,
  }, { requiredKeys: [] });
  const manifest = fc.record({
    warnings: mostly(fc.array(mostly(fc.record({ code: mostly(fc.constantFrom(...WARNING_CODES)), message: mostly(fc.array(text, { maxLength: 30 }).map((parts) => parts.join(''))) })))),
    timings: mostly(fc.dictionary(fc.oneof(fc.constantFrom('install', 'build'), text), mostly(fc.double({ min: 0, max: 200_000 })), { maxKeys: 30 })),
    cache: mostly(fc.dictionary(fc.constantFrom(...CACHE_LAYERS, 'other', '__proto__'), mostly(use))),
    version: json,
  }, { requiredKeys: [] });
  const content = fc.oneof({ weight: 6, arbitrary: manifest.map((value) => JSON.stringify(value)) }, json.map((value) => JSON.stringify(value) ?? ''), text,
    fc.constantFrom('['.repeat(10_000), '{"cache":'.repeat(10_000), `{"cache":{"next":{"result":"hit","reason":${JSON.stringify('x'.repeat(199) + '😀')}}}}`));
  const account = fc.record({ without: fc.option(fc.double({ min: 0, max: 129_600, noNaN: true }), { nil: undefined }), saved: fc.constant([]) });
  const accounts = fc.record(Object.fromEntries(CACHE_LAYERS.map((layer) => [layer, account])));

  test('says something about timings, cache and warnings or nothing, in text and numbers that a record and an event can hold', () => {
    fc.assert(fc.property(content, accounts, (written, known) => {
      const report = readBuildReport(written, known);
      expect(Object.keys(report).filter((key) => !['timings', 'cache', 'warnings'].includes(key))).toEqual([]);
      expect(Object.keys(report.cache ?? {}).filter((layer) => !(CACHE_LAYERS as readonly string[]).includes(layer))).toEqual([]);
      const stored = JSON.stringify(report);
      expect(stored.length).toBeLessThan(12_000);
      // No NaN, no half of a character.
      expect(JSON.stringify(report, (_, value) => typeof value === 'number' && !Number.isFinite(value) ? 'no number' : value)).toBe(stored);
      const said = [...Object.values(report.cache ?? {}).map(({ reason = '' }) => reason), ...(report.warnings ?? []).map(({ message }) => message)];
      expect(said.filter((sentence) => /[\p{C}\n]/u.test(sentence))).toEqual([]);
      // Read once more, it says the same.
      const saidOfSavings = /,"secondsSaved":[^,}]*/g;
      expect(JSON.stringify(readBuildReport(stored, {})).replace(saidOfSavings, '')).toBe(stored.replace(saidOfSavings, ''));
    }), inputs());
  });
});

describe('an ended build', () => {
  const date = fc.option(fc.date({ noInvalidDate: true }), { nil: undefined });
  const status = fc.oneof(fc.constantFrom('SUCCEEDED', 'FAILED', 'FAULT', 'STOPPED', 'TIMED_OUT', 'IN_PROGRESS', 'QUEUED', undefined), text);
  const phase = fc.record({
    phaseType: fc.oneof(fc.constantFrom('QUEUED', 'PROVISIONING', 'INSTALL', 'PRE_BUILD', 'BUILD', 'POST_BUILD'), text),
    phaseStatus: status,
    startTime: date,
    endTime: date,
    contexts: fc.array(fc.record({
      statusCode: fc.oneof(fc.constantFrom('COMMAND_EXECUTION_ERROR', 'SINGLE_BUILD_CONTAINER_DEAD'), text),
      message: fc.tuple(text, fc.oneof(fc.integer({ min: -1, max: 1000 }), text), fc.constantFrom('', ' ', '\n', '.')).map(([said, code, end]) => `${said} exit status ${code}${end}`),
    }, { requiredKeys: [] }), { maxLength: 3 }),
  }, { requiredKeys: [] });
  const build = fc.record({
    buildStatus: status,
    phases: fc.array(phase, { maxLength: 4 }),
    startTime: date,
    endTime: date,
    timeoutInMinutes: fc.integer(),
    queuedTimeoutInMinutes: fc.integer(),
  }, { requiredKeys: [] });

  test('is a success only if CodeBuild says so, and otherwise one of the known failures', () => {
    fc.assert(fc.property(build, fc.date({ noInvalidDate: true }), (one, now) => {
      const outcome = outcomeOf(one as Build);
      expect(outcome === 'succeeded').toBe(one.buildStatus === 'SUCCEEDED');
      if (outcome === 'running') expect(['FAILED', 'FAULT', 'STOPPED', 'TIMED_OUT']).not.toContain(one.buildStatus);
      else if (outcome !== 'succeeded') expect(failureMessage(outcome)).toMatch(/^[A-Z].*\.$/);
      expect(typeof isPastDeadline(one as Build, now)).toBe('boolean');
    }), inputs());
  });

  test('fails as its exit status says, whatever stands before it', () => {
    fc.assert(fc.property(text, fc.constantFrom(...Object.entries(EXIT_CODES)), fc.constantFrom('INSTALL', 'PRE_BUILD', 'BUILD', 'POST_BUILD'), (said, [code, exitCode], phaseType) => {
      const contexts = [{ statusCode: 'COMMAND_EXECUTION_ERROR', message: `Error while executing command: ${said}. Reason: exit status ${exitCode}` }];
      expect(outcomeOf(buildOf('d', { buildStatus: 'FAILED', phases: [{ phaseType, phaseStatus: 'FAILED', contexts }] }))).toBe(code);
    }), inputs(0.5));
  });

  test('belongs to a deployment and project only by ids that could be a request\'s', () => {
    const variable = fc.record({ name: fc.oneof(fc.constantFrom(...Object.values(BUILD_ENV)), text), value: fc.oneof(fc.stringMatching(ID_PATTERN), text) });
    const variables = fc.array(variable, { maxLength: 5 });
    fc.assert(fc.property(variables, (given) => {
      const one = buildOf(undefined, { environment: withVariables(given) });
      for (const id of [deploymentIdOf(one), projectIdOf(one)]) expect(id ?? 'none').toMatch(ID_PATTERN);
      expect(['string', 'undefined']).toContain(typeof inputsOf(one));
    }), inputs());
  });
});
