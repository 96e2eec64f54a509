import * as fs from 'fs';
import * as path from 'path';
import * as codebuild from 'aws-cdk-lib/aws-codebuild';

/** CodeBuild's limit for a buildspec inside a project. */
const MAX_LENGTH = 25_600;

/** Beside the published lib/ as well as beside src/. */
const ROOT = path.join(__dirname, '..');

/** Stands in nextjs-build.yml where the command goes that writes the steps. */
const MARKER = '@steps@';

/** Node.js has Brotli on every machine that can build a Next.js app. It writes all of it or, if the end is missing, nothing. */
const UNPACK = 'node -e "process.stdout.write(require(\'zlib\').brotliDecompressSync(require(\'fs\').readFileSync(0)))"';

export interface RenderBuildSpecOptions {
  /**
   * Whether CodeBuild is to install Node.js. It refuses `runtime-versions` with images that are not its own.
   * @default true
   */
  readonly runtimeVersions?: boolean;
}

/**
 * The buildspec with every step in it, so that the build needs no access to an asset bucket that other stacks share. The steps are
 * minified and packed with Brotli, because CodeBuild's limit leaves no room for them as they are; buildspec/steps has them to read.
 */
export function renderBuildSpec(options: RenderBuildSpecOptions = {}): string {
  const skeleton = read('buildspec', 'nextjs-build.yml');
  // Packed by scripts/bundle-steps.mjs when the library is built: module.exports = '<base64>'
  const [, steps] = read('assets', 'steps', 'index.js').split('\'');
  const rendered = skeleton.replace(MARKER, `(set -o pipefail; echo ${steps} | base64 -d | ${UNPACK} | bash)`);
  const text = options.runtimeVersions ?? true ? rendered : rendered.replace(/^ *runtime-versions:\n.*\n/m, '');
  if (text.length > MAX_LENGTH) {
    throw new Error(`The buildspec has ${text.length} characters, CodeBuild accepts ${MAX_LENGTH}. Shorten the files in buildspec/steps.`);
  }
  return text;
}

/** The buildspec as a value for `codebuild.Project`. */
export class NextjsBuildSpec extends codebuild.BuildSpec {
  public readonly isImmediate = true;
  private readonly text: string;

  constructor(options: RenderBuildSpecOptions = {}) {
    super();
    this.text = renderBuildSpec(options);
  }

  public toBuildSpec(): string {
    return this.text;
  }
}

function read(...file: string[]): string {
  return fs.readFileSync(path.join(ROOT, ...file), 'utf8');
}
