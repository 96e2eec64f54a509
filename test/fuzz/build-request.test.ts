/** Messages of the queue, and what is made of them: object keys, operands of git, environment variables of a shell. */
import { execFileSync } from 'node:child_process';
import { isIP } from 'node:net';
import * as path from 'node:path';
import * as fc from 'fast-check';
import { inputs } from './fuzzing';
import { concat, fragment, json, mostly, text } from './hostile';
import { parseBuildRequest } from '../../lambda/shared/build-request';
import { BuildRequest, ID_PATTERN, RECORDED_FIELDS } from '../../src/contract/build-request';
import { CACHE_LAYERS } from '../../src/contract/cache';
import { variableNameProblem } from '../../src/contract/environment';
import { artifactsPrefix, buildEnvironmentKey, cacheKey, cacheOwner, handoverKey, stagingPrefix, staticPrefix } from '../../src/contract/keys';

const joined = (parts: fc.Arbitrary<string>, maxLength: number) => fc.array(parts, { minLength: 1, maxLength }).map((some) => some.join(''));

const id = fc.oneof(fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,10}$/), fc.constantFrom('a', 'a.', 'a-', 'a..b', 'x'.repeat(128)));
const commitSha = fc.oneof(fc.stringMatching(/^[0-9a-f]{40}$/), fc.stringMatching(/^[0-9a-f]{64}$/));
const branch = fc.oneof(fc.constantFrom('main', 'feature/a', 'HEAD'), joined(fc.oneof(fragment, fc.constantFrom('a', 'b/', 'c.d', 'ü', '_', '-')), 5));
const rootDirectory = fc.oneof(fc.constantFrom('apps/web', 'a b/(c)', '@x/y'), joined(fc.oneof(fragment, fc.constantFrom('a', 'b/', '.c', '$d', ';', 'é')), 5));
const host = fc.oneof(
  fc.constantFrom('github.com', 'git.example.com', 'GIT.Example.COM', 'example.com.', 'a_b.example.com', '127.0.0.1', '[::1]', '[::ffff:7f00:1]', '0x7f.0.0.1', '127.1', 'localhost', 'a.localhost', 'metadata.google.internal'),
  joined(fc.oneof(fragment, fc.constantFrom('a.', '.b', 'git', '%2e', '%61', '。', '．', 'ｇ', '1', '0x7f', '.local', '.internal', 'xn--')), 4),
);
const repoUrl = concat(
  mostly(fc.constant('https://'), fc.oneof(fragment, fc.constantFrom('HTTPS://', 'https:/', 'https:///', 'https:\\\\', 'http://', 'ext::'))),
  mostly(fc.constant(''), fc.constantFrom('user@', 'a:b@', '@', ':@', '%40')),
  host,
  mostly(fc.constant(''), fc.constantFrom(':443', ':8443', ':0', ':', ':99999', ':22')),
  mostly(fc.constant('/acme/shop.git'), joined(fragment, 4)),
);

const variableName = fc.oneof(joined(fc.oneof(fragment, fc.constantFrom('A', '_', '1')), 3), fc.constantFrom('PATH', 'LD_AUDIT', 'AWS_REGION', 'STATE', 'npm_Config_x', 'UID'));
const buildEnvironment = fc.dictionary(variableName, mostly(text));

const usual = fc.record({
  deploymentId: id,
  projectId: id,
  commitSha,
  repoUrl: fc.constant('https://github.com/acme/shop.git'),
  branch: fc.constantFrom('main', 'feature/a'),
  rootDirectory: fc.constantFrom('apps/web', 'a b/(c)'),
  defaultBranch: fc.constant('main'),
  forceBuild: fc.boolean(),
  withoutCache: fc.boolean(),
  withoutSecrets: fc.boolean(),
  buildEnvironment: fc.dictionary(fc.constantFrom('A', 'NEXT_PUBLIC_B', '__proto__', 'constructor'), text.map((value) => value.replaceAll('\0', ''))),
}, { requiredKeys: ['deploymentId', 'projectId', 'commitSha', 'repoUrl', 'branch'] });
const strange = fc.oneof(...Object.entries<fc.Arbitrary<unknown>>({
  deploymentId: text,
  projectId: text,
  commitSha: text,
  repoUrl,
  branch,
  rootDirectory,
  defaultBranch: branch,
  forceBuild: text,
  withoutCache: text,
  withoutSecrets: text,
  buildEnvironment,
}).map(([field, values]) => fc.tuple(fc.constant(field), mostly(values))));
/** Right but for one field or two: what is wrong in one is found only if the others are right. */
const message = fc.tuple(usual, fc.array(strange, { maxLength: 2 })).map(([right, wrong]) => ({ ...right, ...Object.fromEntries(wrong) }));

/** Says what holds for each accepted request. Fails if hardly any is accepted: then it would say nothing. */
function forEachAccepted(property: (request: BuildRequest) => void, share = 1): void {
  const parameters = inputs(share);
  let accepted = 0;
  fc.assert(fc.property(message, (sent) => {
    const parsed = parseBuildRequest(JSON.stringify(sent));
    if (!parsed.valid) return;
    accepted += 1;
    property(parsed.request);
  }), parameters);
  if (parameters.numRuns! > 1) expect(accepted).toBeGreaterThan(parameters.numRuns! / 20);
}

/** An accepted value of one field, whatever the others are. */
function forEachAcceptedValue(field: keyof BuildRequest, values: fc.Arbitrary<string>, property: (value: string) => void, share = 1): void {
  const others = { deploymentId: 'd', projectId: 'p', commitSha: 'a'.repeat(40), repoUrl: 'https://github.com/acme/shop.git', branch: 'main' };
  fc.assert(fc.property(values, (value) => {
    if (parseBuildRequest(JSON.stringify({ ...others, [field]: value })).valid) property(value);
  }), inputs(share));
}

const PLAIN_LINE = /^[^\p{C}\p{Zl}\p{Zp}]*$/u;

describe('any message', () => {
  const body = fc.oneof(message.map((sent) => JSON.stringify(sent)), json.map((value) => JSON.stringify(value)), text, fc.constantFrom('['.repeat(10_000), '{"a":'.repeat(10_000), '1'.repeat(10_000)),
    fc.tuple(message, fc.nat(400), text).map(([sent, at, inserted]) => JSON.stringify(sent).slice(0, at) + inserted + JSON.stringify(sent).slice(at)));

  test('is accepted, or refused with a short reason on one line and with no more than its valid fields', () => {
    fc.assert(fc.property(body, (sent) => {
      const parsed = parseBuildRequest(sent);
      if (parsed.valid) return;
      expect(parsed.problem.length).toBeLessThan(1500);
      expect(parsed.problem).toMatch(PLAIN_LINE);
      for (const [field, value] of Object.entries(parsed.readable)) {
        expect(RECORDED_FIELDS).toContain(field);
        expect(JSON.parse(sent)[field]).toEqual(value);
      }
    }), inputs());
  });

  test('is not accepted with a field beside the known ones', () => {
    fc.assert(fc.property(id, text.filter((name) => !([...RECORDED_FIELDS, 'buildEnvironment'] as readonly string[]).includes(name)), json, (deploymentId, name, value) => {
      const sent = `{"deploymentId":"${deploymentId}","projectId":"p","commitSha":"${'a'.repeat(40)}","repoUrl":"https://github.com/a/b","branch":"main",${JSON.stringify(name)}:${JSON.stringify(value) ?? 'null'}}`;
      expect(parseBuildRequest(sent)).toMatchObject({ valid: false, readable: { deploymentId }, problem: expect.stringMatching(PLAIN_LINE) });
    }), inputs());
  });
});

describe('an accepted request', () => {
  test('is what was sent, and is accepted again', () => {
    forEachAccepted((request) => {
      expect(parseBuildRequest(JSON.stringify(request))).toEqual({ valid: true, request });
    });
  });

  test('can be the environment of a build: text on one line, of a length that CodeBuild takes, and no option', () => {
    forEachAccepted((request) => {
      const values = Object.values(request).filter((value): value is string => typeof value === 'string');
      expect(values.filter((value) => !PLAIN_LINE.test(value) || value.startsWith('-') || value.length > 4096)).toEqual([]);
    });
  });

  test('gives keys whose segments are its own, and which a URL takes as they are', () => {
    forEachAccepted((request) => {
      const { branch: name, commitSha: sha, deploymentId, projectId } = request;
      expect(artifactsPrefix(request).split('/')).toEqual(['artifacts', projectId, sha, deploymentId, '']);
      expect(staticPrefix(request).split('/')).toEqual(['static', projectId, sha, deploymentId, '']);
      expect(handoverKey(deploymentId).split('/')).toEqual(['staging', 'handover', `${deploymentId}.json`]);
      expect(cacheKey(projectId, name, 'tools').split('/')).toEqual(['cache', projectId, expect.stringMatching(/^[0-9a-f]{32}$/), 'tools']);
      const keys = [artifactsPrefix(request), staticPrefix(request), handoverKey(deploymentId), cacheKey(projectId, name, 'next')];
      expect(keys.map((key) => new URL(key, 'https://bucket.example/').pathname)).toEqual(keys.map((key) => `/${key}`));
    });
  });
});

test('no two projects, commits, branches or deployments have a place in common', () => {
  const build = fc.record({ projectId: id, commitSha, branch, layer: fc.constantFrom(...CACHE_LAYERS), deploymentId: id });
  const places = (one: typeof build extends fc.Arbitrary<infer T> ? T : never) => [
    artifactsPrefix(one),
    staticPrefix(one),
    cacheKey(one.projectId, one.branch, one.layer),
    handoverKey(one.deploymentId),
    buildEnvironmentKey(one.deploymentId),
  ];
  fc.assert(fc.property(build, build, fc.boolean(), (one, other, sameProject) => {
    const second = sameProject ? { ...other, projectId: one.projectId } : other;
    const differs = [
      one.projectId !== second.projectId || one.commitSha !== second.commitSha || one.deploymentId !== second.deploymentId,
      one.projectId !== second.projectId || one.commitSha !== second.commitSha || one.deploymentId !== second.deploymentId,
      one.projectId !== second.projectId || one.branch !== second.branch || one.layer !== second.layer,
      one.deploymentId !== second.deploymentId,
      one.deploymentId !== second.deploymentId,
    ];
    const [first, others] = [places(one), places(second)];
    expect(first.filter((place, index) => differs[index] && others[index].startsWith(place))).toEqual([]);
    expect(first.filter((place) => place.startsWith(stagingPrefix('arn:aws:codebuild:eu-central-1:123456789012:build/builds:1')))).toEqual([]);
  }), inputs());
});

test('no branch has its cache in common with a build without secrets, whatever both are called', () => {
  forEachAcceptedValue('branch', branch, (name) => {
    expect(cacheOwner({ branch: name })).toBe(name);
    expect(cacheOwner({ branch: name, withoutSecrets: true })).toMatch(/^without-secrets:/);
    expect(name).not.toContain(':');
  });
});

test('an accepted URL says what git will do: https, a public host by its plain name, no user, a path', () => {
  forEachAcceptedValue('repoUrl', fc.oneof(repoUrl, text), (value) => {
    const [, authority, rest] = /^https:\/\/([^/]+)(\/.+)$/.exec(value)!;
    const url = new URL(value);
    expect(url).toMatchObject({ protocol: 'https:', username: '', password: '', search: '', hash: '' });
    // Another program must not read another host out of it.
    expect(url.host).toBe(authority.toLowerCase().replace(/:(443)?$/, '').replace(/:0+(\d)/, ':$1'));
    expect(isIP(url.hostname)).toBe(0);
    expect(url.hostname).toMatch(/^[a-z0-9_-]+(\.[a-z0-9_-]+)+\.?$/);
    expect(rest).toMatch(/[^/]/);
  });
});

test('git accepts an accepted branch', () => {
  forEachAcceptedValue('branch', branch, (name) => {
    // As a ref, not as a new branch: git makes none of the name HEAD, but a repository may have one, and the local run names a tag's so. git throws.
    execFileSync('git', ['check-ref-format', `refs/heads/${name}`], { env: { PATH: process.env.PATH, LC_ALL: 'C.UTF-8' } });
    expect(name).toMatch(/^[^-]/);
  }, 0.05);
});

test('an accepted environment holds words that a shell exports, none that steers the build, and text', () => {
  const others = { deploymentId: 'd', projectId: 'p', commitSha: 'a'.repeat(40), repoUrl: 'https://github.com/acme/shop.git', branch: 'main' };
  fc.assert(fc.property(buildEnvironment, (sent) => {
    const parsed = parseBuildRequest(JSON.stringify({ ...others, buildEnvironment: sent }));
    if (!parsed.valid) return;
    for (const [name, value] of Object.entries(parsed.request.buildEnvironment!)) {
      expect([name, variableNameProblem(name)]).toEqual([expect.stringMatching(/^[A-Za-z_][A-Za-z0-9_]*$/), undefined]);
      expect(value).toEqual(expect.not.stringContaining('\0'));
    }
  }), inputs());
});

test('an accepted root directory lies in the repository, by its plain path', () => {
  forEachAcceptedValue('rootDirectory', fc.oneof(rootDirectory, text), (directory) => {
    expect(path.posix.relative('/checkout', path.posix.join('/checkout', directory))).toBe(directory);
    expect(directory.split('/')).not.toContain('..');
  });
});

test('an id is one segment of a key and one word of a shell', () => {
  forEachAcceptedValue('projectId', fc.oneof(id, text), (value) => {
    expect(value).toMatch(ID_PATTERN);
    expect(encodeURIComponent(value)).toBe(value);
    expect(value).not.toMatch(/[^\w.-]/);
  });
});
