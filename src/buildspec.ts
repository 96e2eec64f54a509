import * as fs from 'fs';
import * as path from 'path';
import * as codebuild from 'aws-cdk-lib/aws-codebuild';
import { PROJECT_ENV } from './contract/environment';

/** CodeBuild's limit for a buildspec inside a project. */
const MAX_LENGTH = 25_600;

/** Beside the published lib/ as well as beside src/. */
const ROOT = path.join(__dirname, '..');

/** Stands in nextjs-build.yml where the command goes that writes the steps. */
const MARKER = '@steps@';

/** Of those that are packed. If the text does not arrive whole, it is not there. */
const LAST_STEP = 'upload.sh';

/**
 * The digits of a number in base 93, see scripts/bundle-steps.mjs, and in it what Brotli has packed; Node.js has both on every machine that can
 * build a Next.js app.
 */
const UNPACK = 'node -e "let n=0n;for(const c of fs.readFileSync(0))if(c>32)n=n*93n+BigInt(c-33-(c>36));'
  + `process.stdout.write(zlib.brotliDecompressSync(Buffer.from(Buffer.from(process.env.${PROJECT_ENV.packedSteps},'base64').toString('hex')+n.toString(16),'hex')))"`;

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
  const [, indentation] = new RegExp(`^( *)${MARKER}`, 'm').exec(skeleton)!;
  const lines = [`(set -o pipefail; ${UNPACK} | bash && [ -s "$STEPS/${LAST_STEP}" ]) <<'END'`, packedSteps().digits, 'END'];
  const rendered = skeleton.replace(MARKER, () => lines.join(`\n${indentation}`));
  const text = options.runtimeVersions ?? true ? rendered : rendered.replace(/^ *runtime-versions:\n.*\n/m, '');
  if (text.length > MAX_LENGTH) {
    throw new Error(`The buildspec has ${text.length} characters, CodeBuild accepts ${MAX_LENGTH}. Shorten the files in buildspec/steps.`);
  }
  return text;
}

/** Written by scripts/bundle-steps.mjs when the library is built. The buildspec has the digits, a variable of the project what goes before them. */
export function packedSteps(): { readonly variable: string; readonly digits: string } {
  return JSON.parse(read('assets', 'steps', 'index.js').replace(/^module\.exports = |;\n$/g, '')) as { variable: string; digits: string };
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
