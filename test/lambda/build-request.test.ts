import fc from 'fast-check';
import { parseBuildRequest } from '../../lambda/shared/build-request';
import { artifactsPrefix, staticPrefix } from '../../src/contract/keys';
import { buildRequest } from '../support/requests';

const parse = (message: unknown) => parseBuildRequest(JSON.stringify(message));
const problemOf = (message: unknown) => {
  const parsed = parse(message);
  return parsed.valid ? undefined : parsed.problem;
};

describe('a request is accepted', () => {
  test.each([
    ['as documented', buildRequest()],
    ['with a SHA-256 commit', buildRequest({ commitSha: 'a'.repeat(64) })],
    ['with a root directory', buildRequest({ rootDirectory: 'apps/web' })],
    ['with a root directory that has unusual but harmless names', buildRequest({ rootDirectory: 'apps/@acme/web (new)/ünïcode' })],
    ['with a branch of several parts', buildRequest({ branch: 'feature/ABC-12_do.it' })],
    ['with a port in the URL', buildRequest({ repoUrl: 'https://git.example.com:8443/team/repo' })],
    ['with an international host, as DNS writes it', buildRequest({ repoUrl: 'https://git.xn--mnchen-3ya.example/team/repo' })],
    ['with an environment for the app\'s build', buildRequest({ buildEnvironment: { _A1: '', NEXT_PUBLIC_URL: 'https://x\n$(id)`\'"', ['V'.repeat(300)]: 'ü' } })],
    ['with ids of 128 characters', buildRequest({ deploymentId: 'd'.repeat(128), projectId: 'p'.repeat(128) })],
  ])('%s', (_, request) => {
    expect(parse(request)).toEqual({ valid: true, request });
  });
});

describe('a request is refused, with the field and the reason', () => {
  test.each([
    ['not JSON', '{', 'the message is not JSON'],
    ['an empty message', '', 'the message is not JSON'],
    ['a JSON array', '[]', 'the message is not a JSON object'],
    ['JSON null', 'null', 'the message is not a JSON object'],
    ['a JSON string', '"x"', 'the message is not a JSON object'],
  ])('%s', (_, body, problem) => {
    expect(parseBuildRequest(body)).toEqual({ valid: false, problem, readable: {} });
  });

  test.each(['deploymentId', 'projectId', 'commitSha', 'repoUrl', 'branch'] as const)('%s is missing', (field) => {
    expect(problemOf({ ...buildRequest(), [field]: undefined })).toBe(`${field} is missing or not a string`);
  });

  test('a field this pipeline does not know, which is mostly a misspelt one', () => {
    expect(problemOf({ ...buildRequest(), rootDir: 'apps/web' })).toBe('unknown field "rootDir"');
  });

  test('and its name is shown, but does nothing else to a terminal or a page', () => {
    expect(problemOf({ ...buildRequest(), 'a\n\u009b2J\u202e\u2028b': 1 })).toBe('unknown field "a\\n\\u{9b}2J\\u{202e}\\u{2028}b"');
  });

  test.each(['', '.', '..', '../other', 'a/b', '-rf', 'a b', 'a\n', 'ä', '$(id)', 'p'.repeat(129), 7, null])('project id %j', (projectId) => {
    expect(problemOf({ ...buildRequest(), projectId })).toMatch(/^projectId /);
  });

  describe('an environment for the app\'s build', () => {
    const problem = (buildEnvironment: unknown) => problemOf({ ...buildRequest(), buildEnvironment });

    test.each(['PATH', 'NODE_OPTIONS', 'LD_PRELOAD', 'BASH_ENV', 'UID', 'GIT_SSH_COMMAND', 'AWS_REGION', 'CODEBUILD_SRC_DIR', 'npm_config_registry', 'NPM_CONFIG_REGISTRY', 'HANDOVER_URL', 'COMMIT_SHA', 'STEPS', 'handover_url', 'Path', 'node_options', 'aws_container_credentials_relative_uri'])(
      'sets %s', (name) => expect(problem({ [name]: 's3cret' })).toBe(`buildEnvironment has a variable "${name}" that is reserved, because it steers the shell, git, npm, Node.js, AWS or the pipeline itself; choose another name`),
    );

    test.each(['', '1A', 'A-B', 'A B', 'A=B', 'A\n', 'Ä', '$(id)', 'A\0'])('sets %j', (name) => {
      expect(problem({ [name]: 's3cret' })).toMatch(/^buildEnvironment has a variable ".*" that is not a name that a shell can export/);
    });

    test.each([[null], ['s3cret'], [['s3cret']], [7]])('is %j', (value) => expect(problem(value)).toBe('buildEnvironment is not a JSON object'));

    test.each([[7], [null], [true], [['s3cret']], [{ s3cret: 's3cret' }]])('has the value %j', (value) => expect(problem({ A: value })).toBe('buildEnvironment has a variable "A" that is not a string'));

    test('has a value with NUL', () => expect(problem({ A: 's3cret\0' })).toBe('buildEnvironment has a variable "A" that has a NUL character'));

    test('is too large', () => {
      const variables = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, index) => [`V${index}`, '']));
      expect([problem(variables(200)), problem(variables(201))]).toEqual([undefined, 'buildEnvironment has 201 variables; at most 200 are accepted']);
      expect([problem({ A: 'ü'.repeat(32_767) }), problem({ A: 'ü'.repeat(32_768) })]).toEqual([undefined, 'buildEnvironment has 65537 bytes of variables; at most 65536 are accepted']);
    });

    test('is not among what is known of a request that is refused for another reason', () => {
      const parsed = parse({ ...buildRequest({ buildEnvironment: { A: 's3cret' } }), branch: '..' });
      expect(parsed).toMatchObject({ valid: false, readable: { projectId: expect.anything() } });
      expect(JSON.stringify(parsed)).not.toContain('s3cret');
    });
  });

  test.each(['deploymentId', 'projectId', 'commitSha', 'repoUrl', 'branch', 'rootDirectory', 'defaultBranch'])('%s is an object that has a length', (field) => {
    const length = { toString: false };
    expect(problemOf({ ...buildRequest(), [field]: { length } })).toMatch(new RegExp(`^${field} is `));
    expect(problemOf({ ...buildRequest(), [field]: [] })).toMatch(new RegExp(`^${field} is `));
  });

  test.each(['main', 'HEAD', 'abc', 'A'.repeat(40), 'g'.repeat(40), 'a'.repeat(39), 'a'.repeat(41), `${'a'.repeat(40)}\n`, '--upload-pack=x', 'a'.repeat(10_000)])(
    'commit SHA %j', (commitSha) => {
      expect(problemOf(buildRequest({ commitSha }))).toBe('commitSha must be a full commit SHA: 40 or 64 hex digits in lower case');
    });

  test.each([
    ['http://github.com/a/b', 'must begin with https://'],
    ['git@github.com:a/b.git', 'must begin with https://'],
    ['ssh://git@github.com/a/b', 'must begin with https://'],
    ['file:///etc', 'must begin with https://'],
    ['HTTPS://github.com/a/b', 'must begin with https://'],
    ['ext::sh -c id', 'must not contain white space'],
    ['ext::id', 'must begin with https://'],
    ['--upload-pack=id', 'must begin with https://'],
    ['https://token@github.com/a/b', 'must not contain a user name'],
    ['https://user:pass@github.com/a/b', 'must not contain a user name'],
    ['https://@github.com/a/b', 'must not contain a user name'],
    ['https://github.com/a/b c', 'must not contain white space'],
    ['https://github.com/a/b\n', 'must not contain white space'],
    ['https://github.com/a/$(id)`id`', 'must not contain white space, control characters, quotes'],
    ['https://github.com\\@evil.example/a', 'must not contain white space, control characters, quotes or backslashes'],
    ['https://github.com/a/b?x=1', 'must not have a query'],
    ['https://github.com/a/b#x', 'must not have a query'],
    ['https://github.com', 'must have a path'],
    ['https://github.com//', 'must have a path'],
    ['https://', 'must name a public host'],
    ['https://169.254.169.254/a/b', 'must name a public host'],
    ['https://[::1]/a/b', 'must name a public host'],
    ['https://2130706433/a/b', 'must name a public host'],
    ['https://0x7f.1/a/b', 'must name a public host'],
    ['https://localhost/a/b', 'must name a public host'],
    ['https://localhost.localdomain/a/b', 'must name a public host'],
    ['https://git.internal/a/b', 'must name a public host'],
    ['https://g%69thub.com/a/b', 'must name a public host'],
    ['https://ｇithub.com/a/b', 'must name a public host'],
    ['https://github。com/a/b', 'must name a public host'],
    ['https://münchen.example/a/b', 'must name a public host'],
    ['https:///github.com/a/b', 'must name a public host'],
    ['https://github.com:/a/b', 'must name a public host'],
    ['https://.github.com/a/b', 'must name a public host'],
    ['https://github..com/a/b', 'must name a public host'],
    [`https://github.com/${'a'.repeat(2048)}`, 'must be at most 2048 characters'],
  ])('repository URL %s', (repoUrl, problem) => {
    expect(problemOf(buildRequest({ repoUrl }))).toContain(`repoUrl ${problem}`);
  });

  test.each(['', '-b', '--all', 'a b', 'a..b', 'a~1', 'a^', 'a:b', 'a?', 'a*', 'a[', 'a\\b', '/a', 'a/', 'a//b', 'a.lock', 'x.lock/y', '.a', 'a/.b', 'a@{1}', '@', 'a\u0007', 'b'.repeat(256)])(
    'branch %j', (branch) => {
      expect(problemOf(buildRequest({ branch }))).toMatch(/^branch /);
    });

  test.each(['', '.', '..', '/', '/etc', '../x', 'a/../b', 'a/./b', 'a//b', 'a/', './a', '-a', 'a/-b', 'a\\b', 'a\0b', 'a\nb', 'a\u2028b', ' a', 'd'.repeat(513)])(
    'root directory %j', (rootDirectory) => {
      expect(problemOf(buildRequest({ rootDirectory }))).toMatch(/^rootDirectory /);
    });
});

test('what can be read of a bad request is told, so that its deployment can be found', () => {
  const parsed = parse({ ...buildRequest(), commitSha: 'main', branch: '-x' });
  expect(parsed).toMatchObject({ valid: false, readable: { deploymentId: 'deployment-1', projectId: 'project-1', repoUrl: 'https://github.com/acme/shop.git' } });
  expect(parsed).not.toHaveProperty('readable.commitSha');
  expect(parsed).not.toHaveProperty('readable.branch');
});

test('a bad id is never told', () => {
  expect(parse({ ...buildRequest(), deploymentId: '../x' })).toMatchObject({ valid: false, readable: { projectId: 'project-1' } });
  expect(parse({ ...buildRequest(), deploymentId: '../x' })).not.toHaveProperty('readable.deploymentId');
});

test('a reason stays short whatever the sender wrote', () => {
  fc.assert(fc.property(fc.dictionary(fc.string({ maxLength: 5000 }), fc.string()), (message) => {
    expect((problemOf(message) ?? '').length).toBeLessThan(1500);
  }));
});

test('whatever is accepted keeps within its own prefix and is neither option nor shell word', () => {
  const hostile = fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.constantFrom('..', '../..', '-x', '--', 'a/../../b', '$(id)', '`id`', 'a;b', "a'b", 'a"b', '\u202e', 'a\u0000'),
    fc.stringMatching(/^[A-Za-z0-9._-]{1,130}$/));
  fc.assert(fc.property(fc.record({
    deploymentId: hostile, projectId: hostile, commitSha: fc.oneof(hostile, fc.stringMatching(/^[0-9a-f]{40}$/)), repoUrl: fc.oneof(hostile, fc.webUrl()), branch: hostile, rootDirectory: hostile,
  }), (message) => {
    const parsed = parse(message);
    if (!parsed.valid) return;
    const { projectId, commitSha, repoUrl, branch, rootDirectory, deploymentId } = parsed.request;
    for (const prefix of [artifactsPrefix(parsed.request), staticPrefix(parsed.request)]) {
      expect(prefix.split('/')).toHaveLength(5);
      expect(new URL(prefix, 'https://bucket.example/').pathname).toBe(`/${prefix}`);
    }
    for (const value of [projectId, deploymentId, commitSha, repoUrl, branch, rootDirectory!]) {
      expect(value).not.toMatch(/^-|[\0\n\r]/);
    }
    expect(rootDirectory!.split('/')).not.toContain('..');
    expect(new URL(repoUrl).protocol).toBe('https:');
  }), { numRuns: 3000 });
});
