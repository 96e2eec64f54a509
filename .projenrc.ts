import { awscdk, github, javascript, JsonPatch } from 'projen';

/**
 * Lowest aws-cdk-lib that the library compiles and passes its tests against; users may bring any 2.x from here on. It is installed
 * here, so every test is a test against it; `npx projen test:newest-cdk` runs the template tests against the newest.
 * Why not lower: 2.131 and before write a dead-letter queue's `DENY_ALL` as `byQueue`, before 2.125 queues have no such option.
 */
const MINIMUM_CDK = '2.132.0';

/** Everything above runs with it; a newer aws-cdk-lib brings its own, higher wish. */
const MINIMUM_CONSTRUCTS = '10.0.5';

/** TypeScript outside src/: handlers, local run, benchmarks, examples. All of it is linted and type-checked, none of it is jsii. */
const OTHER_SOURCES = ['lambda', 'local', 'bench', 'examples/cdk-app'];

const project = new awscdk.AwsCdkConstructLibrary({
  name: 'cdk-nextjs-build-pipeline',
  description: 'The build half of a Next.js hosting platform as one AWS CDK construct: queue, CodeBuild, OpenNext, artifacts, deployment record.',
  keywords: ['cdk', 'nextjs', 'opennext', 'codebuild', 'build', 'deployment', 'hosting'],
  author: 'The cdk-nextjs-build-pipeline authors',
  authorAddress: 'maintainers@cdk-nextjs-build-pipeline.dev',
  authorOrganization: true,
  repositoryUrl: 'https://github.com/cdk-nextjs-build-pipeline/cdk-nextjs-build-pipeline.git',
  license: 'Apache-2.0',
  copyrightOwner: 'The cdk-nextjs-build-pipeline authors',
  defaultReleaseBranch: 'main',
  majorVersion: 0,
  stability: 'experimental',

  cdkVersion: MINIMUM_CDK,
  constructsVersion: MINIMUM_CONSTRUCTS,
  jsiiVersion: '~5.9.0',
  typescriptVersion: '~5.9.0',
  packageManager: javascript.NodePackageManager.NPM,
  minNodeVersion: '20.0.0',
  workflowNodeVersion: '20.x',
  projenrcTs: true,
  npmTrustedPublishing: true,
  depsUpgradeOptions: { cooldown: 5 },

  // Everything below is needed to build, test or run locally. The published package has no dependency besides its peers.
  devDeps: [
    // bundled into the handlers
    '@aws-lambda-powertools/batch',
    '@aws-lambda-powertools/logger',
    '@aws-sdk/client-codebuild',
    '@aws-sdk/client-dynamodb',
    '@aws-sdk/client-eventbridge',
    '@aws-sdk/client-lambda',
    '@aws-sdk/client-s3',
    '@aws-sdk/client-secrets-manager',
    '@aws-sdk/client-sqs',
    '@aws-sdk/lib-dynamodb',
    '@aws-sdk/lib-storage',
    '@aws-sdk/s3-request-presigner',
    // 5 and later are ES modules only, which Jest on Node.js 20 cannot load
    '@octokit/webhooks-methods@^4',
    '@types/aws-lambda',
    '@types/mime-types@^2',
    'esbuild',
    'mime-types@^2',
    'yauzl',
    '@types/yauzl@^3',
    'zod',
    // local run
    '@smithy/signature-v4',
    'dynalite',
    'extract-zip',
    'selfsigned',
    'tsx',
    'yaml',
    'yazl',
    '@types/yazl',
    // `npx cdk synth` of the example stack
    'aws-cdk@^2',
    // tests
    '@octokit/webhooks-examples',
    '@types/node@^20',
    'aws-sdk-client-mock',
    // 3 needs aws-cdk-lib 2.257
    'cdk-nag@^2',
    'fast-check',
  ],

  // No source maps in the package: the compiled files read like their sources.
  tsconfig: { compilerOptions: { inlineSourceMap: false, inlineSources: false } },
  tsconfigDevFile: 'tsconfig.dev.json',
  tsconfigDev: { compilerOptions: {}, include: ['.projenrc.ts'], exclude: ['node_modules', 'lib', 'dist', 'assets', 'cdk.out', 'examples/nextjs-app', 'test/fixtures'] },
  eslintOptions: { dirs: ['src', ...OTHER_SOURCES], devdirs: ['test'], prettier: false },
  jestOptions: {
    // A snapshot that differs fails the test; `npx projen test:update` accepts it.
    updateSnapshot: javascript.UpdateSnapshot.NEVER,
    junitReporting: false,
    jestConfig: {
      roots: ['<rootDir>/test'],
      // Most of the code under test runs bundled, in worker threads or in a shell, where coverage would not be counted.
      collectCoverage: false,
      setupFiles: ['<rootDir>/test/support/environment.ts'],
      reporters: [new javascript.JestReporter('<rootDir>/test/support/closing-line-reporter.js')],
      testMatch: ['<rootDir>/test/**/*.test.ts'],
      snapshotSerializers: ['<rootDir>/test/support/asset-hash-serializer.ts'],
      modulePathIgnorePatterns: ['<rootDir>/dist/', '<rootDir>/cdk.out/'],
      // What Jest keeps of a hundred files makes the next ones ten times slower: a new process then. Above what the heaviest file needs.
      workerIdleMemoryLimit: '512MB',
    },
  },
  // .npmignore: jsii writes one with each compilation; what is published says `files` in package.json.
  gitignore: ['/.npmignore', '/assets/', 'cdk.out/', '.next/', '.open-next/', '/.local/', '*.tsbuildinfo', 'next-env.d.ts'],
  npmignoreEnabled: false,
  sampleCode: false,
});

// Published is what is listed here, and README, LICENSE and package.json; a list of what to leave out would miss the next new folder.
project.addFields({
  files: ['.jsii', 'API.md', 'assets/*/index.js', 'buildspec/nextjs-build.yml', 'buildspec/steps/', 'lib/**/*.js', 'lib/**/*.d.ts'],
});

// cdk-nag asks for a newer aws-cdk-lib than our lowest, but gets along with it: the tests would tell.
project.addFields({ overrides: { 'cdk-nag': { 'aws-cdk-lib': MINIMUM_CDK, 'constructs': MINIMUM_CONSTRUCTS } } });

project.npmrc.addConfig('omit-lockfile-registry-resolved', 'true');

// Handlers are bundled when the library is built, so that a user's synth needs neither esbuild nor Docker.
const bundle = project.addTask('bundle', { description: 'Bundle the Lambda handlers into assets/', exec: 'node scripts/bundle-handlers.mjs' });
project.preCompileTask.spawn(bundle);
// First what takes seconds, then what takes minutes: the run ends with the tests' result.
project.testTask.reset();
project.testTask.spawn(bundle);
project.testTask.spawn(project.eslint!.eslintTask);
project.testTask.exec('jest --ci', { receiveArgs: true });

project.addTask('test:matrix', {
  description: 'Build small apps of every kind (package managers, Next.js versions, layouts) and call the functions that come out; some twenty minutes',
  steps: [{ spawn: bundle.name }, { exec: 'node --import tsx test/matrix/index.ts', receiveArgs: true }],
});
// The lowest aws-cdk-lib is what is installed here; the newest has a job of its own.
const newestCdk = project.addTask('test:newest-cdk', {
  description: 'Run the template tests against the newest aws-cdk-lib, or the version given, in a temporary copy',
  steps: [{ spawn: bundle.name }, { exec: 'scripts/test-newest-cdk.sh', receiveArgs: true }],
});
project.buildWorkflow?.addPostBuildJob('newest-cdk', {
  runsOn: ['ubuntu-latest'],
  permissions: { contents: github.workflows.JobPermission.READ },
  steps: [
    github.WorkflowSteps.checkout(),
    ...project.renderWorkflowSetup({ mutable: false }),
    { name: 'Test', run: `npx projen ${newestCdk.name}` },
  ],
});

// No projen task around these two: its output and its process tree would stand between the user and Ctrl-C.
project.setScript('local', 'node scripts/bundle-handlers.mjs && exec node --import tsx local/cli.ts');
project.setScript('bench', 'node scripts/bundle-handlers.mjs && exec node --import tsx bench/index.ts');
project.setScript('demo', 'node scripts/bundle-handlers.mjs && exec node --import tsx local/demo.ts');

project.eslint?.addRules({ '@stylistic/max-len': ['error', { code: 160, ignoreUrls: true, ignoreStrings: true, ignoreTemplateLiterals: true, ignoreRegExpLiterals: true }] });
project.eslint?.addRules({ 'import/no-extraneous-dependencies': ['error', { devDependencies: ['**/test/**', '**/lambda/**', '**/local/**', '**/bench/**', '**/examples/**', '.projenrc.ts'], optionalDependencies: false, peerDependencies: true }] });

// The linter needs a tsconfig that covers all sources; tsconfig.json is jsii's and knows src/ only.
const eslintrc = project.tryFindObjectFile('.eslintrc.json');
eslintrc?.addDeletionOverride('parserOptions.projectService');
eslintrc?.addOverride('parserOptions.project', './tsconfig.dev.json');
eslintrc?.addOverride('settings.import/resolver.typescript.project', './tsconfig.dev.json');

// ts-jest type-checks every file it loads, handlers and local run included; the dev tsconfig covers them all.
project.tryFindObjectFile('package.json')?.patch(JsonPatch.add('/jest/testTimeout', 30_000));

project.synth();
